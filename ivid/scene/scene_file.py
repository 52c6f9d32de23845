"""The scene file `.ivid` (docs/formats.md).

A zip archive: `scene.json`, and per view `NNN.png` (colour), `NNN.npy` (float32 depth) and perhaps `NNN.mask.png`.
Lossless, no pickle.
"""

from __future__ import annotations

import io
import json
import reprlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ivid.scene.bounded_io import archive_errors, read_member, read_npy, read_png, require_regular_file
from ivid.scene.cameras import Camera
from ivid.scene.files import read_json, written_aside
from ivid.scene.view import EDGE_THRESHOLD, View

if TYPE_CHECKING:
    from ivid.scene.scene import Scene

FORMAT, FORMAT_VERSION = "ivid-scene", 1
HEADER = "scene.json"
MAX_HEADER_BYTES = 4_000_000
MAX_VIEWS = 1000
MAX_SIZE = 2048
MAX_PIXELS = 100_000_000  # of all views together: a scene of 100 views at 1000x1000


class SceneFileError(ValueError):
    """A scene file that cannot be read; the message says what is wrong with it."""


def write_scene_file(scene: Scene, path: str | Path) -> None:
    """Write a scene file, aside first and then renamed onto `path`; the same scene gives the same bytes."""
    header = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "model": scene.model,
        "class_name": scene.class_name,
        "seed": scene.seed,
        "view_set": scene.view_set,
        "settings": dict(scene.settings),
        "size": scene.size,
        "depth_range": list(scene.depth_range),
        "views": [
            {
                "world_to_view": view.camera.world_to_view.tolist(),
                "fov_y_deg": view.camera.fov_y_deg,
                "edge_threshold": view.edge_threshold,
                "trust": view.trust,
                "masked": view.mask is not None,
            }
            for view in scene.views
        ],
    }
    with written_aside(path) as aside, zipfile.ZipFile(aside, "w") as archive:
        _add(archive, HEADER, json.dumps(header, indent=1).encode(), zipfile.ZIP_DEFLATED)
        for index, view in enumerate(scene.views):
            colour, depth = io.BytesIO(), io.BytesIO()
            Image.fromarray(view.rgb).save(colour, "PNG")
            np.save(depth, view.depth, allow_pickle=False)
            _add(archive, f"{index:03d}.png", colour.getvalue(), zipfile.ZIP_STORED)
            _add(archive, f"{index:03d}.npy", depth.getvalue(), zipfile.ZIP_DEFLATED)
            if view.mask is not None:
                mask = io.BytesIO()
                Image.fromarray(view.mask).save(mask, "PNG")
                _add(archive, f"{index:03d}.mask.png", mask.getvalue(), zipfile.ZIP_STORED)


@contextmanager
def opened_scene_file(path: str | Path) -> Iterator[SceneFile]:
    """A scene file, to be read; what is wrong with it is told alike, also by what the body makes of it.

    Raises:
        SceneFileError: the file is no scene, is damaged, or declares more than a scene may hold.
        OSError: there is no such file, or it cannot be read.
    """
    path = Path(path)
    try:
        require_regular_file(path)
        with archive_errors("scene file"), zipfile.ZipFile(path) as archive:
            yield SceneFile.of(archive)
    except ValueError as error:
        raise SceneFileError(f"{path.name} cannot be opened as a scene: {error}") from None


@dataclass(frozen=True)
class SceneFile:
    """An open scene file. Its header has been checked; pictures and depths are when they are read.

    Attributes:
        archive: the file.
        size: S, the side of every view in pixels.
        cameras: what the header says of each view.
        fields: the fields of a `Scene` beside its views.
    """

    archive: zipfile.ZipFile
    size: int
    cameras: list[Any]
    fields: dict[str, Any]

    @classmethod
    def of(cls, archive: zipfile.ZipFile) -> SceneFile:
        """The file, once its header is read.

        Raises:
            ValueError: it is not the header of a scene, or it declares more than a scene may hold.
        """
        header = read_json(read_member(archive, HEADER, MAX_HEADER_BYTES), "its header")
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise ValueError("its header does not name the ivid-scene format")
        version = header.get("version")
        if type(version) is not int or version != FORMAT_VERSION:
            raise ValueError(f"it has format version {reprlib.repr(version)}; this program reads {FORMAT_VERSION}")
        size, cameras = header.get("size"), header.get("views")
        if type(size) is not int or not 1 <= size <= MAX_SIZE:
            raise ValueError(f"it declares views of size {reprlib.repr(size)}; 1 to {MAX_SIZE} are allowed")
        if not isinstance(cameras, list) or not 1 <= len(cameras) <= MAX_VIEWS:
            count = len(cameras) if isinstance(cameras, list) else "no list of"
            raise ValueError(f"it declares {count} views; 1 to {MAX_VIEWS} are allowed")
        if len(cameras) * size * size > MAX_PIXELS:
            raise ValueError(f"it declares {len(cameras)} views of {size}x{size}, more than {MAX_PIXELS:,} pixels")
        seed, settings = header.get("seed"), header.get("settings", {})
        if not (seed is None or type(seed) is int) or not isinstance(settings, dict):
            raise ValueError("its seed must be an integer and its settings an object")
        planes = header.get("depth_range")
        if not isinstance(planes, list) or len(planes) != 2 or not all(_is_number(plane) for plane in planes):
            raise ValueError("its depth_range must be two numbers, [near, far] in metres")
        fields = {
            "depth_range": (planes[0], planes[1]),
            "model": str(header.get("model", "")),
            "class_name": str(header.get("class_name", "")),
            "seed": seed,
            "view_set": str(header.get("view_set", "")),
            "settings": settings,
        }
        return cls(archive, size, cameras, fields)

    def views(self) -> list[View]:
        """All views.

        Raises:
            ValueError: one is missing or damaged.
        """
        return [_read_view(self.archive, index, self.size, camera) for index, camera in enumerate(self.cameras)]

    def picture(self, index: int) -> np.ndarray:
        """The colours of a view, uint8 [S, S, 3].

        Raises:
            ValueError: they are missing or damaged.
        """
        return _read_picture(self.archive, index, self.size)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e300


def _read_view(archive: zipfile.ZipFile, index: int, size: int, camera: Any) -> View:
    try:
        matrix = np.array(camera["world_to_view"], dtype=np.float64)
        placed = Camera(matrix, float(camera["fov_y_deg"]))
        edge_threshold = float(camera.get("edge_threshold", EDGE_THRESHOLD))
        trust = float(camera.get("trust", 1.0))
        masked = camera.get("masked", False) is True
    except KeyError as error:
        raise ValueError(f"the camera of view {index} has no {error.args[0]}") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"the camera of view {index} is unusable: {error}") from None
    rgb = _read_picture(archive, index, size)
    depths = read_member(archive, f"{index:03d}.npy", size * size * 4 + 8192)
    try:
        depth = read_npy(io.BytesIO(depths), size * size)
    except ValueError as error:
        raise ValueError(f"the depth of view {index} cannot be read: {error}") from None
    if depth.dtype != np.float32 or depth.shape != (size, size):
        raise ValueError(f"the depth of view {index} is {depth.dtype} {depth.shape}, not float32 ({size}, {size})")
    mask = _read_mask(archive, index, size) if masked else None
    try:
        return View(rgb, depth, placed, edge_threshold, trust, mask)
    except ValueError as error:
        raise ValueError(f"view {index}: {error}") from None


def _read_picture(archive: zipfile.ZipFile, index: int, size: int) -> np.ndarray:
    content = read_member(archive, f"{index:03d}.png", size * size * 4 + 65536)
    try:
        return read_png(content, "RGB", side=size)
    except ValueError as error:
        raise ValueError(f"the picture of view {index} {error}") from None


def _read_mask(archive: zipfile.ZipFile, index: int, size: int) -> np.ndarray:
    content = read_member(archive, f"{index:03d}.mask.png", size * size + 65536)
    try:
        return read_png(content, "1", side=size)
    except ValueError as error:
        raise ValueError(f"the mask of view {index} {error}") from None


def _add(archive: zipfile.ZipFile, name: str, content: bytes, compression: int) -> None:
    """Add a member without the current time, so that the same scene gives the same bytes."""
    member = zipfile.ZipInfo(name)  # carries the zip epoch as its date
    member.compress_type = compression
    archive.writestr(member, content)
