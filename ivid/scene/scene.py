"""Views and scenes.

A view is a colour picture with metric depth and its camera; a scene is the views around one point and how they were
made.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ivid.scene.cameras import Camera
from ivid.scene.depth import DepthRange

EDGE_THRESHOLD = 0.03
MIN_TRUST = 1e-6
MAX_VIEWS = 1000
MAX_SIZE = 2048
MAX_PIXELS = 100_000_000  # of all views together: a scene of 100 views at 1000x1000
NEAREST_PLANE, FARTHEST_PLANE = 1e-3, 1e5  # of a depth range, in metres


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
        mask: bool [S, S], the pixels that are fused and exported; None: all of them. The rest keep colour and depth.

    Raises:
        ValueError: shapes, types or values are not as above.
    """

    rgb: np.ndarray
    depth: np.ndarray
    camera: Camera
    edge_threshold: float = EDGE_THRESHOLD
    trust: float = 1.0
    mask: np.ndarray | None = None

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
        if self.mask is not None:
            mask = np.asarray(self.mask)
            if mask.dtype != bool or mask.shape != depth.shape:
                raise ValueError(f"a view's mask must be bool {depth.shape}, got {mask.dtype} {mask.shape}")
            object.__setattr__(self, "mask", None if mask.all() else mask)
        object.__setattr__(self, "rgb", rgb)
        object.__setattr__(self, "depth", depth)

    @property
    def size(self) -> int:
        """S, the side of the pictures in pixels."""
        return self.depth.shape[0]

    @property
    def colours(self) -> np.ndarray:
        """The picture as float32 [S, S, 3] in [0, 1], however it is kept."""
        return self.rgb if self.rgb.dtype == np.float32 else self.rgb.astype(np.float32) / np.float32(255)

    def quantised(self) -> View:
        """The view with colours in 8 bits."""
        if self.rgb.dtype == np.uint8:
            return self
        return replace(self, rgb=quantised(self.rgb))


def quantised(rgb: np.ndarray) -> np.ndarray:
    """Colour in [0, 1] as uint8, of any shape."""
    return np.rint(rgb * 255).astype(np.uint8)


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

    def _repr_html_(self) -> str:
        """The scene in a notebook: the viewer in a frame.

        The viewer knows this package, not the other way round, so it is found when it is asked for.
        """
        return importlib.import_module("viewer.html").scene_frame(self)

    def save(self, path: str | Path) -> None:
        """Write the scene file, aside first and then renamed onto `path`."""
        from ivid.scene.scene_file import write_scene_file

        write_scene_file(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Scene:
        """Read a scene file.

        Everything is checked before it is believed: the declared sizes bound what is decompressed.

        Raises:
            SceneFileError: the file is no scene, is damaged, or declares more than a scene may hold.
            OSError: there is no such file, or it cannot be read.
        """
        from ivid.scene.scene_file import read_scene_file

        return read_scene_file(path)

    @staticmethod
    def peek(path: str | Path) -> SceneSummary:
        """The header and the first picture of a scene file; nothing else of it is read.

        Raises:
            SceneFileError: the file is no scene, or what is read of it is damaged.
            OSError: there is no such file, or it cannot be read.
        """
        from ivid.scene.scene_file import read_summary

        return read_summary(path)


@dataclass(frozen=True, eq=False)
class SceneSummary:
    """What a scene file says before its views are read.

    Attributes:
        rgb: uint8 [S, S, 3], the first view's picture.
        view_count: how many views there are.
        depth_range, model, class_name, seed, view_set, settings: those of `Scene`.
    """

    rgb: np.ndarray
    view_count: int
    depth_range: DepthRange
    model: str
    class_name: str
    seed: int | None
    view_set: str
    settings: Mapping[str, Any]
