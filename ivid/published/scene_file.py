"""Scenes as the authors' program leaves them on disk: `.npz` files whose array `data` is a pickle (method §12)."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ivid.published.pickles import Matrix, ObjectArray, RefusedNameError, read_pickle, write_pickle
from ivid.scene.bounded_io import archive_errors, read_member, read_npy_header, read_png, require_regular_file
from ivid.scene.cameras import Camera
from ivid.scene.depth import PUBLISHED_SAMPLING_RANGE
from ivid.scene.files import written_aside
from ivid.scene.scene import Scene
from ivid.scene.scene_file import MAX_PIXELS, MAX_SIZE, MAX_VIEWS, SceneFileError
from ivid.scene.view import View

MAX_DATA_BYTES = 1 << 29
_VIEW_SETS = {1: "uncond", 2: "random", 27: "3x9"}


def open_scene(path: str | Path) -> Scene:
    """Read a scene file of either kind: `.npz` is the published one, anything else ours.

    Raises:
        SceneFileError: the file is no scene, or is damaged.
        OSError: there is no such file, or it cannot be read.
    """
    return load_published_scene(path) if Path(path).suffix.lower() == ".npz" else Scene.load(path)


def load_published_scene(path: str | Path) -> Scene:
    """Read a published scene; class and seed are taken from the published kind of file name.

    Raises:
        SceneFileError: the file is no published scene, is damaged, or tries to load anything but the few numpy and
            matrix types such a scene is made of; then the message names what.
        OSError: there is no such file, or it cannot be read.
    """
    path = Path(path)
    try:
        entries = _entries(path)
        if not 1 <= len(entries) <= MAX_VIEWS:
            raise SceneFileError(f"it holds {len(entries)} views; 1 to {MAX_VIEWS} are allowed")
        views: list[View] = []
        for index, entry in enumerate(entries):
            views.append(_view(index, entry))
            if len(entries) * views[0].size ** 2 > MAX_PIXELS:
                raise SceneFileError(f"its {len(entries)} views have more than {MAX_PIXELS:,} pixels")
        named = re.fullmatch(r"(?:scene_)?class([0-9]{1,9})(?:_seed([0-9]{1,19}))?(?:_[0-9]+)?", path.stem)
        return Scene(
            views,
            depth_range=PUBLISHED_SAMPLING_RANGE,
            class_name=f"class {int(named[1])}" if named else "",
            seed=int(named[2]) if named and named[2] else None,
            view_set=_VIEW_SETS.get(len(views), ""),
        )
    except RefusedNameError as error:
        raise SceneFileError(f"{path.name} is refused: {error}, which no scene needs; nothing of it was run") from None
    except ValueError as error:
        raise SceneFileError(f"{path.name} cannot be opened as a published scene: {error}") from None


def save_published_scene(scene: Scene, path: str | Path, record: Mapping[str, Any] | None = None) -> None:
    """Write a scene the way the authors' program does, for programs that read its files (method §12).

    Such a file is a pickle: it names PyGLM's `glm.mat4x4`, so that program needs PyGLM to read it.

    Args:
        record: JSON values to keep beside the array `data`, as a member `scene.json` that no such program looks at.
    """
    entries = [
        {
            "color": _png(view.rgb),
            "depth": _png(np.ascontiguousarray(view.depth, "<f4").view(np.uint8).reshape(view.size, view.size, 4)),
            "fov": float(view.camera.fov_y_deg),
            "modelview": view.camera.world_to_view,
        }
        for view in scene.views
    ]
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "|O", "fortran_order": False, "shape": (len(entries),)})
    member.write(write_pickle(entries))
    with written_aside(path) as aside, zipfile.ZipFile(aside, "w") as archive:
        archive.writestr(zipfile.ZipInfo("data.npy"), member.getvalue())
        if record is not None:
            archive.writestr(zipfile.ZipInfo("scene.json"), json.dumps(record))


def _entries(path: Path) -> list[Any]:
    """The list that the file's `data` is."""
    require_regular_file(path)
    with archive_errors(".npz file"), zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        if "data.npy" not in names:
            raise ValueError("it has no array `data`")
        stream = io.BytesIO(read_member(archive, "data.npy", MAX_DATA_BYTES))
    _, _, dtype = read_npy_header(stream)
    if dtype != np.dtype(object):
        raise ValueError(f"its data are an array of {dtype}, not of views")
    loaded = read_pickle(stream)
    entries = loaded.items if isinstance(loaded, ObjectArray) else loaded
    if isinstance(entries, list) and len(entries) == 1 and isinstance(entries[0], list):
        entries = entries[0]  # an array without axes around the list
    if not isinstance(entries, list):
        raise ValueError("its data are not a list of views")
    return entries


def _view(index: int, entry: Any) -> View:
    try:
        if not isinstance(entry, dict):
            raise ValueError("it is not a dictionary")
        missing = [name for name in ("color", "depth", "fov", "modelview") if name not in entry]
        if missing:
            raise ValueError(f"it has no {', '.join(missing)}")
        if not isinstance(entry["modelview"], Matrix) or entry["modelview"].columns is None:
            raise ValueError("its modelview is not a 4x4 matrix")
        if not isinstance(entry["fov"], int | float):
            raise ValueError("its fov is not a number")
        rgb, rgba = _pixels(entry["color"], "color", "RGB"), _pixels(entry["depth"], "depth", "RGBA")
        depth = np.ascontiguousarray(rgba).view("<f4")[..., 0].astype(np.float32)
        return View(rgb, depth, Camera(entry["modelview"].columns.T, float(entry["fov"])))
    except ValueError as error:
        raise ValueError(f"view {index}: {error}") from None


def _pixels(content: Any, name: str, mode: str) -> np.ndarray:
    if not isinstance(content, bytes):
        raise ValueError(f"its {name} is not a PNG file's bytes")
    try:
        return read_png(content, mode, max_side=MAX_SIZE)
    except ValueError as error:
        raise ValueError(f"its {name} {error}") from None


def _png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
