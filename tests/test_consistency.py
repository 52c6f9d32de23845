"""Floating pixels: which views say so, that they are dropped everywhere, and that dropping them can be undone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ivid.export.points import fused_cloud
from ivid.export.surface import scene_maps
from ivid.fusion import (
    FusionRenderer,
    aggregate_conditions,
    consistent_views,
    cross_check,
    speck_share,
    without_specks,
)
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene
from ivid.scene.view import View
from tests.support import fusion_reference as slow
from tests.support.synthetic import synthetic_scene

SIZE = 32
PATCH = slice(4, 9), slice(5, 10)  # of the sky beside the objects


@pytest.fixture(scope="module")
def views():
    return list(synthetic_scene(size=SIZE, view_set="3x9").views[:9])


def with_speck(view: View, **changes) -> View:
    depth = view.depth.copy()
    depth[PATCH] = 0.8
    rgb = view.rgb.copy()
    rgb[PATCH] = 255, 0, 255
    return replace(view, rgb=rgb, depth=depth, **changes)


@pytest.mark.parametrize("by_trust", [False, True])
def test_the_kernel_agrees_with_the_slow_twin(views, by_trust):
    rng = np.random.default_rng(0)
    noisy = [
        replace(
            view,
            depth=(view.depth * np.exp(rng.normal(0, 0.04, view.depth.shape))).astype(np.float32),
            mask=rng.random(view.depth.shape) > 0.02,
            trust=float(rng.choice([0.02, 1.0])),
        )
        for view in views[:5]
    ]
    check = cross_check(noisy[2], noisy[:2] + noisy[3:], by_trust=by_trust)
    supporting, contradicting = slow.cross_check(noisy[2], noisy[:2] + noisy[3:], by_trust)
    assert (check.supporting == supporting).mean() > 0.998  # the rest is rounding at the border of a pixel
    assert (check.contradicting == contradicting).mean() > 0.998
    assert len(np.unique(supporting)) > 2
    assert contradicting.max() >= 2


def test_a_speck_is_found_and_nothing_else(views):
    speck = with_speck(views[4])
    found = cross_check(speck, views[:4] + views[5:]).specks
    assert found[PATCH].all()
    assert found.sum() == found[PATCH].size
    assert not any(cross_check(view, views).specks.any() for view in views)


def test_one_view_alone_overrules_none(views):
    speck = with_speck(views[4])
    assert not cross_check(speck, [views[0]]).specks.any()
    assert cross_check(speck, views[:2]).specks[PATCH].all()


def test_a_view_is_overruled_by_views_of_its_trust_only(views):
    others = [replace(view, trust=0.02) for view in views[:4] + views[5:]]
    assert without_specks(with_speck(views[4]), others).mask is None
    judged = without_specks(with_speck(views[4], trust=0.02), others)
    assert judged.mask is not None
    assert not judged.mask[PATCH].any()
    assert cross_check(with_speck(views[4]), others).specks[PATCH].all()


def test_a_scene_keeps_its_masks_and_loses_nothing(views, tmp_path):
    scene = Scene([*views[:4], with_speck(views[4]), *views[5:]], (0.6, 5.0))
    cleaned = Scene(consistent_views(scene.views), scene.depth_range)
    assert [view.mask is None for view in cleaned.views] == [True] * 4 + [False] + [True] * 4
    cleaned.save(tmp_path / "a.ivid")
    loaded = Scene.load(tmp_path / "a.ivid")
    for before, after in zip(cleaned.views, loaded.views, strict=True):
        np.testing.assert_array_equal(before.mask, after.mask)
    undone = replace(loaded.views[4], mask=None)
    np.testing.assert_array_equal(undone.rgb, scene.views[4].rgb)
    np.testing.assert_array_equal(undone.depth, scene.views[4].depth)


def test_dropped_pixels_are_not_drawn(views):
    speck = with_speck(views[4])
    others = views[:4] + views[5:]
    renderer = FusionRenderer()
    for camera in (Camera.orbit(0.1, 0.05), Camera.orbit(-0.2, 0.0), views[4].camera):
        purple = [
            int((rgb[..., [0, 2]].min(-1) - rgb[..., 1] > 0.3).sum())
            for rgb in (
                renderer.render(shown, camera, 64, 2).rgb
                for shown in ([speck, *others], [without_specks(speck, others), *others])
            )
        ]
        assert purple[0] > 5
        assert purple[1] == 0


@pytest.mark.parametrize("camera", [Camera.orbit(0.1, 0.05), Camera.orbit(0.5, -0.1)])
def test_a_masked_view_is_drawn_like_its_slow_twin(views, camera):
    rng = np.random.default_rng(1)
    masked = [replace(view, mask=rng.random(view.depth.shape) > 0.03) for view in views[:3]]
    ours = FusionRenderer().render(masked, camera, 24, 3)
    rgb, depth, mask = slow.render(masked, camera, 24, 3)
    assert (ours.mask == mask).mean() > 0.99
    both = ours.mask & mask
    assert np.abs(ours.rgb - rgb)[both].mean() < 2e-3
    assert np.percentile(np.abs(ours.depth - depth)[both], 98) < 1e-3
    known = aggregate_conditions([masked[0]], camera, (0.6, 5.0), mask_discontinuities=False).mask
    assert known.sum() < aggregate_conditions([views[0]], camera, (0.6, 5.0), mask_discontinuities=False).mask.sum()


def test_dropped_pixels_are_not_exported(views):
    speck = with_speck(views[4], trust=0.02)
    scenes = [Scene([*views[:4], *its, *views[5:]], (0.6, 5.0)) for its in ([speck], [without_specks(speck, views)])]
    weights = [scene_maps(scene)[4].weights for scene in scenes]
    assert (weights[0][PATCH][1:-1, 1:-1] > 0).all()
    assert not weights[1][PATCH].any()
    purple = [
        ((cloud := fused_cloud(scene)).colours[:, [0, 2]].min(-1) - cloud.colours[:, 1] > 0.3) for scene in scenes
    ]
    assert not purple[1].any()


def test_the_share_of_specks(views):
    assert speck_share(views) == 0
    scene = [*views[:4], with_speck(views[4]), *views[5:]]
    share = speck_share(scene)
    patch = with_speck(views[4]).camera.unproject(with_speck(views[4]).depth)[PATCH]
    near = int((np.linalg.norm(patch, axis=-1) < 0.5).sum())
    pixels = sum(int((np.linalg.norm(v.camera.unproject(v.depth), axis=-1) < 0.5).sum()) for v in scene)
    assert near > 5
    assert share == pytest.approx(near / pixels)
    assert speck_share(consistent_views(scene)) == 0


def test_views_of_other_sizes_are_refused(views):
    other = synthetic_scene(size=16, view_set="uncond").views[0]
    with pytest.raises(ValueError, match="one size"):
        cross_check(views[0], [other])


@pytest.mark.parametrize("mask", [np.ones((3, 3), bool), np.ones((SIZE, SIZE))])
def test_masks_of_another_kind_are_refused(views, mask):
    with pytest.raises(ValueError, match="mask must be bool"):
        replace(views[0], mask=mask)
