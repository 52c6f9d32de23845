"""Splats: how they are drawn, and colours fitted to fused pictures."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from scipy.sparse import csr_array

from ivid.export import export_scene
from ivid.export.splat_drawing import blending_weights, draw
from ivid.export.splat_fit import fit_cameras, least_squares, with_fitted_colours
from ivid.export.splats import scene_splats
from ivid.export.surface import at_far_plane
from ivid.fusion import FusionRenderer
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene
from tests.support.splat_reference import drawn_one_by_one
from tests.support.synthetic import synthetic_scene

SIZE = 128


@pytest.fixture(scope="module")
def scene():
    whole = synthetic_scene(64)
    return Scene(whole.views[:9], whole.depth_range)


@pytest.fixture(scope="module")
def plain(scene):
    return scene_splats(scene, fit_steps=0)


def test_drawing_all_splats_at_once_is_drawing_one_after_the_other(plain):
    for camera in (Camera.orbit(0.2, 0.05), Camera.orbit(-0.4, 0.1)):
        difference = np.abs(draw(plain, camera, 48) - drawn_one_by_one(plain, camera, 48))
        assert difference.max() < 1e-4


def test_a_pixel_takes_no_more_than_there_is(plain):
    sums = blending_weights(plain, Camera.orbit(0, 0), 48).sum(axis=1)
    assert sums.min() >= 0
    assert 0.95 < sums.max() <= 1 + 1e-5


def test_fitted_colours_draw_the_fused_picture_more_closely(scene, plain):
    camera = Camera.orbit(0.11, 0.03)  # none of the views'
    fused = FusionRenderer().render(scene.views, camera, SIZE, 2)
    surface = ndimage.binary_erosion(fused.mask & ~at_far_plane(fused.depth, scene.depth_range), iterations=3)
    told = []
    fitted = with_fitted_colours(plain, scene, 6, progress=lambda *done: told.append(done))
    before, after = (np.mean((draw(each, camera, SIZE) - fused.rgb)[surface] ** 2) for each in (plain, fitted))
    assert after < 0.7 * before
    assert -10 * np.log10(after) > 25
    assert told == [(done, 6) for done in range(1, 7)]
    assert fitted.colours.min() >= 0
    assert fitted.colours.max() <= 1


def test_splats_that_no_camera_sees_keep_their_colours(scene, plain):
    behind = replace(plain, positions=plain.positions + np.float32([0, 0, 20]))
    assert np.array_equal(with_fitted_colours(behind, scene, 6).colours, plain.colours)


def test_the_cameras_are_spread_over_the_views(scene):
    assert fit_cameras(scene)[0] == scene.views[0].camera
    assert len(fit_cameras(scene)) == 6
    assert len(fit_cameras(Scene(scene.views[:2], scene.depth_range))) == 2


def test_conjugate_gradients_solve_the_normal_equations():
    random = np.random.default_rng(0)
    matrix, target = random.normal(size=(30, 8)), random.normal(size=(30, 3))
    target[:, 2] = 0
    exact = np.linalg.solve(matrix.T @ matrix + 0.3 * np.eye(8), matrix.T @ target)
    assert np.allclose(least_squares(csr_array(matrix), target, 0.3, 20), exact, atol=1e-6)


def test_a_number_of_steps_is_not_negative(scene, tmp_path):
    with pytest.raises(ValueError, match="0 or more, got -1"):
        export_scene(scene, tmp_path / "s.spz", fit_steps=-1)
