"""The scene in a window of its own, on a virtual screen."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import ImageGrab

from ivid.fusion import FusionRenderer
from ivid.scene.cameras import Camera, view_set
from ivid.scene.scene import Scene
from tests.support.synthetic import synthetic_scene
from viewer.__main__ import main
from viewer.window import SIDE_PX, Pose, Reach, SceneWindow

PATIENCE_MS = 120_000


@pytest.fixture
def screen(monkeypatch) -> Iterator[str]:
    """A virtual screen, as X11 calls it."""
    if not shutil.which("Xvfb"):
        pytest.fail("Xvfb is not installed; the tests' script installs it")
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "800x700x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout
        name = f":{server.stdout.readline().strip()}"
        monkeypatch.setenv("DISPLAY", name)
        yield name
        server.terminate()


def photograph(window: SceneWindow, name: str) -> np.ndarray:
    """What the screen shows where the window is, as floats."""
    window.root.update()
    x, y = window.root.winfo_rootx(), window.root.winfo_rooty()
    shot = ImageGrab.grab((x, y, x + SIDE_PX, y + SIDE_PX), xdisplay=name)
    return np.asarray(shot.convert("RGB"), np.float64)


def test_a_window_shows_the_scene_and_follows_the_hand(screen, tmp_path):
    whole = synthetic_scene(32)
    scene = Scene(whole.views[:5], whole.depth_range, class_name="still life", seed=0, view_set="3x9")
    window = SceneWindow(scene)
    window.root.geometry("+20+20")
    pictures = []

    def when_still(then) -> None:
        if window.shown == (window.pose, False):
            pictures.append(photograph(window, screen))
            then()
        else:
            window.root.after(20, when_still, then)

    def drag() -> None:
        for event, x in (("<Button-1>", 300), ("<B1-Motion>", 280), ("<B1-Motion>", 250)):
            window.root.winfo_children()[0].event_generate(event, x=x, y=300)
        when_still(window.root.destroy)

    window.root.after(20, when_still, drag)
    window.root.after(PATIENCE_MS, window.root.destroy)
    window.run()

    assert len(pictures) == 2, "the pictures took too long"
    assert window.pose.yaw_rad == pytest.approx(50 * 2 / SIDE_PX), "dragging to the left goes round to the right"
    for yaw, shown in zip((0, window.pose.yaw_rad), pictures, strict=True):
        truth = FusionRenderer().render(scene.views, Camera.orbit(yaw, 0), SIDE_PX, 2)
        error = np.abs(shown / 255 - truth.rgb)[truth.mask]
        assert error.mean() < 0.01
    assert np.abs(pictures[0] - pictures[1]).mean() > 3


def test_the_reach_is_what_the_views_cover():
    reach = Reach.of(view_set("3x9"))
    assert reach.yaw_rad == pytest.approx((-0.7, 0.7))
    assert reach.pitch_rad == pytest.approx((-0.25, 0.25))
    assert reach.nearest(Pose(2, -1, 9)) == Pose(reach.yaw_rad[1], reach.pitch_rad[0], reach.radius[1])
    assert reach.nearest(Pose(0.1, 0.1, 1)) == Pose(0.1, 0.1, 1)
    assert Reach.of(view_set("360")).nearest(Pose(20)).yaw_rad == 20
    alone = Reach.of([Camera.orbit(0, 0)])
    assert alone.yaw_rad == pytest.approx((-0.2, 0.2))


@pytest.mark.parametrize(("yaw", "pitch", "radius"), [(0.4, -0.2, 1.3), (-3, 0.9, 0.7)])
def test_the_pose_of_a_camera(yaw, pitch, radius):
    pose = Pose.of(Camera.orbit(yaw, pitch, radius))
    assert (pose.yaw_rad, pose.pitch_rad, pose.radius) == pytest.approx((yaw, pitch, radius))


def test_without_a_screen_it_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("DISPLAY", "")
    path = tmp_path / "scene.ivid"
    synthetic_scene(16).save(path)
    assert main([str(path), "--window"]) == 2
    assert "no window can be opened here" in capsys.readouterr().err
    assert main([str(path), str(path), "--window"]) == 2
    assert "a window shows one scene" in capsys.readouterr().err
