"""The page in a real browser, with a model so small that its scenes take seconds."""

import io
import os
import re
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image
from playwright.sync_api import Page, expect

from ivid.published.scene_file import save_published_scene
from ivid.scene.scene import Scene
from tests.support.page_visits import done, status, take, visit
from tests.support.synthetic import synthetic_scene
from tests.support.viewer_browser import until

HELD = "(count) => document.querySelector('.ivid-viewer').ividViewer?.renderer.held.size === count"
SLOW = "&novel_steps=80"  # a scene that takes long enough to be stopped


@pytest.fixture(scope="module", autouse=True)
def loaded(served) -> None:
    served.models.load(served.model)


def picture(page: Page) -> np.ndarray:
    """What the viewer shows, once it does not change any more."""
    until(
        page,
        """() => {
          const viewer = document.querySelector("#ivid-viewer .ivid-viewer")?.ividViewer;
          return viewer?.renderer?.settled && !viewer.frameRequest;
        }""",
    )
    shot = page.locator("#ivid-viewer .ivid-viewer").screenshot()
    return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), np.int16)


def drag(page: Page, by: int) -> None:
    box = page.locator("#ivid-viewer .ivid-viewer").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by / 2, y, steps=3)
    page.mouse.move(x + by, y, steps=3)
    page.mouse.up()


def drag_files(page: Page, path: Path, *selectors: str) -> None:
    """Drag a file from outside over the middles of elements and drop it on the last one, as the system does it."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind, selector in [("dragEnter", selectors[0]), *[("dragOver", each) for each in selectors], ("drop", "")]:
        box = page.locator(selector or selectors[-1]).first.bounding_box()
        assert box
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        session.send("Input.dispatchDragEvent", {"type": kind, "data": data, **place})
        if kind == "dragEnter":
            expect(page.get_by_text("Drop a scene file to open it")).to_be_visible()
    expect(page.get_by_text("Drop a scene file to open it")).to_be_hidden()


def test_from_a_click_to_a_file(browser, served, tmp_path):
    with visit(browser, served.url) as page:
        expect(done(page)).to_have_count(27)  # the example, there before the first click
        page.get_by_label("Class").fill("tr")
        page.get_by_role("option", name="tree").click()
        page.get_by_label("Seed", exact=True).fill("3")
        page.get_by_role("button", name="Generate").click()
        expect(status(page)).to_have_text(re.compile("Done: 27 views"))
        expect(done(page)).to_have_count(27)
        assert "class=tree" in page.url
        assert "seed=3" in page.url
        sizes = page.locator(".ivid-exports small")
        said = sizes.all_text_contents()
        page.locator(".ivid-exports summary").click()  # opening the menu draws them anew
        assert sizes.all_text_contents() == said
        page.keyboard.press("Escape")

        before = picture(page)
        drag(page, 160)
        page.wait_for_timeout(300)
        assert np.abs(picture(page) - before).mean() > 2

        cloud = trimesh.load(take(page, "Point cloud", tmp_path))
        assert len(cloud.vertices) > 500
        assert np.asarray(cloud.colors)[:, :3].std() > 5
        scene = Scene.load(take(page, "Scene .ivid", tmp_path))
        assert (scene.class_name, scene.seed, len(scene.views)) == ("tree", 3, 27)

        page.goto(served.url)  # what was made is still there
        tile = page.get_by_role("button", name="Open tree, seed 3")
        expect(tile).to_be_visible()
        tile.click()
        expect(status(page)).to_have_text(re.compile("tree_seed00003.ivid is open"))
        page.get_by_role("button", name="Forget tree").click()
        expect(tile).to_have_count(0)


def test_a_link_makes_the_scene_and_depth_is_a_switch_away(browser, served):
    with visit(browser, f"{served.url}?class=house&seed=11&views=random") as page:
        expect(status(page)).to_have_text(re.compile("Done: 2 views"))
        expect(page.get_by_label("Seed", exact=True)).to_have_value("11")
        expect(done(page)).to_have_count(2)
        shown = page.locator(".ivid-field button img[data-shown]").first
        colour = shown.get_attribute("src")
        page.get_by_role("button", name="depth").click()
        expect(shown).to_have_attribute("src", re.compile("-depth.webp"))
        assert colour
        assert "-depth" not in colour


def test_stop_keeps_what_is_done(browser, served, tmp_path):
    with visit(browser, f"{served.url}?class=house&seed=5{SLOW}") as page:
        expect(done(page).nth(2)).to_be_visible()
        page.get_by_role("button", name="Stop").click()
        expect(status(page)).to_have_text(re.compile(r"Stopped; what is done \((\d+) of 27 views\) is kept"))
        kept = int(re.search(r"\((\d+) of", status(page).inner_text())[1])
        assert 3 <= kept < 27
        expect(done(page)).to_have_count(kept)
        assert len(Scene.load(take(page, "Scene .ivid", tmp_path)).views) == kept


def test_two_people_queue_and_stop_alone(browser, served):
    with visit(browser, served.url) as second, visit(browser, f"{served.url}?class=house&seed=6{SLOW}") as first:
        expect(done(second)).to_have_count(27)
        expect(done(first).nth(0)).to_be_visible()
        second.get_by_role("button", name="Generate").click()
        expect(status(second)).to_have_text("Number 2 in the queue; 1 scene is before yours.")
        second.get_by_role("button", name="Stop").click()
        expect(status(second)).to_have_text("Stopped.")
        expect(done(second)).to_have_count(27)  # the example is still shown
        made = done(first).count()
        expect(done(first).nth(made)).to_be_visible()  # and the other one goes on

        second.get_by_role("button", name="Generate").click()
        expect(status(second)).to_have_text(re.compile("Number 2"))
        first.get_by_role("button", name="Stop").click()
        expect(status(first)).to_have_text(re.compile("Stopped; what is done"))
        expect(status(second)).to_have_text(re.compile("Done: 27 views"))


def test_leaving_the_page_ends_the_work(browser, served):
    with visit(browser, f"{served.url}?class=house&seed=7{SLOW}") as first:
        expect(done(first).nth(1)).to_be_visible()
    with visit(browser, f"{served.url}?class=house&seed=8&views=uncond") as second:
        expect(status(second)).to_have_text(re.compile("Done: 1 view "))


def test_bad_input_is_one_sentence_and_changes_nothing(browser, served, tmp_path):
    truncated = tmp_path / "cut.ivid"
    truncated.write_bytes(b"PK\x03\x04 this is no scene")
    with visit(browser, served.url) as page:
        expect(done(page)).to_have_count(27)
        first = done(page).first.locator("img[data-shown]")
        shown = first.get_attribute("src")

        page.get_by_label("Seed", exact=True).fill("4.5")
        page.get_by_role("button", name="Generate").click()
        expect(status(page)).to_have_text("The seed must be an integer from 0 to 2^63 - 1, got 4.5.")
        expect(page.get_by_test_id("toast-body")).to_have_count(0)  # it is said once

        page.get_by_role("button", name="Advanced").click()
        expect(page.get_by_label("Steps, first view")).to_have_value("4")  # the model's own

        page.locator("#ivid-open").locator("xpath=preceding-sibling::input").set_input_files(truncated)
        expect(status(page)).to_have_text(re.compile("cut.ivid cannot be opened as a scene"))

        assert first.get_attribute("src") == shown
        expect(done(page)).to_have_count(27)

        page.goto(f"{served.url}?class=spaceship&seed=1")
        expect(page.get_by_text("The link asks for the class spaceship")).to_be_visible()
        page.goto(f"{served.url}?class=house&seed=1&first_steps=2000")
        expect(status(page)).to_have_text("The steps of the first view must be an integer from 1 to 1000, got 2000.")


def test_a_scene_dropped_on_the_page_opens(browser, served, tmp_path):
    whole = synthetic_scene(32)
    Scene(whole.views[:3], whole.depth_range, class_name="drawer", seed=9).save(tmp_path / "three.ivid")
    save_published_scene(whole, tmp_path / "scene_class207_seed00012.npz")
    with visit(browser, served.url) as page:
        expect(done(page)).to_have_count(27)
        until(page, HELD, arg=27)  # nothing that is drawn changes any more
        drag_files(page, tmp_path / "three.ivid", ".ivid-viewer")
        expect(status(page)).to_have_text("three.ivid is open: drawer · seed 9, 3 views.")
        until(page, HELD, arg=3)
        drag_files(page, tmp_path / "scene_class207_seed00012.npz", "#ivid-controls")
        expect(status(page)).to_contain_text("is open: class 207 · seed 12, 27 views.")
        until(page, HELD, arg=27)
        expect(page.locator(".ivid-viewer").get_by_text("class 207 · seed 12")).to_be_visible()


class Trap:
    """Pickles as a command for the shell."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def test_what_cannot_be_opened_is_one_sentence_and_the_scene_stays(browser, served, tmp_path):
    np.savez(tmp_path / "trap.npz", data=np.array([Trap(f"touch {tmp_path / 'RAN'}")], object))
    whole = synthetic_scene(16)
    whole.save(tmp_path / "cut.ivid")
    (tmp_path / "cut.ivid").write_bytes((tmp_path / "cut.ivid").read_bytes()[:4000])
    Image.fromarray(whole.views[0].rgb).save(tmp_path / "picture.png")
    shown = "() => document.querySelector('.ivid-viewer').ividViewer.manifest.views.map((view) => view.url)"
    with visit(browser, served.url) as page:
        until(page, HELD, arg=27)
        before = page.evaluate(shown)
        drag_files(page, tmp_path / "trap.npz", ".ivid-viewer")
        expect(status(page)).to_have_text(re.compile(r"trap.npz is refused: it tries to load \w+.system, .*[^.]\.$"))
        drag_files(page, tmp_path / "cut.ivid", ".ivid-viewer")
        expect(status(page)).to_have_text(
            re.compile(r"cut.ivid cannot be opened as a scene: it is no scene file, or is damaged .*[^.]\.$")
        )
        drag_files(page, tmp_path / "picture.png", ".ivid-viewer")
        expect(page.get_by_text("Invalid file type: picture.png. Only .ivid, .npz allowed.")).to_be_visible()

        page.get_by_role("button", name="Begin with a picture").click()
        drag_files(page, tmp_path / "picture.png", ".ivid-viewer", "#ivid-picture [aria-dropeffect]")
        expect(page.get_by_label("picture.png")).to_be_visible()  # a field keeps what is dropped on it
        assert page.evaluate(shown) == before
        assert page.evaluate(HELD, 27)
    assert not (tmp_path / "RAN").exists()
