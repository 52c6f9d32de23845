"""The scores of a model against renders of 3D models: whole, on boxes and cones, with a network that knows nothing."""

from dataclasses import replace

import numpy as np
import pytest
import trimesh
from PIL import Image
from trimesh.visual import ColorVisuals

from ivid.cli import main
from ivid.data.rendering import render_assets
from ivid.evaluation.classifier import ImageClassifier, save_classifier
from ivid.evaluation.geometry import reprojection_consistency
from ivid.evaluation.truth import scene_metrics, true_scene, view_metrics
from ivid.pipeline.pipeline import IvidPipeline
from ivid.pipeline.sampling import Sampling
from ivid.scene.cameras import Camera
from ivid.scene.view import View
from tests.support.tiny_model import save_tiny_model, tiny_pipeline

pytestmark = pytest.mark.training

SIZE = 32  # of the tiny model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for label, colour in (("box", (200, 60, 60, 255)), ("cone", (60, 160, 60, 255))):
        (root / label).mkdir()
        for k in range(3):
            mesh = trimesh.creation.box([1, 1 + k, 1]) if label == "box" else trimesh.creation.cone(0.5, 1 + k)
            mesh.visual = ColorVisuals(vertex_colors=np.tile(colour, (len(mesh.vertices), 1)))
            mesh.export(root / label / f"{label}_{k}.glb")
    return root


def test_a_model_is_scored(models, tmp_path, capsys):
    render_assets(models, tmp_path / "data", size=2 * SIZE, images=200, workers=1, progress=False)
    save_tiny_model(tmp_path / "model", classes=("box", "cone"))
    arguments = ["evaluate", "scenes", "--model", str(tmp_path / "model"), "--data", str(tmp_path / "data")]
    arguments += ["--assets", str(models), "--per-class", "3", "--scenes", "1", "--classifier-samples", "3840"]
    arguments += ["--nearest", str(tmp_path / "nearest.png"), "--first-steps", "2", "--novel-steps", "1"]
    assert main(arguments) == 0
    table = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    table = {what: value.strip() for what, value in table.items()}
    assert float(table["classifier on renders of held-out assets"].rstrip("%")) > 70
    assert "classifier on 6 generated first views" in table
    between = abs(float(table["MMD between training and held-out renders, x 1000"]))
    assert float(table["MMD to held-out renders, x 1000"]) > 3 * between
    assert "neighbouring views of 1 generated scenes" in table
    assert "classifier on 6 outermost views of those" in table
    assert "classifier on 2 fused pictures at yaw ±0.6" in table
    true_db = float(table["neighbouring views of 1 true scenes"].split(" dB")[0])
    assert true_db > 20
    for kind in ("known", "held-out", "redrawn"):
        what = f"1 {kind} scenes"
        assert float(table[f"26 views of {what} to the true ones"].split("SSIM ")[1]) < 0.9
        assert float(table[f"fused, {what}, to fused true views"].removesuffix(" dB")) < 30
        assert float(table[f"at the first camera, {what}, to its view"].removesuffix(" dB")) > 15
        specks, true = table[f"specks in {what}"].rstrip("%)").split("% (true views: ")
        assert float(specks) > float(true)
        outermost = float(table[f"at yaw ±0.6, {what}"].split(" dB")[0])
        assert outermost < float(table[f"at yaw ±0.15, {what}"].split(" dB")[0]) + 5
    with Image.open(tmp_path / "nearest.png") as pairs:
        assert pairs.size == (2 * SIZE, 2 * SIZE)  # two classes, samples above renders
    assert (tmp_path / "data" / "classifier.safetensors").exists()


def test_ways_of_sampling_are_compared(models, tmp_path, capsys):
    render_assets(models, tmp_path / "data", size=SIZE, images=40, workers=1, progress=False)
    save_tiny_model(tmp_path / "model", classes=("box", "cone"))
    save_classifier(ImageClassifier(("box", "cone"), (8, 8)), tmp_path / "data" / "classifier.safetensors")
    arguments = ["evaluate", "steps", "--model", str(tmp_path / "model"), "--data", str(tmp_path / "data")]
    arguments += ["--first", "ddim:3,dpm++:2:1.5", "--novel", "ddim:2,unipc:1", "--per-class", "2", "--scenes", "1"]
    assert main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    ways = ["first view, ddim in 3 steps", "first view, dpm++ in 2 steps, guidance 1.5"]
    ways += ["further views, ddim in 2 steps", "further views, unipc in 1 steps"]
    assert [line.split("  ")[0] for line in lines] == ways
    assert len({line.split("  ", 1)[1] for line in lines}) == 4
    assert "recognised" in lines[0]
    assert " dB to the first" in lines[1]
    assert " dB to the first" not in lines[0]
    assert main([*arguments, "--first", "ddim"]) == 2
    assert "SAMPLER:STEPS" in capsys.readouterr().err


def test_true_views_agree_with_each_other_and_with_themselves(models):
    scene = true_scene(models / "box" / "box_1.glb", 0, SIZE, (0.5, 4.0), 0.2)
    assert len(scene.views) == 27
    assert scene.class_name == "box"
    score = reprojection_consistency(scene)
    assert score.psnr_db > 25
    assert score.depth_error < 0.02
    first, second = scene.views[:2]
    same, other = view_metrics(first, first), view_metrics(second, first)
    assert (same.ssim, same.depth_error) == (1.0, 0.0)
    assert same.psnr_db == np.inf
    assert other.ssim < 0.99
    assert other.depth_error > 0.001


def test_view_metrics_are_that_of_known_noise():
    rng = np.random.default_rng(0)
    scene_rgb, depth = rng.integers(40, 200, (SIZE, SIZE, 3), dtype=np.uint8), np.full((SIZE, SIZE), 2.0, np.float32)
    truth = View(scene_rgb, depth, Camera.orbit(0, 0))
    made = View(scene_rgb + np.uint8(20), depth * np.float32(1.1), Camera.orbit(0, 0))
    score = view_metrics(made, truth)
    assert score.psnr_db == pytest.approx(20 * np.log10(255 / 20), abs=1e-3)
    assert score.depth_error == pytest.approx(0.1, abs=1e-5)


def test_a_scene_of_the_truth_is_as_like_it_as_can_be(models, monkeypatch):
    path = models / "box" / "box_1.glb"
    pipeline = tiny_pipeline(("box", "cone"))
    pipeline.config = replace(pipeline.config, depth=replace(pipeline.config.depth, range=(0.5, 4.0)))
    true = true_scene(path, 3, SIZE, (0.5, 4.0), pipeline.config.depth.edge_threshold)
    drawn = scene_metrics(pipeline, path, 3, sampling=Sampling(novel_steps=1))
    monkeypatch.setattr(IvidPipeline, "__call__", lambda *_, **__: true)
    perfect = scene_metrics(pipeline, path, 3)
    assert perfect.mean("psnr_db") == perfect.fused_psnr_db == np.inf
    assert perfect.mean("ssim", 0.6) == 1
    assert perfect.specks == perfect.true_specks == drawn.true_specks
    assert len(drawn.further) == 26
    outermost = [drawn.further[angles].psnr_db for angles in drawn.further if abs(angles[0]) == 0.6]
    assert len(outermost) == 6
    assert drawn.mean("psnr_db", 0.6) == pytest.approx(np.mean(outermost))
    assert drawn.fused_psnr_db < 30
    assert drawn.first_psnr_db == pytest.approx(perfect.first_psnr_db, abs=1)  # the viewer shows the first view there
