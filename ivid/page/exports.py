"""Exports: the presets that the page offers, and writing one while its progress is shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ivid.export import KINDS, export_scene
from ivid.page.knobs import KNOBS, SIZES, knobs_of, options_of
from ivid.pipeline.batch import label_in_files
from ivid.scene.scene import Scene


@dataclass(frozen=True)
class ExportPreset:
    """An export of the page: a kind of file with its options, under a name of its own."""

    name: str
    label: str
    kind: str
    suffix: str
    tag: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def value(self) -> dict[str, Any]:
        """What the page's module needs to know of it."""
        size = SIZES.get((self.kind, self.suffix))
        return {
            "name": self.name,
            "label": self.label,
            "suffix": self.suffix,
            "hint": f"Download: {KINDS[self.kind].description} ({self.suffix})",
            "group": next(group for group, kinds in GROUPS.items() if self.kind in kinds),
            "knobs": [knob.name for knob in knobs_of(self.kind, self.suffix)],
            "size": asdict(size) if size else None,
        }

    def options_by(self, wishes: Any) -> dict[str, Any]:
        """The options of its kind, by what a person has chosen (`ivid.page.knobs`).

        Raises:
            ValueError: something was chosen that there is not.
        """
        chosen = wishes if isinstance(wishes, dict) else {}
        return {**options_of(self.kind, self.suffix, chosen), **self.options}


GROUPS = {
    "3D": ("points", "mesh", "splats", "scene", "page"),
    "Video": ("video",),
    "Pictures": ("grid", "still", "depth", "nerfstudio"),
}
NAMED = (  # the first three are buttons of the page, the others stand in its menu
    ExportPreset("points", "Point cloud", "points", ".ply"),
    ExportPreset("swing", "Swing video", "video", ".mp4"),
    ExportPreset("scene", "Scene", "scene", ".ivid"),
    ExportPreset("page", "Web page", "page", ".html"),
    ExportPreset("mesh-glb", "Mesh", "mesh", ".glb", "_mesh"),
    ExportPreset("mesh-obj", "Mesh", "mesh", ".obj", "_mesh"),
    ExportPreset("mesh-ply", "Mesh", "mesh", ".ply", "_mesh"),
    ExportPreset("splats-ply", "Gaussian splats", "splats", ".ply", "_splats"),
    ExportPreset("splats", "Gaussian splats", "splats", ".splat", "_splats"),
    ExportPreset("nerfstudio", "Pictures and cameras", "nerfstudio", ".zip", "_nerfstudio"),
    ExportPreset("orbit", "Looping video", "video", ".mp4", "_orbit", {"trajectory": "orbit"}),
    ExportPreset("dolly", "Dolly zoom", "video", ".mp4", "_dolly", {"trajectory": "dolly"}),
    ExportPreset("path", "Video of your camera path", "video", ".mp4", "_path", {"trajectory": "keyframes"}),
    ExportPreset("both", "Colour and depth video", "video", ".mp4", "_both", {"what": "both"}),
    ExportPreset("swing-webm", "Swing video", "video", ".webm"),
    ExportPreset("swing-gif", "Swing video", "video", ".gif"),
    ExportPreset("swing-webp", "Swing video", "video", ".webp"),
    ExportPreset("grid", "Picture of all views", "grid", ".png", "_grid"),
    ExportPreset("grid-depth", "Depths of all views", "grid", ".png", "_grid_depth", {"what": "depth"}),
    ExportPreset("still", "Fused picture", "still", ".png", "_still"),
    ExportPreset("depth", "Depth map, 16 bits", "depth", ".png", "_depth"),
)


def _presets() -> dict[str, ExportPreset]:
    named = {(preset.kind, preset.suffix) for preset in NAMED}
    others = [
        ExportPreset(f"{kind.name}{suffix}", kind.description, kind.name, suffix, f"_{kind.name}")
        for kind in KINDS.values()
        for suffix in kind.suffixes
        if suffix and (kind.name, suffix) not in named
    ]
    return {preset.name: preset for preset in (*NAMED, *others)}


PRESETS = _presets()


def preset_values() -> list[dict[str, Any]]:
    """Every preset, in the order the page shows them."""
    return [preset.value for preset in PRESETS.values()]


def knob_values() -> list[dict[str, Any]]:
    """Every knob, each in the group whose kinds it is for."""
    groups = ((knob, group) for knob in KNOBS for group, kinds in GROUPS.items() if set(knob.kinds) & set(kinds))
    return [{**knob.value, "group": group} for knob, group in groups]


def exports_value(
    enabled: bool = True,
    running: dict[str, Any] | None = None,
    file: dict[str, Any] | None = None,
    missing: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The value of the exports' component.

    Args:
        enabled: whether there is a scene.
        running: name and share of an export that is being written.
        file: path, name and number of one that is ready.
        missing: name of an export whose scene this server does not have, and a number.
    """
    return {
        "presets": preset_values(),
        "knobs": knob_values(),
        "enabled": enabled,
        "running": running,
        "file": file,
        "missing": missing,
    }


def file_stem(scene: Scene, tag: str = "") -> str:
    """What a file of a scene is called, without its suffix: `house_seed00003`, `house_seed00003_mesh`."""
    label = label_in_files(scene.class_name) or "scene"
    seed = "" if scene.seed is None else f"_seed{scene.seed:05d}"
    return f"{label}{seed}{tag}"


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
