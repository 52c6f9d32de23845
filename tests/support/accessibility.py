"""What axe says of a page."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
CHANGED = """() => {
  const changes = document.getAnimations().filter((each) => each instanceof CSSTransition);
  return Promise.allSettled(changes.map((each) => each.finished));
}"""
"""Colours on their way from one to the other are harder to read than either."""


def serious_findings(page: Page) -> list[str]:
    """The violations that axe calls serious or critical, one line for each element."""
    page.evaluate(CHANGED)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [
        f"{each['impact']} {each['id']}: {node['html']}"
        for each in found
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
