"""The condition of the upsampler: the low-resolution picture, enlarged; and how it is made in training (method §9)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

FACTOR = 2


def enlarged(low: Tensor) -> Tensor:
    """A low-resolution picture [B, 4, S, S], bilinearly enlarged to [B, 4, 2S, 2S]."""
    return functional.interpolate(low, scale_factor=FACTOR, mode="bilinear", align_corners=False)


def training_condition(clean: Tensor, blur_sigma: Tensor) -> Tensor:
    """The condition [B, 4, S, S] for a picture [B, 4, S, S]: halved, its colour blurred, and enlarged again.

    Args:
        clean: RGBD in [-1, 1].
        blur_sigma: [B], σ in low-resolution pixels of a 3x3 Gaussian; the published training draws it from U(0, 1).
    """
    low = functional.avg_pool2d(clean, FACTOR)
    return enlarged(torch.cat([blurred_3x3(low[:, :3], blur_sigma), low[:, 3:]], dim=1))


def blurred_3x3(pictures: Tensor, sigma: Tensor) -> Tensor:
    """Pictures [B, C, S, S], each under its own 3x3 Gaussian of σ [B] pixels, with mirrored border."""
    side = torch.exp(-0.5 / sigma.clamp_min(1e-3).square())
    kernel = torch.stack([side, torch.ones_like(side), side], dim=1)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    kernel = kernel[:, :, None] * kernel[:, None, :]
    count, channels, height, width = pictures.shape
    weights = kernel.repeat_interleave(channels, dim=0)[:, None]
    padded = functional.pad(pictures, (1, 1, 1, 1), mode="reflect").reshape(1, count * channels, height + 2, width + 2)
    return functional.conv2d(padded, weights, groups=count * channels).reshape(pictures.shape)
