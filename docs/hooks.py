"""Hooks of MkDocs: the example scenes as pages of the gallery, and files outside of docs/ that its pages link to."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

import ivid

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(\]\()(?!https?:|#|mailto:)([^)#\s]+)")
ELSEWHERE = "source"
"""Folder of the site with the files outside of docs/."""


def on_files(files: Files, config: Any) -> Files:
    """Add the scenes of the gallery, and everything that a page links to."""
    for scene_file in sorted((ROOT / "assets").glob("*.ivid")):
        name = scene_file.name.partition("_")[0]
        with tempfile.TemporaryDirectory() as folder:
            ivid.export(ivid.open_scene(scene_file), Path(folder) / "page.html")
            page = (Path(folder) / "page.html").read_bytes()
        files.append(File.generated(config, f"gallery/{name}.html", content=page))
    added: set[Path] = set()
    waiting = [Path(config.docs_dir) / file.src_uri for file in files.documentation_pages()]
    while waiting:
        page = waiting.pop()
        for _, target in LINK.findall(page.read_text(encoding="utf-8")):
            path = Path(os.path.normpath(page.parent / target))
            if _is_elsewhere(path) and path.is_file() and path not in added:
                added.add(path)
                files.append(File.generated(config, _address(path), content=path.read_bytes()))
                if path.suffix == ".md":
                    waiting.append(path)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to files outside of docs/ lead to their copies."""
    here = page.file.src_uri
    outside = here.startswith(ELSEWHERE + "/")
    source = ROOT / here.removeprefix(ELSEWHERE + "/") if outside else ROOT / "docs" / here

    def moved(match: re.Match[str]) -> str:
        path = Path(os.path.normpath(source.parent / match[2]))
        return match[1] + os.path.relpath(_address(path), Path(here).parent)

    return LINK.sub(moved, markdown)


def _is_elsewhere(path: Path) -> bool:
    return path.is_relative_to(ROOT) and not path.is_relative_to(ROOT / "docs")


def _address(path: Path) -> str:
    """Where a file of the repository is on the site."""
    if _is_elsewhere(path):
        return f"{ELSEWHERE}/{path.relative_to(ROOT).as_posix()}"
    return path.relative_to(ROOT / "docs").as_posix()
