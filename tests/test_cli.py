"""The command line as a person meets it: a process, its files, its messages and its exit code."""

import importlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivid.cli import main
from ivid.scene.messages import sentence
from ivid.scene.scene import Scene
from tests.support.estimator import save_photo, use_fake_estimator
from tests.support.synthetic import synthetic_scene
from tests.support.tiny_model import save_tiny_model
from tests.support.tiny_renders import Discs, write_renders


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def scene_file(tmp_path):
    path = tmp_path / "scene.ivid"
    synthetic_scene(size=32).save(path)
    return path


def test_generate_writes_scenes_and_their_grids(model, tmp_path, capsys):
    arguments = [
        "generate",
        "--model",
        str(model),
        "--class",
        "house",
        "--seeds",
        "3,5",
        "--out",
        str(tmp_path / "out"),
    ]
    assert main(arguments) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["house_seed00003.ivid", "house_seed00003.png", "house_seed00005.ivid", "house_seed00005.png"]
    scene = Scene.load(tmp_path / "out" / "house_seed00003.ivid")
    assert (len(scene.views), scene.class_name, scene.seed) == (27, "house", 3)
    with Image.open(tmp_path / "out" / "house_seed00003.png") as grid:
        assert grid.width > grid.height >= 3 * 32
    capsys.readouterr()
    assert main(arguments) == 0
    assert "2 of 2 scenes are there already" in capsys.readouterr().err


def test_batches_make_the_same_files(model, tmp_path):
    common = ["generate", "--model", str(model), "--class", "uniform", "--num-samples", "3", "--views", "uncond"]
    assert main([*common, "--out", str(tmp_path / "a")]) == 0
    assert main([*common, "--batch", "3", "--out", str(tmp_path / "b")]) == 0
    assert len(list((tmp_path / "a").glob("*.ivid"))) == 3
    for path in (tmp_path / "a").glob("*.ivid"):
        one, other = Scene.load(path), Scene.load(tmp_path / "b" / path.name)
        difference = abs(one.views[0].rgb.astype(int) - other.views[0].rgb.astype(int))
        assert difference.mean() < 1


def test_a_sheet_can_show_scenes_turned(model, tmp_path):
    pictures = []
    for blend in ("anchored", "exact"):
        out = tmp_path / f"{blend}.png"
        arguments = ["--class", "house;tree", "--turn", "--blend", blend, "--out", str(out)]
        assert main(["sheet", "--model", str(model), *arguments]) == 0
        with Image.open(out) as sheet:
            assert sheet.size == (5 * 64, 2 * 64)
            pictures.append(np.array(sheet).reshape(2, 64, 5, 64, 3).swapaxes(1, 2))
    same = [np.array_equal(pictures[0][0, column], pictures[1][0, column]) for column in range(5)]
    assert not same[2]  # at the first view's camera that view is shown
    assert len(np.unique(pictures[1].reshape(10, -1), axis=0)) == 10


def test_sheet_has_a_row_per_class_and_a_column_per_seed(model, tmp_path):
    out = tmp_path / "sheet.png"
    assert main(["sheet", "--model", str(model), "--seeds", "4-5", "--out", str(out)]) == 0
    with Image.open(out) as sheet:
        assert sheet.size == (2 * 32, 3 * 32)
        cells = np.array(sheet).reshape(3, 32, 2, 32, 3).swapaxes(1, 2).reshape(6, -1)
    assert len(np.unique(cells, axis=0)) == 6


def test_generate_goes_on_from_a_picture_with_depth(model, tmp_path):
    view = synthetic_scene(size=48, view_set="uncond").views[0]
    Image.fromarray(view.rgb).save(tmp_path / "picture.png")
    np.save(tmp_path / "depth.npy", view.depth)
    arguments = [
        "generate",
        "--model",
        str(model),
        "--class",
        "house",
        "--views",
        "random",
        "--out",
        str(tmp_path / "out"),
    ]
    pair = [str(tmp_path / "picture.png"), str(tmp_path / "depth.npy")]
    assert main([*arguments, "--from-rgbd", *pair, "--no-fit"]) == 0
    scene = Scene.load(tmp_path / "out" / "house_seed00000.ivid")
    assert len(scene.views) == 2
    expected = np.array(Image.fromarray(view.rgb).resize((32, 32), Image.Resampling.LANCZOS))
    assert np.abs(scene.views[0].rgb.astype(int) - expected).mean() < 3
    assert (
        np.median(np.abs(scene.views[0].depth - view.depth[::3, ::3].repeat(2, 0).repeat(2, 1)) / view.depth.min())
        < 0.05
    )
    assert main([*arguments, "--from-rgbd", str(tmp_path / "none.png"), pair[1]]) == 2


def test_generate_goes_on_from_a_photograph(model, tmp_path, monkeypatch, capsys):
    asked, photo = use_fake_estimator(monkeypatch), save_photo(tmp_path / "photo.jpg")
    arguments = ["generate", "--model", str(model), "--class", "house", "--views", "uncond"]
    arguments += ["--out", str(tmp_path / "out"), "--from-photo", str(photo)]
    assert main([*arguments, "--estimator", "someone/estimator"]) == 0
    assert asked == ["someone/estimator"]
    scene = Scene.load(tmp_path / "out" / "house_seed00000.ivid")
    assert scene.views[0].rgb[2].mean() > 200 > 100 > scene.views[0].rgb[-3].mean()
    assert main(arguments) == 0
    assert "1 of 1 scenes are there already" in capsys.readouterr().err


def test_a_model_is_scored_against_its_renders(tmp_path, capsys):
    data, nearest = tmp_path / "data", tmp_path / "nearest.png"
    write_renders(data, size=32)
    model = save_tiny_model(tmp_path / "model", Discs.classes)
    arguments = ["evaluate", "scenes", "--model", str(model), "--data", str(data), "--per-class", "2", "--scenes", "1"]
    assert main([*arguments, "--classifier-samples", "1600", "--nearest", str(nearest)]) == 0
    rows = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines() if "  " in line)
    assert float(rows["classifier on renders of held-out assets"].strip(" %")) > 90
    assert "dB" in rows["neighbouring views of 1 generated scenes"]
    assert len(rows) == 11
    assert Image.open(nearest).size == (2 * 32, 2 * 32)
    assert (data / "classifier.safetensors").exists()


def test_render_writes_a_video(scene_file, tmp_path):
    out = tmp_path / "swing.mp4"
    assert main(["render", str(scene_file), "--out", str(out), "--size", "64", "--frames", "6"]) == 0
    import imageio.v3 as imageio

    frames = imageio.imread(out)
    assert frames.shape == (6, 64, 64, 3)
    assert frames.std() > 10


def test_export_writes_points(scene_file, tmp_path):
    out = tmp_path / "cloud.ply"
    assert main(["export", str(scene_file), "--out", str(out)]) == 0
    import trimesh

    cloud = trimesh.load(out)
    assert len(cloud.vertices) > 500


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["generate", "--class", "submarine"], "no class 'submarine'"),
        (["generate", "--seeds", "x"], "seeds are integers"),
        (["generate", "--views", "4x4"], "no view set '4x4'"),
        (["generate", "--first-steps", "0"], "first_steps must be"),
        (["generate", "--guidance", "99"], "guidance must lie"),
        (["generate", "--model", "no/such/folder"], "no/such/folder"),
        (["render", "no-such.ivid", "--out", "x.mp4"], "no-such.ivid"),
        (["export", "pyproject.toml", "--out", "x.ply"], "no scene file"),
        (["export", "{scene}", "--out", "x.xyz"], "xyz"),
        (["train", "pyproject.toml", "--data", "d", "--out", "o"], "not valid JSON"),
        (["train", "configs/lowpoly/first_view.json", "--data", "no-data", "--out", "o"], "no-data"),
        (["prepare", "models", "no-models", "--out", "o"], "no-models"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments, message, model, scene_file, tmp_path, capsys):
    if arguments[0] == "generate":
        if "--model" not in arguments:
            arguments = [*arguments, "--model", str(model)]
        arguments = [*arguments, "--out", str(tmp_path / "out")]
    assert main([argument.format(scene=scene_file) for argument in arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("ivid: ")
    assert message in error
    assert not (tmp_path / "out").exists()


def test_what_is_not_installed_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    monkeypatch.delitem(sys.modules, "ivid.training.log", raising=False)
    with pytest.raises(ModuleNotFoundError) as missing:
        importlib.import_module("ivid.training.log")
    assert "tensorboardX" in sentence(missing.value)
    assert "pip install 'ivid[train]'" in sentence(missing.value)


def test_half_a_model_is_named(model, tmp_path, capsys):
    broken = tmp_path / "broken"
    save_tiny_model(broken)
    for weights in (broken / "novel_view_unet").glob("*.safetensors"):
        weights.unlink()
    assert main(["generate", "--model", str(broken), "--out", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert "broken" in error
    assert "novel_view_unet" in error


def test_the_module_runs():
    done = subprocess.run([sys.executable, "-m", "ivid", "nonsense"], capture_output=True, text=True, cwd=Path.cwd())
    assert done.returncode == 2
    assert "invalid choice" in done.stderr
