"""The events of a scene that is being sampled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ivid.scene.condition import Condition
from ivid.scene.view import View


@dataclass(frozen=True, eq=False)
class Preview:
    """A view while it is being denoised.

    Attributes:
        view_index: which view of the scene, from 0.
        step, steps: network evaluations done, and how many there will be.
        pictures: makes `rgb` and `depth`; what nobody looks at is not fetched from the GPU.
        scene_index: which scene of the batch.
    """

    view_index: int
    step: int
    steps: int
    pictures: Callable[[], tuple[np.ndarray, np.ndarray]] = field(repr=False)
    scene_index: int = 0

    @cached_property
    def rgb(self) -> np.ndarray:
        """uint8 [S, S, 3], the clean sample as predicted now."""
        return self.pictures()[0]

    @cached_property
    def depth(self) -> np.ndarray:
        """float32 [S, S] metres, likewise."""
        return self.pictures()[1]

    def __reduce__(self) -> Any:
        """Travel to another process as pictures."""
        return _preview, (self.view_index, self.step, self.steps, self.rgb, self.depth, self.scene_index)


def _preview(view_index: int, step: int, steps: int, rgb: np.ndarray, depth: np.ndarray, scene_index: int) -> Preview:
    return Preview(view_index, step, steps, lambda: (rgb, depth), scene_index)


@dataclass(frozen=True, eq=False)
class ViewDone:
    """A finished view, and the condition it was sampled from (None for the first)."""

    view_index: int
    view: View
    condition: Condition | None
    scene_index: int = 0


Event = Preview | ViewDone
