"""How the page stands: places are kept while it loads, everything can be reached, nothing is hard to read."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.accessibility import serious_findings
from tests.support.page_controls import controls_table, unfold
from tests.support.page_visits import done, visit

ROOT = Path(__file__).resolve().parent.parent
COUNT_SHIFTS = """
  window.shift = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shift += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
"""
REACHED = (
    *(".ivid-masthead button", "#ivid-class input", "#ivid-generate", "#ivid-stop", "#ivid-advanced > button"),
    *("#ivid-picture > button", ".ivid-exports summary", "#ivid-open", ".ivid-strip figure:last-child button"),
)
UNCOVERED = """(control) => {
  const box = control.getBoundingClientRect();
  const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return control.contains(top);
}"""

COVERED = """(menu) => {
  const { left, top, right, bottom } = menu.getBoundingClientRect();
  const found = new Set();
  for (let x = left + 8; x < right - 8; x += 16) {
    for (let y = Math.max(top + 8, 0); y < Math.min(bottom - 8, innerHeight); y += 8) {
      const above = document.elementFromPoint(x, y);
      if (!menu.contains(above)) found.add(above.outerHTML.slice(0, 80));
    }
  }
  return [...found];
}"""


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_nothing_lies_over_a_menu_that_is_open(browser, served, width, height):
    with visit(browser, served.url, width, height) as page:
        expect(done(page)).to_have_count(27)
        page.locator(".ivid-exports summary").click()
        assert page.locator(".ivid-menu").evaluate(COVERED) == []
        page.keyboard.press("Escape")
        page.locator("#ivid-class input").click()
        assert page.locator(".ivid-classes").evaluate(COVERED) == []


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1000, 640), (390, 844), (844, 390)])
def test_places_are_kept_and_everything_can_be_reached(whole_browser, served, width, height):
    with visit(whole_browser, served.url, width, height, COUNT_SHIFTS) as page:
        expect(done(page)).to_have_count(27)
        expect(page.locator(".ivid-strip figure")).to_have_count(1)
        expect(page.locator(".ivid-field img[data-shown]")).to_have_count(27)
        assert page.evaluate("shift") < 0.05
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for selector in REACHED:
            control = page.locator(selector).first
            control.scroll_into_view_if_needed()
            assert control.evaluate(UNCOVERED), selector
        page.evaluate("scrollTo(0, 0)")
        if (width, height) == (1280, 800):
            assert_on_one_screen(page, width, height)


def test_the_fields_for_files_show_their_whole_text(browser, served):
    with visit(browser, served.url) as page:
        page.get_by_role("button", name="Begin with a picture").click()
        fields = page.locator("#ivid-picture .block").filter(has=page.get_by_test_id("upload-text"))
        expect(fields).to_have_count(2)
        for field in fields.all():
            label, room, text = (
                field.locator(part).bounding_box()
                for part in ("[data-testid=block-label]", ".upload-container", "[data-testid=upload-text]")
            )
            assert label["y"] + label["height"] <= room["y"]
            assert room["y"] <= text["y"]
            assert text["y"] + text["height"] <= room["y"] + room["height"]


def test_nothing_jumps_where_style_sheets_come_late(browser, served):
    with visit(browser, served.url, 1280, 800, COUNT_SHIFTS, late="**/style.css") as page:
        expect(page.locator(".ivid-field img[data-shown]")).to_have_count(27)
        expect(page.locator(".ivid-viewer .viewer")).to_be_visible()
        assert page.evaluate("shift") < 0.05


def test_a_phone_needs_no_sideways_scrolling(browser, served):
    with visit(browser, served.url, 390, 844, has_touch=True) as page:
        expect(done(page)).to_have_count(27)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        generate = page.get_by_role("button", name="Generate").bounding_box()
        assert generate
        assert generate["y"] + generate["height"] <= 844  # with the scene above it


def assert_on_one_screen(page: Page, width: int, height: int) -> None:
    for selector in ("#ivid-class", "#ivid-generate", ".ivid-exports", "#ivid-open", ".ivid-viewer", ".ivid-field"):
        box = page.locator(selector).first.bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["y"] >= 0
        assert box["x"] + box["width"] <= width, selector
        assert box["y"] + box["height"] <= height, selector
    size = page.locator(".ivid-viewer").bounding_box()
    assert size
    assert size["width"] > 800
    assert size["height"] > 400


def test_nothing_is_hard_to_read_or_nameless(browser, served):
    with visit(browser, served.url, color_scheme="light") as page:
        expect(done(page)).to_have_count(27)
        page.get_by_label("Seed", exact=True).fill("-1")
        page.get_by_role("button", name="Generate").click()  # a warning is there too
        expect(page.locator(".ivid-status[data-tone=warning]")).to_be_visible()
        unfold(page)
        assert not serious_findings(page)
        table = controls_table(page)
        page_of_docs = (ROOT / "docs" / "controls.md").read_text(encoding="utf-8")
        assert table in page_of_docs, "run `python -m tests.support.page_controls` and paste it into docs/controls.md"
        page.get_by_role("button", name="Dark colours").click()
        assert not serious_findings(page)
        page.reload()  # still dark
        expect(done(page)).to_have_count(27)
        assert_on_one_screen(page, 1280, 800)
