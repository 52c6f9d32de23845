"""`ivid render`: videos and pictures of a scene, or of all scenes of a folder, along a camera path."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ivid.cli.arguments import add_device, add_processes, cluster_of, positive, refuse, require_file
from ivid.cli.cluster_work import made_on_cluster
from ivid.cli.export import export_with_bar, read_keyframes
from ivid.export import KINDS, checked_kind
from ivid.export.paths import PATHS, camera_path
from ivid.export.stills import SHOWN, check_picture
from ivid.export.video import check_video
from ivid.pipeline.cluster import Cluster
from ivid.scene.files import check_writable
from ivid.scene.messages import sentence

if TYPE_CHECKING:
    from ivid.export.batch import Picture

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
    add_processes(parser, "a folder's scenes")
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
        refuse(options, ("kind", "processes", "ray"), "on a single scene")
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
    from ivid.export.batch import planned_pictures, scene_files
    from ivid.export.stills import renderer_on
    from ivid.pipeline.processes import Share

    cluster = cluster_of(options)
    folder, out = options.scene, options.out or options.scene
    if cluster:
        folder, out = folder.resolve(), out.resolve()
    check_writable(out, folder=True)
    scenes, shown = scene_files(folder), (options.what,) if options.what else ()
    wanted = planned_pictures(scenes, out, path["trajectory"], f".{options.kind or 'mp4'}", shown)
    missing = [each for each in wanted if not each.path.exists()]
    launched = Share.of_environment().of > 1  # as one of several processes, each of which answers for its own part
    if len(missing) < len(wanted) and not launched:
        print(f"{len(wanted) - len(missing)} of {len(wanted)} files are there already", file=sys.stderr)
    if not missing:
        return 0
    frames = 1 if path["trajectory"] == "random" else path["frames"]
    maker = PictureMaker(path, picture)
    if cluster:
        answers = _on_cluster(maker, missing, frames, cluster, [folder, out])
    else:
        renderer_on(options.device)
        picture["device"] = options.device or Share.of_environment().device()
        answers = _here(maker, wanted, missing, frames, len(wanted) // len(scenes), options)
    written = {each for each, complaint in answers if complaint is None}
    for each, complaint in answers:
        if complaint is not None:
            print(f"{each.path} not written: {complaint}", file=sys.stderr)
    mine = [each for each, _ in answers] if launched else missing
    unwritten = [each for each in mine if each not in written and not each.path.exists()]
    if unwritten and not launched:
        print(f"ivid: {len(unwritten)} of {len(wanted)} files could not be rendered", file=sys.stderr)
    return 1 if unwritten else 0


@dataclass(frozen=True)
class PictureMaker:
    """Renders pictures of a folder's scenes, or videos.

    Attributes:
        path: the camera's: `trajectory`, and the options of `ivid.export.video` that belong to it.
        picture: options of pictures and videos alike.
    """

    path: dict[str, Any]
    picture: dict[str, Any]

    def made(
        self, pictures: Sequence[Picture], on_frame: Callable[[Picture], None]
    ) -> Iterator[tuple[Picture, str | None]]:
        """Render them; yields each with None when it is written, or with a sentence about what is wrong."""
        from ivid.export.batch import render_all

        path = dict(self.path)
        rendered = render_all(
            pictures, path.pop("trajectory"), self.picture, path, lambda picture, done, total: on_frame(picture)
        )
        for picture, error in rendered:
            yield picture, None if error is None else sentence(error)

    def __call__(self, pictures: Sequence[Picture], step: Callable[[], None]) -> list[tuple[Picture, str | None]]:
        """The same as a piece of work for a cluster (`ivid.pipeline.cluster`)."""
        return list(self.made(pictures, lambda picture: step()))


def _here(
    maker: PictureMaker,
    wanted: Sequence[Picture],
    missing: Sequence[Picture],
    frames: int,
    of_a_scene: int,
    options: argparse.Namespace,
) -> list[tuple[Picture, str | None]]:
    """Have the missing pictures rendered by processes of this machine; what is told of those of this one."""
    from tqdm import tqdm

    from ivid.pipeline.processes import helper_count, helpers

    answers = []
    with helpers(helper_count(options.processes, options.device), options.arguments, accepted=(0, 1)) as share:
        mine = [each for each in share.part(wanted, of_a_scene) if each in missing]
        with tqdm(total=frames * len(mine), unit="frame", dynamic_ncols=True, disable=share.index > 0) as bar:

            def on_frame(picture: Picture) -> None:
                bar.set_description(picture.path.name, refresh=False)
                bar.update()

            for picture, complaint in maker.made(mine, on_frame):
                if complaint is None:
                    bar.write(str(picture.path))
                answers.append((picture, complaint))
    return answers


def _on_cluster(
    maker: PictureMaker, missing: Sequence[Picture], frames: int, cluster: Cluster, folders: Sequence[Path]
) -> list[tuple[Picture, str | None]]:
    """Have the missing pictures rendered by the workers of a Ray cluster, a scene at a time."""
    from tqdm import tqdm

    scenes = [list(group) for _, group in groupby(missing, key=lambda picture: picture.scene_file)]
    answers, steps = [], frames * len(missing)
    for rendered in made_on_cluster(cluster, maker, scenes, folders, steps=steps, unit="frame"):
        for picture, complaint in rendered:
            if complaint is None:
                tqdm.write(str(picture.path))
            answers.append((picture, complaint))
    return answers
