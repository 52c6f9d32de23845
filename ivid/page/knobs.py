"""What a person can choose of an exported file, and about how large it will be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ivid.export.surface import UP_AXES, VOXEL_PIXELS
from ivid.export.video import MOST_FPS


@dataclass(frozen=True)
class Knob:
    """A choice among the values of one option of some kinds of export.

    Attributes:
        name: of the knob.
        label: what the page calls it.
        option: of the kinds' functions (`ivid.export`).
        kinds: those it is for.
        choices: (value, label); the first is the default, with which the option is left out.
        but: suffixes of these kinds that it is not for.
        most: largest value that a file of a suffix takes.
    """

    name: str
    label: str
    option: str
    kinds: tuple[str, ...]
    choices: tuple[tuple[Any, str], ...]
    but: tuple[str, ...] = ()
    most: Mapping[str, float] | None = None

    @property
    def value(self) -> dict[str, Any]:
        """What the page's module needs to know of it."""
        return {"name": self.name, "label": self.label, "choices": self.choices, "most": dict(self.most or {})}

    def is_for(self, kind: str, suffix: str) -> bool:
        return kind in self.kinds and suffix not in self.but


def _numbers(values: Sequence[int], unit: str) -> tuple[tuple[int, str], ...]:
    return tuple((value, f"{value} {unit}".strip()) for value in values)


DETAILS = {"normal": 1.0, "fine": 0.7, "coarse": 2.0}  # factors of the voxels' width

KNOBS = (
    Knob("detail", "Detail", "voxel_pixels", tuple(VOXEL_PIXELS), tuple((each, each) for each in DETAILS)),
    Knob("triangles", "Triangles", "max_triangles", ("mesh",), ((0, "all"), *_numbers((100_000, 20_000, 5_000), ""))),
    Knob("background", "Background", "keep_far", tuple(VOXEL_PIXELS), ((False, "left out"), (True, "kept"))),
    Knob("far_depths", "Background", "keep_far", ("nerfstudio",), ((False, "no depth"), (True, "far away"))),
    Knob("up", "Up axis", "up", ("points", "mesh"), tuple((axis, axis) for axis in UP_AXES), but=(".glb",)),
    Knob("video_size", "Size", "size", ("video",), _numbers((512, 256, 384, 768, 1024), "px")),
    Knob("seconds", "Duration", "seconds", ("video",), _numbers((2, 4, 6, 10, 20), "s")),
    Knob("fps", "Frames a second", "fps", ("video",), _numbers((30, 10, 15, 24, 50, 60), ""), most=MOST_FPS),
    Knob("picture_size", "Size", "size", ("still", "depth"), _numbers((512, 256, 1024, 2048), "px")),
)  # fmt: skip


def knobs_of(kind: str, suffix: str) -> list[Knob]:
    """The knobs of a kind of file."""
    return [knob for knob in KNOBS if knob.is_for(kind, suffix)]


def options_of(kind: str, suffix: str, wishes: Mapping[str, Any]) -> dict[str, Any]:
    """The options of an export by what was chosen; what is not chosen, or is for other kinds, is left out.

    Args:
        wishes: chosen values by name of the knob.

    Raises:
        ValueError: something was chosen that there is not.
    """
    options: dict[str, Any] = {}
    for knob in knobs_of(kind, suffix):
        default = knob.choices[0][0]
        wish = wishes.get(knob.name, default)
        if not any(type(wish) is type(value) and wish == value for value, _ in knob.choices):
            known = ", ".join(label for _, label in knob.choices)
            raise ValueError(f"{knob.label} is one of {known}, not {wish!r:.40}")
        most = (knob.most or {}).get(suffix, wish)
        if wish > most:
            raise ValueError(f"{knob.label} of {suffix} files is at most {most}, got {wish}")
        if wish != default:
            options[knob.option] = VOXEL_PIXELS[kind] * DETAILS[wish] if knob.name == "detail" else wish
    return options


@dataclass(frozen=True)
class Size:
    """About how many bytes a file has: `fixed`, and `each` of a number of `what`.

    Attributes:
        what: the pixels that are counted: of the surface that is seen (the first view, and of every further view the
            share `grow` that is new), of all views, of all frames of a video or of one side of each of them, for a
            video that is large against the views is smooth, or of one picture.
        power: of the finer detail in the number of pieces.
        far: factor where the background is kept.
        triangle: bytes of one, where a number of triangles is chosen.
    """

    what: str
    each: float
    fixed: float = 0.0
    grow: float = 0.0
    power: float = 0.0
    far: float = 1.0
    triangle: float = 0.0


_POINTS = {"grow": 0.17, "power": 0.7, "far": 1.6}  # measured on the examples, as everything here
_MESH = {"grow": 0.065, "power": 2.0, "far": 1.5}
SIZES = {
    ("points", ".ply"): Size("surface", 16.7, **_POINTS),
    ("splats", ".ply"): Size("surface", 35, **_POINTS),
    ("splats", ".splat"): Size("surface", 16.5, **_POINTS),
    ("splats", ".glb"): Size("surface", 31, **_POINTS),
    ("splats", ".compressed.ply"): Size("surface", 8.4, **_POINTS),
    ("splats", ".spz"): Size("surface", 6.6, **_POINTS),
    ("splats", ".sog"): Size("surface", 4.9, 20e3, **_POINTS),
    ("mesh", ".glb"): Size("surface", 117, triangle=28, **_MESH),
    ("mesh", ".obj"): Size("surface", 390, triangle=94, **_MESH),
    ("mesh", ".ply"): Size("surface", 112, triangle=27, **_MESH),
    ("scene", ".ivid"): Size("views", 3.6),
    ("page", ".html"): Size("views", 2.8, 230e3),
    ("nerfstudio", ".zip"): Size("views", 4.6, 470e3),
    ("grid", ".png"): Size("views", 1.3),
    ("video", ".mp4"): Size("sides", 15.3),
    ("video", ".webm"): Size("sides", 14.3),
    ("video", ".gif"): Size("frames", 0.43),
    ("video", ".webp"): Size("frames", 0.09),
    ("still", ".png"): Size("picture", 0.65),
    ("depth", ".png"): Size("picture", 0.45),
}
