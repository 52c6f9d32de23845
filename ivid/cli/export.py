"""`ivid export`: a scene as another kind of file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ivid.cli.arguments import DEVICE_HELP, device, number, positive
from ivid.export import KINDS, checked_kind, kind_for
from ivid.export.paths import PATHS
from ivid.export.stills import SHOWN
from ivid.export.surface import UP_AXES, VOXEL_PIXELS
from ivid.scene.files import read_json

# Options of kinds of export, by the names that the functions behind them know them by.
EXPORT_OPTIONS: dict[str, dict[str, Any]] = {
    "size": {"type": positive, "help": "side of a video, a still or a depth map in pixels (default: 512)"},
    "supersample": {
        "type": positive,
        "metavar": "N",
        "help": "draw N times larger, and reduce (default: 3; of videos on the CPU 1 at 512 pixels, more at fewer)",
    },
    "what": {
        "choices": SHOWN,
        "help": "of a video, a still or a grid; both: side by side, in a grid one above the other (default: colour)",
    },
    "blend": {
        "choices": ("anchored", "exact"),
        "help": "of a video or a still; anchored: views as they are at their cameras (default); exact: as published",
    },
    "shading": {
        "choices": ("fragment", "pixel", "fast"),
        "help": "of a video or a still; fragment: as published (default); fast: about the same in half of the time",
    },
    "trajectory": {"choices": PATHS, "help": "camera path of a video (default: swing)"},
    "keyframes": {"type": Path, "metavar": "FILE", "help": "a .json list of cameras that a video passes through"},
    "loop": {"action": "store_true", "help": "close the path of a video, so that it repeats without a stop"},
    "frames": {"type": positive, "help": "frames of a video (default: 60)"},
    "seconds": {"type": number(), "help": "length of a video, in place of --frames"},
    "fps": {"type": number(), "help": "frames per second of a video (default: 30)"},
    "yaw": {"type": number(), "metavar": "RAD", "help": "camera of a still or a depth map: its yaw (default: 0)"},
    "pitch": {"type": number(), "metavar": "RAD", "help": "its pitch (default: 0)"},
    "radius": {"type": number(), "metavar": "M", "help": "its distance from the orbit centre (default: 1)"},
    "fov": {"type": number(), "metavar": "DEG", "help": "its vertical field of view (default: 45)"},
    "keep_far": {"action": "store_true", "help": "keep what lies at the far plane (the sky) in points, mesh or splats"},
    "voxel_pixels": {
        "type": number(),
        "metavar": "PX",
        "help": "how fine geometry is: width of a voxel in pixels "
        f"(default: {', '.join(f'{kind} {width:g}' for kind, width in VOXEL_PIXELS.items())})",
    },
    "max_triangles": {"type": positive, "metavar": "N", "help": "simplify a mesh to at most so many (default: all)"},
    "texture": {"type": positive, "metavar": "PX", "help": "side of a mesh's texture (default: colours of vertices)"},
    "compress": {"action": "store_true", "help": "quantise and pack a mesh by meshoptimizer; of .glb"},
    "outliers": {"action": "store_true", "help": "keep statistical outliers among points"},
    "up": {"choices": UP_AXES, "help": "axis of points or a mesh that points up; z suits Blender (default: y)"},
    "sh_degree": {
        "type": int,
        "choices": range(4),
        "help": "degree of the spherical harmonics of splats, for readers that insist on one (default: 0)",
    },
    "fit_steps": {
        "type": int,
        "metavar": "N",
        "help": "steps in which the colours of splats are fitted to fused pictures (default: 6; 0 leaves the views')",
    },
    "device": {
        "type": device,
        "help": f"where pictures are rendered: {DEVICE_HELP} (default: the first GPU, or else cpu)",
    },
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scene", type=Path, help="a scene file, .ivid or .npz")
    parser.add_argument("--out", type=Path, required=True, help="the file; its suffix says the kind")
    parser.add_argument("--as", dest="kind", choices=KINDS, help="the kind, where the suffix leaves a choice")
    for name, how in EXPORT_OPTIONS.items():
        parser.add_argument(_flag(name), dest=name, default=argparse.SUPPRESS, **how)


def run(options: argparse.Namespace) -> None:
    from ivid.published.scene_file import open_scene

    kind = options.kind or kind_for(options.out)
    given = {name: value for name, value in vars(options).items() if name in EXPORT_OPTIONS}
    taken = KINDS[kind].options()
    if not given.keys() <= set(taken):
        stray = ", ".join(_flag(name) for name in given if name not in taken)
        flags = ", ".join(_flag(name) for name in EXPORT_OPTIONS if name in taken)
        raise ValueError(f"the export {kind} takes no {stray}; it takes {flags or 'no options'}")
    checked_kind(options.out, kind)
    if "keyframes" in given:
        given["keyframes"] = read_keyframes(given["keyframes"])
    export_with_bar(open_scene(options.scene), options.out, kind, **given)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def read_keyframes(path: Path) -> list[Any]:
    keyframes = read_json(path)
    if not isinstance(keyframes, list):
        raise ValueError(f"{path} must hold a list of keyframes")
    return keyframes


def export_with_bar(scene, out: Path, kind: str | None, **settings) -> None:
    from tqdm import tqdm

    from ivid.export import export_scene

    with tqdm(desc=out.name, dynamic_ncols=True) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        export_scene(scene, out, kind, progress=progress, **settings)
    print(out)
