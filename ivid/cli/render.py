"""`ivid render`: videos and pictures of a scene, or of all scenes of a folder, along a camera path."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from ivid.cli.arguments import add_device, positive, refuse, require_file
from ivid.cli.export import export_with_bar, read_keyframes
from ivid.export import KINDS, checked_kind
from ivid.export.paths import PATHS, camera_path
from ivid.export.stills import SHOWN, check_picture
from ivid.export.video import check_video
from ivid.scene.files import check_writable
from ivid.scene.messages import sentence

VIDEO_KINDS = tuple(suffix.removeprefix(".") for suffix in KINDS["video"].suffixes)
SIZE, FRAMES, FPS = 512, 60, 30


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("scene", type=Path, help="a scene file, or a folder of them")
    parser.add_argument(
        "--trajectory",
        choices=PATHS,
        help="the camera's path; of a folder's scenes, random gives one picture each (default: swing)",
    )
    parser.add_argument("--keyframes", type=Path, metavar="FILE", help="a .json list of cameras to pass through")
    parser.add_argument("--loop", action="store_true", help="close the path, for videos that repeat")
    parser.add_argument(
        "--out", type=Path, help="a .mp4, .webm, .gif, .webp or .png file; for a folder, the folder (default: itself)"
    )
    parser.add_argument("--size", type=positive, default=SIZE, help="side in pixels (default: %(default)s)")
    parser.add_argument(
        "--supersample",
        type=positive,
        metavar="N",
        help="draw N times larger, and reduce (default: 3 on a GPU; on the CPU 1 at 512 pixels, more at fewer)",
    )
    parser.add_argument("--frames", type=positive, help=f"frames of a video (default: {FRAMES})")
    parser.add_argument("--fps", type=positive, help=f"frames per second of a video (default: {FPS})")
    parser.add_argument(
        "--what",
        choices=SHOWN,
        help="both: side by side (default: colour; of a folder's scenes, colour and depth, a file each)",
    )
    parser.add_argument("--kind", choices=VIDEO_KINDS, help="format of a folder's videos (default: mp4)")
    parser.add_argument(
        "--processes", type=positive, metavar="N", help="share a folder's scenes among so many (default: one per GPU)"
    )
    add_device(parser, "pictures are rendered")


def run(options: argparse.Namespace) -> int:
    in_folder = options.scene.is_dir()
    if options.keyframes and options.trajectory not in (None, "keyframes"):
        raise ValueError(f"--keyframes and --trajectory {options.trajectory} name two paths; give one of them")
    trajectory = "keyframes" if options.keyframes else options.trajectory or "swing"
    out_suffix = options.out.suffix.lower() if options.out else ""
    as_video = trajectory != "random" if in_folder else out_suffix != ".png"
    if not as_video:
        refuse(options, ("frames", "fps", "loop", "kind"), "on a picture")
    if not in_folder:
        require_file(options.scene)
        refuse(options, ("kind", "processes"), "on a single scene")
        if options.out is None:
            raise ValueError("--out is missing: the file to write, such as scene.mp4")
    path: dict[str, Any] = {"trajectory": trajectory, "loop": options.loop, "frames": options.frames or FRAMES}
    if options.keyframes:
        path["keyframes"] = read_keyframes(options.keyframes)
    picture: dict[str, Any] = {"size": options.size, "device": options.device}
    if options.supersample:
        picture["supersample"] = options.supersample
    if as_video:
        path["fps"] = options.fps or FPS
        check_video(options.size, path["fps"], options.supersample or 1)
    else:
        check_picture(options.size, options.supersample or 1)
    return _render_folder(options, path, picture) if in_folder else _render_scene(options, path, picture, as_video)


def _render_scene(options: argparse.Namespace, path: dict[str, Any], picture: dict[str, Any], as_video: bool) -> int:
    from ivid.published.scene_file import open_scene

    kind = "video" if as_video else "still"
    checked_kind(options.out, kind)
    scene = open_scene(options.scene)
    if not as_video:
        path = {"camera": camera_path(scene, path.pop("trajectory"), **path)[0]}
    export_with_bar(scene, options.out, kind, **path, **picture, what=options.what or "colour")
    return 0


def _render_folder(options: argparse.Namespace, path: dict[str, Any], picture: dict[str, Any]) -> int:
    from tqdm import tqdm

    from ivid.export.batch import planned_pictures, render_all, scene_files
    from ivid.export.stills import renderer_on
    from ivid.pipeline.processes import Share, helper_count, helpers

    out, shown = options.out or options.scene, (options.what,) if options.what else ()
    check_writable(out, folder=True)
    scenes = scene_files(options.scene)
    wanted = planned_pictures(scenes, out, path["trajectory"], f".{options.kind or 'mp4'}", shown)
    missing = [each for each in wanted if not each.path.exists()]
    launched = Share.of_environment().of > 1  # as one of several processes, each of which answers for its own part
    if len(missing) < len(wanted) and not launched:
        print(f"{len(wanted) - len(missing)} of {len(wanted)} files are there already", file=sys.stderr)
    if not missing:
        return 0
    renderer_on(options.device)
    picture["device"] = options.device or Share.of_environment().device()
    trajectory, frames = path.pop("trajectory"), path["frames"]
    frames = 1 if trajectory == "random" else frames
    complaints = []
    with helpers(helper_count(options.processes, options.device), options.arguments, accepted=(0, 1)) as share:
        mine = [each for each in share.part(wanted, batch=len(wanted) // len(scenes)) if each in missing]
        with tqdm(total=frames * len(mine), unit="frame", dynamic_ncols=True, disable=share.index > 0) as bar:

            def progress(rendered, done: int, total: int) -> None:
                bar.set_description(rendered.path.name, refresh=False)
                bar.update()

            for rendered, error in render_all(mine, trajectory, picture, path, progress):
                if error is None:
                    bar.write(str(rendered.path))
                else:
                    complaints.append(f"{rendered.path} not written: {sentence(error)}")
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    unwritten = [each for each in (mine if launched else missing) if not each.path.exists()]
    if unwritten and not launched:
        print(f"ivid: {len(unwritten)} of {len(wanted)} files could not be rendered", file=sys.stderr)
    return 1 if unwritten else 0
