"""Splats drawn one after the other."""

import numpy as np
from scipy.spatial.transform import Rotation

from ivid.export.splat_drawing import DILATION_PX2, LEAST_OPAQUE, NEAREST, Splats
from ivid.scene import Camera


def drawn_one_by_one(splats: Splats, camera: Camera, size: int) -> np.ndarray:
    """Splats as viewers draw them: projected Gaussians, blended front to back (Kerbl et al. 2023, §4).

    Returns:
        colour [size, size, 3], on black.
    """
    world_to_view, focal = camera.world_to_view, camera.focal * size
    points = splats.positions @ world_to_view[:3, :3].T + world_to_view[:3, 3]
    depth = -points[:, 2]
    axes = world_to_view[:3, :3] @ Rotation.from_quat(splats.rotations, scalar_first=True).as_matrix()
    covariance = (axes * splats.scales[:, None] ** 2) @ axes.transpose(0, 2, 1)
    jacobian = np.zeros((len(splats), 2, 3))
    jacobian[:, 0, 0], jacobian[:, 0, 2] = focal / depth, focal * points[:, 0] / depth**2
    jacobian[:, 1, 1], jacobian[:, 1, 2] = -focal / depth, -focal * points[:, 1] / depth**2
    flat = jacobian @ covariance @ jacobian.transpose(0, 2, 1) + DILATION_PX2 * np.eye(2)
    centres = np.stack([size / 2 + focal * points[:, 0] / depth, size / 2 - focal * points[:, 1] / depth], axis=-1)
    inverse = np.linalg.inv(flat)
    reach = 3 * np.sqrt(np.stack([flat[:, 0, 0], flat[:, 1, 1]], axis=-1))
    colour, through = np.zeros((size, size, 3)), np.ones((size, size))
    for index in np.argsort(depth):
        low = np.maximum(np.floor(centres[index] - reach[index]), 0).astype(int)
        high = np.minimum(np.ceil(centres[index] + reach[index]) + 1, size).astype(int)
        if depth[index] < NEAREST or (low >= high).any():
            continue
        dx = np.arange(low[0], high[0]) + 0.5 - centres[index, 0]
        dy = (np.arange(low[1], high[1]) + 0.5 - centres[index, 1])[:, None]
        (a, b), (_, c) = inverse[index]
        alpha = np.minimum(splats.opacity * np.exp(-0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy)), 0.99)
        window = slice(low[1], high[1]), slice(low[0], high[0])
        alpha[alpha < LEAST_OPAQUE] = 0
        colour[window] += (through[window] * alpha)[..., None] * splats.colours[index]
        through[window] *= 1 - alpha
    return colour
