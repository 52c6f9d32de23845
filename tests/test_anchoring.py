"""The picture at rest: a view at its own camera, the method's picture a few degrees on, and nothing sudden between."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from ivid.fusion import FusionRenderer
from ivid.fusion.anchoring import REACH, camera_distance, find_anchor
from ivid.scene.cameras import Camera, view_set
from tests.support import fusion_reference as slow
from tests.support.synthetic import synthetic_scene

SIZE = 32


@pytest.fixture(scope="module")
def renderer():
    return FusionRenderer()


@pytest.fixture(scope="module")
def views():
    """Views whose colours and depths disagree a little, as those of a model do."""
    rng = np.random.default_rng(0)
    return [
        replace(
            view,
            rgb=np.clip(view.rgb + rng.normal(0, 12, view.rgb.shape), 0, 255).astype(np.uint8),
            depth=(view.depth * np.exp(rng.normal(0, 0.01, view.depth.shape))).astype(np.float32),
        )
        for view in synthetic_scene(SIZE).views[:9]
    ]


def psnr(one, other):
    return -10 * np.log10(float(((one - other) ** 2).mean()))


def anchor_of(cameras, target):
    anchor = find_anchor(cameras, target)
    assert anchor is not None
    return anchor


@pytest.mark.parametrize("supersample", [1, 3])
@pytest.mark.parametrize("index", [0, 4])
def test_at_its_own_camera_the_picture_is_the_view(renderer, views, index, supersample):
    view = views[index]
    exact, anchored = (
        renderer.render(views, view.camera, SIZE, supersample, blend=blend) for blend in ("exact", "anchored")
    )
    assert psnr(anchored.rgb, view.rgb / 255) > 32
    assert psnr(exact.rgb, view.rgb / 255) < 28
    np.testing.assert_array_equal(anchored.depth, exact.depth)
    np.testing.assert_array_equal(anchored.mask, exact.mask)


def test_far_from_every_view_the_picture_is_the_methods(renderer, views):
    for camera in (Camera.orbit(0.075, 0.075), Camera.orbit(0.0, 0.0, radius=0.7), Camera.orbit(-0.5, 0.0)):
        exact, anchored = (renderer.render(views, camera, SIZE, 2, blend=blend) for blend in ("exact", "anchored"))
        np.testing.assert_array_equal(anchored.rgb, exact.rgb)


def test_nothing_pops_on_the_way_from_one_view_to_the_next(renderer, views):
    yaws = np.linspace(0.0, 0.15, 41)
    frames = [renderer.render(views, Camera.orbit(yaw, 0.0), 48, 3, blend="anchored").rgb for yaw in yaws]
    steps = np.array([np.abs(b - a).mean() for a, b in pairwise(frames)])
    assert steps.max() < 2.5 * np.median(steps)
    plain = [renderer.render(views, Camera.orbit(yaw, 0.0), 48, 3).rgb for yaw in yaws[:2]]
    assert np.abs(frames[0] - plain[0]).mean() > 3 * steps.max()  # without the fade it would


def test_the_weight_is_continuous_and_ends_where_another_view_is_nearer():
    cameras = view_set("3x9")
    along = np.linspace(-1, 1, 601)
    path = [Camera.orbit(0.3 * t, 0.025 + 0.125 * t) for t in along]
    found = [find_anchor(cameras, camera) for camera in path]
    weights = np.array([0.0 if anchor is None else anchor.weight for anchor in found])
    assert np.abs(np.diff(weights)).max() < 0.06
    at_change = [k for k, (a, b) in enumerate(pairwise(found)) if a and b and a.index != b.index]
    assert all(weights[k] < 0.05 for k in at_change)
    for index, camera in enumerate(cameras):
        anchor = find_anchor(cameras, camera)
        assert anchor is not None
        assert (anchor.index, anchor.weight, anchor.edge_weight) == (index, 1, 1)


def test_views_close_together_share_the_way():
    cameras = [Camera.orbit(0, 0), Camera.orbit(0.01, 0)]
    assert anchor_of(cameras, cameras[1]).weight == 1
    halfway = find_anchor(cameras, Camera.orbit(0.005, 0))
    assert halfway is None or halfway.weight < 1e-6


def test_the_fade_ends_at_four_degrees():
    camera = Camera.orbit(np.radians(4), 0)
    assert camera_distance(Camera.orbit(0, 0), camera) == pytest.approx(REACH, rel=0.01)
    assert find_anchor([Camera.orbit(0, 0)], Camera.orbit(np.radians(4.2), 0)) is None
    assert anchor_of([Camera.orbit(0, 0)], Camera.orbit(np.radians(2), 0)).weight == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("camera", [Camera.orbit(0, 0), Camera.orbit(0.03, -0.02), Camera.orbit(0, 0, fov_y_deg=55)])
def test_the_layer_is_that_of_the_slow_twin(renderer, camera):
    view = synthetic_scene(SIZE).views[0]
    anchor = anchor_of([view.camera], camera)
    shown = renderer.render([view], camera, SIZE, blend="anchored").rgb
    plain = renderer.render([view], camera, SIZE).rgb
    colour, opacity = slow.anchor_layer(view, camera, SIZE, anchor.weight, anchor.edge_weight)
    expected = plain * (1 - opacity[..., None]) + colour * opacity[..., None]
    assert np.abs(shown - expected).mean() < 2e-3
    assert opacity.mean() > 0.2


def test_an_unknown_blend_is_refused(renderer, views):
    with pytest.raises(ValueError, match="there is no blend 'soft'; choose exact or anchored"):
        renderer.render(views, Camera.orbit(0, 0), SIZE, blend="soft")
