"""Commands that turn scenes into other files: render, export."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ivid.cli.arguments import command, positive
from ivid.export import KINDS, kind_for
from ivid.export.paths import PATHS
from ivid.export.stills import SHOWN

VIDEO_KINDS = ("mp4", "webm", "gif", "webp")


def add_commands(commands) -> None:
    _add_render(commands)
    _add_export(commands)


def _add_render(commands) -> None:
    parser = command(commands, "render", _render, "render a scene, or all scenes of a folder, along a trajectory")
    parser.add_argument("scene", type=Path, help="a scene file, or a folder of them")
    parser.add_argument(
        "--trajectory",
        choices=PATHS,
        default="swing",
        help="the camera's path; of a folder's scenes, random gives one picture each",
    )
    parser.add_argument("--keyframes", type=Path, metavar="FILE", help="a .json list of cameras to pass through")
    parser.add_argument("--loop", action="store_true", help="close the path, for videos that repeat")
    parser.add_argument(
        "--out", type=Path, help="a .mp4, .webm, .gif, .webp or .png file; for a folder, the folder (default: itself)"
    )
    parser.add_argument("--size", type=positive, default=512, help="side in pixels (default: 512)")
    parser.add_argument("--supersample", type=positive, metavar="N", help="draw N times larger, and reduce")
    parser.add_argument("--frames", type=positive, default=60)
    parser.add_argument("--fps", type=positive, default=30)
    parser.add_argument(
        "--what",
        choices=SHOWN,
        help="both: side by side (default: colour; a folder: a file each)",
    )
    parser.add_argument("--kind", choices=VIDEO_KINDS, default="mp4", help="kind of a folder's videos (default: mp4)")
    parser.add_argument(
        "--processes", type=positive, metavar="N", help="share a folder's scenes (default: one per GPU)"
    )
    parser.add_argument("--device", help="where to render: cpu, cuda:0, ... (default: the first GPU, or else the CPU)")


def _render(options: argparse.Namespace) -> None:
    path: dict[str, Any] = {"trajectory": options.trajectory, "loop": options.loop, "frames": options.frames}
    if options.keyframes:
        path |= {"trajectory": "keyframes", "keyframes": _read_keyframes(options.keyframes)}
    picture: dict[str, Any] = {"size": options.size, "device": options.device}
    if options.supersample:
        picture["supersample"] = options.supersample
    if options.scene.is_dir():
        _render_folder(options, path, picture)
    elif options.out is None:
        raise ValueError("--out is missing: the file to write, such as scene.mp4")
    elif options.out.suffix.lower() == ".png":
        from ivid.export.paths import camera_path
        from ivid.published.scene_file import open_scene

        scene = open_scene(options.scene)
        first = camera_path(scene, path.pop("trajectory"), **path)[0]
        _export_with_bar(scene, options.out, "still", camera=first, what=options.what or "colour", **picture)
    else:
        from ivid.published.scene_file import open_scene

        settings = {**path, **picture, "fps": options.fps, "what": options.what or "colour"}
        _export_with_bar(open_scene(options.scene), options.out, "video", **settings)


def _render_folder(options: argparse.Namespace, path: dict[str, Any], picture: dict[str, Any]) -> None:
    from tqdm import tqdm

    from ivid.export.batch import planned_pictures, render_all, scene_files
    from ivid.pipeline.processes import Share, helper_count, helpers

    picture["device"] = options.device or Share.of_environment().device()
    name, out, shown = path["trajectory"], options.out or options.scene, (options.what,) if options.what else ()
    scenes = scene_files(options.scene)
    wanted = planned_pictures(scenes, out, name, f".{options.kind}", shown)
    failed = []
    with helpers(helper_count(options.processes, options.device), options.arguments) as share:
        mine = share.part(wanted, batch=len(wanted) // len(scenes))
        missing = [each for each in mine if not each.path.exists()]
        if len(missing) < len(mine):
            print(f"{len(mine) - len(missing)} of {len(mine)} files are there already", file=sys.stderr)
        frames = 1 if name == "random" else options.frames
        with tqdm(total=frames * len(missing), unit="frame", dynamic_ncols=True, disable=share.index > 0) as bar:

            def progress(rendered, done: int, total: int) -> None:
                bar.set_description(rendered.path.name, refresh=False)
                bar.update()

            for rendered, complaint in render_all(missing, name, picture, {**path, "fps": options.fps}, progress):
                bar.write(f"{rendered.path} not written: {complaint}" if complaint else str(rendered.path))
                if complaint:
                    failed.append(rendered)
    if failed:
        raise ValueError(f"{len(failed)} of {len(missing)} files could not be rendered")


def _read_keyframes(path: Path) -> list[Any]:
    try:
        keyframes = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(keyframes, list):
        raise ValueError(f"{path} must hold a list of keyframes")
    return keyframes


# Options of kinds of export, by the names that the functions behind them know them by.
EXPORT_OPTIONS: dict[str, dict[str, Any]] = {
    "size": {"type": positive, "help": "side of a picture in pixels"},
    "supersample": {"type": positive, "metavar": "N", "help": "draw N times larger, and reduce"},
    "what": {"choices": SHOWN, "help": "both: side by side, in a grid one above the other"},
    "trajectory": {"choices": PATHS, "help": "a video's path (default: swing)"},
    "keyframes": {"type": Path, "metavar": "FILE", "help": "a .json list of cameras that a video passes through"},
    "loop": {"action": "store_true", "help": "close a video's path, for videos that repeat"},
    "frames": {"type": positive, "help": "of a video (default: 60)"},
    "seconds": {"type": float, "help": "length of a video, in place of --frames"},
    "fps": {"type": float, "help": "frames per second of a video (default: 30)"},
    "yaw": {"type": float, "metavar": "RAD", "help": "camera of a still or a depth map (default: the first view's)"},
    "pitch": {"type": float, "metavar": "RAD", "help": "likewise (default: 0)"},
    "radius": {"type": float, "metavar": "M", "help": "its distance from the orbit centre (default: 1)"},
    "fov": {"type": float, "metavar": "DEG", "help": "its vertical field of view (default: 45)"},
    "keep_far": {"action": "store_true", "help": "keep what lies at the far plane (the sky)"},
    "voxel_pixels": {"type": float, "metavar": "PX", "help": "how fine geometry is: width of a voxel in pixels"},
    "max_triangles": {"type": positive, "metavar": "N", "help": "simplify a mesh to at most so many"},
    "outliers": {"action": "store_true", "help": "keep statistical outliers among points"},
    "sh_degree": {"type": int, "choices": range(4), "help": "of splats, for readers that insist on it"},
    "device": {"help": "where pictures are rendered: cpu, cuda:0, ..."},
}


def _add_export(commands) -> None:
    parser = command(commands, "export", _export, "write a scene as points, a mesh, a video, ...")
    parser.add_argument("scene", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the file; its suffix says the kind")
    parser.add_argument("--as", dest="kind", help=f"the kind, where the suffix leaves a choice: {', '.join(KINDS)}")
    for name, how in EXPORT_OPTIONS.items():
        parser.add_argument(_flag(name), dest=name, default=argparse.SUPPRESS, **how)


def _export(options: argparse.Namespace) -> None:
    from ivid.published.scene_file import open_scene

    kind = options.kind or kind_for(options.out)
    given = {name: value for name, value in vars(options).items() if name in EXPORT_OPTIONS}
    taken = KINDS[kind].options() if kind in KINDS else ()
    if kind in KINDS and not given.keys() <= set(taken):
        stray = ", ".join(_flag(name) for name in given if name not in taken)
        flags = ", ".join(_flag(name) for name in EXPORT_OPTIONS if name in taken)
        raise ValueError(f"the export {kind} takes no {stray}; it takes {flags or 'no options'}")
    if "keyframes" in given:
        given["keyframes"] = _read_keyframes(given["keyframes"])
    _export_with_bar(open_scene(options.scene), options.out, kind, **given)


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _export_with_bar(scene, out: Path, kind: str | None, **settings) -> None:
    from tqdm import tqdm

    from ivid.export import export_scene

    with tqdm(desc=out.name, dynamic_ncols=True) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        export_scene(scene, out, kind, progress=progress, **settings)
    print(out)
