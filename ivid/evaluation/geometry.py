"""Is the geometry of a scene sound: relief, agreement between neighbouring views, a flat ground (method §13)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ivid.scene.cameras import Camera
from ivid.scene.depth import DepthRange, encode
from ivid.scene.scene import Scene
from ivid.scene.view import View

if TYPE_CHECKING:
    from ivid.fusion import FusionRenderer

BINS = 64
OCCLUSION = 0.05  # a surface this much farther than what a view sees is hidden from it, relative to its depth


def non_flatness(depths: Iterable[np.ndarray], depth_range: DepthRange) -> float:
    """Mean over depth maps of exp(entropy of the depth histogram) (3DGP, ICLR 2023; method §13).

    1 for a plane facing the camera, 64 when all depths between the planes are equally frequent.

    Args:
        depths: maps [H, W] in metres.
        depth_range: (near, far) in metres; 64 bins lie between them, and depths outside are clamped.

    Raises:
        ValueError: there are no maps.
    """
    scores = []
    for depth in depths:
        counts, _ = np.histogram(np.clip(depth, *depth_range), BINS, depth_range)
        share = counts[counts > 0] / counts.sum()
        scores.append(math.exp(-float((share * np.log(share)).sum())))
    if not scores:
        raise ValueError("a non-flatness score needs at least one depth map")
    return float(np.mean(scores))


@dataclass(frozen=True)
class Consistency:
    """How well views agree with their neighbours.

    Attributes:
        psnr_db: of the colours, over all compared pixels of all pairs; infinite when they are equal.
        depth_error: mean of |difference| / depth over the same pixels.
        shared: share of all pixels that were compared, 0 to 1.
    """

    psnr_db: float
    depth_error: float
    shared: float


def reprojection_consistency(
    scene: Scene,
    pairs: Sequence[tuple[int, int]] | None = None,
    renderer: FusionRenderer | None = None,
    supersample: int = 3,
) -> Consistency:
    """Compare every view with each of its neighbours warped into it, over the pixels both see (method §13).

    A pixel is compared where the neighbour's surface covers it (not its padding or depth edges), is no more than 5 %
    farther than the view's own (else it is hidden there), and the view itself has no depth edge within a pixel.
    A surface that is nearer than the view's own counts: the view ought to see it.

    Args:
        scene: at least two views.
        pairs: (view, neighbour) indices; `neighbouring_views` when None.
        renderer: where to compute; the shared one when None.
        supersample: samples per pixel in each direction.

    Raises:
        ValueError: there are no pairs, or nothing both see.
    """
    from ivid.fusion.conditions import depth_edges, eroded, shared_renderer

    renderer = renderer or shared_renderer()
    pairs = neighbouring_views([view.camera for view in scene.views]) if pairs is None else pairs
    if not pairs:
        raise ValueError("a comparison of views needs at least two")
    smooth = [
        eroded(~depth_edges(encode(view.depth, scene.depth_range).astype(np.float32), view.edge_threshold), 1)
        for view in scene.views
    ]
    squared = relative = compared = pixels = 0.0
    for index, neighbour in pairs:
        view = scene.views[index]
        warped = renderer.render([scene.views[neighbour]], view.camera, view.size, supersample, planes=(0.01, 200.0))
        both = warped.mask & smooth[index] & (warped.depth <= view.depth * (1 + OCCLUSION))
        colour = (warped.rgb - view.rgb.astype(np.float32) / 255)[both]
        squared += float((colour.astype(np.float64) ** 2).sum())
        relative += float((np.abs(warped.depth - view.depth)[both] / view.depth[both]).astype(np.float64).sum())
        compared += float(both.sum())
        pixels += both.size
    if not compared:
        raise ValueError("the views have no pixel in common")
    mean = squared / (3 * compared)
    return Consistency(
        psnr_db=-10 * math.log10(mean) if mean > 0 else math.inf,
        depth_error=relative / compared,
        shared=compared / pixels,
    )


def neighbouring_views(cameras: Sequence[Camera]) -> list[tuple[int, int]]:
    """(view, neighbour) indices in both directions: the views that stand nearest, as seen from the world's origin.

    Neighbours of a camera are those hardly farther from it, in angle, than the nearest one: on the 3x9 grid the up to
    four beside it.
    """
    directions = np.stack([camera.position / np.linalg.norm(camera.position) for camera in cameras])
    angles = np.arccos(np.clip(directions @ directions.T, -1, 1))
    np.fill_diagonal(angles, np.inf)
    close = angles <= 1.1 * angles.min(axis=1, keepdims=True)
    return [(int(i), int(j)) for i, j in np.argwhere(close | close.T) if np.isfinite(angles[i, j])]


@dataclass(frozen=True)
class GroundPlane:
    """A plane fitted to the ground of a view.

    Attributes:
        normal: [3] unit, world coordinates, towards the camera's side.
        offset: normal · x = offset on the plane, in metres.
        error: root mean square distance of the ground from the plane, relative to the depth extent of the view.
        pixels: how many pixels were taken for ground.
    """

    normal: np.ndarray
    offset: float
    error: float
    pixels: int


def ground_plane_fit(view: View, depth_range: DepthRange, border: float = 1 / 8, kept: float = 0.95) -> GroundPlane:
    """Fit a plane to the ground along the lower border of a picture of an object that stands in its middle.

    Ground is the lowest rows and, in the lower half, the outer columns, `border` of the picture wide, as far as it is
    nearer than the far plane. The plane has the least median distance of 200 through random triples of points, fitted
    anew to the `kept` share of the ground that lies closest to it; the error is of that share.

    Args:
        view: looking down at the ground.
        depth_range: (near, far) in metres.
        border: width of the strip, relative to the picture.
        kept: share of the ground; what remains may be parts of the object.

    Raises:
        ValueError: there is too little ground to fit a plane to.
    """
    size, far = view.size, depth_range[1]
    width = max(1, round(size * border))
    strip = np.zeros((size, size), bool)
    strip[-width:] = True
    strip[size // 2 :, :width] = strip[size // 2 :, -width:] = True
    visible = view.depth < 0.99 * far
    ground = view.camera.unproject(view.depth)[strip & visible]
    if len(ground) < 16:
        raise ValueError(f"only {len(ground)} pixels along the lower border are ground; at least 16 are needed")
    rng = np.random.default_rng(0)
    best, least = ground, math.inf
    count = max(3, math.ceil(kept * len(ground)))
    for _ in range(200):
        normal, offset = _plane(ground[rng.choice(len(ground), 3, replace=False)])
        distance = np.abs(ground @ normal - offset)
        median = float(np.median(distance))
        if median < least:
            best, least = ground[np.argpartition(distance, count - 1)[:count]], median
    normal, offset = _plane(best)
    distance = np.sort(np.abs(ground @ normal - offset))[:count]
    if normal @ view.camera.position < offset:
        normal, offset = -normal, -offset
    extent = float(np.ptp(view.depth[visible]))
    return GroundPlane(normal, offset, math.sqrt(float((distance**2).mean())) / extent, len(ground))


def _plane(points: np.ndarray) -> tuple[np.ndarray, float]:
    """Unit normal [3] and offset of the plane through points [N, 3] with the least squared distances."""
    middle = points.mean(axis=0)
    normal = np.linalg.svd(points - middle, full_matrices=False)[2][-1]
    return normal, float(normal @ middle)
