"""The exported page inside other pages: as a frame, as an element, many at once, and in a notebook."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Frame, Page

from benchmarks.browser import ARGUMENTS, HEADLESS_SHELL
from ivid.scene.scene import Scene
from tests.support.synthetic import synthetic_scene
from tests.support.viewer_browser import PATIENCE_MS, until
from viewer.html import write_html

ROOT = Path(__file__).resolve().parent.parent
EMBED = ROOT / "viewer" / "web" / "embed.js"
FRAMES, CONTEXTS, SIDE = 5, 3, 150  # a browser keeps sixteen contexts unless told otherwise
LOADED = "() => window.ividViewer?.renderer.held.size === 2"
DRAWN = "() => !ividViewer.renderer.lost && 'drawn' in ividViewer.renderer.canvas.dataset && !ividViewer.renderer.dirty"
PAUSED = "() => ividViewer.renderer.lost"
SHOWS_SOMETHING = """() => {
  const { renderer, notices } = ividViewer;
  return renderer.lost ? notices.still.isConnected && notices.still.width > 1 : 'drawn' in renderer.canvas.dataset;
}"""


def small_scene() -> Scene:
    whole = synthetic_scene(32)
    return Scene(whole.views[:2], whole.depth_range, class_name="still life", seed=0, view_set="3x9")


@contextmanager
def page_of(browser: Browser, folder: Path, content: str, **viewport: int) -> Iterator[Page]:
    """A page from disk with `scene.html` and `embed.js` beside it. Errors in it fail."""
    write_html(small_scene(), folder / "scene.html")
    path = folder / "page.html"
    path.write_text(f"<!doctype html><meta charset='utf-8'><body style='margin:0'>{content}", encoding="utf-8")
    page = browser.new_page(viewport={"width": 500, "height": 500, **viewport})  # type: ignore[arg-type]
    page.set_default_timeout(PATIENCE_MS)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri(), wait_until="commit")
    yield page
    page.close()
    assert not errors, errors


def viewers(page: Page, count: int) -> list[Frame]:
    """The frames, when all of them have their scene."""
    until(page, "(count) => frames.length === count", arg=count)
    for frame in page.frames[1:]:
        until(frame, LOADED)
    return page.frames[1:]


def test_more_frames_than_contexts_all_show_the_scene_and_wake_when_touched(browser, tmp_path):
    frame = f"<iframe src='scene.html' style='border:0;width:{SIDE}px;height:{SIDE}px'></iframe>"
    wall = f"<div style='display:grid;grid-template-columns:repeat({FRAMES},{SIDE}px)'>{frame * FRAMES}</div>"
    few = [*ARGUMENTS, f"--max-active-webgl-contexts={CONTEXTS}"]
    thrifty = browser.browser_type.launch(executable_path=HEADLESS_SHELL, args=few)
    with closing(thrifty), page_of(thrifty, tmp_path, wall, width=FRAMES * SIDE, height=SIDE) as page:
        frames = viewers(page, FRAMES)
        for each in frames:
            until(each, SHOWS_SOMETHING)
        paused = [each for each in frames if each.evaluate(PAUSED)]
        assert len(paused) == FRAMES - CONTEXTS
        said = paused[0].get_by_role("alert")
        assert "touch to go on" in said.inner_text()
        paused[0].locator("main").click()
        until(paused[0], DRAWN)
        said.wait_for(state="hidden")


def test_a_viewer_off_screen_lets_its_context_go_and_takes_one_when_it_is_back(browser, tmp_path):
    frame = "<iframe src='scene.html' style='border:0;width:200px;height:200px'></iframe><p style='height:1500px'>"
    with page_of(browser, tmp_path, frame) as page:
        [viewer] = viewers(page, 1)
        until(viewer, DRAWN)
        page.evaluate("scrollTo(0, 1000)")
        viewer.wait_for_function(PAUSED, polling=100)  # a frame off screen has no animation frames
        assert viewer.evaluate(SHOWS_SOMETHING), "its last picture stays"
        assert not viewer.get_by_role("alert").is_visible(), "nobody has to do anything"
        page.evaluate("scrollTo(0, 0)")
        until(viewer, DRAWN)


def test_the_element_moves_the_camera_takes_pictures_and_tells_of_both(browser, tmp_path):
    (tmp_path / "embed.js").write_text(EMBED.read_text(encoding="utf-8"), encoding="utf-8")
    # a module cannot be fetched from disk; as a plain script it is the same, for it imports nothing
    content = """<ivid-viewer src="scene.html" style="width:160px" title="A still life"></ivid-viewer>
        <script src="embed.js"></script><script>
        const viewer = document.querySelector("ivid-viewer"), heard = [];
        viewer.addEventListener("load", ({ detail }) => heard.push(["load", detail]));
        viewer.addEventListener("view", ({ detail }) => heard.push(["view", detail]));
        viewer.setCamera({ yaw: 0.1, nonsense: 1 }, { fly: false });
        </script>"""
    with page_of(browser, tmp_path, content) as page:
        until(page, "() => heard.some(([name]) => name === 'view')")
        (name, loaded), *views = page.evaluate("heard")
        assert (name, loaded) == ("load", {"title": "still life · seed 0", "views": 2})
        assert views[-1][1]["camera"]["yaw"] == pytest.approx(0.1, abs=0.06), "within what two views cover"
        picture = page.evaluate(
            """async () => {
                const bytes = new Uint8Array(await (await viewer.takePicture(2)).arrayBuffer());
                return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
            }"""
        )
        with Image.open(io.BytesIO(base64.b64decode(picture))) as image:
            assert image.format == "PNG"
            assert image.size == (320, 320)


def test_only_the_page_around_it_moves_the_viewer(browser, tmp_path):
    content = "<iframe src='scene.html' style='width:160px;height:160px'></iframe><iframe srcdoc='<p>a'></iframe>"
    with page_of(browser, tmp_path, content) as page:
        until(page, "frames.length === 2")
        frame = page.frames[1]
        until(frame, LOADED)
        page.frames[2].evaluate(
            "parent.frames[0].postMessage({ivid: 'setCamera', camera: {yaw: 0.1}, fly: false}, '*')"
        )
        page.wait_for_timeout(300)
        assert frame.evaluate("ividViewer.camera.yaw") == pytest.approx(0, abs=1e-6)


def test_the_page_has_a_main_part_and_a_heading(browser, tmp_path):
    with page_of(browser, tmp_path, "") as page:
        page.goto((tmp_path / "scene.html").as_uri())
        until(page, LOADED)
        assert page.get_by_role("heading", level=1).inner_text() == "still life · seed 0"
        assert page.get_by_role("main").get_by_role("toolbar").count() == 1


def test_a_scene_shows_itself_in_a_notebook(browser, tmp_path):
    scene = small_scene()
    with page_of(browser, tmp_path, scene._repr_html_()) as page:
        [viewer] = viewers(page, 1)
        until(viewer, DRAWN)
        assert page.frame_locator("iframe").get_by_text("still life").first.is_visible()


def test_a_scene_knows_the_viewer_only_when_it_is_shown():
    code = "import sys, ivid.scene.scene; print('viewer' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


def test_the_notebook_runs(monkeypatch):
    """Its cells in order, without the slow ones; what ends a cell can be shown."""
    notebook = json.loads((ROOT / "examples" / "first_steps.ipynb").read_text(encoding="utf-8"))
    monkeypatch.chdir(ROOT / "examples")
    names: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code" or "slow" in cell["metadata"].get("tags", []):
            continue
        *lines, last = "".join(cell["source"]).split("\n")
        exec("\n".join(lines), names)
        assert eval(last, names) is not None
    assert "<iframe" in names["scene"]._repr_html_()  # type: ignore[attr-defined]
