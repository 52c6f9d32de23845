import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivid.scene.cameras import TRAJECTORIES, VIEW_SETS, Camera, read_view_set, trajectory, view_set, view_set_angles

angles = st.tuples(st.floats(-3.0, 3.0), st.floats(-1.4, 1.4))


@given(angles, st.floats(0.2, 5.0))
def test_orbit_stands_on_the_sphere_and_looks_at_the_origin(angle, radius):
    yaw, pitch = angle
    camera = Camera.orbit(yaw, pitch, radius)
    expected = radius * np.array([math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)])
    np.testing.assert_allclose(camera.position, expected, atol=1e-9)
    np.testing.assert_allclose(camera.world_to_view @ [0, 0, 0, 1], [0, 0, -radius, 1], atol=1e-9)
    up_in_view = camera.world_to_view[:3, :3] @ [0, 1, 0]
    assert up_in_view[1] > 0
    assert abs(up_in_view[0]) < 1e-9


@given(angles)
def test_view_to_world_is_the_inverse(angle):
    camera = Camera.orbit(*angle)
    np.testing.assert_allclose(camera.world_to_view @ camera.view_to_world, np.eye(4), atol=1e-12)


@given(angles, st.integers(1, 9))
def test_unprojected_pixels_project_back_to_their_centres(angle, size):
    camera = Camera.orbit(*angle)
    depth = np.random.default_rng(size).uniform(0.5, 4.0, (size, size))
    points = camera.unproject(depth)
    in_view = points @ camera.world_to_view[:3, :3].T + camera.world_to_view[:3, 3]
    np.testing.assert_allclose(-in_view[..., 2], depth, atol=1e-9)
    u = camera.focal * in_view[..., 0] / depth + 0.5
    v = 0.5 - camera.focal * in_view[..., 1] / depth
    centres = (np.arange(size) + 0.5) / size
    np.testing.assert_allclose(u, np.broadcast_to(centres, (size, size)), atol=1e-9)
    np.testing.assert_allclose(v, np.broadcast_to(centres[:, None], (size, size)), atol=1e-9)


def test_the_first_camera_has_the_stated_focal_length():
    camera = Camera.orbit(0, 0)
    assert camera.focal == pytest.approx(0.5 / math.tan(math.pi / 8))
    np.testing.assert_allclose(camera.position, [0, 0, 1], atol=1e-12)


def test_view_set_3x9_order():
    pairs = view_set_angles("3x9")
    assert pairs[:4] == [(0, 0), (0, 0.15), (0, -0.15), (0.15, 0)]
    assert [pair[0] for pair in pairs[::3]] == [0, 0.15, -0.15, 0.30, -0.30, 0.45, -0.45, 0.60, -0.60]
    assert len(set(pairs)) == 27


def test_view_set_360_goes_to_the_back_from_both_sides():
    yaws = [yaw for yaw, _ in view_set_angles("360")]
    step = 2 * math.pi / 25
    assert len(yaws) == 25
    np.testing.assert_allclose(yaws[:5], [0, step, -step, 2 * step, -2 * step])
    np.testing.assert_allclose(sorted(yaws), step * np.arange(-12, 13))


def test_view_sets_start_at_the_front_and_random_depends_on_the_seed():
    for name in VIEW_SETS:
        assert view_set(name, seed=3)[0] == Camera.orbit(0, 0)
    assert view_set("random", 1) == view_set("random", 1)
    assert view_set("random", 1)[1] != view_set("random", 2)[1]


def test_swing_is_the_published_path():
    cameras = trajectory("swing", 60)
    for k, camera in enumerate(cameras):
        t = 2 * math.pi * k / 59
        expected = Camera.orbit(0.6 * math.cos(t), 0.15 * math.sin(t))
        np.testing.assert_allclose(camera.world_to_view, expected.world_to_view, atol=1e-12)


def test_orbit_does_not_repeat_its_first_frame():
    cameras = trajectory("orbit", 40)
    gaps = [np.linalg.norm(a.position - b.position) for a, b in zip(cameras, cameras[1:] + cameras[:1], strict=True)]
    assert min(gaps) > 0.01


def test_trajectories_have_the_frames_asked_for():
    for name in TRAJECTORIES:
        assert len(trajectory(name, 7)) == 7


@pytest.mark.parametrize(
    "matrix",
    [np.eye(3), np.full((4, 4), np.nan), 2 * np.eye(4), np.diag([1.0, 1.0, -1.0, 1.0]), np.zeros((4, 4))],
    ids=["3x3", "nan", "scaled", "mirrored", "zero"],
)
def test_matrices_that_are_no_camera_are_refused(matrix):
    with pytest.raises(ValueError, match="world_to_view"):
        Camera(matrix)


def test_a_camera_cannot_be_changed():
    camera = Camera.orbit(0.1, 0.1)
    with pytest.raises(ValueError, match="read-only"):
        camera.world_to_view[0, 0] = 5


def test_unknown_names_say_what_there_is():
    with pytest.raises(ValueError, match=r"no view set '4x4'; choose one of uncond"):
        view_set("4x4")
    with pytest.raises(ValueError, match=r"^there is no view set '4{79}; choose one of uncond"):
        view_set(4000 * "4")
    with pytest.raises(ValueError, match=r"no trajectory 'loop'; choose one of swing"):
        trajectory("loop", 10)
    with pytest.raises(ValueError, match="at least one frame"):
        trajectory("swing", 0)


def test_view_sets_of_ones_own(tmp_path):
    path = tmp_path / "views.json"
    matrix = Camera.orbit(0.3, 0.1).world_to_view.tolist()
    path.write_text(
        json.dumps([{"yaw": 0, "pitch": 0}, {"yaw": 0.2, "pitch": 0, "radius": 1.5}, {"world_to_view": matrix}])
    )
    assert read_view_set(path) == [Camera.orbit(0, 0), Camera.orbit(0.2, 0, 1.5), Camera.orbit(0.3, 0.1)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "list of 1 to 1000 cameras"),
        ('[{"yaw": 0}]', "camera 0 .* neither world_to_view nor yaw and pitch"),
        ('[{"yaw": 0, "pitch": 0}, {"world_to_view": [[1]]}]', "camera 1 .* 4x4"),
        ('[{"yaw": 0, "pitch": NaN}]', "camera 0 .* pitch must be a finite number"),
        ("[[0.1, 0.2]]", r"camera 0 .* unusable: it must be an object such as .*, not \[0\.1, 0\.2\]"),
    ],
)
def test_files_that_are_no_view_set_are_refused(tmp_path, text, message):
    path = tmp_path / "views.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_view_set(path)
