"""From the enlarged picture to the size asked for."""

from __future__ import annotations

import numpy as np
from PIL import Image

# Far below one level of 255, far above the rounding of a weighted mean: a colour that is a whole level in exact arithmetic
# must not lose it to truncation.
_ROUNDING = 1 / 512


def reduce_colour(rgb: np.ndarray, size: int) -> np.ndarray:
    """Colour float32 [size, size, 3] in [0, 1] of an enlarged picture float [k*size, k*size, 3] (method §5).

    Clipped to [0, 1], truncated to 8 bits and reduced by Pillow's Lanczos; at the size asked for already, only clipped.
    """
    if rgb.shape[0] == size:
        return np.clip(rgb, 0.0, 1.0)
    levels = (np.clip(rgb, 0.0, 1.0) * np.float32(255) + np.float32(_ROUNDING)).astype(np.uint8)
    picture = Image.fromarray(levels).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture, np.float32) / np.float32(255)


def more_than_three_quarters(samples: np.ndarray, supersample: int) -> np.ndarray:
    """Mask bool [H, W] of pixels with more than 75 % of their supersample^2 samples set, from counts [H, W] (method §6)."""
    return 4 * samples > 3 * supersample**2
