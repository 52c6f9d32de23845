"""What is told of a scene while it is being made, and the settings it is made with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ivid.fusion import Condition
from ivid.scene import View


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


@dataclass(frozen=True)
class SamplingSettings:
    """How a scene is sampled, all defaults filled in.

    Attributes:
        first_steps, novel_steps: network evaluations of the first and of every further view.
        guidance, novel_guidance: s of method §7 for the first and for every further view; 0 is none.
        first_sampler, novel_sampler: names in `ivid.diffusion.sampling.SAMPLERS`.
    """

    first_steps: int
    novel_steps: int
    guidance: float
    first_sampler: str
    novel_sampler: str
    novel_guidance: float
