"""A view: a colour picture with metric depth and its camera."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ivid.scene.cameras import Camera

EDGE_THRESHOLD = 0.03
MIN_TRUST = 1e-6


@dataclass(frozen=True, eq=False)
class View:
    """One RGBD picture and where it was taken from.

    Attributes:
        rgb: uint8 [S, S, 3]; or float32 [S, S, 3] in [0, 1] while a scene is being sampled, because the conditions of
            further views use the colours as sampled (method §6).
        depth: float32 [S, S], metres along the viewing axis, finite and positive.
        camera: the camera of this picture.
        edge_threshold: neighbouring pixels whose depths differ by more than this, both in metres and in 1/metres,
            belong to different surfaces (method §4: atol = rtol = 0.03 at 128²; larger where pixels are further apart).
        trust: from 1e-6 to 1, what this view counts for where several are fused: its blend weight (method §5) is
            multiplied by it. 1 in the published method.
        mask: bool [S, S], the pixels that are fused and exported; None: all of them. The rest keep colour and depth.

    Raises:
        ValueError: shapes, types or values are not as above.
    """

    rgb: np.ndarray
    depth: np.ndarray
    camera: Camera
    edge_threshold: float = EDGE_THRESHOLD
    trust: float = 1.0
    mask: np.ndarray | None = None

    def __post_init__(self) -> None:
        rgb, depth = np.asarray(self.rgb), np.asarray(self.depth, dtype=np.float32)
        if rgb.dtype != np.uint8:
            rgb = rgb.astype(np.float32)
            if not (rgb.size and rgb.min() >= 0 and rgb.max() <= 1):
                raise ValueError("a view's colours must be uint8, or floats in [0, 1]")
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.shape[0] != rgb.shape[1] or depth.shape != rgb.shape[:2]:
            raise ValueError(f"a view needs rgb [S, S, 3] and depth [S, S], got {rgb.shape} and {depth.shape}")
        bad = int((~(np.isfinite(depth) & (depth > 0))).sum())
        if bad:
            raise ValueError(f"a view's depth must be finite and positive; {bad} values are not")
        if not 0 < self.edge_threshold < float("inf"):
            raise ValueError(f"a view's edge threshold must be positive, got {self.edge_threshold}")
        if not MIN_TRUST <= self.trust <= 1:
            raise ValueError(f"a view's trust must be from {MIN_TRUST:g} to 1, got {self.trust}")
        if self.mask is not None:
            mask = np.asarray(self.mask)
            if mask.dtype != bool or mask.shape != depth.shape:
                raise ValueError(f"a view's mask must be bool {depth.shape}, got {mask.dtype} {mask.shape}")
            object.__setattr__(self, "mask", None if mask.all() else mask)
        object.__setattr__(self, "rgb", rgb)
        object.__setattr__(self, "depth", depth)

    @property
    def size(self) -> int:
        """S, the side of the pictures in pixels."""
        return self.depth.shape[0]

    @property
    def colours(self) -> np.ndarray:
        """The picture as float32 [S, S, 3] in [0, 1], however it is kept."""
        return self.rgb if self.rgb.dtype == np.float32 else self.rgb.astype(np.float32) / np.float32(255)

    def quantised(self) -> View:
        """The view with colours in 8 bits."""
        if self.rgb.dtype == np.uint8:
            return self
        return replace(self, rgb=quantised(self.rgb))


def quantised(rgb: np.ndarray) -> np.ndarray:
    """Colour in [0, 1] as uint8, of any shape."""
    return np.rint(rgb * 255).astype(np.uint8)
