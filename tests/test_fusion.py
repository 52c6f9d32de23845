"""The kernels against their slow twin, and what must hold of any renderer."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ivid.fusion import Condition, FusionRenderer, aggregate_conditions, forward_backward_warp, random_warp_camera
from ivid.fusion.conditions import depth_edges
from ivid.scene.cameras import Camera, view_set
from ivid.scene.scene import Scene
from ivid.scene.view import View
from tests.support import fusion_reference as slow
from tests.support.synthetic import DEPTH_RANGE, synthetic_scene

SIZE = 32
EXAMPLE = Path(__file__).resolve().parent.parent / "assets" / "house_seed00003.ivid"
CAMERAS = {
    "front": Camera.orbit(0.05, -0.03),
    "left": Camera.orbit(-0.6, 0.1),
    "right": Camera.orbit(0.6, -0.15),
    "near": Camera.orbit(0.25, 0.1, radius=0.7),
}


@pytest.fixture(scope="module")
def renderer():
    return FusionRenderer()


def smooth_noise(rng, shape, cell):
    """Values in [0, 1], linear between random ones every `cell` pixels."""
    coarse = rng.random((shape // cell + 2, shape // cell + 2))
    at = np.arange(shape) / cell
    low, share = at.astype(int), at % 1
    rows = coarse[low] * (1 - share[:, None]) + coarse[low + 1] * share[:, None]
    return rows[:, low] * (1 - share) + rows[:, low + 1] * share


def random_view(seed, camera, steep=True):
    """A smooth depth map with boxes that stand out of it, and smooth colours."""
    rng = np.random.default_rng(seed)
    depth = 0.9 + 0.4 * smooth_noise(rng, SIZE, 8)
    for _ in range(3 if steep else 0):
        row, column, height, width = (int(v) for v in rng.integers((2, 2, 5, 5), (20, 20, 12, 12)))
        depth[row : row + height, column : column + width] -= rng.uniform(0.15, 0.3)
    rgb = np.stack([smooth_noise(rng, SIZE, 4) for _ in range(3)], axis=-1)
    return View((rgb * 255).astype(np.uint8), depth.astype(np.float32), camera)


def scenes():
    one = [random_view(1, Camera.orbit(0, 0))]
    smooth = [random_view(2, Camera.orbit(0, 0), steep=False)]
    return {
        "one random view": one,
        "one smooth view": smooth,
        "three random views": [random_view(3 + k, Camera.orbit(0.15 * k, 0.05 * k)) for k in range(3)],
        "three views of different trust": [
            replace(random_view(3 + k, Camera.orbit(0.15 * k, 0.05 * k)), trust=trust)
            for k, trust in enumerate((1.0, 0.02, 1e-4))
        ],
        "objects, one view": list(synthetic_scene(size=SIZE, view_set="uncond").views),
        "objects, 27 views": list(synthetic_scene(size=SIZE, view_set="3x9").views),
    }


SCENES = scenes()
CASES = [(scene, camera) for scene in SCENES for camera in CAMERAS if "27" not in scene or camera in ("front", "left")]


def iou(one, other):
    return (one & other).sum() / max((one | other).sum(), 1)


def psnr(one, other):
    return -10 * np.log10(max(float(((one - other) ** 2).mean()), 1e-12))


def agree(rgb, slow_rgb, depth, slow_depth, mask, slow_mask):
    assert iou(mask, slow_mask) >= 0.995
    both = mask & slow_mask
    assert both.sum() > 30
    assert psnr(rgb[both], slow_rgb[both]) >= 40
    assert np.percentile(np.abs(depth - slow_depth)[both], 99) <= 1e-4


@pytest.mark.parametrize(("scene", "camera"), CASES)
def test_render_agrees_with_the_slow_twin(renderer, scene, camera):
    views, target = SCENES[scene], CAMERAS[camera]
    size, supersample = (24, 1) if len(views) > 3 else (24, 3)
    ours = renderer.render(views, target, size, supersample)
    rgb, depth, mask = slow.render(views, target, size, supersample)
    agree(ours.rgb, rgb, ours.depth, depth, ours.mask, mask)


@pytest.mark.parametrize(("quarters", "shading"), [(1, "fragment"), (2, "fragment"), (3, "fast")])
def test_a_camera_that_is_rolled_sees_the_picture_turned(renderer, quarters, shading):
    """Seen by an upright camera, most quads are drawn at once; turned by a quarter, each of their triangles."""
    views, camera = Scene.load(EXAMPLE).views[:5], Camera.orbit(0.23, 0.06)
    cosine, sine = round(np.cos(quarters * np.pi / 2)), round(np.sin(quarters * np.pi / 2))
    roll = np.eye(4)
    roll[:2, :2] = [[cosine, sine], [-sine, cosine]]
    upright, rolled = (
        renderer.render(views, Camera(turn @ camera.world_to_view), 150, shading=shading) for turn in (np.eye(4), roll)
    )
    turned = np.rot90(rolled.rgb, quarters)
    assert psnr(upright.rgb, turned) > 55
    assert iou(upright.mask, np.rot90(rolled.mask, quarters)) > 0.999
    assert np.percentile(np.abs(upright.depth - np.rot90(rolled.depth, quarters)), 99.5) < 1e-4


@pytest.mark.parametrize("camera", [Camera.orbit(0.2, 0.05), Camera.orbit(-0.6, 0.1), Camera.orbit(0.0, 0.0)])
@pytest.mark.parametrize("supersample", [1, 3])
def test_the_fast_mode_stays_close_to_the_method(renderer, camera, supersample):
    views = Scene.load(EXAMPLE).views
    exact, fast = (renderer.render(views, camera, 192, supersample, shading=mode) for mode in ("fragment", "fast"))
    assert 38 <= psnr(exact.rgb, fast.rgb) < 100
    assert iou(exact.mask, fast.mask) > 0.999
    both = exact.mask & fast.mask
    assert np.percentile(np.abs(1 / exact.depth - 1 / fast.depth)[both], 90) < 0.01


def test_the_fast_mode_shows_what_only_a_far_view_knows(renderer):
    """The right half of a wall is known to the last view alone, which is the farthest from the camera."""
    depth, red = np.full((SIZE, SIZE), 2.0, np.float32), np.zeros((SIZE, SIZE, 3), np.uint8)
    red[..., 0] = 250
    half = np.zeros((SIZE, SIZE), bool)
    half[:, : SIZE // 2] = True
    grey = np.full((SIZE, SIZE, 3), 90, np.uint8)
    near = [View(grey, depth, Camera.orbit(0.01 * k, 0), mask=half) for k in range(8)]
    far = View(red, depth, Camera.orbit(0.3, 0))
    exact, fast = (renderer.render([*near, far], near[0].camera, SIZE, shading=mode) for mode in ("fragment", "fast"))
    known_by_far = exact.mask & (exact.rgb[..., 0] > 0.9)
    assert known_by_far.sum() > SIZE
    np.testing.assert_allclose(fast.rgb[known_by_far], exact.rgb[known_by_far], atol=1 / 255)
    np.testing.assert_array_equal(fast.mask, exact.mask)


@pytest.mark.parametrize(("scene", "camera"), [c for c in CASES if c != ("objects, 27 views", "left")])
def test_conditions_agree_with_the_slow_twin(scene, camera):
    views, target = SCENES[scene], CAMERAS[camera]
    if len(views) > 3:
        views = views[:9]  # the twin takes seconds a view at three times the size
    ours = aggregate_conditions(views, target, DEPTH_RANGE)
    rgb, depth, mask, mask_rgb, floor = slow.aggregate_conditions(views, target, DEPTH_RANGE)
    agree(ours.rgb, rgb, ours.depth, depth, ours.mask, mask)
    assert iou(ours.mask_rgb, mask_rgb) >= 0.99
    common = ours.mask_rgb & mask_rgb
    if common.any():
        assert psnr(ours.rgb[common], rgb[common]) >= 40
    assert np.percentile(np.abs(ours.depth_floor - floor), 99) <= 1e-4
    assert not ours.rgb[~ours.mask_rgb].any()
    assert not ours.depth[~ours.mask].any()
    assert not (ours.mask_rgb & ~ours.mask).any()


@pytest.mark.parametrize("seed", range(6))
def test_forward_backward_warping_agrees_with_the_slow_twin(seed):
    view = random_view(seed, Camera.orbit(0, 0), steep=seed % 2 == 0)
    camera = random_warp_camera(np.random.default_rng(seed))
    ours = forward_backward_warp(view.rgb, view.depth, camera, DEPTH_RANGE)
    rgb, depth, mask = slow.forward_backward_warp(view.rgb, view.depth, camera, DEPTH_RANGE)
    agree(ours.rgb, rgb, ours.depth, depth, ours.mask, mask)
    colourless = forward_backward_warp(view.rgb, view.depth, camera, DEPTH_RANGE, colours=False)
    assert not colourless.mask_rgb.any()
    assert not colourless.rgb.any()
    np.testing.assert_array_equal(colourless.depth, ours.depth)
    np.testing.assert_array_equal(colourless.mask, ours.mask)


def test_a_view_seen_by_its_own_camera_is_itself(renderer):
    view = replace(random_view(5, Camera.orbit(0.2, -0.1)), edge_threshold=10.0)
    drawn = renderer.render([view], view.camera, SIZE)
    assert drawn.mask.all()
    np.testing.assert_allclose(drawn.rgb, view.rgb / 255, atol=1 / 255)
    np.testing.assert_allclose(drawn.depth, view.depth, rtol=1e-4)


def test_many_views_of_one_surface_show_that_surface(renderer):
    truth = synthetic_scene(size=64, view_set="3x9")
    target = Camera.orbit(0.07, 0.04)
    drawn = renderer.render(truth.views, target, 64, 3)
    fewer = renderer.render(truth.views[:1], target, 64, 3)
    assert drawn.mask.mean() > 0.9
    assert drawn.mask.mean() >= fewer.mask.mean()


@pytest.mark.parametrize("trust", [0.02, 1e-6])
@pytest.mark.parametrize("shading", ["fragment", "pixel"])
def test_trust_changes_no_mask_and_not_what_one_view_shows_alone(renderer, trust, shading):
    views = SCENES["three random views"]
    distrusted = [views[0], *(replace(view, trust=trust) for view in views[1:])]
    for camera in CAMERAS.values():
        one, other = (
            aggregate_conditions(its, camera, DEPTH_RANGE, shading=shading, mask_discontinuities=False)
            for its in (views, distrusted)
        )
        np.testing.assert_array_equal(one.mask, other.mask)
        np.testing.assert_array_equal(one.mask_rgb, other.mask_rgb)
        ours, theirs = (renderer.render(its, camera, SIZE, 2, shading=shading) for its in (views, distrusted))
        np.testing.assert_array_equal(ours.mask, theirs.mask)
        alone = [renderer.render([view], camera, SIZE, 2, shading=shading) for view in (views[1], distrusted[1])]
        np.testing.assert_array_equal(alone[0].mask, alone[1].mask)
        seen = alone[0].mask
        np.testing.assert_allclose(alone[0].depth[seen], alone[1].depth[seen], rtol=1e-3)


def test_where_views_disagree_the_trusted_one_is_shown(renderer):
    wall = np.full((SIZE, SIZE), 1.0, np.float32)
    red, blue = (np.full((SIZE, SIZE, 3), colour, np.uint8) for colour in ((250, 0, 0), (0, 0, 250)))
    views = [
        View(red, wall, Camera.orbit(0, 0)),
        *(View(blue, wall + 0.1, Camera.orbit(0, 0), trust=0.02) for _ in range(10)),
    ]
    shown = renderer.render(views, Camera.orbit(0, 0), 8)
    np.testing.assert_allclose(shown.rgb[4, 4], [250 / 255 / 1.2, 0, 250 / 255 * 0.2 / 1.2], atol=1e-3)
    np.testing.assert_allclose(1 / shown.depth[4, 4], (1 + 0.2 / 1.1) / 1.2, atol=1e-4)


def test_nothing_is_drawn_where_nothing_is(renderer):
    view = random_view(7, Camera.orbit(0, 0))
    away = Camera.look_at((0, 0, 1), target=(0, 0, 2))
    drawn = renderer.render([view], away, SIZE)
    assert not drawn.mask.any()
    assert not drawn.rgb.any()


def test_what_is_behind_the_camera_is_not_drawn(renderer):
    """A camera inside the scene: parts of the surface are behind it, and do not appear mirrored in front."""
    view = random_view(8, Camera.orbit(0, 0), steep=False)
    inside = Camera.look_at((0, 0, -0.35), target=(0, 0, -3))
    drawn = renderer.render([view], inside, SIZE)
    assert not drawn.mask.any()


def test_the_same_input_gives_the_same_picture(renderer):
    views = SCENES["objects, 27 views"]
    one = renderer.render(views, CAMERAS["left"], 48, 2)
    other = FusionRenderer().render([View(v.rgb, v.depth, v.camera) for v in views], CAMERAS["left"], 48, 2)
    np.testing.assert_array_equal(one.rgb, other.rgb)
    np.testing.assert_array_equal(one.depth, other.depth)


def test_float_colours_are_taken_as_they_are(renderer):
    view = random_view(9, Camera.orbit(0, 0), steep=False)
    sampled = View(view.rgb / np.float32(255), view.depth, view.camera)
    for camera in CAMERAS.values():
        one, other = (renderer.render([v], camera, SIZE) for v in (view, sampled))
        np.testing.assert_allclose(one.rgb, other.rgb, atol=1e-5)


def test_a_larger_edge_threshold_leaves_slopes_whole():
    slope = np.repeat(np.linspace(0.6, 3.5, SIZE, dtype=np.float32)[:, None], SIZE, axis=1)
    picture = np.full((SIZE, SIZE, 3), 120, np.uint8)
    camera = Camera.orbit(0.05, 0)
    torn = aggregate_conditions([View(picture, slope, Camera.orbit(0, 0))], camera, DEPTH_RANGE)
    whole = aggregate_conditions([View(picture, slope, Camera.orbit(0, 0), 0.3)], camera, DEPTH_RANGE)
    assert torn.mask.mean() < 0.6 * whole.mask.mean()
    assert whole.mask.mean() > 0.7


def test_what_is_a_few_pixels_wide_is_known_where_depth_edges_stay_in_the_masks():
    depth = np.full((SIZE, SIZE), 2.0, np.float32)
    bar = (slice(8, 24), slice(14, 17))
    depth[bar] = 1.0
    picture = np.full((SIZE, SIZE, 3), 120, np.uint8)
    picture[bar] = 250, 20, 20
    view, camera = View(picture, depth, Camera.orbit(0, 0)), Camera.orbit(0.05, 0)
    published = aggregate_conditions([view], camera, DEPTH_RANGE)
    kept = aggregate_conditions([view], camera, DEPTH_RANGE, mask_discontinuities=False)
    edges = depth_edges(kept.depth_floor, view.edge_threshold)
    np.testing.assert_array_equal(published.mask, kept.mask & ~edges)
    red = kept.mask_rgb & (kept.rgb[..., 0] > 0.8) & (kept.rgb[..., 1] < 0.3)
    assert red.sum() >= 12
    assert not published.mask_rgb[red].any()


@pytest.mark.parametrize("shading", ["fragment", "pixel"])
@pytest.mark.parametrize("camera", CAMERAS)
def test_trusted_is_what_the_view_of_full_trust_shows_alone(camera, shading):
    first, *others = SCENES["three random views"]
    distrusted = [replace(view, trust=1e-6) for view in others]

    def condition(*views: View) -> Condition:
        target = CAMERAS[camera]
        return aggregate_conditions(
            views, target, DEPTH_RANGE, mask_discontinuities=False, erosion_radius=0, shading=shading
        )

    alone, together = condition(first), condition(first, *distrusted)
    np.testing.assert_array_equal(together.trusted, alone.trusted)
    np.testing.assert_array_equal(alone.trusted > 0.75, alone.mask)
    assert not condition(*distrusted).trusted.any()
    assert camera != "left" or (together.mask & ~alone.mask).sum() > 20
    np.testing.assert_array_equal(condition(first, *others).trusted > 0.75, together.mask)


def test_without_erosion_a_trusted_view_keeps_its_pixels_beside_depth_edges():
    depth = np.full((SIZE, SIZE), 2.0, np.float32)
    depth[:, SIZE // 2 :] = 1.0
    colours = [np.full((SIZE, SIZE, 3), colour, np.uint8) for colour in ((250, 20, 20), (20, 20, 250))]
    camera = Camera.orbit(0, 0)
    views = [View(colours[0], depth, camera), View(colours[1], np.full_like(depth, 1.0), camera, trust=1e-6)]

    def red(radius: int | None) -> np.ndarray:
        drawn = aggregate_conditions(views, camera, DEPTH_RANGE, mask_discontinuities=False, erosion_radius=radius)
        return drawn.rgb[SIZE // 2, :, 0] > 0.9

    beside = np.abs(np.arange(SIZE) - (SIZE - 1) / 2)  # pixels from the edge
    assert red(0)[1:-1][beside[1:-1] > 1].all()
    assert not red(3)[beside < 3].any()
    np.testing.assert_array_equal(red(None), red(1))


@pytest.mark.parametrize("seed", range(2))
def test_a_warped_pair_whose_edges_stay_is_the_published_one_and_its_edges(seed):
    view = random_view(seed, Camera.orbit(0, 0))
    camera = random_warp_camera(np.random.default_rng(seed))
    published = forward_backward_warp(view.rgb, view.depth, camera, DEPTH_RANGE)
    kept = forward_backward_warp(view.rgb, view.depth, camera, DEPTH_RANGE, mask_discontinuities=False)
    assert kept.mask.sum() > published.mask.sum()
    assert not (published.mask & ~kept.mask).any()
    np.testing.assert_array_equal(published.depth, kept.depth * published.mask)


def test_views_of_no_or_different_sizes_are_refused(renderer):
    small, large = (View(np.zeros((s, s, 3), np.uint8), np.ones((s, s)), Camera.orbit(0, 0)) for s in (8, 16))
    with pytest.raises(ValueError, match="view"):
        renderer.render([], Camera.orbit(0, 0), 8)
    with pytest.raises(ValueError, match="size"):
        renderer.render([small, large], Camera.orbit(0, 0), 8)
    with pytest.raises(ValueError, match="size"):
        aggregate_conditions([small, large], Camera.orbit(0, 0), DEPTH_RANGE)


def test_the_order_of_the_views_hardly_matters(renderer):
    views = SCENES["objects, 27 views"]
    one, other = (renderer.render(order, CAMERAS["right"], SIZE) for order in (views, views[::-1]))
    both = one.mask & other.mask
    assert iou(one.mask, other.mask) > 0.999
    np.testing.assert_allclose(one.rgb[both], other.rgb[both], atol=2e-3)
    assert len(view_set("3x9")) == len(views)
