"""From the enlarged picture to the size asked for."""

from __future__ import annotations

import numpy as np
from PIL import Image


def reduced(picture: np.ndarray, size: int) -> np.ndarray:
    """Colour float32 [size, size, 3] in [0, 1] of a picture (method §5).

    An enlarged picture, uint8 [k*size, k*size, 3], is reduced by Pillow's Lanczos; one of floats has its size already,
    and is clipped in place.
    """
    if picture.dtype != np.uint8:
        return np.clip(picture, 0.0, 1.0, out=picture)
    small = Image.fromarray(picture).resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(small, np.float32) / np.float32(255)


def laid_over(picture: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """An enlarged picture, uint8 or float, under a layer of colour in [0, 1] and opacity, float32 [..., 4]."""
    scale = 255 if picture.dtype == np.uint8 else 1
    opacity = layer[..., 3:]
    mixed = picture * (1 - opacity) + scale * layer[..., :3] * opacity
    return np.rint(mixed).astype(np.uint8) if scale == 255 else mixed.astype(np.float32)


def more_than_three_quarters(samples: np.ndarray, supersample: int) -> np.ndarray:
    """Mask bool [H, W]: more than 75 % of a pixel's supersample^2 samples are set, of which `samples` counts [H, W]."""
    return 4 * samples > 3 * supersample**2


def metric_depth(closeness: np.ndarray, empty: float) -> np.ndarray:
    """Depth float32 in metres from 1/z, `empty` where that is 0."""
    return np.reciprocal(np.where(closeness > 0, closeness, np.float32(1 / empty)), dtype=np.float32)
