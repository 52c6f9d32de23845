"""What is known of a view that is still to be sampled (method §6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Condition:
    """A camera's picture as far as other views show it: colour and depth, and where each of them is known.

    Attributes:
        rgb: float32 [S, S, 3] in [0, 1], 0 outside `mask_rgb`.
        depth: float32 [S, S], z-buffer values d in [0, 1], 0 outside `mask`.
        mask: bool [S, S], where depth is known.
        mask_rgb: bool [S, S], where colour is known.
        depth_floor: float32 [S, S], d in front of which nothing may appear; 0 where that is no constraint.
        trusted: float32 [S, S], how much of each pixel views of full trust, 1, show, from 0 to 1; None where all are
            trusted alike.
    """

    rgb: np.ndarray
    depth: np.ndarray
    mask: np.ndarray
    mask_rgb: np.ndarray
    depth_floor: np.ndarray
    trusted: np.ndarray | None = None
