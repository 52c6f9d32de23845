"""People who visit the page with a browser."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.support.viewer_browser import ONE_SAMPLE, PATIENCE_MS

expect.set_options(timeout=PATIENCE_MS)


@contextmanager
def visit(
    browser: Browser, url: str, width: int = 1280, height: int = 800, script: str = "", late: str = "", **options
):
    """A page of a person of its own: nothing is shared with the others. Errors in it fail the test.

    script: runs in the page before its own. late: addresses, as a glob, of files that come 0.3 s later.
    """
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    if late:
        page.route(late, lambda route: (time.sleep(0.3), route.continue_()))
    page.add_init_script(ONE_SAMPLE)
    page.add_init_script(script)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    expect(page.locator(".ivid-exports button").first).to_be_visible()
    expect(page.locator(".ivid-library h2")).to_be_visible()
    yield page
    context.close()
    assert not errors, errors


def done(page: Page):
    return page.locator(".ivid-field button[data-state=done]")


def status(page: Page):
    return page.locator(".ivid-status p")


def take(page: Page, label: str, folder: Path) -> Path:
    with page.expect_download() as download:
        page.get_by_role("button", name=label).first.click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path
