"""Between views and the samples that networks see: colour and encoded depth in [-1, 1] (method §3)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ivid.pipeline.config import DepthConfig
from ivid.scene.depth import DepthRange, decode, encode, snap_to_far, without_flying_pixels
from ivid.scene.scene import View


def to_pictures(clean: Tensor, depth: DepthConfig) -> tuple[np.ndarray, np.ndarray]:
    """Colour [B, S, S, 3] in [0, 1] and metric depth [B, S, S], float32, of clean samples [B, 4, S, S]."""
    values = (clean.float().clamp(-1, 1) + 1) / 2
    rgb = values[:, :3].permute(0, 2, 3, 1).cpu().numpy()
    d = snap_to_far(values[:, 3], depth.snap_to_far).cpu().numpy()
    if depth.flying_pixel_threshold is not None:
        d = without_flying_pixels(d, depth.flying_pixel_threshold)
    return np.ascontiguousarray(rgb), decode(d, depth.range)


def to_sample(view: View, depth_range: DepthRange) -> Tensor:
    """A view as a clean sample float32 [4, S, S]."""
    rgb = view.quantised().rgb / 255
    rgbd = np.concatenate([rgb, encode(view.depth, depth_range)[..., None]], axis=-1, dtype=np.float32)
    return torch.from_numpy(rgbd).permute(2, 0, 1) * 2 - 1
