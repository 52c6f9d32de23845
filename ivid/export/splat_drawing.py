"""How viewers draw Gaussian splats (Kerbl et al., 3D Gaussian Splatting, SIGGRAPH 2023, §4), as a sparse matrix.

A pixel's colour is a sum of the splats' colours, weighted by their opacities there and by what those in front of them
let through. The weights do not depend on the colours: `blending_weights(…) @ colours` is the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial.transform import Rotation

from ivid.scene.cameras import Camera

DILATION_PX2 = 0.3  # what viewers add to the variance of a splat on the screen, so that none falls between pixels
NEAREST = 0.05  # metres; viewers draw nothing nearer
REACH = 3.0  # standard deviations that are drawn
LEAST_OPAQUE, MOST_OPAQUE = 1 / 255, 0.99  # of what a splat adds to a pixel


@dataclass(frozen=True, eq=False)
class Splats:
    """N Gaussians.

    Attributes:
        positions: [N, 3] float32.
        normals: [N, 3] float32, the axes along which they are thin.
        scales: [N, 3] float32, standard deviations along their own axes.
        rotations: [N, 4] float32, quaternions w, x, y, z, from their own axes to the world's.
        colours: [N, 3] float32 in [0, 1], sRGB.
        opacity: of all of them, 0 to 1.
    """

    positions: np.ndarray
    normals: np.ndarray
    scales: np.ndarray
    rotations: np.ndarray
    colours: np.ndarray
    opacity: float

    def __len__(self) -> int:
        return len(self.positions)

    def rotated(self, rotation: Rotation) -> Splats:
        """The same Gaussians in axes turned by `rotation`."""
        turned = rotation * Rotation.from_quat(self.rotations, scalar_first=True)
        return replace(
            self,
            positions=rotation.apply(self.positions).astype(np.float32),
            normals=rotation.apply(self.normals).astype(np.float32),
            rotations=turned.as_quat(scalar_first=True).astype(np.float32),
        )


def draw(splats: Splats, camera: Camera, size: int) -> np.ndarray:
    """The picture of the splats, colour [size, size, 3], on black."""
    return (blending_weights(splats, camera, size) @ splats.colours).reshape(size, size, 3)


def blending_weights(splats: Splats, camera: Camera, size: int) -> csr_array:
    """The weight with which every splat enters every pixel.

    Args:
        splats: N of them.
        camera: that looks at them.
        size: of the square picture, pixels.

    Returns:
        sparse [size², N] float32, pixels row by row; a row's sum is at most 1, and the rest is background.
    """
    depth, centre, covariance = _projected(splats, camera, size)
    reach = REACH * np.sqrt(np.stack([covariance[:, 0, 0], covariance[:, 1, 1]], axis=-1))
    low = np.maximum(np.floor(centre - reach), 0)
    high = np.minimum(np.ceil(centre + reach) + 1, size)
    extent = np.where((depth > NEAREST)[:, None], np.maximum(high - low, 0), 0).astype(np.int64)
    order = np.argsort(depth, kind="stable")  # front to back
    splat = np.repeat(order, extent[order].prod(axis=-1))
    within = _counted(extent[order].prod(axis=-1))
    column = low[splat, 0].astype(np.int64) + within % extent[splat, 0]
    row = low[splat, 1].astype(np.int64) + within // extent[splat, 0]

    dx = (column + 0.5 - centre[splat, 0]).astype(np.float32)
    dy = (row + 0.5 - centre[splat, 1]).astype(np.float32)
    inverse = np.linalg.inv(covariance).astype(np.float32)
    a, b, c = inverse[splat, 0, 0], inverse[splat, 0, 1], inverse[splat, 1, 1]
    alpha = np.minimum(
        np.float32(splats.opacity) * np.exp(-0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy)), MOST_OPAQUE
    )

    shown = np.flatnonzero(alpha >= LEAST_OPAQUE)
    pixel = (row * size + column)[shown]
    by_pixel = np.argsort(pixel, kind="stable")  # a pixel's splats stay front to back
    alpha, splat = alpha[shown][by_pixel], splat[shown][by_pixel]
    ends = np.cumsum(np.bincount(pixel, minlength=size * size))
    starts = np.concatenate([[0], ends])
    hidden = np.concatenate([[0.0], np.cumsum(np.log1p(-alpha.astype(np.float64)))])  # log of what is let through
    through = np.exp(hidden[:-1] - np.repeat(hidden[starts[:-1]], np.diff(starts)))
    return csr_array(((alpha * through).astype(np.float32), splat, starts), shape=(size * size, len(splats)))


def _projected(splats: Splats, camera: Camera, size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depth [N] in metres, centre [N, 2] in pixels and covariance [N, 2, 2] in square pixels, on the screen."""
    world_to_view, focal = camera.world_to_view, camera.focal * size
    points = splats.positions @ world_to_view[:3, :3].T + world_to_view[:3, 3]
    depth = -points[:, 2]
    safe = np.maximum(depth, NEAREST)
    axes = world_to_view[:3, :3] @ Rotation.from_quat(splats.rotations, scalar_first=True).as_matrix()
    covariance = (axes * splats.scales[:, None] ** 2) @ axes.transpose(0, 2, 1)
    jacobian = np.zeros((len(splats), 2, 3))
    jacobian[:, 0, 0], jacobian[:, 0, 2] = focal / safe, focal * points[:, 0] / safe**2
    jacobian[:, 1, 1], jacobian[:, 1, 2] = -focal / safe, -focal * points[:, 1] / safe**2
    flat = jacobian @ covariance @ jacobian.transpose(0, 2, 1) + DILATION_PX2 * np.eye(2)
    centre = size / 2 + focal * np.stack([points[:, 0], -points[:, 1]], axis=-1) / safe[:, None]
    return depth, centre, flat


def _counted(counts: np.ndarray) -> np.ndarray:
    """0 to n - 1 for each count n, one after the other."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
