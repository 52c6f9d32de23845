"""Exports that another room of the house writes: the scene file, and the viewer's page."""

from __future__ import annotations

import importlib
from pathlib import Path

from ivid.export.surface import Progress
from ivid.scene.scene import Scene


def export_scene_file(scene: Scene, path: str | Path, progress: Progress | None = None) -> None:
    """Write the `.ivid` file."""
    scene.save(path)
    if progress:
        progress(1, 1)


def export_page(scene: Scene, path: str | Path, progress: Progress | None = None) -> None:
    """Write the self-contained HTML page of the viewer.

    The viewer knows this package, not the other way round, so it is found when it is asked for.
    """
    importlib.import_module("viewer.html").write_html(scene, path)
    if progress:
        progress(1, 1)
