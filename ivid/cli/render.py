"""`ivid render`: videos and pictures of a scene, or of all scenes of a folder, along a camera path."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ivid.cli.arguments import add_device, positive
from ivid.cli.export import export_with_bar, read_keyframes
from ivid.export import KINDS
from ivid.export.paths import PATHS
from ivid.export.stills import SHOWN

VIDEO_KINDS = tuple(suffix.removeprefix(".") for suffix in KINDS["video"].suffixes)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scene", type=Path, help="a scene file, or a folder of them")
    parser.add_argument(
        "--trajectory",
        choices=PATHS,
        default="swing",
        help="the camera's path; of a folder's scenes, random gives one picture each (default: %(default)s)",
    )
    parser.add_argument("--keyframes", type=Path, metavar="FILE", help="a .json list of cameras to pass through")
    parser.add_argument("--loop", action="store_true", help="close the path, for videos that repeat")
    parser.add_argument(
        "--out", type=Path, help="a .mp4, .webm, .gif, .webp or .png file; for a folder, the folder (default: itself)"
    )
    parser.add_argument("--size", type=positive, default=512, help="side in pixels (default: %(default)s)")
    parser.add_argument(
        "--supersample",
        type=positive,
        metavar="N",
        help="draw N times larger, and reduce (default: 3 on a GPU; on the CPU 1 at 512 pixels, more at fewer)",
    )
    parser.add_argument("--frames", type=positive, default=60, help="frames of a video (default: %(default)s)")
    parser.add_argument("--fps", type=positive, default=30, help="frames per second of a video (default: %(default)s)")
    parser.add_argument(
        "--what",
        choices=SHOWN,
        help="both: side by side (default: colour; of a folder's scenes, colour and depth, a file each)",
    )
    parser.add_argument(
        "--kind", choices=VIDEO_KINDS, default="mp4", help="format of a folder's videos (default: %(default)s)"
    )
    parser.add_argument(
        "--processes", type=positive, metavar="N", help="share a folder's scenes among so many (default: one per GPU)"
    )
    add_device(parser, "pictures are rendered")


def run(options: argparse.Namespace) -> None:
    path: dict[str, Any] = {"trajectory": options.trajectory, "loop": options.loop, "frames": options.frames}
    if options.keyframes:
        path |= {"trajectory": "keyframes", "keyframes": read_keyframes(options.keyframes)}
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
        export_with_bar(scene, options.out, "still", camera=first, what=options.what or "colour", **picture)
    else:
        from ivid.published.scene_file import open_scene

        settings = {**path, **picture, "fps": options.fps, "what": options.what or "colour"}
        export_with_bar(open_scene(options.scene), options.out, "video", **settings)


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
