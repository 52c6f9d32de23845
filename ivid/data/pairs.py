"""Training pairs of the novel-view network: a single RGBD image warped away and back (method §10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy import ndimage

from ivid.scene.condition import Condition
from ivid.scene.depth import DepthRange, decode

_Sigma = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class PairSettings:
    """The augmentations of method §10. Noise levels are on values in [0, 1].

    Attributes:
        prewarp_noise: upper bound of σ on colour and d before warping.
        blur_probability: how often the conditioning colour is the clean image, blurred, in place of the warped one.
        blur_sigma: upper bound of the blur's σ in pixels.
        erode_rgb: upper bound r of the box (2r + 1)² by which the colour mask is eroded.
        postwarp_noise: upper bound of σ on the warped colour and depth; 0 is off, as in the published training.
        edge_threshold: the step between neighbouring pixels that separates surfaces, in metres, 1/metres, d and 1/d;
            the published value belongs to 128² images, where neighbours are twice as close as at 64².
        mask_discontinuities: whether pixels at depth edges are taken for unknown, as published.
        camera_sigma_rad: standard deviation of yaw and pitch of the camera an image is warped to.
    """

    prewarp_noise: _Sigma = 0.005
    blur_probability: Annotated[float, Field(ge=0, le=1)] = 0.8
    blur_sigma: Annotated[float, Field(ge=0, le=10)] = 1.0
    erode_rgb: Annotated[int, Field(ge=0, le=64)] = 4
    postwarp_noise: _Sigma = 0.0
    edge_threshold: Annotated[float, Field(gt=0, le=10)] = 0.02
    mask_discontinuities: bool = True
    camera_sigma_rad: Annotated[float, Field(gt=0, le=3)] = 0.15


def warped_condition(
    rgb: np.ndarray,
    d: np.ndarray,
    depth_range: DepthRange,
    rng: np.random.Generator,
    settings: PairSettings = PairSettings(),
) -> Condition:
    """The condition for an image, made from itself by forward-backward warping with a random camera (method §10).

    Args:
        rgb: [S, S, 3] float32 in [0, 1].
        d: [S, S] float32, depth encoded with `depth_range`.
        depth_range: (near, far) of d, in metres.
        rng: every random number comes from it.
    """
    from ivid.fusion import forward_backward_warp, random_warp_camera  # the first-view network trains without Warp

    sigma = rng.uniform(0, settings.prewarp_noise)
    noisy_rgb = np.clip(rgb + sigma * rng.standard_normal(rgb.shape, np.float32), 0, 1)
    noisy_d = np.clip(d + sigma * rng.standard_normal(d.shape, np.float32), 0, 1)
    camera = random_warp_camera(rng, settings.camera_sigma_rad)
    rgb_noise = d_noise = 0.0
    if settings.postwarp_noise:
        sigma = rng.uniform(0, settings.postwarp_noise)
        rgb_noise = sigma * rng.standard_normal(rgb.shape, np.float32)
        d_noise = sigma * rng.standard_normal(d.shape, np.float32)
    blurred = rng.random() < settings.blur_probability
    pair = forward_backward_warp(
        noisy_rgb,
        decode(noisy_d, depth_range),
        camera,
        depth_range,
        tolerance=settings.edge_threshold,
        mask_discontinuities=settings.mask_discontinuities,
        colours=not blurred,
    )
    mask, warped_d = pair.mask, pair.depth + d_noise
    if blurred:
        warped_rgb = gaussian_blur_3x3(rgb, rng.uniform(0, settings.blur_sigma) + 0.001)
    else:
        warped_rgb = pair.rgb + rgb_noise
    radius = int(rng.integers(0, settings.erode_rgb + 1))
    mask_rgb = ndimage.minimum_filter(mask, size=2 * radius + 1, mode="constant", cval=True)
    return Condition(
        rgb=(warped_rgb * mask_rgb[..., None]).astype(np.float32),
        depth=(warped_d * mask).astype(np.float32),
        mask=mask,
        mask_rgb=mask_rgb,
        depth_floor=pair.depth_floor,
    )


def gaussian_blur_3x3(image: np.ndarray, sigma: float) -> np.ndarray:
    """An image [H, W, C] under a 3x3 Gaussian of `sigma` pixels with mirrored border."""
    side = np.exp(-0.5 / sigma**2)
    kernel = np.array([side, 1.0, side]) / (1 + 2 * side)
    blurred = ndimage.correlate1d(image, kernel, axis=0, mode="mirror")
    return ndimage.correlate1d(blurred, kernel, axis=1, mode="mirror")
