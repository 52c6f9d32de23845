"""Conditions made of single images, step by step (method §10)."""

import numpy as np
import pytest

from ivid.data.pairs import PairSettings, gaussian_blur_3x3, warped_condition
from ivid.fusion import forward_backward_warp, random_warp_camera
from ivid.scene.cameras import Camera
from ivid.scene.depth import decode, encode
from tests.support.synthetic import DEPTH_RANGE, synthetic_view

VIEW = synthetic_view(Camera.orbit(0, 0), 48)
RGB = VIEW.rgb.astype(np.float32) / 255
D = encode(VIEW.depth, DEPTH_RANGE).astype(np.float32)


def step_by_step(rng, settings):
    """The same in plain steps, with every colour made whether it is used or not."""
    sigma = rng.uniform(0, settings.prewarp_noise)
    rgb = np.clip(RGB + sigma * rng.standard_normal(RGB.shape, np.float32), 0, 1)
    d = np.clip(D + sigma * rng.standard_normal(D.shape, np.float32), 0, 1)
    camera = random_warp_camera(rng)
    warped = forward_backward_warp(
        rgb,
        decode(d, DEPTH_RANGE),
        camera,
        DEPTH_RANGE,
        tolerance=settings.edge_threshold,
        mask_discontinuities=settings.mask_discontinuities,
    )
    rgb, d = warped.rgb, warped.depth
    if settings.postwarp_noise:
        sigma = rng.uniform(0, settings.postwarp_noise)
        rgb = rgb + sigma * rng.standard_normal(rgb.shape, np.float32)
        d = d + sigma * rng.standard_normal(d.shape, np.float32)
    if rng.random() < settings.blur_probability:
        rgb = gaussian_blur_3x3(RGB, rng.uniform(0, settings.blur_sigma) + 0.001)
    reach = int(rng.integers(0, settings.erode_rgb + 1))
    padded = np.pad(warped.mask, reach, constant_values=True)
    size = len(D)
    mask_rgb = np.array(
        [[padded[i : i + 2 * reach + 1, j : j + 2 * reach + 1].all() for j in range(size)] for i in range(size)]
    )
    return rgb * mask_rgb[..., None], d * warped.mask, warped.mask, mask_rgb


@pytest.mark.parametrize(
    "settings",
    [
        PairSettings(),
        PairSettings(blur_probability=0.0, edge_threshold=0.04),
        PairSettings(blur_probability=0.5, postwarp_noise=0.03),
        PairSettings(blur_probability=1.0, prewarp_noise=0.01, erode_rgb=0),
        PairSettings(mask_discontinuities=False, erode_rgb=1),
    ],
)
def test_the_condition_is_what_the_steps_give(settings):
    for seed in range(4):
        ours = warped_condition(RGB, D, DEPTH_RANGE, np.random.default_rng(seed), settings)
        rgb, d, mask, mask_rgb = step_by_step(np.random.default_rng(seed), settings)
        assert 0.1 < mask.mean() < 1
        np.testing.assert_array_equal(ours.mask, mask)
        np.testing.assert_array_equal(ours.mask_rgb, mask_rgb)
        np.testing.assert_allclose(ours.rgb, rgb, atol=1e-6)
        np.testing.assert_allclose(ours.depth, d, atol=1e-6)
