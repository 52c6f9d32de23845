"""The events of a scene that is being sampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ivid.scene.condition import Condition
from ivid.scene.scene import View


@dataclass(frozen=True, eq=False)
class Preview:
    """A view while it is being denoised.

    Attributes:
        view_index: which view of the scene, from 0.
        step, steps: network evaluations done, and how many there will be.
        rgb: uint8 [S, S, 3], the clean sample as predicted now.
        depth: float32 [S, S] metres, likewise.
        scene_index: which scene of the batch.
    """

    view_index: int
    step: int
    steps: int
    rgb: np.ndarray
    depth: np.ndarray
    scene_index: int = 0


@dataclass(frozen=True, eq=False)
class ViewDone:
    """A finished view, and the condition it was sampled from (None for the first)."""

    view_index: int
    view: View
    condition: Condition | None
    scene_index: int = 0


Event = Preview | ViewDone
