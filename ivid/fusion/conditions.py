"""What is known of a novel view from the views so far: aggregated conditioning (method §6)."""

from __future__ import annotations

import numpy as np


def depth_edges(d: np.ndarray, tolerance: float) -> np.ndarray:
    """Depth edges bool [S, S] of z-buffer values d [S, S] (method §6).

    A pixel is one if at least 3 of its 8 neighbours differ by more than `tolerance` both in d and in 1/d. Values under 1e-6 are
    lifted to it; neighbours outside the image do not count.
    """
    d = np.maximum(d.astype(np.float64), 1e-6)
    size = d.shape[0]
    padded = np.pad(d, 1, constant_values=np.nan)
    count = np.zeros(d.shape, np.int32)
    for row in range(3):
        for column in range(3):
            other = padded[row : row + size, column : column + size]
            # A difference to the outside is not a number, and so is never more than the tolerance.
            count += (np.abs(other - d) > tolerance) & (np.abs(1 / other - 1 / d) > tolerance)
    return count >= 3
