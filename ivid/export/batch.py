"""Rendering every scene of a folder: videos along a path, or one picture each from a camera drawn by chance."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from ivid.export import export_scene
from ivid.published.scene_file import open_scene
from ivid.scene.cameras import trajectory
from ivid.scene.files import is_unfinished

SCENE_SUFFIXES = (".ivid", ".npz")


@dataclass(frozen=True)
class Picture:
    """One file to render: of which scene, showing what ("colour", "depth" or "both")."""

    scene_file: Path
    path: Path
    what: str


def scene_files(folder: Path) -> list[Path]:
    """The scenes of a folder, by name; those in its `scenes` where it is laid out as published (method §12).

    Hidden files are none of them: what was being written when its program was killed (`ivid.scene.files`) is
    left as such.

    Raises:
        ValueError: it has none.
    """
    inner = folder / "scenes"
    there = (inner if inner.is_dir() else folder).iterdir()
    found = sorted(each for each in there if each.suffix in SCENE_SUFFIXES and not is_unfinished(each))
    if not found:
        raise ValueError(f"{folder} has no scenes; files of {' or '.join(SCENE_SUFFIXES)} are expected there")
    return found


def planned_pictures(
    scenes: Sequence[Path], out: Path, trajectory_name: str, suffix: str = ".mp4", shown: Sequence[str] = ()
) -> list[Picture]:
    """What `render_all` writes: `videos/NAME.mp4` and `videos/NAME_depth.mp4`; for the trajectory `random` of method §8
    `results/NAME.png` and, apart from what is scored, `depths/NAME.png`.

    Args:
        shown: "colour", "depth", "both" (side by side); colour and depth, in files of their own, when empty.
    """
    pictures = []
    for scene_file in scenes:
        for what in shown or ("colour", "depth"):
            if trajectory_name == "random":
                path = out / ("depths" if what == "depth" else "results") / f"{scene_file.stem}.png"
            else:
                path = out / "videos" / f"{scene_file.stem}{'_depth' if what == 'depth' else ''}{suffix}"
            pictures.append(Picture(scene_file, path, what))
    return pictures


def render_all(
    pictures: Sequence[Picture],
    trajectory_name: str,
    picture_options: dict[str, Any],
    video_options: dict[str, Any],
    progress: Callable[[Picture, int, int], object] | None = None,
) -> Iterator[tuple[Picture, Exception | None]]:
    """Render pictures one after another; a scene that cannot be opened or rendered does not hinder the others.

    Args:
        pictures: from `planned_pictures`.
        picture_options: size, supersample and device, of pictures and videos alike.
        video_options: frames, fps and the like (`ivid.export.video`), where the trajectory is not `random`.
        progress: told of every frame: (picture, frames done, frames).

    Yields:
        every picture, with None when it is written, or with what is wrong with its scene.

    Raises:
        OSError: a picture cannot be written, which would be so for the next one too.
    """
    for scene_file, group in groupby(pictures, key=lambda picture: picture.scene_file):
        try:
            scene = open_scene(scene_file)
        except (ValueError, OSError) as error:
            yield from ((picture, error) for picture in group)
            continue
        for picture in group:
            options: dict[str, Any] = {"blend": "exact", **picture_options, "what": picture.what}
            if trajectory_name == "random":
                kind = "still"
                options["camera"] = trajectory("random", 1, seed=zlib.crc32(scene_file.stem.encode()))[0]
            else:
                kind = "video"
                options |= {"trajectory": trajectory_name, **video_options}
            told = None if progress is None else partial(progress, picture)
            try:
                export_scene(scene, picture.path, kind, told, **options)
            except ValueError as error:
                yield picture, error
            else:
                yield picture, None
