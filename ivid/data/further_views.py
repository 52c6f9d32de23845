"""Views with a condition, what the novel-view network is trained on: where the picture and its condition come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ivid.data.images import RgbdImages
from ivid.data.pairs import PairSettings, warped_condition
from ivid.scene.condition import Condition
from ivid.scene.depth import DepthRange


@dataclass(frozen=True, eq=False)
class FurtherView:
    """A picture, and what is known of it.

    Attributes:
        rgb: float32 [S, S, 3] in [0, 1].
        d: float32 [S, S] in [0, 1], encoded depth.
        label: as those of `RgbdImages`.
        condition: of the same size.
    """

    rgb: np.ndarray
    d: np.ndarray
    label: int
    condition: Condition


class FurtherViews(Protocol):
    """A source of further views.

    Attributes:
        depth_range, classes: as those of `RgbdImages`.
    """

    @property
    def depth_range(self) -> DepthRange: ...
    @property
    def classes(self) -> Sequence[str]: ...
    def __len__(self) -> int: ...
    def view(self, index: int, rng: np.random.Generator, mirrored: bool) -> FurtherView:
        """One of them, mirrored together with its condition if asked for; every random number comes from `rng`."""
        ...


@dataclass(frozen=True, eq=False)
class WarpedPairs:
    """Single images, warped away and back (method §10): for photographs, and as published."""

    images: RgbdImages
    settings: PairSettings

    @property
    def depth_range(self) -> DepthRange:
        return self.images.depth_range

    @property
    def classes(self) -> Sequence[str]:
        return self.images.classes

    def __len__(self) -> int:
        return len(self.images)

    def view(self, index: int, rng: np.random.Generator, mirrored: bool) -> FurtherView:
        rgb, d, label = self.images[index]
        rgb, d = as_floats(rgb, d, mirrored)
        return FurtherView(rgb, d, label, warped_condition(rgb, d, self.depth_range, rng, self.settings))


def as_floats(rgb: np.ndarray, d: np.ndarray, mirrored: bool) -> tuple[np.ndarray, np.ndarray]:
    """Colour float32 [S, S, 3] in [0, 1] and depth float32 [S, S] of an image of `RgbdImages`."""
    if mirrored:
        rgb, d = rgb[:, ::-1], d[:, ::-1]
    return np.ascontiguousarray(rgb, np.float32) / 255, np.ascontiguousarray(d, np.float32)
