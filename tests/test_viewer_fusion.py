"""The viewer's still picture in a real browser against the method's renderer."""

from __future__ import annotations

import base64
import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from playwright.sync_api import Page

from ivid.fusion import FusionRenderer
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene
from ivid.scene.view import View
from tests.support.synthetic import synthetic_scene
from tests.support.viewer_browser import open_viewer

RENDERING = """([yaw, pitch, exact, factor, moving]) => {
  const { renderer } = viewer;
  Object.assign(renderer, { exact, look: "fused", inset: 0 });
  const pose = { yaw, pitch, radius: 1, x: 0, y: 0, z: 0, fov: 45 };
  for (const _ of renderer.compositor.refine(renderer.frame(pose, Boolean(moving), performance.now()), () => factor));
  const { target, width, height } = renderer.compositor.next;
  const { gl } = renderer;
  gl.bindFramebuffer(gl.FRAMEBUFFER, target.framebuffer);
  const pixels = new Uint8Array(width * height * 4);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  let text = "";
  for (const value of pixels) text += String.fromCharCode(value);
  return btoa(text);
}"""
POSES = [(0.0, 0.0), (0.6, 0.15), (-0.6, -0.15), (0.33, 0.07), (-0.22, 0.11), (0.08, -0.12), (-0.5, 0.02), (0.7, 0.2)]
POSES += [(0.45, -0.1), (-0.05, 0.05)]


@pytest.mark.parametrize(
    ("size", "views", "side", "trust", "poses", "supersample"),
    [
        (64, 27, 96, 1.0, POSES[1:3], 2),
        (128, 7, 128, 1.0, POSES[:1], 3),
        (64, 9, 96, 0.02, POSES[::3], 3),
        (64, 3, 96, 1.0, POSES[1:2], 5),
    ],
)
def test_still_picture_is_the_methods(browser, tmp_path, size, views, side, trust, poses, supersample):
    whole = synthetic_scene(size)
    drawn = list(whole.views[:views])
    if trust < 1:  # further views that are of another colour, and a hole in the first
        drawn[1:] = [replace(view, rgb=255 - view.rgb, trust=trust) for view in drawn[1:]]
        mask = np.ones((size, size), bool)
        mask[20:40, 10:30] = False
        drawn[0] = replace(drawn[0], mask=mask)
    scene = Scene(drawn, whole.depth_range, class_name="still life", seed=0, view_set="3x9")
    renderer = FusionRenderer()
    with open_viewer(browser, tmp_path, scene, side, side) as page:
        for yaw, pitch in poses:
            pixels = np.frombuffer(
                base64.b64decode(page.evaluate(RENDERING, [yaw, pitch, True, supersample])), np.uint8
            )
            picture = pixels.reshape(side, side, 4)[::-1].astype(np.float64) / 255
            truth = renderer.render(scene.views, Camera.orbit(yaw, pitch), side, supersample)
            # Of what is hidden the farthest is drawn; which of two views that is on one plane, rounding decides.
            compared = truth.mask if trust < 1 else np.ones_like(truth.mask)
            decibels = -10 * math.log10(np.mean((picture[..., :3] - truth.rgb)[compared] ** 2))
            mask = picture[..., 3] > 0.75
            overlap = (mask & truth.mask).sum() / (mask | truth.mask).sum()
            print(f"{size}² {views} views, yaw {yaw} pitch {pitch}: {decibels:.1f} dB, IoU {overlap:.4f}")
            assert decibels >= 35
            assert overlap >= 0.99


def test_the_picture_at_rest_is_the_view_and_nothing_pops(browser, tmp_path):
    """The viewer's own look: at a view's camera that view, and a smooth way to the next."""
    rng = np.random.default_rng(0)
    views = [
        replace(view, depth=(view.depth * np.exp(rng.normal(0, 0.01, view.depth.shape))).astype(np.float32))
        for view in synthetic_scene(96).views[:6]
    ]
    scene = Scene(views, (0.6, 5.0), view_set="3x9")
    with open_viewer(browser, tmp_path, scene, 96, 96) as page:

        def shown(yaw: float, exact: bool = False) -> np.ndarray:
            pixels = np.frombuffer(base64.b64decode(page.evaluate(RENDERING, [yaw, 0.0, exact, 2])), np.uint8)
            return pixels.reshape(96, 96, 4)[::-1, :, :3].astype(np.float64) / 255

        page.wait_for_timeout(1500)  # views fade in
        at_rest, truth = shown(0.0), scene.views[0].rgb / 255
        error, exact_error = (np.mean((picture - truth) ** 2) for picture in (at_rest, shown(0.0, True)))
        assert -10 * math.log10(error) > 32
        assert error < 0.5 * exact_error
        frames = [shown(yaw) for yaw in np.linspace(0, 0.15, 11)]
        steps = np.array([np.abs(b - a).mean() for a, b in pairwise(frames)])
        assert steps.max() < 3 * np.median(steps)
        held = page.evaluate("[...viewer.renderer.held.keys()].length")
        assert held == len(views)


def wide_picture(page: Page, yaw: float, moving: bool) -> np.ndarray:
    """int [96, 192, 3], of both views, at one sample a pixel; beside a view's own square is a quarter on each side."""
    pixels = np.frombuffer(base64.b64decode(page.evaluate(RENDERING, [yaw, 0, False, 1, moving])), np.uint8)
    return pixels.reshape(96, 192, 4)[::-1, :, :3].astype(int)


@pytest.mark.parametrize("moving", [True, False])
def test_beside_the_first_view_is_no_ghost_of_what_a_further_view_shows(browser, tmp_path, moving):
    """Behind an object is what no view shows; its colour, stretched to the background, would be a piece of it there."""
    rgb, depth = np.full((64, 64, 3), 128, np.uint8), np.full((64, 64), 4.5, np.float32)
    first = View(rgb, depth, Camera.orbit(0, 0))
    rgb, depth = rgb.copy(), depth.copy()
    rgb[20:44, 2:12], depth[20:44, 2:12] = (255, 0, 0), 1.0
    further = View(rgb, depth, Camera.orbit(0.15, 0))
    scene = Scene([first, further], (0.6, 5.0), view_set="3x9")
    with open_viewer(browser, tmp_path, scene, 192, 96) as page:
        page.evaluate("viewer.renderer.fade = false; viewer.renderer.budget.current = () => ({ views: 2, scale: 1 })")

        def redness(yaw: float) -> int:
            picture = wide_picture(page, yaw, moving)
            return (picture[..., 0] - picture[..., 1]).max()

        assert redness(0.15) > 200
        assert redness(0.0) < 40


@pytest.mark.parametrize("moving", [True, False])
def test_a_step_in_depth_at_the_border_leaves_no_line_beside_the_picture(browser, tmp_path, moving):
    """There the padding is stretched across a depth edge; it is the padding of its view like that above and below."""
    rgb, depth = np.full((64, 64, 3), 200, np.uint8), np.full((64, 64), 4.5, np.float32)
    depth[40:] = 3.0
    views = [View(rgb, depth, Camera.orbit(yaw, 0)) for yaw in (0.0, 0.1)]
    with open_viewer(browser, tmp_path, Scene(views, (0.6, 5.0), view_set="3x9"), 192, 96) as page:
        page.evaluate("viewer.renderer.fade = false; viewer.renderer.budget.current = () => ({ views: 2, scale: 1 })")
        page.evaluate("viewer.renderer.backdrop = { bottom: [0, 0, 0], top: [0, 0, 0] }")
        picture = wide_picture(page, 0.0, moving)
    assert np.abs(np.diff(picture[:, 144:], axis=0)).max() < 30
