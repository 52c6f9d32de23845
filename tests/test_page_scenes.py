"""Scenes on the page: replaced, kept, continued, linked to, exported after the server has forgotten them."""

import re
import time
from pathlib import Path
from threading import Event

import pytest
from playwright.sync_api import Page, expect

from ivid.page.examples import Examples
from ivid.page.modules import WEB
from ivid.page.networks import InThisProcess
from ivid.scene.scene import Scene
from tests.support.estimator import save_photo, use_fake_estimator
from tests.support.page_visits import done, status, take, visit
from tests.support.synthetic import synthetic_scene
from tests.support.viewer_browser import until

LONG = "&views=random&novel_steps=400"  # a second view that takes long enough to be stopped
KEYS = "() => document.querySelector('.ivid-viewer').ividViewer.timeline.keys.length"


COUNT_CALLBACKS = """
  const request = window.requestAnimationFrame;
  window.callbacks = 0;
  window.requestAnimationFrame = (draw) => request.call(window, (time) => { window.callbacks += 1; draw(time); });
"""
AT_REST = """() => {
  const viewer = document.querySelector(".ivid-viewer").ividViewer;
  return viewer?.renderer?.settled && !viewer.frameRequest;
}"""


@pytest.fixture(scope="module", autouse=True)
def loaded(served) -> None:
    served.models.load(served.model)


def open_file(page: Page, path: Path) -> None:
    page.locator("#ivid-open").locator("xpath=preceding-sibling::input").set_input_files(path)


def test_until_a_scene_is_there_the_viewer_does_not_say_that_there_is_none(browser, served, monkeypatch):
    asked, get = Event(), Examples.get
    monkeypatch.setattr(Examples, "get", lambda *name: (asked.wait(60), get(*name))[1])
    with visit(browser, served.url) as page:
        viewer = page.locator(".ivid-viewer")
        expect(viewer.get_by_text("A scene is on its way")).to_be_visible()
        expect(viewer.get_by_text("No scene yet")).to_have_count(0)
        asked.set()
        expect(done(page).first).to_be_visible()
        expect(viewer.get_by_text("A scene is on its way")).to_be_hidden()


def test_where_no_scene_is_coming_the_viewer_says_so(browser, served, monkeypatch):
    with visit(browser, f"{served.url}?class=house&seed=1&first_steps=2000") as page:  # more than the model has
        expect(page.locator(".ivid-viewer").get_by_text("No scene yet")).to_be_visible()
    monkeypatch.setattr(Examples, "names", [])
    with visit(browser, served.url) as page:
        expect(page.locator(".ivid-viewer").get_by_text("No scene yet")).to_be_visible()


def test_generate_replaces_the_scene_that_is_being_made_and_it_can_be_continued(browser, served):
    with visit(browser, f"{served.url}?class=house&seed=21{LONG}") as page:
        until(page, "() => document.title === '1/2 · house'")  # looked for in every frame: it may last a second only
        assert done(page).count() == 1
        page.get_by_label("Seed", exact=True).fill("22")
        page.get_by_role("button", name="Generate").click()
        expect(page).to_have_url(re.compile("seed=22"))
        page.get_by_role("button", name="Stop").click()
        expect(status(page)).to_contain_text("Stopped")
        expect(page).to_have_title("ivid")

        first = page.locator("figure", has_text="seed 21, 1 of 2 views")  # what was replaced is kept
        expect(first).to_be_visible()
        first.get_by_role("button", name="Continue").click()
        expect(page.get_by_label("Seed", exact=True)).to_have_value("21")
        expect(status(page)).to_contain_text("Done: 2 views")
        expect(page).to_have_url(re.compile("seed=21"))
        expect(page.get_by_role("button", name="Open house, seed 21", exact=True)).to_be_visible()
        expect(first).to_have_count(0)

        page.reload()
        expect(status(page)).to_contain_text("house_seed00021.ivid is open")
        expect(page.get_by_role("button", name="Open the example still life")).to_be_visible()  # beside the own ones


def test_a_finished_scene_is_not_replaced_by_less_of_it(browser, served):
    with visit(browser, served.url) as page:
        history = f"{served.url}gradio_api/file={(WEB / 'history.js').as_posix()}"
        kept = page.evaluate(
            """async (url) => {
              const { add, find } = await import(url);
              const entry = { link: "?seed=1", title: "", note: "", picture: "", name: "", file: new Blob(), made: 1 };
              await add({ ...entry, views: 27, planned: 27 });
              await add({ ...entry, views: 3, planned: 27 });
              return (await find("?seed=1")).views;
            }""",
            history,
        )
        assert kept == 27


def test_a_scene_begins_with_a_photograph_until_its_chip_is_taken_away(browser, served, tmp_path, monkeypatch):
    monkeypatch.setattr(served.models, "networks", InThisProcess())  # which has the estimator that is not fetched
    use_fake_estimator(monkeypatch)
    with visit(browser, served.url) as page:
        expect(done(page)).to_have_count(27)
        page.get_by_role("button", name="Begin with a picture").click()
        page.locator("#ivid-picture input[type=file]").first.set_input_files(save_photo(tmp_path / "photo.jpg"))
        chip = page.locator("#ivid-chip")
        expect(chip).to_have_text(re.compile("photo.jpg"))
        page.get_by_label("Seed", exact=True).fill("41")
        page.locator("#ivid-advanced > button").click()
        page.get_by_label("First view only").check()
        page.get_by_role("button", name="Generate").click()
        expect(status(page)).to_contain_text("Done: 1 view")
        link = page.get_by_role("button", name="Copy link")
        expect(link).to_have_attribute("aria-disabled", "true")
        expect(link).to_have_attribute("title", re.compile("began with your picture"))
        assert "?" not in page.url
        first = Scene.load(take(page, "Scene .ivid", tmp_path))
        assert first.views[0].rgb[2].mean() > 200

        chip.click()
        expect(chip).to_be_hidden()
        page.get_by_role("button", name="Generate").click()
        expect(page).to_have_url(re.compile("seed=41"))
        expect(link).to_have_attribute("aria-disabled", "false")
        expect(page.get_by_role("button", name=re.compile("Open house, seed 41"))).to_have_count(2)  # told apart


def test_what_was_opened_is_exported_also_when_the_server_has_forgotten_it(browser, served, tmp_path):
    whole = synthetic_scene(32)
    for count, seed in ((3, 9), (2, 10)):
        views = whole.views[:count]
        Scene(views, whole.depth_range, class_name="drawer", seed=seed).save(tmp_path / f"drawer{seed}.ivid")

    def exported(page: Page) -> int:
        served.sessions.close()
        return len(Scene.load(take(page, "Scene .ivid", tmp_path)).views)

    with visit(browser, f"{served.url}?class=house&seed=61&views=uncond") as page:
        expect(status(page)).to_contain_text("Done: 1 view")
        link = page.get_by_role("button", name="Copy link")
        expect(link).to_have_attribute("aria-disabled", "false")
        assert exported(page) == 1

        open_file(page, tmp_path / "drawer9.ivid")
        expect(status(page)).to_contain_text("drawer9.ivid is open")
        expect(page).to_have_url(served.url)
        expect(link).to_have_attribute("aria-disabled", "true")
        expect(link).to_have_attribute("title", re.compile("No link: this page does not have the scene's model"))
        assert exported(page) == 3
        with page.context.expect_page() as another:
            page.evaluate("(url) => open(url)", served.url)
        expect(another.value.get_by_role("button", name="Open the example still life")).to_be_visible()
        open_file(another.value, tmp_path / "drawer10.ivid")
        expect(status(another.value)).to_contain_text("drawer10.ivid is open")
        assert exported(another.value) == 2
        assert exported(page) == 3  # its own, not the other tab's

        page.get_by_role("button", name="Open the example still life").click()
        expect(status(page)).to_contain_text("still.ivid is open")
        expect(page).to_have_url(served.url)
        assert exported(page) == 27

        page.get_by_role("button", name="Open house, seed 61").click()
        expect(status(page)).to_contain_text("house_seed00061.ivid is open")
        expect(page).to_have_url(re.compile("seed=61"))
        expect(page.get_by_label("Seed", exact=True)).to_have_value("61")
        expect(link).to_have_attribute("aria-disabled", "false")
        assert exported(page) == 1


def test_keyframes_survive_the_views_that_arrive_and_go_with_exports(browser, served, tmp_path):
    with visit(browser, f"{served.url}?class=house&seed=33&novel_steps=60") as page:
        expect(done(page).nth(1)).to_be_visible()
        viewer = page.locator("#ivid-viewer .ivid-viewer")
        film = page.locator("[data-preset=path]")
        page.locator(".ivid-exports summary").click()
        expect(film).to_be_disabled()
        expect(film).to_have_attribute("title", re.compile("two keys"))
        viewer.click()
        page.keyboard.press("k")
        page.keyboard.press("k")
        made = done(page).count()
        expect(done(page).nth(made)).to_be_visible()
        assert page.evaluate(KEYS) == 2
        page.get_by_role("button", name="Stop").click()
        expect(status(page)).to_contain_text("Stopped")
        assert page.evaluate(KEYS) == 2
        page.locator(".ivid-exports summary").click()
        expect(film).to_be_enabled()
        page.keyboard.press("Escape")
        served.sessions.close()  # even from a server that knows neither the scene nor the keys
        assert len(Scene.load(take(page, "Scene .ivid", tmp_path)).settings["keyframes"]) == 2


def test_who_rests_does_nothing(browser, served):
    with visit(browser, f"{served.url}?class=house&seed=51&views=uncond", script=COUNT_CALLBACKS) as page:
        expect(status(page)).to_contain_text("Done: 1 view")
        until(page, AT_REST)
        assert page.evaluate("callbacks") > 0

        def in_two_seconds() -> int:
            before = page.evaluate("callbacks")
            page.wait_for_timeout(2000)
            return page.evaluate("callbacks") - before

        # The tools fade first, which takes as many seconds as a busy machine lets it.
        assert any(in_two_seconds() < 2 * 5 for _ in range(15))
        assert in_two_seconds() < 2 * 5  # and it stays at rest

    def share_of_a_core() -> float:
        before = time.process_time()
        time.sleep(2)
        return (time.process_time() - before) / 2

    # A server that nobody visits; the page is closed. Gradio's queue alone took 7 % at its own pace.
    assert any(share_of_a_core() < 0.01 for _ in range(5))
