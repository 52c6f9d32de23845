"""The documentation names what exists: sections of the method page, files and links."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    *(
        path
        for folder in ("ivid", "viewer", "benchmarks", "tests", "docs", "ckpts")
        for path in sorted((ROOT / folder).rglob("*"))
        if path.suffix in (".py", ".js", ".md", ".sh") and "vendor" not in path.parts
    ),
    ROOT / "README.md",
    ROOT / "app.py",
]
PAGES = [path for path in SOURCES if path.suffix == ".md"]


def sections(text: str) -> set[int]:
    return {int(number) for number in re.findall(r"^## §(\d+) ", text, flags=re.MULTILINE)}


def test_every_cited_section_of_the_method_exists():
    known = sections((ROOT / "docs" / "method.md").read_text(encoding="utf-8"))
    assert known == set(range(1, max(known) + 1))
    cited = {
        (path.relative_to(ROOT).as_posix(), int(number))
        for path in SOURCES
        for group in re.findall(r"method ((?:§\d+(?:, | and )?)+)", path.read_text(encoding="utf-8"))
        for number in re.findall(r"\d+", group)
    }
    assert len(cited) > 50
    assert sorted(place for place in cited if place[1] not in known) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_of_a_page_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_source_files_named_by_a_page_exist(page):
    named = re.findall(
        r"`((?:ivid|viewer|tests|benchmarks|configs|recipes|docs)/[\w/.-]+)`", page.read_text(encoding="utf-8")
    )
    assert [name for name in named if not (ROOT / name).exists()] == []
