"""The table of the page's controls in docs/controls.md, read off the page; run as a program it prints it."""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Page

FIND = r"""() => {
  const places = {
    masthead: "top", controls: "the scene to make", exports: "files", open: "files", grid: "views", library: "scenes",
  };
  const kinds = { INPUT: "", SELECT: "choice", SUMMARY: "menu", BUTTON: "button" };
  const plain = (text) => text.replace(/[▼◀]/g, "").trim().replace(/\s+/g, " ");
  const rows = [];
  for (const [id, place] of Object.entries(places)) {
    const room = document.querySelector(`#ivid-${id}`);
    const found = room.matches("button") ? [room] : room.querySelectorAll("button, input, select, summary");
    for (const control of found) {
      const elsewhere = id === "controls" && control.closest("#ivid-exports, #ivid-open, .gallery, table");
      const shown = control.checkVisibility() && control.type !== "file";
      if (elsewhere || !shown) continue;
      const group = control.closest("[role=group], fieldset, section[aria-labelledby]");
      const heading = group?.getAttribute("aria-label") ?? group?.querySelector("span, h2")?.textContent ?? "";
      const label = control.labels?.[0];
      const own = control.getAttribute("aria-label") || control.querySelector(".ivid-label")?.textContent
        || (control.matches("select") ? label.firstChild : label)?.textContent || control.textContent;
      rows.push({
        place,
        name: [heading, own].map(plain).filter(Boolean).join(": "),
        suffix: control.dataset.preset ? control.querySelector("small").textContent.split(" ")[0] : "",
        kind: control.getAttribute("role") ?? (kinds[control.tagName] || control.type),
        keys: control.getAttribute("aria-keyshortcuts") ?? "",
      });
    }
  }
  return rows;
}"""


def controls_table(page: Page) -> str:
    """The table, of a page whose folds are open."""
    rows = ["| where | control | kind | keys |", "|---|---|---|---|"]
    for row in page.evaluate(FIND):
        name = "each view" if row["name"].startswith("Views: View") else f"{row['name']} {row['suffix']}".strip()
        line = f"| {row['place']} | {name} | {row['kind']} | {row['keys'].replace(' ', ', ')} |"
        if name and line not in rows:
            rows.append(line)
    return "\n".join(rows)


def unfold(page: Page) -> None:
    """Open the folds and the menu of the page."""
    for fold in ("advanced", "picture"):
        page.locator(f"#ivid-{fold} > button").click()
    page.locator("#ivid-depth-kind").wait_for()
    page.locator(".ivid-exports summary").click()


def main() -> None:
    from benchmarks.browser import headless_chromium
    from tests.support.page_server import serving_page
    from tests.support.page_visits import done, visit

    with tempfile.TemporaryDirectory() as folder, serving_page(Path(folder)) as served, headless_chromium() as browser:  # noqa: SIM117
        with visit(browser, served.url) as page:
            done(page).first.wait_for()
            unfold(page)
            print(controls_table(page))


if __name__ == "__main__":
    main()
