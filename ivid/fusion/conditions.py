"""What is known of a novel view from the views so far: aggregated conditioning (method §6)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache

import numpy as np

from ivid.fusion.mesh import MeshSettings, default_erosion_radius
from ivid.fusion.rasteriser import Planes, Shading
from ivid.fusion.renderer import FusionRenderer
from ivid.fusion.resample import metric_depth, more_than_three_quarters, reduced
from ivid.scene import depth as codec
from ivid.scene.cameras import Camera
from ivid.scene.condition import Condition
from ivid.scene.depth import DepthRange
from ivid.scene.view import View

PLANES: Planes = (0.01, 200.0)
SUPERSAMPLE = 3


def aggregate_conditions(
    views: Sequence[View],
    camera: Camera,
    depth_range: DepthRange,
    *,
    edge_threshold: float | None = None,
    mask_discontinuities: bool = True,
    erosion_radius: int | None = None,
    shading: Shading = "fragment",
    renderer: FusionRenderer | None = None,
) -> Condition:
    """The condition of a new camera: the views so far fused into it, and where the result can be relied on (method §6).

    Args:
        views: at least one, all of one size; colours in 8 bits, or as sampled.
        camera: the new view's camera.
        depth_range: (near, far) in metres, with which the result's depth is encoded.
        edge_threshold: of depth edges in the views' meshes, in metres and in 1/metres, and of depth edges in the
            result, in d and in 1/d; the views' own (0.03 in the published method) unless told.
        mask_discontinuities: whether pixels at depth edges, of the result and of the views, leave its masks, as
            published. Of what is only a few pixels wide nothing remains then; if they stay, erosion says which view
            shows them.
        erosion_radius: pixels around depth edges that give way to other views; 3/128 S (at least 1) unless told.
        shading: see `FusionRenderer.render`.
        renderer: where to compute, and where meshes are kept between calls; unless given, one on the CPU that all
            callers share.

    Raises:
        ValueError: there are no views, or they differ in size.

    Example:
        >>> scene = ivid.open_scene("house.ivid")
        >>> condition = aggregate_conditions(scene.views[:2], Camera.orbit(0.3, 0.0), scene.depth_range)
        >>> condition.rgb.shape, condition.mask.dtype
        ((128, 128, 3), dtype('bool'))
    """
    renderer = renderer or shared_renderer()
    size = views[0].size if views else 0
    radius = default_erosion_radius(size) if erosion_radius is None else erosion_radius
    threshold = (views[0].edge_threshold if views else 0.0) if edge_threshold is None else edge_threshold
    settings = MeshSettings(ring="frustum", erosion_radius=radius, atol=threshold, rtol=threshold)
    samples = renderer.sample(views, camera, size, SUPERSAMPLE, settings, PLANES, shading)

    d = codec.encode(metric_depth(samples.closeness, empty=PLANES[0]), depth_range).astype(np.float32)
    mask = mask_rgb = more_than_three_quarters(samples.with_depth, SUPERSAMPLE)
    if mask_discontinuities:
        mask = mask & ~depth_edges(d, threshold)
        mask_rgb = more_than_three_quarters(samples.with_rgb, SUPERSAMPLE) & eroded(mask, max(radius - 1, 0))
    return Condition(
        rgb=reduced(samples.picture, size) * mask_rgb[..., None],
        depth=d * mask,
        mask=mask,
        mask_rgb=mask_rgb,
        depth_floor=d,
        trusted=(samples.with_trusted / SUPERSAMPLE**2).astype(np.float32),
    )


def depth_edges(d: np.ndarray, tolerance: float) -> np.ndarray:
    """Depth edges bool [S, S] of z-buffer values d [S, S] (method §6).

    A pixel is one if at least 3 of its 8 neighbours differ by more than `tolerance` both in d and in 1/d. Values under
    1e-6 are lifted to it; neighbours outside the image do not count.
    """
    d = np.maximum(d, np.float32(1e-6)).astype(np.float64)
    size = d.shape[0]
    # Neighbours outside are not a number, so no difference to them is more than the tolerance.
    near = np.pad(d, 1, constant_values=np.nan)
    inverse, near_inverse = 1 / d, 1 / near
    count = np.zeros(d.shape, np.int8)
    for row in range(3):
        for column in range(3):
            window = (slice(row, row + size), slice(column, column + size))
            count += (np.abs(near[window] - d) > tolerance) & (np.abs(near_inverse[window] - inverse) > tolerance)
    return count >= 3


def eroded(mask: np.ndarray, radius: int) -> np.ndarray:
    """A mask bool [H, W] eroded by a box of 2 radius + 1 pixels; outside the image counts as set."""
    for axis in range(2):
        padded = np.pad(mask, [(radius, radius) if axis == k else (0, 0) for k in range(2)], constant_values=True)
        shifted = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis=axis)
        mask = np.asarray(shifted.all(axis=-1))
    return mask


def shared_renderer(device: str | None = None) -> FusionRenderer:
    """The renderer on a device of all callers that bring none."""
    return _renderer(device)


@cache
def _renderer(device: str | None) -> FusionRenderer:
    return FusionRenderer(device)


os.register_at_fork(after_in_child=_renderer.cache_clear)
