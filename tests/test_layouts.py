"""Many scenes: where their files go, shared among processes, and rendered folder by folder."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ivid.cli import main
from ivid.evaluation.geometry import non_flatness, reprojection_consistency
from ivid.export.batch import planned_pictures, scene_files
from ivid.pipeline.loading import load_pipeline
from ivid.pipeline.processes import Share
from ivid.published.scene_file import load_published_scene
from ivid.scene.cameras import Camera
from ivid.scene.depth import depth_picture
from ivid.scene.scene import Scene
from tests.support.processes import running
from tests.support.synthetic import synthetic_scene
from tests.support.tiny_model import save_tiny_model

ROOT = Path(__file__).resolve().parent.parent
S = 32


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")


def make(model: Path, out: Path, *more: str) -> int:
    return main(["generate", "--model", str(model), "--out", str(out), "--device", "cpu", *more])


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.array(image)


class TestPublishedLayout:
    def test_a_grid_set(self, model, tmp_path, capsys):
        wanted = ("--layout", "published", "--class", "mod", "--seeds", "4", "--first-steps", "3", "--guidance", "3")
        assert make(model, tmp_path, *wanted) == 0
        folder = tmp_path / "viewset_3x9_steps_u3_c2_guidance3.0"
        name = "class001_seed00004"
        assert sorted(files(tmp_path)) == [
            f"{folder.name}/{file}"
            for file in (
                f"conds/depth_cond_{name}.png",
                f"conds/rgb_cond_{name}.png",
                f"grids/depth_{name}.png",
                f"grids/rgb_{name}.png",
                f"scenes/scene_{name}.npz",
            )
        ]
        scene = load_published_scene(folder / f"scenes/scene_{name}.npz")
        pipeline = load_pipeline(model, "cpu")
        expected = pipeline("tree", 4, first_steps=3, guidance=3)
        assert np.array_equal(scene.views[26].rgb, expected.views[26].rgb)
        assert np.array_equal(scene.views[26].depth, expected.views[26].depth)

        grid, told = (picture(folder / file) for file in (f"grids/rgb_{name}.png", f"conds/rgb_cond_{name}.png"))
        assert grid.shape == told.shape == (3 * S, 9 * S, 3)
        middle = np.s_[S : 2 * S, 4 * S : 5 * S]  # the first view: yaw 0 in the middle, pitch 0 in the middle
        assert np.array_equal(grid[middle], scene.views[0].rgb)
        assert not told[middle].any()
        top_right = np.s_[:S, 8 * S :]  # yaw -0.60, pitch -0.15 is the last view
        assert np.array_equal(grid[top_right], scene.views[26].rgb)
        condition = pipeline.condition([*expected.views[:26]], expected.views[26].camera)
        known = condition.mask_rgb
        assert known.any()
        assert np.abs(told[top_right][known] - 255 * condition.rgb[known]).mean() < 3  # of views in 8 bits
        depths = picture(folder / f"grids/depth_{name}.png")
        assert np.array_equal(depths[top_right], depth_picture(scene.views[26].depth, (0.6, 5.0)))
        assert not picture(folder / f"conds/depth_cond_{name}.png")[middle].any()

        capsys.readouterr()
        assert make(model, tmp_path, *wanted) == 0
        assert "1 of 1 scenes are there already" in capsys.readouterr().err

    def test_two_views_and_running_numbers(self, model, tmp_path):
        wanted = ("--views", "random", "--num-samples", "2", "--classes", "uniform", "--guidance", "0.5")
        assert make(model, tmp_path, "--layout", "published", *wanted) == 0
        folder = tmp_path / "viewset_random_steps_u4_c2_guidance0.5"
        names = ("class000_00000", "class001_00001")
        kinds = ("conds/rgb_{}.png", "results/rgb_{}.png", "scenes/scene_{}.npz")
        assert sorted(files(folder)) == sorted(kind.format(name) for kind in kinds for name in names)
        scene = load_published_scene(folder / "scenes" / f"scene_{names[1]}.npz")
        assert np.array_equal(picture(folder / "conds" / f"rgb_{names[1]}.png"), scene.views[0].rgb)
        assert np.array_equal(picture(folder / "results" / f"rgb_{names[1]}.png"), scene.views[1].rgb)

    def test_so_many_samples_are_so_many_scenes(self, model, tmp_path):
        wanted = ("--layout", "published", "--views", "uncond", "--num-samples", "3", "--classes", "tree,house")
        assert make(model, tmp_path, *wanted) == 0
        names = [path.stem for path in sorted(tmp_path.rglob("scene_*.npz"), key=lambda path: path.stem[-5:])]
        assert names == ["scene_class001_00000", "scene_class000_00001", "scene_class001_00002"]

    def test_one_view(self, model, tmp_path):
        assert make(model, tmp_path, "--layout", "published", "--views", "uncond", "--class", "2") == 0
        folder = tmp_path / "viewset_uncond_steps_u4_c2_guidance0.0"
        name = "class002_seed00000"
        assert sorted(files(folder)) == [f"results/rgb_{name}.png", f"scenes/scene_{name}.npz"]


@pytest.mark.slow
class TestProcesses:
    @given(st.integers(0, 40), st.integers(1, 5), st.integers(1, 6))
    def test_shares_are_whole_batches_and_everything_once(self, count, of, batch):
        parts = [Share(index, of).part(range(count), batch) for index in range(of)]
        assert sorted(each for part in parts for each in part) == list(range(count))
        alone = [list(range(count))[start : start + batch] for start in range(0, count, batch)]
        for part in parts:
            assert all(part[start : start + batch] in alone for start in range(0, len(part), batch))

    def test_two_make_the_same_files_as_one(self, model, tmp_path):
        wanted = ("--views", "random", "--class", "mod", "--seeds", "0-4", "--batch", "2")
        assert make(model, tmp_path / "one", *wanted) == 0
        assert make(model, tmp_path / "two", *wanted, "--processes", "2") == 0
        one, two = files(tmp_path / "one"), files(tmp_path / "two")
        assert len(one) == 10
        assert one == two

    def test_a_launcher_tells_each_its_share(self, model, tmp_path):
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "ivid"]
        wanted = ["--device", "cpu", "--views", "uncond", "--seeds", "0-2"]
        arguments = ["generate", "--model", str(model), "--out", str(tmp_path / "two"), *wanted]
        subprocess.run([*command, *arguments], cwd=ROOT, check=True, capture_output=True, timeout=300)
        assert make(model, tmp_path / "one", *wanted) == 0
        assert files(tmp_path / "one") == files(tmp_path / "two")

    def test_a_helper_that_fails_is_told_of(self, model, tmp_path, capfd, monkeypatch):
        (tmp_path / "sitecustomize.py").write_text("import os, sys\nif os.environ.get('RANK'): os._exit(7)\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        assert make(model, tmp_path / "out", "--views", "uncond", "--seeds", "0-1", "--processes", "2") == 2
        assert "process 2 of 2 failed; run it again" in capfd.readouterr().err
        monkeypatch.delenv("PYTHONPATH")
        assert make(model, tmp_path / "out", "--views", "uncond", "--seeds", "0-1", "--processes", "2") == 0
        assert len(list((tmp_path / "out").glob("*.ivid"))) == 2

    def test_bad_input_is_told_once(self, model, tmp_path, capfd):
        assert make(model, tmp_path / "out", "--class", "submarine", "--processes", "3") == 2
        assert capfd.readouterr().err.count("submarine") == 1

    def test_ended_from_outside_nobody_is_left_behind(self, model, tmp_path):
        command = [sys.executable, "-m", "ivid", "generate", "--model", str(model), "--out", str(tmp_path / "out")]
        with running([*command, "--seeds", "0-9999", "--processes", "2", "--device", "cpu"], cwd=ROOT) as started:
            started.until(r"seed000(0[2-9]|[1-9])")  # one scene is done
            process = started.process
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
            assert len(children) == 1
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 143
        with pytest.raises(ProcessLookupError):
            os.kill(int(children[0]), 0)

    def test_killed_it_goes_on_where_it_was(self, model, tmp_path, capsys):
        wanted = ["--views", "uncond", "--class", "mod", "--layout", "published"]
        arguments = ["generate", "--model", str(model), "--out", str(tmp_path / "cut"), "--device", "cpu", *wanted]
        with running([sys.executable, "-m", "ivid", *arguments, "--seeds", "0-9999"], cwd=ROOT) as started:
            started.until(r"seed000(0[3-9]|[1-9])")  # three scenes are done
            started.process.kill()
            started.process.wait()
        (folder,) = (tmp_path / "cut").iterdir()
        done = {path: path.stat().st_mtime_ns for path in folder.rglob("scene_*.npz")}
        assert done
        last = max(int(path.stem[-5:]) for path in done)
        (folder / "scenes" / ".scene_class000_seed00000-half.npz").write_bytes(b"what was being written")
        assert len(scene_files(folder)) == len(done)
        assert make(model, tmp_path / "cut", *wanted, "--seeds", f"0-{last + 3}") == 0
        assert f"{len(done)} of {last + 4} scenes are there already" in capsys.readouterr().err
        assert all(path.stat().st_mtime_ns == before for path, before in done.items())
        assert make(model, tmp_path / "whole", *wanted, "--seeds", f"0-{last + 3}") == 0
        left, whole = files(folder), files(tmp_path / "whole" / folder.name)
        assert {name: left[name] for name in whole} == whole  # beside what a kill may have left half written


class TestFolders:
    @pytest.fixture
    def scenes(self, tmp_path) -> Path:
        folder = tmp_path / "scenes"
        for seed in (1, 2):
            synthetic_scene(S).save(folder / f"chair_seed{seed:05d}.ivid")
        return folder

    def test_swings_of_all_scenes(self, scenes, capsys):
        arguments = ["render", str(scenes), "--trajectory", "swing", "--size", "48", "--frames", "4"]
        assert main(arguments) == 0
        names = ["chair_seed00001.mp4", "chair_seed00001_depth.mp4", "chair_seed00002.mp4", "chair_seed00002_depth.mp4"]
        assert sorted(path.name for path in (scenes / "videos").iterdir()) == names
        colour, depth = (imageio.imread(scenes / "videos" / name) for name in names[:2])
        assert colour.shape == depth.shape == (4, 48, 48, 3)
        assert np.ptp(depth, axis=-1).mean() < 3 < np.ptp(colour, axis=-1).mean()  # grey
        (scenes / "videos" / names[2]).unlink()
        kept = (scenes / "videos" / names[0]).stat().st_mtime_ns
        capsys.readouterr()
        assert main(arguments) == 0
        assert "3 of 4 files are there already" in capsys.readouterr().err
        assert (scenes / "videos" / names[2]).exists()
        assert (scenes / "videos" / names[0]).stat().st_mtime_ns == kept

    def test_two_processes_render_what_one_does(self, scenes, tmp_path):
        arguments = ["render", str(scenes), "--trajectory", "random", "--size", "32", "--device", "cpu"]
        assert main([*arguments, "--out", str(tmp_path / "one")]) == 0
        assert main([*arguments, "--out", str(tmp_path / "two"), "--processes", "2"]) == 0
        one, two = files(tmp_path / "one"), files(tmp_path / "two")
        assert len(one) == 4
        assert one == two

    def test_a_device_that_is_not_there(self, scenes, capsys):
        assert main(["render", str(scenes), "--trajectory", "random", "--device", "cuda:77"]) == 2
        assert "no device 'cuda:77'" in capsys.readouterr().err

    def test_random_pictures_differ_from_scene_to_scene(self, scenes, tmp_path):
        out = tmp_path / "out"
        assert main(["render", str(scenes), "--trajectory", "random", "--size", "32", "--out", str(out)]) == 0
        one, other = (picture(out / f"results/chair_seed0000{seed}.png") for seed in (1, 2))
        assert one.shape == (32, 32, 3)
        assert np.abs(one.astype(int) - other).mean() > 2  # the same scene, from other cameras
        assert len(list((out / "depths").iterdir())) == 2

    def test_published_folders_and_what_is_broken(self, model, tmp_path, capsys):
        assert make(model, tmp_path, "--layout", "published", "--seeds", "0") == 0
        (folder,) = tmp_path.iterdir()
        (folder / "scenes" / "scene_class000_seed00007.npz").write_bytes(b"broken")
        arguments = ["render", str(folder), "--size", "32", "--frames", "3", "--what", "colour", "--kind", "gif"]
        assert main(arguments) == 1
        said = capsys.readouterr().err
        assert "1 of 2 files could not be rendered" in said
        assert "scene_class000_seed00007.gif not written: scene_class000_seed00007.npz cannot be opened" in said
        assert [path.name for path in (folder / "videos").iterdir()] == ["scene_class000_seed00000.gif"]

    def test_names_of_the_published_layout(self):
        scene = Path("f/scenes/scene_class003_seed00001.npz")
        paths = [[p.path.as_posix() for p in planned_pictures([scene], Path("f"), t)] for t in ("swing", "random")]
        assert paths[0] == ["f/videos/scene_class003_seed00001.mp4", "f/videos/scene_class003_seed00001_depth.mp4"]
        assert paths[1][0] == "f/results/scene_class003_seed00001.png"

    def test_their_geometry_is_scored(self, scenes, capsys):
        synthetic_scene(S, "uncond").save(scenes / "alone.ivid")
        assert main(["evaluate", "geometry", str(scenes)]) == 0
        rows = dict(re.split("  +", line) for line in capsys.readouterr().out.splitlines())
        scored = [synthetic_scene(S, "3x9"), synthetic_scene(S, "3x9"), synthetic_scene(S, "uncond")]
        flat = [non_flatness([view.depth for view in scene.views], scene.depth_range) for scene in scored]
        agreement = reprojection_consistency(scored[0])
        assert rows == {
            "scenes": "3",
            "non-flatness": f"{np.mean(flat):.2f}",
            "neighbouring views": f"{agreement.psnr_db:.1f} dB",
            "depth error": f"{agreement.depth_error:.2%}",
        }
        assert agreement.psnr_db > 15

    def test_a_folder_without_scenes(self, tmp_path):
        with pytest.raises(ValueError, match="has no scenes"):
            scene_files(tmp_path)

    def test_one_scene_along_keyframes_or_as_a_picture(self, scenes, tmp_path, capsys):
        scene = scenes / "chair_seed00001.ivid"
        keyframes = tmp_path / "path.json"
        keyframes.write_text('[{"yaw": 0.3, "pitch": 0.1}, {"yaw": -0.3}]')
        common = ["render", str(scene), "--size", "32", "--keyframes", str(keyframes)]
        assert main([*common, "--frames", "3", "--out", str(tmp_path / "a.mp4")]) == 0
        assert len(imageio.imread(tmp_path / "a.mp4")) == 3
        assert main([*common, "--out", str(tmp_path / "a.png")]) == 0
        assert picture(tmp_path / "a.png").shape == (32, 32, 3)
        from ivid.export import export_scene

        export_scene(
            Scene.load(scene), tmp_path / "c.png", "still", camera=Camera.orbit(0.3, 0.1), size=32, supersample=3
        )
        assert np.array_equal(picture(tmp_path / "a.png"), picture(tmp_path / "c.png"))
        assert main(["render", str(scene)]) == 2
        assert "--out is missing" in capsys.readouterr().err
        keyframes.write_text("{}")
        assert main([*common, "--out", str(tmp_path / "a.mp4")]) == 2
        assert "must hold a list of keyframes" in capsys.readouterr().err
