"""Taking a scene away: every export of a scene of 27 views at 128²."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.scenes import example_scene
from benchmarks.timing import Row, median_seconds
from ivid.export import export_scene

EXPORTS = (  # what, file, kind, options, goal, runs
    ("points (.ply)", "a.ply", "points", {}, "<= 2", 5),
    ("mesh (.glb)", "a.glb", "mesh", {}, "<= 6", 3),
    ("Gaussian splats (.ply)", "b.ply", "splats", {}, "", 3),
    ("nerfstudio and COLMAP (.zip)", "a.zip", "nerfstudio", {}, "", 3),
    ("swing, 60 frames at 512² (.mp4)", "a.mp4", "video", {"frames": 60, "size": 512}, "<= 15", 1),
    ("page (.html)", "a.html", "page", {}, "<= 2", 5),
)


def rows() -> Iterator[Row]:
    scene = example_scene()
    with tempfile.TemporaryDirectory() as folder:
        export_scene(scene, Path(folder) / "warm.png", "still", size=64)  # kernels are compiled once per machine
        for what, name, kind, options, goal, runs in EXPORTS:
            path = Path(folder) / name

            def export(path: Path = path, kind: str = kind, options: dict = options) -> None:
                export_scene(scene, path, kind, **options)

            seconds = median_seconds(export, runs, warm_up=int(runs > 1))
            yield f"export: {what}", seconds, "s", goal
            yield f"export: {what}, size", path.stat().st_size / 1e6, "MB", "<= 2.5" if kind == "page" else ""
