"""The page of a site in Chromium: it makes scenes from its own files alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import BrowserContext, Page, expect

import ivid
from ivid.site.folder import write_site
from ivid.site.runtime import CHECKOUT
from tests.support.accessibility import serious_findings
from tests.support.site_server import SiteServer, serving_site
from tests.support.viewer_browser import ONE_SAMPLE, PATIENCE_MS

HOLD = """
  const held = [];
  window.release = () => { for (const deliver of held.splice(0)) deliver(); window.released = true; };
  window.Worker = class extends Worker {
    set onmessage(heard) {
      super.onmessage = (event) => {
        const wait = !window.released && (event.data.type === "done" || event.data.index > 0);
        if (wait) held.push(() => heard(event));
        else heard(event);
      };
    }
  };
"""
"""The page hears of the first view only, until `release()`: tests then have all the time they need."""

HASTY = """
  window.Worker = class extends Worker {
    set onmessage(heard) {
      super.onmessage = (event) => {
        heard(event);
        if (window.hasty && event.data.type === "view") document.querySelector("#ivid-stop").click();
      };
    }
  };
"""
"""A person who presses Stop as soon as the first view is there, before the others can be, once `hasty` is set."""

pytestmark = pytest.mark.skipif(not CHECKOUT.is_dir(), reason="npm ci was not run")
expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def folder(tiny_with_graphs, tmp_path_factory) -> Path:
    """A site of the tiny model."""
    out = tmp_path_factory.mktemp("site") / "tiny-site"
    write_site(tiny_with_graphs, out)
    return out


@pytest.fixture
def server(folder) -> Iterator[SiteServer]:
    with serving_site(folder) as server:
        yield server


@contextmanager
def visitor(browser, **options) -> Iterator[BrowserContext]:
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}} | options)
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@contextmanager
def opened(context: BrowserContext, url: str, script: str = "") -> Iterator[Page]:
    """A page; errors in it fail, and so do requests to another host. `script` runs before its own."""
    page = context.new_page()
    page.add_init_script(ONE_SAMPLE)
    page.add_init_script(script)
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    context.on("request", lambda request: asked.append(request.url))
    page.goto(url)
    yield page
    page.close()
    assert not errors, errors
    host = url.split("/")[2]
    assert asked
    assert not [each for each in asked if not each.startswith((f"http://{host}/", "blob:", "data:"))]


def generate(page: Page, name: str, seed: int, views: str) -> None:
    ready(page)
    page.get_by_label("Class", exact=True).fill(name)
    page.keyboard.press("Enter")
    page.get_by_label("Seed", exact=True).fill(str(seed))
    page.locator("#ivid-views select").select_option(views)
    page.get_by_role("button", name="Generate").click()


def ready(page: Page) -> None:
    expect(page.locator("body[data-ready]")).to_be_attached()


def done(page: Page):
    return page.locator(".ivid-field [data-state=done]")


def save(page: Page, name: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.locator(".ivid-exports").get_by_role("button", name=name).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


def test_a_scene_is_made_dragged_and_taken_away(browser, server, tmp_path):
    with visitor(browser) as context, opened(context, server.url, HOLD) as page:
        generate(page, "tree", 5, "3x9")
        expect(done(page).first).to_be_attached()
        before = page.evaluate("document.querySelector('.ivid-viewer').ividViewer.camera.yaw")
        page.mouse.move(800, 300)
        page.mouse.down()
        page.mouse.move(700, 300, steps=4)
        page.mouse.up()
        expect(done(page)).to_have_count(1)
        assert page.evaluate("document.querySelector('.ivid-viewer').ividViewer.camera.yaw") != before
        page.evaluate("release()")
        expect(done(page)).to_have_count(27)
        expect(page.locator(".ivid-status[data-tone=done]")).to_contain_text("27 views in")
        assert page.evaluate("crossOriginIsolated"), "the service worker gives what the server does not"
        assert "class=tree&seed=5&views=3x9" in page.url

        scene = ivid.open_scene(save(page, "Scene", tmp_path))
        assert (len(scene.views), scene.size, scene.class_name, scene.seed) == (27, 32, "tree", 5)
        assert (scene.model, scene.view_set, scene.depth_range) == ("tiny", "3x9", (0.6, 5.0))
        assert np.ptp(scene.views[0].rgb) > 50
        cloud = save(page, "Points", tmp_path).read_bytes()
        header, _, vertices = cloud.partition(b"end_header\n")
        count = int(header.split(b"element vertex ")[1].split()[0])
        assert len(vertices) == 27 * count > 27 * 500
        html = save(page, "Page", tmp_path)
        assert save(page, "Picture", tmp_path).read_bytes()[:4] == b"\x89PNG"
    with visitor(browser) as context:
        page = context.new_page()
        page.goto(html.as_uri())
        expect(page).to_have_title("tree · seed 5")
        shown = """async () => {
          while (window.ividViewer?.state.value.done !== 27) await new Promise((next) => setTimeout(next, 50));
        }"""
        page.evaluate(shown)  # until all views are on screen


def test_an_address_makes_the_same_scene_and_stop_keeps_what_is_there(browser, server, tmp_path):
    scenes = []
    with visitor(browser) as context:
        for number in range(2):
            (tmp_path / str(number)).mkdir()
            with opened(context, f"{server.url}#class=house&seed=7&views=uncond", HASTY) as page:
                expect(page.locator(".ivid-status[data-tone=done]")).to_be_attached()
                scenes.append(ivid.open_scene(save(page, "Scene", tmp_path / str(number))))
                if number == 0:
                    page.evaluate("hasty = true")
                    generate(page, "house", 8, "3x9")
                    expect(page.locator(".ivid-status p")).to_contain_text("Stopped after")
                    stopped = ivid.open_scene(save(page, "Scene", tmp_path))
                    assert 1 <= len(stopped.views) < 27
    first, again = (scene.views[0] for scene in scenes)
    assert np.array_equal(first.rgb, again.rgb)
    assert np.array_equal(first.depth, again.depth)
    assert not np.array_equal(first.rgb, stopped.views[0].rgb)


def test_the_second_visit_needs_no_server(browser, folder):
    with visitor(browser) as context:
        with serving_site(folder) as server, opened(context, server.url) as page:
            generate(page, "house", 1, "uncond")
            expect(page.locator(".ivid-status[data-tone=done]")).to_be_attached()
        with opened(context, server.url) as page:  # nobody answers at this address any more
            generate(page, "tree", 2, "uncond")
            expect(page.locator(".ivid-status[data-tone=done]")).to_be_attached()


def test_a_damaged_part_is_fetched_again_and_a_seed_that_is_none_is_said_so(browser, folder, server):
    largest = max((folder / "model").glob("*.bin"), key=lambda path: path.stat().st_size).name
    server.damaged[largest] = 1
    with visitor(browser) as context, opened(context, server.url) as page:
        ready(page)
        page.get_by_label("Seed", exact=True).fill("-1")
        page.keyboard.press("Enter")
        expect(page.locator(".ivid-status p")).to_contain_text("A seed is a whole number")
    assert sum(path.endswith(largest) for path in server.asked) == 2


def test_a_part_that_stays_damaged_is_refused(browser, folder, server):
    part = min((folder / "model").glob("*.bin"), key=lambda path: path.stat().st_size).name
    server.damaged[part] = 1000
    phone = {"width": 390, "height": 844}
    with visitor(browser, viewport=phone, color_scheme="dark") as context, opened(context, server.url) as page:
        expect(page.locator(".ivid-status[data-tone=warning]")).to_contain_text("arrives damaged from the server")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate("document.body.classList.contains('dark')"), "as the system has it"
        expect(page.get_by_role("button", name="Generate")).to_be_disabled()


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("HTMLCanvasElement.prototype.getContext = () => null", "This browser has no WebGL2"),
        ("Object.defineProperty(navigator, 'deviceMemory', { value: 0.5 })", "This device has about 0.5 GB of memory"),
        ("delete globalThis.WebAssembly", "This browser has no WebAssembly"),
    ],
)
def test_a_browser_that_does_not_suffice_is_told_so(browser, server, script, sentence):
    with visitor(browser) as context:
        context.add_init_script(script)
        page = context.new_page()
        page.goto(server.url)
        expect(page.locator(".ivid-status[data-tone=warning]")).to_contain_text(sentence)
        expect(page.get_by_role("button", name="Generate")).to_be_disabled()


def test_nothing_is_hard_to_read_nameless_or_out_of_reach(browser, server):
    is_dark = "document.body.classList.contains('dark')"
    with visitor(browser, color_scheme="light") as context, opened(context, server.url) as page:
        generate(page, "house", 1, "uncond")
        expect(page.locator(".ivid-status[data-tone=done]")).to_be_attached()
        for width, height in ((1280, 800), (390, 844)):
            page.set_viewport_size({"width": width, "height": height})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            for scheme in ("light", "dark"):
                assert page.evaluate(is_dark) is (scheme == "dark")
                assert not serious_findings(page)
                page.get_by_role("button", name="Dark colours" if scheme == "light" else "Light colours").click()
