"""The page at rest and at several sizes: what it costs, that nothing jumps, what can be reached, who can read it."""

import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.page_visits import done, visit

AXE = Path(__file__).parent.parent / "node_modules" / "axe-core" / "axe.min.js"
SIZES = [(1280, 800), (1000, 640), (390, 844), (844, 390)]
REACHABLE = (
    "#ivid-class",
    "#ivid-generate",
    "#ivid-stop",
    "#ivid-status",
    "#ivid-exports",
    "#ivid-open",
    ".ivid-viewer",
    ".ivid-strip figure",
)
COUNT_FRAMES = """
  window.frames_ = 0;
  const request = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (callback) => request((time) => { window.frames_++; callback(time); });
"""
COUNT_SHIFTS = """
  window.shifted = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
  }).observe({ type: "layout-shift", buffered: true });
"""


def visible_inside(page: Page, selector: str, width: int, height: int) -> bool:
    box = page.locator(selector).first.bounding_box()
    assert box, selector
    return box["x"] >= 0 and box["y"] >= 0 and box["x"] + box["width"] <= width and box["y"] + box["height"] <= height


def test_a_server_that_nobody_visits_rests(served):
    served.models.pipeline(served.model)
    time.sleep(1)
    began, cpu = time.monotonic(), time.process_time()
    time.sleep(5)
    assert (time.process_time() - cpu) / (time.monotonic() - began) < 0.01


def test_a_page_at_rest_asks_for_no_frames(browser, served):
    with visit(browser, served.url, script=COUNT_FRAMES) as page:
        expect(done(page)).to_have_count(27)
        page.wait_for_function(
            """() => {
              const { renderer, frameRequest } = document.querySelector(".ivid-viewer").ividViewer;
              return renderer.held.size === 27 && renderer.settled && !frameRequest;
            }"""
        )
        page.wait_for_timeout(1000)
        before = page.evaluate("window.frames_")
        page.wait_for_timeout(3000)
        assert page.evaluate("window.frames_") - before < 15


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_everything_can_be_reached_and_nothing_jumps(browser, served, width, height):
    with visit(browser, served.url, width, height, script=COUNT_SHIFTS, has_touch=width < 900) as page:
        expect(done(page)).to_have_count(27)
        page.wait_for_timeout(500)
        assert page.evaluate("window.shifted") < 0.05
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for selector in REACHABLE:
            page.locator(selector).first.scroll_into_view_if_needed()
            assert visible_inside(page, selector, width, height), selector
        page.get_by_role("button", name="Advanced").click()
        page.get_by_label("Guidance").first.scroll_into_view_if_needed()
        for selector in ("#ivid-generate", "#ivid-stop", "#ivid-status"):
            assert visible_inside(page, selector, width, height), selector


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_serious_findings_of_axe(browser, served, scheme):
    with visit(browser, f"{served.url}?__theme={scheme}", color_scheme=scheme) as page:
        expect(done(page)).to_have_count(27)
        page.get_by_role("button", name="Advanced").click()
        page.get_by_role("button", name="Begin with a picture").click()
        page.add_script_tag(path=AXE)
        found = page.evaluate("async () => (await axe.run(document, { resultTypes: ['violations'] })).violations")
        serious = [
            (each["id"], [node["html"][:120] for node in each["nodes"]])
            for each in found
            if each["impact"] in ("serious", "critical")
        ]
        assert not serious, serious
