"""The viewer under fingers, as a phone's browser feels them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page

from ivid.scene.scene import Scene
from tests.support.synthetic import synthetic_scene
from tests.support.viewer_browser import Fingers, open_viewer, until

SIDE = 240
ACROSS = 2 * math.tan(math.radians(22.5))  # of the picture, where the camera looks at
LEFT, RIGHT = (70.0, 90.0), (150.0, 90.0)
BELOW = SIDE + 100.0


@pytest.fixture
def page(browser, tmp_path) -> Iterator[Page]:
    """A phone's page that is longer than its screen, the viewer at its top and without the focus."""
    whole = synthetic_scene(32)
    scene = Scene(whole.views[:5], whole.depth_range, class_name="still life", seed=0, view_set="3x9")
    with open_viewer(browser, tmp_path, scene, SIDE, 2 * SIDE, has_touch=True, is_mobile=True) as page:
        page.evaluate(
            """(side) => {
                document.documentElement.style.height = "auto";
                document.body.style.height = "1500px";
                viewer.host.style.height = `${side}px`;
                viewer.frame.blur();
            }""",
            SIDE,
        )
        until(page, "(side) => viewer.renderer.canvas.height === side", arg=SIDE)
        yield page


def pose(page) -> dict:
    return page.evaluate("() => viewer.controls.pose()")


def page_at(page) -> list[float]:
    """How far the page is scrolled, and how much it is enlarged."""
    page.wait_for_timeout(200)
    return page.evaluate("() => [scrollY, visualViewport.scale]")


def test_one_finger_orbits(page):
    fingers = Fingers(page)
    fingers.drag((RIGHT, (130, 90)))
    held = pose(page)
    assert held["yaw"] == pytest.approx(1.7 * 20 / SIDE, rel=0.01), "to the left goes round to the right"
    assert [held[axis] for axis in ("pitch", "radius", "x", "y", "z")] == pytest.approx([0, 1, 0, 0, 0])
    fingers.lift()
    page.evaluate("() => viewer.frame.blur()")
    fingers.drag((LEFT, (70, 120)))
    assert pose(page)["pitch"] == pytest.approx(1.7 * 30 / SIDE, rel=0.01)
    fingers.lift()
    assert page_at(page) == [0, 1], "the page stays where it is"


@pytest.mark.parametrize("way", ["apart", "together"])
def test_two_fingers_zoom(page, way):
    fingers = Fingers(page)
    near, far = ((90, 90), (130, 90)), ((80, 90), (140, 90))
    before, after = (near, far) if way == "apart" else (far, near)
    fingers.drag(*zip(before, after, strict=True))
    held = pose(page)
    assert held["radius"] == pytest.approx(2 / 3 if way == "apart" else 3 / 2, rel=0.01)
    assert (held["yaw"], held["pitch"]) == (0, 0)
    fingers.lift()
    assert page_at(page) == [0, 1]


def test_two_fingers_shift(page):
    fingers = Fingers(page)
    fingers.drag((LEFT, (100, 70)), (RIGHT, (180, 70)))
    held = pose(page)
    assert (held["x"], held["y"]) == pytest.approx((-ACROSS * 30 / SIDE, -ACROSS * 20 / SIDE), rel=0.05)
    assert held["radius"] == pytest.approx(1, rel=0.01)
    assert (held["yaw"], held["pitch"]) == (0, 0)
    fingers.lift()
    assert page_at(page) == [0, 1]


def test_the_last_finger_of_two_throws_nothing(page):
    fingers = Fingers(page)
    fingers.drag((LEFT, (80, 90)), (RIGHT, (140, 90)))
    fingers.lift(1)
    fingers.move((84, 90))
    held = pose(page)
    fingers.lift()
    assert held["yaw"] < 0, "it orbits"
    assert page_at(page) == [0, 1]
    assert pose(page)["yaw"] == pytest.approx(held["yaw"])


def test_a_gesture_that_is_taken_away_throws_nothing(page):
    fingers = Fingers(page)
    fingers.drag((RIGHT, (130, 90)), steps=2)
    held = pose(page)
    fingers.lose()
    page.wait_for_timeout(200)
    assert pose(page) == pytest.approx(held)
    assert page.evaluate("() => [viewer.controls.held, viewer.input.pointers.size]") == [False, 0]


def test_a_finger_beside_the_viewer_has_the_page(page):
    fingers = Fingers(page)
    at_home = pose(page)
    fingers.drag(((120, BELOW), (120, BELOW - 80)))
    fingers.lift()
    assert page_at(page)[0] > 30
    fingers.drag(((100, BELOW), (20, BELOW)), ((140, BELOW), (220, BELOW)))
    fingers.lift()
    assert page_at(page)[1] > 1.05
    assert pose(page) == at_home


def test_a_tap_leaves_no_hint_behind(page):
    button = page.get_by_role("button", name="Ways of looking")
    hint = "(button) => getComputedStyle(button, '::before').content"
    for _ in range(2):
        button.tap()
    assert button.evaluate(hint) == "none"
