"""A scene: the views around one point, and how they were made."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ivid.scene.depth import DepthRange
from ivid.scene.scene_file import MAX_VIEWS, opened_scene_file, write_scene_file
from ivid.scene.view import View

NEAREST_PLANE, FARTHEST_PLANE = 1e-3, 1e5  # of a depth range, in metres


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
        write_scene_file(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Scene:
        """Read a scene file.

        Everything is checked before it is believed: the declared sizes bound what is decompressed.

        Raises:
            SceneFileError: the file is no scene, is damaged, or declares more than a scene may hold.
            OSError: there is no such file, or it cannot be read.
        """
        with opened_scene_file(path) as file:
            return cls(file.views(), **file.fields)

    @staticmethod
    def peek(path: str | Path) -> SceneSummary:
        """The header and the first picture of a scene file; nothing else of it is read.

        Raises:
            SceneFileError: the file is no scene, or what is read of it is damaged.
            OSError: there is no such file, or it cannot be read.
        """
        with opened_scene_file(path) as file:
            return SceneSummary(file.picture(0), len(file.cameras), **file.fields)


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
