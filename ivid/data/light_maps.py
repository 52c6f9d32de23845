"""What reaches a point of the light from one direction: shadow maps, hard on assets and soft on the ground."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

_SHADOW_SOFTNESS = 0.011  # standard deviation of the penumbra on the ground, in metres


@dataclass(frozen=True, eq=False)
class LightMap:
    """What a parallel light sees: depth [R, R] from a camera 2·half_width before the origin, inf where nothing is."""

    depth: np.ndarray
    rotation: np.ndarray
    half_width: float

    def _texels(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows and columns (as floats, texel centres at integers) and depths of points [N, 3] on the stage."""
        size = len(self.depth)
        inside = points @ self.rotation.T
        scale = np.float32(size / (2 * self.half_width))
        column = inside[:, 0] * scale + (size - 1) / 2
        row = (size - 1) / 2 - inside[:, 1] * scale
        return row, column, 2 * self.half_width - inside[:, 2]

    def visible(self, points: np.ndarray) -> np.ndarray:
        """Share [N] of the light that reaches points [N, 3]: the four texels around each vote with bilinear weights."""
        row, column, depth = self._texels(points)
        return bilinear(self.depth, row, column, np.inf, lambda texel: texel > depth - 0.004)

    def soft_hits(self, points: np.ndarray) -> np.ndarray:
        """Share [N] of the light that is taken from points [N, 3] that lie behind all of the asset."""
        from scipy.ndimage import gaussian_filter

        row, column, _ = self._texels(points)
        texels = len(self.depth) / (2 * self.half_width)
        hits = gaussian_filter(
            np.isfinite(self.depth).astype(np.float32), _SHADOW_SOFTNESS * texels, mode="constant", truncate=2.5
        )
        return bilinear(hits, row, column, 0.0, lambda texel: texel)


def bilinear(image: np.ndarray, row: np.ndarray, column: np.ndarray, outside: float, value: Any) -> np.ndarray:
    """Bilinear mix [N] of value(texel) around (row, column); the image goes on as `outside` beyond its border."""
    size = len(image)
    padded = np.pad(image, 1, constant_values=outside).ravel()
    row, column = np.clip(row, -1, size) + 1, np.clip(column, -1, size) + 1
    top, left = np.minimum(row.astype(np.int32), size), np.minimum(column.astype(np.int32), size)
    down, right = row - top, column - left
    corner = top * (size + 2) + left
    mixed = (1 - down) * (1 - right) * value(padded[corner])
    mixed += (1 - down) * right * value(padded[corner + 1])
    mixed += down * (1 - right) * value(padded[corner + size + 2])
    mixed += down * right * value(padded[corner + size + 3])
    return mixed.astype(np.float32)
