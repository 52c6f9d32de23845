"""The table of exports: kinds, options, progress, and scenes that are not as one expects."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from ivid.export import KINDS, UnknownKindError, export_scene, kind_for
from ivid.export.libraries import MissingLibraryError
from ivid.scene.cameras import Camera, trajectory
from ivid.scene.scene import Scene
from ivid.scene.view import View
from tests.support.synthetic import DEPTH_RANGE, synthetic_scene, synthetic_view


@pytest.fixture(scope="module")
def scene():
    return synthetic_scene(64)


SUFFIXES = {
    "scene": ["a.ivid"],
    "points": ["a.ply"],
    "mesh": ["a.GLB", "a.obj"],
    "splats": ["a.splat"],
    "nerfstudio": ["b/a.zip"],
    "video": ["a.mp4", "a.webm", "a.gif", "a.webp"],
    "grid": ["a.png"],
    "page": ["a.html"],
}


@pytest.mark.parametrize(("kind", "names"), SUFFIXES.items())
def test_the_suffix_says_the_kind(kind, names):
    assert {kind_for(Path(name)) for name in names} == {kind}


def test_every_kind_has_its_function():
    for kind in KINDS.values():
        assert callable(kind.load())
        assert kind.description


@pytest.mark.parametrize(
    ("name", "kind", "options", "message"),
    [
        ("a.xyz", None, {}, "'.xyz' says no kind of export; there are scene .*points .*page"),
        ("a", None, {}, "'a' has no suffix"),
        ("a.ply", "clouds", {}, "no export kind 'clouds'; there are scene"),
        ("a.ply", "video", {}, "video is written as .mp4 or .webm or .gif or .webp, not as '.ply'"),
        ("a.ply", "points", {"colour": 1}, "has no option colour; its options: keep_far, voxel_pixels, outliers, up"),
        ("a.gif", "video", {"fps": 60}, "a GIF has at most 50 frames per second"),
        ("a.glb", "mesh", {"up": "z"}, "in glTF files y points up"),
        ("a.ply", "points", {"up": "x"}, "is y or z, not 'x'"),
        ("a.ply", "points", {"voxel_pixels": 0}, "positive number of pixels"),
        ("a.glb", "mesh", {"max_triangles": 1}, "at least 4 triangles"),
        ("a.splat", "splats", {"sh_degree": 4}, "degree 0 to 3"),
    ],
)
def test_bad_input_is_one_sentence(scene, tmp_path, name, kind, options, message):
    with pytest.raises(ValueError, match=message) as raised:
        export_scene(scene, tmp_path / name, kind, **options)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())
    if "kind" in message:
        assert isinstance(raised.value, UnknownKindError)


@pytest.mark.parametrize("name", ["a.ply", "a.glb", "a.splat", "a.zip"])
def test_progress_is_told_and_stopping_leaves_nothing(scene, tmp_path, name):
    few = Scene(scene.views[:3], scene.depth_range)
    told = []
    export_scene(few, tmp_path / name, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]
    assert told == sorted(told)
    assert len({total for _, total in told}) == 1
    before = (tmp_path / name).read_bytes()

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_scene(few, tmp_path / name, progress=stop)
    assert [file.name for file in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_bytes() == before


def test_a_library_that_is_missing_is_named(scene, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "open3d", None)
    with pytest.raises(MissingLibraryError, match=r"a mesh needs the package open3d, .* pip install open3d") as raised:
        export_scene(scene, tmp_path / "a.glb")
    assert "\n" not in str(raised.value)
    export_scene(scene, tmp_path / "a.ply")  # points need none of it
    assert [file.name for file in tmp_path.iterdir()] == ["a.ply"]


def test_importing_the_table_loads_no_large_library():
    large = {"torch", "open3d", "warp", "trimesh", "scipy", "viewer"}
    code = f"import sys, ivid.export; print(sorted({large} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def flat(depth, size=32, views=1):
    pictures = np.random.default_rng(2).integers(0, 256, (views, size, size, 3), dtype=np.uint8)
    cameras = trajectory("orbit", views) if views > 1 else [Camera.orbit(0, 0)]
    return Scene(
        [
            View(rgb, np.full((size, size), depth, np.float32), camera)
            for rgb, camera in zip(pictures, cameras, strict=True)
        ]
    )


def noise(size=24):
    depth = np.where(np.indices((size, size)).sum(0) % 2, 0.7, 4.5).astype(np.float32)
    return Scene([View(np.zeros((size, size, 3), np.uint8), depth, Camera.orbit(0, 0))])


STRANGE = {
    "one view": lambda: Scene([synthetic_view(Camera.orbit(0, 0), 64)], DEPTH_RANGE),
    "one pixel": lambda: flat(1.0, size=1),
    "a constant plane": lambda: flat(1.0),
    "all at the far plane": lambda: flat(5.0, views=3),
    "nothing but edges": noise,
    "256 pixels": lambda: Scene([synthetic_view(Camera.orbit(yaw, 0), 256) for yaw in (0.0, 0.3)], DEPTH_RANGE),
    "100 views": lambda: Scene([synthetic_view(camera, 32) for camera in trajectory("orbit", 100)], DEPTH_RANGE),
}
FILES = ["a.ivid", "a.ply", "a.glb", "a.splat", "a.zip", "a.mp4", "a.html", "grid a.png", "still b.png", "depth c.png"]
SMALL = {"video": {"size": 64, "frames": 2, "supersample": 1}, "still": {"size": 64}, "depth": {"size": 64}}
REFUSED = {"one pixel": {"mesh"}, "nothing but edges": {"points", "mesh", "splats", "nerfstudio"}}


@pytest.mark.parametrize("strange", STRANGE)
def test_strange_scenes_give_a_file_or_a_sentence(tmp_path, strange):
    scene = STRANGE[strange]()
    for entry in FILES:
        path = tmp_path / entry.split()[-1]
        kind = entry.split()[0] if " " in entry else kind_for(path)
        if kind in REFUSED.get(strange, ()):
            with pytest.raises(ValueError, match=r"shows no surface|agree on no surface"):
                export_scene(scene, path, kind)
            assert not path.exists()
        else:
            export_scene(scene, path, kind, **SMALL.get(kind, {}))
            assert path.stat().st_size >= 32  # one splat
            if kind == "points":
                assert len(trimesh.load(path).vertices) > 0
