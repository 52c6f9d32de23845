"""The colours of splats, fitted to fused pictures.

Splats overlap, and blur what their colours show. A picture is linear in the colours (`splat_drawing`), so those that
draw the fused pictures best are a least-squares problem, solved by a few steps of conjugate gradients.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage
from scipy.sparse import csr_array, vstack

from ivid.export.splat_drawing import Splats, blending_weights
from ivid.export.stills import renderer_on
from ivid.export.surface import Progress, at_far_plane
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene

CAMERAS = 6
MAX_SIZE = 256  # pixels on a side of the pictures
MAX_SPLATS = 250_000  # beyond, the weights take gigabytes
STAY = 0.3  # how much a colour's own value counts, beside the sum of its squared weights in all pictures
SILHOUETTE = 2  # pixels along silhouettes that are left out: there splats end softly


def with_fitted_colours(
    splats: Splats, scene: Scene, steps: int, keep_far: bool = False, progress: Progress | None = None
) -> Splats:
    """The splats with colours that draw the fused picture as closely as they can, at some of the views' cameras.

    Pictures are twice as large as the views, at most `MAX_SIZE`. Splats that no camera sees keep their colours, and so
    do all where there are more than `MAX_SPLATS`.

    Args:
        scene: that they were made from.
        steps: of conjugate gradients; with 0 the splats stay as they are.
        keep_far: whether what lies at the far plane is among the splats.
        progress: called with (done, total).
    """
    if not steps or len(splats) > MAX_SPLATS:
        return splats
    renderer = renderer_on(None)
    size = min(2 * scene.views[0].size, MAX_SIZE)
    cameras = fit_cameras(scene)
    weights, missing = [], []
    for done, camera in enumerate(cameras, start=1):
        fused = renderer.render(scene.views, camera, size, 2)
        surface = fused.mask if keep_far else fused.mask & ~at_far_plane(fused.depth, scene.depth_range)
        inside = np.asarray(ndimage.binary_erosion(surface, iterations=SILHOUETTE), dtype=bool)
        weights.append(blending_weights(splats, camera, size)[np.flatnonzero(inside)])
        missing.append(fused.rgb[inside] - weights[-1] @ splats.colours)
        if progress:
            progress(done, len(cameras))
    change = least_squares(csr_array(vstack(weights)), np.concatenate(missing), STAY, steps)
    return replace(splats, colours=np.clip(splats.colours + change, 0, 1).astype(np.float32))


def fit_cameras(scene: Scene) -> list[Camera]:
    """At most `CAMERAS` of the views' cameras, evenly spread over their order, the first view's first."""
    count = min(CAMERAS, len(scene.views))
    return [scene.views[index].camera for index in np.linspace(0, len(scene.views) - 1, count).round().astype(int)]


def least_squares(matrix: csr_array, target: np.ndarray, stay: float, steps: int) -> np.ndarray:
    """x [N, C] towards the minimum of |matrix · x - target|² + stay · |x|², by conjugate gradients from 0.

    Args:
        matrix: [M, N].
        target: [M, C], each column a problem of its own.
        stay: positive.
        steps: a column that is solved earlier stays as it is.
    """
    residual = matrix.T @ target
    x = np.zeros_like(residual)
    direction, norm = residual, (residual**2).sum(axis=0)
    for _ in range(steps):
        if not norm.any():
            break
        image = matrix.T @ (matrix @ direction) + stay * direction
        length = _ratio(norm, (direction * image).sum(axis=0))
        x += length * direction
        residual = residual - length * image
        before, norm = norm, (residual**2).sum(axis=0)
        direction = residual + _ratio(norm, before) * direction
    return x


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)
