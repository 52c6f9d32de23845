"""Taking a scene away: which files there are, and writing one while its progress is shown."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from ivid.export import KINDS, export_scene
from ivid.scene import Scene

FIRST = (  # the page's own buttons; everything else stands in its menu
    ("points", ".ply", "Point cloud"),
    ("video", ".mp4", "Swing video"),
    ("scene", ".ivid", "Scene"),
)
LABELS = {
    "mesh": "Mesh",
    "splats": "Gaussian splats",
    "nerfstudio": "Pictures and cameras",
    "video": "Swing video",
    "grid": "Picture of all views",
    "still": "Fused picture",
    "depth": "Depth map",
    "page": "Web page",
}
UNTAGGED = {kind for kind, _, _ in FIRST} | {"page"}


def offered() -> list[dict[str, str]]:
    """Every kind and suffix, in the order the page shows them."""
    kinds = [
        {"kind": kind, "suffix": suffix, "label": label, "hint": f"Download: {KINDS[kind].description} ({suffix})"}
        for kind, suffix, label in FIRST
    ]
    taken = {(kind, suffix) for kind, suffix, _ in FIRST}
    for name, kind in KINDS.items():
        for suffix in kind.suffixes:
            if suffix and (name, suffix) not in taken:
                label = LABELS.get(name, kind.description)
                hint = f"Download: {kind.description} ({suffix})"
                kinds.append({"kind": name, "suffix": suffix, "label": label, "hint": hint})
    return kinds


def file_stem(scene: Scene, kind: str = "scene") -> str:
    """What a file of a scene is called, without its suffix: `house_seed00003`, `house_seed00003_mesh`."""
    label = re.sub(r"[^a-z0-9]+", "-", scene.class_name.split(",")[0].casefold()).strip("-") or "scene"
    seed = "" if scene.seed is None else f"_seed{scene.seed:05d}"
    return f"{label}{seed}" + ("" if kind in UNTAGGED else f"_{kind}")


async def export_with_progress(scene: Scene, path: Path, kind: str, **options: Any) -> AsyncIterator[float | None]:
    """Write the file on another thread; yields the share that is done several times a second.

    Raises:
        ValueError, OSError: what the export raised.
    """
    share: list[float | None] = [None]

    def progress(done: int, total: int) -> None:
        share[0] = done / total if total else None

    task = asyncio.create_task(asyncio.to_thread(export_scene, scene, path, kind, progress, **options))
    while not task.done():
        yield share[0]
        await asyncio.wait([task], timeout=0.2)
    await task
