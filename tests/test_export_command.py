"""The options of `python -m ivid export`, as a person gives them."""

import json

import imageio.v3 as iio
import numpy as np
import pytest
import trimesh
from PIL import Image

from ivid.cli import main
from ivid.cli.export import EXPORT_OPTIONS
from ivid.export import KINDS
from ivid.export.stills import grid_picture
from ivid.fusion import FusionRenderer
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene
from tests.support.synthetic import synthetic_scene


@pytest.fixture(scope="module")
def scene():
    whole = synthetic_scene(64)
    return Scene(whole.views[:4], whole.depth_range)


@pytest.fixture
def export(scene, tmp_path, capsys):
    """Call the command; the file it wrote, or the sentence it said."""
    scene.save(tmp_path / "scene.ivid")

    def call(name, *options):
        out = tmp_path / name
        code = main(["export", str(tmp_path / "scene.ivid"), "--out", str(out), *map(str, options)])
        if code == 0:
            return out
        assert code == 2
        assert not out.exists()
        return capsys.readouterr().err.strip().splitlines()[-1]

    return call


def test_every_option_of_a_kind_can_be_given():
    """Except a camera as a Python object, which yaw, pitch, radius and fov stand for."""
    taken = {name for kind in KINDS.values() for name in kind.options()} - {"camera"}
    assert taken == set(EXPORT_OPTIONS)


def test_a_still_is_drawn_from_the_camera_told(scene, export):
    out = export(
        "a.png", "--as", "still", "--yaw", 0.2, "--pitch", -0.1, "--radius", 0.9, "--fov", 50, "--size", 40,
        "--supersample", 2,
    )  # fmt: skip
    expected = FusionRenderer().render(scene.views, Camera.orbit(0.2, -0.1, 0.9, 50), 40, 2, blend="anchored")
    assert np.array_equal(np.array(Image.open(out)), np.rint(expected.rgb * 255).astype(np.uint8))


def test_a_still_is_drawn_fast_when_told(scene, export):
    out = export("a.png", "--as", "still", "--size", 40, "--supersample", 1, "--blend", "exact", "--shading", "fast")
    expected = FusionRenderer().render(scene.views, Camera.orbit(0, 0), 40, shading="fast")
    assert np.array_equal(np.array(Image.open(out)), np.rint(expected.rgb * 255).astype(np.uint8))


def test_a_grid_shows_depth(scene, export):
    assert np.array_equal(np.array(Image.open(export("a.png", "--what", "depth"))), grid_picture(scene, "depth"))


def test_a_video_lasts_as_long_as_told_and_follows_keyframes(scene, export, tmp_path):
    (tmp_path / "path.json").write_text(json.dumps([{"yaw": 0.2}, {"yaw": -0.2}]))
    size = ("--size", 64, "--supersample", 1, "--what", "both")
    out = export("a.mp4", "--seconds", 0.5, "--fps", 8, "--keyframes", tmp_path / "path.json", *size)
    frames = iio.imread(out, plugin="FFMPEG")
    assert frames.shape == (4, 64, 128, 3)
    assert iio.immeta(out, plugin="FFMPEG")["fps"] == 8
    first = FusionRenderer().render(scene.views, Camera.orbit(0.2, 0), 64, blend="anchored").rgb * 255
    assert np.abs(frames[0, :, :64] - first).mean() < 5


def test_geometry_is_as_fine_as_told(export):
    def count(name, *options):
        return len(trimesh.load_scene(export(name, *options)).to_geometry().vertices)

    fine, coarse = (count(f"{k}.ply", "--voxel-pixels", k) for k in (1, 3))
    assert fine > 3 * coarse
    assert count("sky.ply", "--voxel-pixels", 1, "--keep-far", "--outliers") > 1.1 * fine
    mesh = trimesh.load_mesh(export("a.glb", "--max-triangles", 500))
    assert 100 < len(mesh.faces) <= 500


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("a.ply", ("--size", 64), "points takes no --size; it takes --keep-far, --voxel-pixels, --outliers"),
        ("a.glb", ("--fps", 8, "--yaw", 1), "mesh takes no --fps, --yaw; it takes --keep-far"),
        ("a.html", ("--loop",), "page takes no --loop; it takes no options"),
        ("a.mp4", ("--seconds", 0), "a positive number of seconds"),
        ("a.mp4", ("--keyframes", "pyproject.toml"), "is not valid JSON"),
        ("a.ply", ("--as", "cloud"), "--as: invalid choice: 'cloud' (choose from"),
        ("a.ply", ("--voxel-pixels", -1), "positive number of pixels"),
    ],
)
def test_what_cannot_be_is_one_sentence(export, name, options, sentence):
    assert sentence in export(name, *options)
