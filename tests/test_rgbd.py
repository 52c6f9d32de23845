"""Pictures with depth maps as first views."""

import numpy as np
import pytest
from PIL import Image

from ivid.export.stills import depth_millimetres
from ivid.scene.cameras import Camera
from ivid.scene.rgbd import fitted, load_rgbd, rgbd_view
from tests.support.synthetic import DEPTH_RANGE, synthetic_view

RNG = np.random.default_rng(0)
VIEW = synthetic_view(Camera.orbit(0, 0), 48)
SETTINGS = {"size": 48, "depth_range": DEPTH_RANGE}


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(VIEW.rgb).save(path)
    return path


def write_depth(path, metres):
    if path.suffix == ".png":
        Image.fromarray(depth_millimetres(metres)).save(path)
    elif path.suffix == ".npy":
        np.save(path, metres)
    else:
        exr = pytest.importorskip("OpenEXR")
        exr.File({}, {"Z": metres.astype(np.float32)}).write(str(path))
    return path


@pytest.mark.parametrize(("suffix", "tolerance"), [(".png", 5.1e-4), (".npy", 0), (".exr", 1e-6)])
def test_the_view_comes_back_from_each_kind_of_file(tmp_path, picture, suffix, tolerance):
    view = load_rgbd(picture, write_depth(tmp_path / f"depth{suffix}", VIEW.depth), **SETTINGS)
    assert np.array_equal(view.rgb, VIEW.rgb)
    assert np.abs(view.depth - VIEW.depth).max() <= tolerance
    assert view.camera == VIEW.camera


def test_disparity_of_unknown_scale_gives_depth_up_to_a_factor(tmp_path, picture):
    np.save(tmp_path / "d.npy", (6250 / VIEW.depth).astype(np.float16))
    view = load_rgbd(picture, tmp_path / "d.npy", depth_kind="disparity", **SETTINGS)
    ratio = (view.depth / VIEW.depth)[VIEW.depth < 4]
    assert ratio.std() / ratio.mean() < 1e-3
    assert 0.6 <= np.median(view.depth[16:32, 16:32]) <= 1.4


def test_without_fitting_disparity_is_one_over_metres(picture):
    view = rgbd_view(VIEW.rgb, 1 / VIEW.depth, depth_kind="disparity", fit=False, **SETTINGS)
    assert np.allclose(view.depth, VIEW.depth, rtol=1e-5)


def test_fitting_puts_the_middle_at_the_orbit_centre_and_keeps_the_shape():
    depth = VIEW.depth * 37
    result = fitted(depth, DEPTH_RANGE)
    assert np.median(result[16:32, 16:32]) == pytest.approx(1, rel=1e-5)
    assert np.allclose(result / depth, (result / depth)[0, 0])


def test_fitting_leaves_depth_that_fits_alone_and_respects_the_near_plane():
    assert np.array_equal(fitted(VIEW.depth, DEPTH_RANGE), VIEW.depth)
    depth = np.full((30, 30), 100.0)
    depth[20:] = 10.0  # a third of the picture ten times nearer than its middle
    result = fitted(depth, DEPTH_RANGE)
    assert result.min() == pytest.approx(DEPTH_RANGE[0])
    assert np.allclose(result / depth, result[0, 0] / depth[0, 0])


def test_what_was_not_measured_is_at_the_far_plane():
    depth = VIEW.depth.copy()
    depth[:5], depth[5:10], depth[10:12] = np.nan, 0, np.inf
    view = rgbd_view(VIEW.rgb, depth, **SETTINGS)
    assert (view.depth[:12] == DEPTH_RANGE[1]).all()
    assert np.array_equal(view.depth[12:], VIEW.depth[12:])


def test_the_middle_of_a_wide_picture_is_kept():
    rgb = RNG.integers(0, 256, (40, 100, 3), dtype=np.uint8)
    depth = np.tile(np.linspace(0.7, 4, 50, dtype=np.float32), (20, 1))  # half the picture's resolution
    view = rgbd_view(rgb, depth, size=40, depth_range=DEPTH_RANGE, fit=False)
    assert np.array_equal(view.rgb, rgb[:, 30:70])
    assert np.allclose(view.depth[:, ::2], depth[0, 15:35])


def test_the_field_of_view_is_the_callers(picture):
    assert rgbd_view(VIEW.rgb, VIEW.depth, fov_y_deg=60, **SETTINGS).camera.fov_y_deg == 60
    with pytest.raises(ValueError, match="field of view"):
        rgbd_view(VIEW.rgb, VIEW.depth, fov_y_deg=200, **SETTINGS)


def test_a_turned_photograph_stands_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(VIEW.rgb[::-1, ::-1]).save(tmp_path / "photo.png", exif=exif)
    view = load_rgbd(tmp_path / "photo.png", write_depth(tmp_path / "d.npy", VIEW.depth), **SETTINGS)
    assert np.array_equal(view.rgb, VIEW.rgb)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.png", b"hello", "no PNG file"),
        ("d.npy", b"hello", "no .npy array"),
        ("d.exr", b"hello", "no OpenEXR file"),
        ("d.tiff", b"hello", "use .png, .npy, .exr"),
    ],
)
def test_what_is_no_depth_map_is_refused_in_a_sentence(tmp_path, picture, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_rgbd(picture, tmp_path / name, **SETTINGS)


def test_unusable_values_are_refused_in_a_sentence(tmp_path, picture):
    def refused(message, depth, **settings):
        np.save(tmp_path / "d.npy", depth, allow_pickle=True)
        with pytest.raises(ValueError, match=message):
            load_rgbd(picture, tmp_path / "d.npy", **SETTINGS, **settings)

    refused("finite and positive", np.zeros((48, 48), np.float32))
    refused("does not have the picture's shape", np.ones((48, 60), np.float32))
    refused("one depth map", np.ones((48, 48, 3), np.float32))
    refused("array of numbers", np.ones((48, 48), bool))
    refused("holds object", np.array([{"a": 1}]))
    refused("choose one of metric, disparity", np.ones((48, 48), np.float32), depth_kind="inverse")
    Image.fromarray(np.zeros((48, 48), np.uint8)).save(tmp_path / "d.png")
    with pytest.raises(ValueError, match="16 bits"):
        load_rgbd(picture, tmp_path / "d.png", **SETTINGS)
    with pytest.raises(ValueError, match="no picture"):
        load_rgbd(tmp_path / "d.npy", tmp_path / "d.npy", **SETTINGS)
    with pytest.raises(FileNotFoundError):
        load_rgbd(picture, tmp_path / "missing.exr", **SETTINGS)
