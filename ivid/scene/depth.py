"""The depth codec between metres and the networks' depth channel, and pictures of depth maps (method §3).

Convention: metric depth z is the distance along the viewing axis; d in [0, 1] is a z-buffer value, 0 at the near plane
and 1 at the far plane, linear in 1/z; the networks see 2d - 1. `depth_range` is always (near, far) in metres.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

DepthRange = tuple[float, float]
PUBLISHED_SAMPLING_RANGE: DepthRange = (0.6, 5.0)
PUBLISHED_TRAINING_RANGE: DepthRange = (0.5, 100.0)
STORED_DISPARITY_UNIT = 6250.0  # stored value of a disparity of 1 per metre (method §3)

Array = TypeVar("Array")  # numpy arrays and torch tensors alike: the formulas use only what both have


def decode(d: Array, depth_range: DepthRange) -> Array:
    """Metric depth, any shape, of z-buffer values d, clipped to [1e-6, 1 - 1e-6]."""
    near, far = depth_range
    return near * far / (far - (far - near) * d.clip(1e-6, 1 - 1e-6))  # type: ignore[attr-defined]


def encode(depth_metres: Array, depth_range: DepthRange) -> Array:
    """Z-buffer values d in [0, 1], any shape, of metric depth, clipped to the range."""
    near, far = depth_range
    return (1 / near - 1 / depth_metres.clip(near, far)) / (1 / near - 1 / far)  # type: ignore[attr-defined]


def snap_to_far(d: Array, margin: float) -> Array:
    """Z-buffer values d, any shape, of which those within `margin` of the far plane are on it.

    Those up to twice as far from it are spread over the gap, so that no step appears. What a network draws of the sky
    is nearly, but not quite, the far plane; close to it, small errors of d are large ones of depth.
    """
    before = 1 - d  # type: ignore[operator]
    return 1 - before.clip(None, (2 * (before - margin)).clip(0))


def without_flying_pixels(d: np.ndarray, step: float) -> np.ndarray:
    """Z-buffer values d [..., H, W] of which none lies between two surfaces.

    Where those of a pixel and its eight neighbours span more than `step`, the pixel takes the nearest or the farthest
    of them, whichever is closer to its own; twice, so that ramps of a few pixels become steps (a toggle mapping: Serra
    and Vincent, "An overview of morphological filtering", 1992). A network that is not sure where an object ends draws
    a ramp there, which is a surface from every other side.
    """
    from scipy import ndimage

    window = (*[1] * (d.ndim - 2), 3, 3)
    for _ in range(2):
        nearest, farthest = ndimage.minimum_filter(d, window), ndimage.maximum_filter(d, window)
        sharp = np.where(d - nearest < farthest - d, nearest, farthest)
        d = np.where(farthest - nearest > step, sharp, d)
    return d


def encode_disparity(disparity: np.ndarray, depth_range: DepthRange = PUBLISHED_TRAINING_RANGE) -> np.ndarray:
    """Z-buffer values d of a whole stored disparity map [H, W], before it is resized or cropped (method §3, §11).

    The map is divided by 6250; if its maximum exceeds 1/near it is scaled so that the maximum is 1/near; floor at 1e-3.
    """
    near, far = depth_range
    metric = np.asarray(disparity, np.float32) / STORED_DISPARITY_UNIT
    peak = float(metric.max())
    if peak > 1 / near:
        metric = metric * (1 / near / peak)
    metric = np.maximum(metric, 1e-3)
    return np.clip((metric - 1 / near) / (1 / far - 1 / near), 0.0, 1.0).astype(np.float32)


def depth_picture(depth_metres: np.ndarray, depth_range: DepthRange) -> np.ndarray:
    """A depth map [H, W] in metres as a grey picture uint8 [H, W, 3]: near is bright, the far plane is black."""
    grey = np.rint((1 - encode(np.asarray(depth_metres, np.float32), depth_range)) * 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)
