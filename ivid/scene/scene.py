"""Views, scenes, and the scene file (docs/formats.md).

A view is a colour picture with metric depth and its camera; a scene is the views around one point and how they were
made. The `.ivid` file is a zip archive: `scene.json`, and per view `NNN.png` (colour) and `NNN.npy` (float32 depth).
Lossless, no pickle.
"""

from __future__ import annotations

import io
import json
import reprlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ivid.scene.bounded_io import archive_errors, read_member, read_npy, read_png, require_regular_file
from ivid.scene.cameras import Camera
from ivid.scene.depth import DepthRange
from ivid.scene.files import written_aside

FORMAT, FORMAT_VERSION = "ivid-scene", 1
EDGE_THRESHOLD = 0.03
MIN_TRUST = 1e-6
MAX_VIEWS = 1000
MAX_SIZE = 2048
MAX_PIXELS = 100_000_000  # of all views together: a scene of 100 views at 1000x1000
NEAREST_PLANE, FARTHEST_PLANE = 1e-3, 1e5  # of a depth range, in metres
MAX_HEADER_BYTES = 4_000_000


class SceneFileError(ValueError):
    """A scene file that cannot be read; the message says what is wrong with it."""


@dataclass(frozen=True, eq=False)
class View:
    """One RGBD picture and where it was taken from.

    Attributes:
        rgb: uint8 [S, S, 3]; or float32 [S, S, 3] in [0, 1] while a scene is being sampled, because the conditions of
            further views use the colours as sampled (method §6).
        depth: float32 [S, S], metres along the viewing axis, finite and positive.
        camera: the camera of this picture.
        edge_threshold: neighbouring pixels whose depths differ by more than this, both in metres and in 1/metres,
            belong to different surfaces (method §4: atol = rtol = 0.03 at 128²; larger where pixels are further apart).
        trust: from 1e-6 to 1, what this view counts for where several are fused: its blend weight (method §5) is
            multiplied by it. 1 in the published method.

    Raises:
        ValueError: shapes, types or values are not as above.
    """

    rgb: np.ndarray
    depth: np.ndarray
    camera: Camera
    edge_threshold: float = EDGE_THRESHOLD
    trust: float = 1.0

    def __post_init__(self) -> None:
        rgb, depth = np.asarray(self.rgb), np.asarray(self.depth, dtype=np.float32)
        if rgb.dtype != np.uint8:
            rgb = rgb.astype(np.float32)
            if not (rgb.size and rgb.min() >= 0 and rgb.max() <= 1):
                raise ValueError("a view's colours must be uint8, or floats in [0, 1]")
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.shape[0] != rgb.shape[1] or depth.shape != rgb.shape[:2]:
            raise ValueError(f"a view needs rgb [S, S, 3] and depth [S, S], got {rgb.shape} and {depth.shape}")
        bad = int((~(np.isfinite(depth) & (depth > 0))).sum())
        if bad:
            raise ValueError(f"a view's depth must be finite and positive; {bad} values are not")
        if not 0 < self.edge_threshold < float("inf"):
            raise ValueError(f"a view's edge threshold must be positive, got {self.edge_threshold}")
        if not MIN_TRUST <= self.trust <= 1:
            raise ValueError(f"a view's trust must be from {MIN_TRUST:g} to 1, got {self.trust}")
        object.__setattr__(self, "rgb", rgb)
        object.__setattr__(self, "depth", depth)

    @property
    def size(self) -> int:
        """S, the side of the pictures in pixels."""
        return self.depth.shape[0]

    def quantised(self) -> View:
        """The view with colours in 8 bits."""
        if self.rgb.dtype == np.uint8:
            return self
        return replace(self, rgb=np.rint(self.rgb * 255).astype(np.uint8))


@dataclass(frozen=True, eq=False)
class Scene:
    """Views around the world's origin, all of one size, the first view first, and how they were made.

    Attributes:
        views: at least one; colours become uint8.
        depth_range: (near, far) in metres, the planes the depths were sampled with.
        model: name of the model that made the scene, "" when unknown.
        class_name: what the scene shows, "" when unknown.
        seed: the seed it was made from.
        view_set: name of the view set; the scene is complete when it has as many views as the set.
        settings: whatever else is needed to make it again (steps, guidance, ...); plain JSON values.

    Raises:
        ValueError: no views, too many, or of different sizes.
    """

    views: Sequence[View]
    depth_range: DepthRange = (0.6, 5.0)
    model: str = ""
    class_name: str = ""
    seed: int | None = None
    view_set: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        views = tuple(view.quantised() for view in self.views)
        if not 1 <= len(views) <= MAX_VIEWS:
            raise ValueError(f"a scene needs 1 to {MAX_VIEWS} views, got {len(views)}")
        sizes = sorted({view.size for view in views})
        if len(sizes) > 1:
            raise ValueError(f"the views of a scene must be of one size, got {', '.join(map(str, sizes))}")
        near, far = (float(plane) for plane in self.depth_range)
        if not NEAREST_PLANE <= near < far <= FARTHEST_PLANE:
            raise ValueError(
                f"a depth range must be {NEAREST_PLANE} <= near < far <= {FARTHEST_PLANE:.0f} metres, "
                f"got {near} and {far}"
            )
        object.__setattr__(self, "views", views)
        object.__setattr__(self, "depth_range", (near, far))

    @property
    def size(self) -> int:
        """S, the side of every view in pixels."""
        return self.views[0].size

    def save(self, path: str | Path) -> None:
        """Write the scene file, aside first and then renamed onto `path`."""
        header = {
            "format": FORMAT,
            "version": FORMAT_VERSION,
            "model": self.model,
            "class_name": self.class_name,
            "seed": self.seed,
            "view_set": self.view_set,
            "settings": dict(self.settings),
            "size": self.size,
            "depth_range": list(self.depth_range),
            "views": [
                {
                    "world_to_view": view.camera.world_to_view.tolist(),
                    "fov_y_deg": view.camera.fov_y_deg,
                    "edge_threshold": view.edge_threshold,
                    "trust": view.trust,
                }
                for view in self.views
            ],
        }
        with written_aside(path) as aside, zipfile.ZipFile(aside, "w") as archive:
            _add(archive, "scene.json", json.dumps(header, indent=1).encode(), zipfile.ZIP_DEFLATED)
            for index, view in enumerate(self.views):
                colour, depth = io.BytesIO(), io.BytesIO()
                Image.fromarray(view.rgb).save(colour, "PNG")
                np.save(depth, view.depth, allow_pickle=False)
                _add(archive, f"{index:03d}.png", colour.getvalue(), zipfile.ZIP_STORED)
                _add(archive, f"{index:03d}.npy", depth.getvalue(), zipfile.ZIP_DEFLATED)

    @classmethod
    def load(cls, path: str | Path) -> Scene:
        """Read a scene file.

        Everything is checked before it is believed: the declared sizes bound what is decompressed.

        Raises:
            SceneFileError: the file is no scene, is damaged, or declares more than a scene may hold.
            OSError: there is no such file, or it cannot be read.
        """
        path = Path(path)
        try:
            require_regular_file(path)
            with archive_errors("scene file"), zipfile.ZipFile(path) as archive:
                return _read(archive)
        except ValueError as error:
            raise SceneFileError(f"{path.name} cannot be opened as a scene: {error}") from None


def _add(archive: zipfile.ZipFile, name: str, content: bytes, compression: int) -> None:
    """Add a member without the current time, so that the same scene gives the same bytes."""
    member = zipfile.ZipInfo(name)  # carries the zip epoch as its date
    member.compress_type = compression
    archive.writestr(member, content)


def _read(archive: zipfile.ZipFile) -> Scene:
    try:
        header = json.loads(read_member(archive, "scene.json", MAX_HEADER_BYTES))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise SceneFileError(f"its header is not valid JSON ({error})") from None
    if not isinstance(header, dict) or header.get("format") != FORMAT:
        raise SceneFileError("its header does not name the ivid-scene format")
    version = header.get("version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise SceneFileError(f"it has format version {reprlib.repr(version)}; this program reads {FORMAT_VERSION}")
    size, cameras = header.get("size"), header.get("views")
    if type(size) is not int or not 1 <= size <= MAX_SIZE:
        raise SceneFileError(f"it declares views of size {reprlib.repr(size)}; 1 to {MAX_SIZE} are allowed")
    if not isinstance(cameras, list) or not 1 <= len(cameras) <= MAX_VIEWS:
        count = len(cameras) if isinstance(cameras, list) else "no list of"
        raise SceneFileError(f"it declares {count} views; 1 to {MAX_VIEWS} are allowed")
    if len(cameras) * size * size > MAX_PIXELS:
        raise SceneFileError(f"it declares {len(cameras)} views of {size}x{size}, more than {MAX_PIXELS:,} pixels")
    seed, settings = header.get("seed"), header.get("settings", {})
    if not (seed is None or type(seed) is int) or not isinstance(settings, dict):
        raise SceneFileError("its seed must be an integer and its settings an object")
    planes = header.get("depth_range")
    if not isinstance(planes, list) or len(planes) != 2 or not all(_is_number(plane) for plane in planes):
        raise SceneFileError("its depth_range must be two numbers, [near, far] in metres")
    near, far = planes
    try:
        views = [_read_view(archive, index, size, camera) for index, camera in enumerate(cameras)]
        return Scene(
            views=views,
            depth_range=(near, far),
            model=str(header.get("model", "")),
            class_name=str(header.get("class_name", "")),
            seed=seed,
            view_set=str(header.get("view_set", "")),
            settings=settings,
        )
    except ValueError as error:
        raise SceneFileError(str(error)) from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= 1e300


def _read_view(archive: zipfile.ZipFile, index: int, size: int, camera: dict) -> View:
    try:
        matrix = np.array(camera["world_to_view"], dtype=np.float64)
        placed = Camera(matrix, float(camera["fov_y_deg"]))
        edge_threshold = float(camera.get("edge_threshold", EDGE_THRESHOLD))
        trust = float(camera.get("trust", 1.0))
    except KeyError as error:
        raise ValueError(f"the camera of view {index} has no {error.args[0]}") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"the camera of view {index} is unusable: {error}") from None
    picture = read_member(archive, f"{index:03d}.png", size * size * 4 + 65536)
    depths = read_member(archive, f"{index:03d}.npy", size * size * 4 + 8192)
    try:
        rgb = read_png(picture, "RGB", side=size)
    except ValueError as error:
        raise ValueError(f"the picture of view {index} {error}") from None
    try:
        depth = read_npy(io.BytesIO(depths), size * size)
    except ValueError as error:
        raise ValueError(f"the depth of view {index} cannot be read: {error}") from None
    if depth.dtype != np.float32 or depth.shape != (size, size):
        raise ValueError(f"the depth of view {index} is {depth.dtype} {depth.shape}, not float32 ({size}, {size})")
    try:
        return View(rgb, depth, placed, edge_threshold, trust)
    except ValueError as error:
        raise ValueError(f"view {index}: {error}") from None
