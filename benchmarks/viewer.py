"""The viewer in Chromium with software WebGL: what two cores emulate, a graphics chip does many times faster."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page

from benchmarks.browser import headless_chromium
from benchmarks.scenes import EXAMPLE
from benchmarks.timing import Row
from viewer.server import SceneServer

SIZE_PX = 512
DRAG_S = 6.0
# Notes when all views are on screen, in milliseconds of the page's clock.
WATCH = """const watch = setInterval(() => {
  const renderer = document.getElementById("viewer")?.ividViewer?.renderer;
  if (renderer?.held.size !== 27 || renderer.dirty) return;
  window.shown = performance.now();
  clearInterval(watch);
}, 5);"""
SETTLED = "() => viewer.renderer.settled && !viewer.renderer.compositor.next && !viewer.frameRequest"
ARRIVED = (
    "Math.max(...performance.getEntriesByType('resource').filter(e => /ivw/.test(e.name)).map(e => e.responseEnd))"
)


def rows() -> Iterator[Row]:
    with served_scene() as url, headless_chromium() as browser:
        page = browser.new_page(viewport={"width": SIZE_PX, "height": SIZE_PX})
        page.add_init_script(WATCH)
        waits = []
        for _ in range(3):
            page.goto(url)
            page.wait_for_function("window.shown")
            waits.append(page.evaluate(f"window.shown - {ARRIVED}"))
        yield "viewer: scene on screen after its last view arrived", sorted(waits)[1], "ms", "<= 300"
        page.evaluate("window.viewer = document.getElementById('viewer').ividViewer")
        page.wait_for_function(SETTLED)
        _drag(page, 2.0)  # the number of views drawn in motion settles
        before, started = page.evaluate("viewer.renderer.frames"), time.perf_counter()
        _drag(page, DRAG_S)
        frames = page.evaluate("viewer.renderer.frames") - before
        yield "viewer: frames while dragging, 512², 27 views", frames / (time.perf_counter() - started), "/s", ">= 12"


@contextmanager
def served_scene() -> Iterator[str]:
    """The address of a viewer with the example scene."""
    with SceneServer([EXAMPLE]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.url
        server.shutdown()


def _drag(page: Page, seconds: float) -> None:
    """Hold the scene and move it to and fro."""
    middle = SIZE_PX / 2
    page.mouse.move(middle, middle)
    page.mouse.down()
    deadline, step = time.perf_counter() + seconds, 0
    while time.perf_counter() < deadline:
        step += 1
        page.mouse.move(middle + 60 * ((step % 40) / 20 - 1), middle + 10)
        page.wait_for_timeout(8)
    page.mouse.up()
