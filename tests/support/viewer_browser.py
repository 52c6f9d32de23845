"""The viewer in a browser."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Frame, Page, TimeoutError

from ivid.scene.scene import Scene
from tests.support.serving import running
from viewer.server import SceneServer

PATIENCE_MS = 150_000  # on a machine that does other things too
ONE_SAMPLE = """
  const looking = setInterval(() => {
    const renderer = document.querySelector(".ivid-viewer")?.ividViewer?.renderer;
    if (!renderer) return;
    renderer.budget.samples = () => 1;
    clearInterval(looking);
  }, 20);
"""
"""Runs in a page before its own scripts: pictures at rest have one sample a pixel there, not 25.

How such pictures look is tested where nothing else is; on other pages the processor has better things to do.
"""
FRAME = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


def until(page: Page | Frame, condition: str, arg: object = None) -> None:
    """Wait until a condition in JavaScript holds in the page.

    Raises:
        AssertionError: it does not within PATIENCE_MS; the message says which condition, and what the page shows.
    """
    try:
        page.wait_for_function(condition, arg=arg, timeout=PATIENCE_MS)
    except TimeoutError as error:
        shown = " / ".join(page.locator("body").inner_text().split("\n"))[:500]
        raise AssertionError(f"not so after {PATIENCE_MS / 1000:g} s: {condition} The page shows: {shown}") from error


@contextmanager
def serving(*paths: Path) -> Iterator[SceneServer]:
    server = SceneServer(paths)
    with running(server):
        yield server


@contextmanager
def open_viewer(
    browser: Browser,
    folder: Path,
    scene: Scene,
    width: int,
    height: int,
    anchor: str = "",
    script: str = "",
    **context: object,
) -> Iterator[Page]:
    """A page with the viewer on the scene, all views loaded; `viewer` is its global name there. Page errors fail.

    script: runs in the page before its own.
    """
    path = folder / "scene.ivid"
    scene.save(path)
    with serving(path) as server:
        page = browser.new_page(viewport={"width": width, "height": height}, **context)  # type: ignore[arg-type]
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(script)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.url + anchor)
        until(page, "() => (window.viewer = document.getElementById('viewer')?.ividViewer)?.manifest")
        until(page, f"() => viewer.renderer.held.size === {len(scene.views)} && !viewer.renderer.lost")
        yield page
        page.close()
        assert not errors, errors


class Fingers:
    """Fingers on a page that was opened with `has_touch`: the browser gets them as a screen would send them.

    Points are (x, y) in CSS pixels. For the page a moment passes from one event to the next, however slow the machine.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        self.session = page.context.new_cdp_session(page)
        self.clock_s = time.time()
        self.points: list[tuple[float, float]] = []

    def drag(self, *paths: tuple[tuple[float, float], tuple[float, float]], steps: int = 6) -> None:
        """Put a finger at the beginning of each path, and move them to the ends together."""
        for start, _ in paths:
            self.points.append(start)
            self._send("touchStart", self.points)
        for step in range(1, steps + 1):
            share = step / steps
            self.move(*[(x + (u - x) * share, y + (v - y) * share) for (x, y), (u, v) in paths])

    def move(self, *points: tuple[float, float]) -> None:
        self.points = list(points)
        self._send("touchMove", self.points)

    def lift(self, left: int = 0) -> None:
        """Lift fingers, the last one first, until `left` remain."""
        while len(self.points) > left:
            point = self.points.pop()
            self._send("touchEnd", [point], first=len(self.points))

    def lose(self) -> None:
        """The system takes the gesture away."""
        self.points = []
        self._send("touchCancel", [])

    def _send(self, kind: str, points: list[tuple[float, float]], first: int = 0) -> None:
        self.clock_s += 0.016
        touches = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(points, first)]
        event = {"type": kind, "touchPoints": touches, "timestamp": self.clock_s}
        time.sleep(max(self.clock_s - time.time(), 0))
        self.session.send("Input.dispatchTouchEvent", event)
        self.page.evaluate(FRAME)  # the page hears of it with the next frame


def settle(page: Page) -> None:
    """Wait until the best picture of the present camera is on screen."""
    page.evaluate(FRAME)
    until(page, "() => viewer.renderer.settled && !viewer.renderer.compositor.next && !viewer.frameRequest")
