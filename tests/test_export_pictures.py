"""Pictures and videos: what is in them, in which order, and what is refused."""

import subprocess

import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from ivid.export import export_scene
from ivid.export.paths import camera_path
from ivid.export.stills import grid_layout, grid_picture
from ivid.fusion import FusionRenderer
from ivid.scene.cameras import Camera, trajectory, view_set
from ivid.scene.rgbd import read_depth
from ivid.scene.scene import Scene
from tests.support.synthetic import synthetic_scene

YAWS = (0, 0.15, -0.15, 0.30, -0.30, 0.45, -0.45, 0.60, -0.60)  # the order of the 3x9 set
VIDEOS = [".mp4", ".webm", ".gif", ".webp"]


@pytest.fixture(scope="module")
def scene():
    return synthetic_scene(64)


@pytest.fixture(scope="module")
def few(scene):
    return Scene(
        scene.views[:4], scene.depth_range, settings={"keyframes": [{"t": 0, "yaw": 0.1}, {"t": 1, "yaw": -0.1}]}
    )


def frames_of(path):
    """All frames, uint8 [N, H, W, 3]."""
    if path.suffix in (".gif", ".webp"):
        image = Image.open(path)
        frames = []
        for index in range(image.n_frames):
            image.seek(index)
            frames.append(np.array(image.convert("RGB")))
        return np.array(frames)
    return iio.imread(path, plugin="FFMPEG")


def test_the_grid_lies_as_published(scene, tmp_path):
    """Rows: pitch -0.15, 0, +0.15 downwards; columns: yaw +0.60 ... -0.60 to the right (method §8)."""
    export_scene(scene, tmp_path / "grid.png")
    grid = np.array(Image.open(tmp_path / "grid.png"))
    assert grid.shape == (3 * 64, 9 * 64, 3)
    for view, (yaw, pitch) in zip(scene.views, [(y, p) for y in YAWS for p in (0, 0.15, -0.15)], strict=True):
        row, column = round((pitch + 0.15) / 0.15), round((0.6 - yaw) / 0.15)
        assert np.array_equal(grid[row * 64 : row * 64 + 64, column * 64 : column * 64 + 64], view.rgb)


def test_views_not_made_yet_leave_their_places_black(scene):
    grid = grid_picture(Scene(scene.views[:1], view_set="3x9"))
    assert grid.shape == (192, 576, 3)
    assert np.array_equal(grid[64:128, 256:320], scene.views[0].rgb)
    grid[64:128, 256:320] = 0
    assert not grid.any()


def test_depth_lies_below_colour(scene):
    both = grid_picture(scene, "both")
    assert np.array_equal(both[:192], grid_picture(scene))
    assert np.array_equal(both[192:], grid_picture(scene, "depth"))
    assert (both[192:, :, 0] == both[192:, :, 1]).all()


@pytest.mark.parametrize(("name", "rows", "columns"), [("uncond", 1, 1), ("random", 1, 2), ("360", 5, 5)])
def test_other_sets_fill_a_nearly_square_grid(name, rows, columns):
    cameras = view_set(name, seed=3)
    found_rows, found_columns, places = grid_layout(cameras, name)
    assert (found_rows, found_columns) == (rows, columns)
    assert len(set(places)) == len(cameras)
    if name == "360":
        yaws = [np.arctan2(*cameras[places.index(divmod(k, 5))].position[[0, 2]]) for k in range(25)]
        assert (np.diff(yaws) < 0).all()  # from left to right as in the published grid


def test_a_still_can_be_the_methods(scene, tmp_path):
    where = {"yaw": 0.0, "pitch": 0.0, "size": 48, "supersample": 2}
    for blend in ("exact", "anchored"):
        export_scene(scene, tmp_path / f"{blend}.png", "still", blend=blend, **where)
        expected = FusionRenderer().render(scene.views, Camera.orbit(0, 0), 48, 2, blend=blend).rgb
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / f"{blend}.png")), np.rint(expected * 255))
    assert (tmp_path / "exact.png").read_bytes() != (tmp_path / "anchored.png").read_bytes()


def test_a_still_is_the_fused_picture(scene, tmp_path):
    export_scene(scene, tmp_path / "a.png", "still", yaw=0.3, pitch=-0.1, size=48, supersample=2, what="both")
    expected = FusionRenderer().render(scene.views, Camera.orbit(0.3, -0.1), 48, 2, blend="anchored")
    picture = np.array(Image.open(tmp_path / "a.png"))
    assert picture.shape == (48, 96, 3)
    assert np.array_equal(picture[:, :48], np.rint(expected.rgb * 255).astype(np.uint8))


def test_a_depth_map_is_in_millimetres_and_can_be_read_back(scene, tmp_path):
    export_scene(scene, tmp_path / "d.png", "depth", size=48, supersample=1)
    expected = FusionRenderer().render(scene.views, Camera.orbit(0, 0), 48, 1)
    depth = read_depth(tmp_path / "d.png")
    assert np.abs(depth - expected.depth)[expected.mask].max() < 5.1e-4
    assert not depth[~expected.mask].any()


@pytest.mark.parametrize("suffix", VIDEOS)
def test_videos_hold_the_fused_frames(few, tmp_path, suffix):
    path, told = tmp_path / f"v{suffix}", []
    options = {"frames": 4, "size": 96, "supersample": 1, "fps": 10}
    export_scene(few, path, progress=lambda done, total: told.append((done, total)), **options)
    frames = frames_of(path)
    assert frames.shape == (4, 96, 96, 3)
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    renderer = FusionRenderer()
    for frame, camera in zip(frames, camera_path(few, frames=4), strict=True):
        expected = renderer.render(few.views, camera, 96, 1, blend="anchored").rgb * 255
        assert np.abs(frame - expected).mean() < 5
        assert np.abs((frame - expected).mean(axis=(0, 1))).max() < 2
        assert np.abs(frame[60:70, 20:30].mean(axis=(0, 1)) - expected[60:70, 20:30].mean(axis=(0, 1))).max() < 4


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_videos_say_how_their_colours_are_coded(few, tmp_path, suffix):
    export_scene(few, tmp_path / f"v{suffix}", frames=2, size=32, supersample=1, fps=12.5)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", str(tmp_path / f"v{suffix}")]
    described = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert "yuv420p(tv, bt709/bt709/iec61966-2-1" in described
    assert "12.5" in described


def test_colour_and_depth_stand_side_by_side(few, tmp_path):
    export_scene(few, tmp_path / "v.mp4", frames=2, size=64, supersample=1, what="both")
    frames = frames_of(tmp_path / "v.mp4").astype(int)
    assert frames.shape == (2, 64, 128, 3)
    assert np.ptp(frames[:, :, 64:], axis=-1).max() < 12  # grey
    assert np.ptp(frames[:, :, :64], axis=-1).max() > 60


def test_the_swing_is_the_published_one_where_the_views_reach_that_far(scene):
    assert camera_path(scene, "swing", 60) == trajectory("swing", 60)
    assert camera_path(scene, "orbit", 24) == trajectory("orbit", 24) == camera_path(scene, "swing", 24, loop=True)
    alone = camera_path(Scene(scene.views[:1]), "swing", 60)
    assert max(abs(np.arctan2(camera.position[0], camera.position[2])) for camera in alone) == pytest.approx(0.2)


def test_an_orbit_goes_around_where_the_views_do():
    ring = camera_path(synthetic_scene(8, "360"), "orbit", 8)
    assert ring[4].position == pytest.approx([0, 0, -1])
    assert ring[2].position == pytest.approx([1, 0, 0])


def test_a_dolly_zoom_keeps_what_stands_at_the_origin_of_one_size(scene):
    cameras = camera_path(scene, "dolly", 11)
    heights = [camera.focal / np.linalg.norm(camera.position) for camera in cameras]
    assert np.allclose(heights, Camera.orbit(0, 0).focal)
    assert np.ptp([np.linalg.norm(camera.position) for camera in cameras]) > 0.7
    assert cameras[0].position == pytest.approx(cameras[-1].position)


def test_keyframes_are_passed_through(scene):
    keys = [{"yaw": 0.3}, {"yaw": -0.2, "pitch": 0.1, "radius": 1.4}, {"yaw": 0.0, "fov": 60, "x": 0.1}]
    cameras = camera_path(scene, frames=9, keyframes=keys)
    assert cameras[0].position == pytest.approx(Camera.orbit(0.3, 0).position)
    assert cameras[4].position == pytest.approx(Camera.orbit(-0.2, 0.1, 1.4).position)
    assert cameras[8].fov_y_deg == 60
    assert cameras[8].position == pytest.approx([0.1, 0, 1])
    steps = np.linalg.norm(np.diff([camera.position for camera in cameras], axis=0), axis=1)
    assert steps.max() < 3 * np.median(steps)  # no jumps


def test_closed_keyframes_come_back_without_a_repeated_frame(scene):
    keys = [{"yaw": 0.3}, {"yaw": -0.3}, {"pitch": 0.2}]
    cameras = camera_path(scene, frames=9, keyframes=keys, loop=True)
    assert cameras[0].position == pytest.approx(Camera.orbit(0.3, 0).position)
    assert cameras[3].position == pytest.approx(Camera.orbit(-0.3, 0).position)
    assert cameras[6].position == pytest.approx(Camera.orbit(0, 0.2).position)
    ring = np.array([camera.position for camera in [*cameras, cameras[0]]])
    steps = np.linalg.norm(np.diff(ring, axis=0), axis=1)
    assert steps.min() > 0.01
    assert steps.max() < 3 * np.median(steps)


def test_keyframes_saved_with_the_scene_are_used(few, tmp_path):
    assert camera_path(few, "keyframes", 3)[0].position == pytest.approx(Camera.orbit(0.1, 0).position)
    export_scene(few, tmp_path / "v.gif", trajectory="keyframes", frames=2, size=32, supersample=1)
    assert len(frames_of(tmp_path / "v.gif")) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trajectory": "spiral"}, "no trajectory 'spiral'; choose one of swing, orbit, random, dolly, keyframes"),
        ({"size": 65}, "must be even"),
        ({"size": 0}, "1 to 8192 pixels"),
        ({"frames": 0}, "1 to 10000 frames"),
        ({"fps": 0}, "1 to 120 frames per second"),
        ({"supersample": 9}, "supersampling must be 1 to 8"),
        ({"what": "normals"}, "choose one of colour, depth, both"),
        ({"keyframes": []}, "no keyframes"),
        ({"keyframes": [{"yaw": 0}, {"roll": 1}]}, "keyframe 1 has an unknown 'roll'"),
        ({"keyframes": [{"radius": -1}]}, "keyframe 0 needs .* a radius above 0"),
        ({"keyframes": [{"yaw": "left"}]}, "keyframe 0 has a value that is no number"),
        ({"trajectory": "keyframes", "keyframes": [3]}, "keyframe 0 has an unknown '3'"),
    ],
)
def test_bad_input_is_one_sentence(few, tmp_path, options, message):
    with pytest.raises(ValueError, match=message) as raised:
        export_scene(few, tmp_path / "v.mp4", **options)
    assert "\n" not in str(raised.value)
    assert not list(tmp_path.iterdir())


def test_a_stopped_video_leaves_nothing_and_keeps_what_was_there(few, tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"mine")

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_scene(few, tmp_path / "v.mp4", progress=stop, frames=4, size=32, supersample=1)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("v.mp4", b"mine")]
