"""A headless Chromium with the viewer in it, for tests."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from ivid.scene import Scene
from viewer.server import SceneServer

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
CHROMIUM = "/usr/bin/chromium"
PATIENCE_MS = 240_000  # on a machine that does other things too


@contextmanager
def viewer_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def serving(*paths: Path) -> Iterator[SceneServer]:
    server = SceneServer(paths)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def open_viewer(
    browser: Browser, folder: Path, scene: Scene, width: int, height: int, anchor: str = "", **context: object
) -> Iterator[Page]:
    """A page with the viewer on the scene, all views loaded; `viewer` is its global name there. Page errors fail."""
    path = folder / "scene.ivid"
    scene.save(path)
    with serving(path) as server:
        page = browser.new_page(viewport={"width": width, "height": height}, **context)  # type: ignore[arg-type]
        page.set_default_timeout(PATIENCE_MS)
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(server.url + anchor)
        page.wait_for_function("() => (window.viewer = document.getElementById('viewer')?.ividViewer)?.manifest")
        page.wait_for_function(f"() => viewer.stage.held.size === {len(scene.views)}")
        yield page
        page.close()
        assert not errors, errors


def settle(page: Page) -> None:
    """Wait until the best picture of the present camera is on screen."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    page.wait_for_function("() => viewer.stage.settled && !viewer.stage.painter.next && !viewer.frameRequest")
