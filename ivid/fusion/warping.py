"""Forward-backward warping: what a novel-view network would be given, made from a single RGBD image (method §10)."""

from __future__ import annotations

import threading
from functools import cache

import numpy as np

from ivid.fusion.conditions import depth_edges
from ivid.fusion.mesh import MeshSettings, MeshStore
from ivid.fusion.rasteriser import Rasteriser, Samples, Target
from ivid.fusion.resample import metric_depth, more_than_three_quarters, reduced
from ivid.fusion.runtime import kernel_device
from ivid.scene import depth as codec
from ivid.scene.cameras import Camera
from ivid.scene.condition import Condition
from ivid.scene.depth import DepthRange
from ivid.scene.view import View

PLANES = (0.1, 200.0)
SUPERSAMPLE = 3
TOLERANCE = 0.02


def random_warp_camera(rng: np.random.Generator, sigma_rad: float = 0.15) -> Camera:
    """A camera to warp a training image to: near orbit(0, 0), looking near the origin (method §10, step 2).

    `sigma_rad` is the standard deviation of its yaw and pitch.
    """
    yaw, pitch = rng.normal(0.0, sigma_rad, 2)
    radius = 1.0 + rng.normal(0.0, 0.1)
    position = Camera.orbit(yaw, pitch, radius).position
    return Camera.look_at(position, target=rng.normal(0.0, 0.05, 3))


def forward_backward_warp(
    rgb: np.ndarray,
    depth: np.ndarray,
    camera: Camera,
    depth_range: DepthRange,
    *,
    tolerance: float = TOLERANCE,
    mask_discontinuities: bool = True,
    colours: bool = True,
    device: str | None = None,
) -> Condition:
    """Warp an image seen by orbit(0, 0) into `camera` and back (method §10, steps 3 and 4), on the calling thread.

    Args:
        rgb: uint8 [S, S, 3], or float in [0, 1].
        depth: [S, S], metres along the viewing axis.
        camera: the camera in between; `random_warp_camera` draws one.
        depth_range: (near, far) in metres, with which the result's depth is encoded.
        tolerance: of depth edges, in metres, in 1/metres, in d and in 1/d; the published 0.02 belongs to S = 128.
        mask_discontinuities: whether pixels at depth edges leave the mask.
        colours: whether the result knows any; without them it is made faster.
        device: where to compute, "cpu" unless told otherwise.

    Returns:
        the image as it is known after the two warps. Its depth floor is 0: nothing is hidden behind another view.

    Raises:
        ValueError: the image is no view (see `ivid.scene.view.View`), or there is no such device.
    """
    source = Camera.orbit(0.0, 0.0, fov_y_deg=camera.fov_y_deg)
    machine = _machine(device)
    view = View(rgb, depth, source)
    there = MeshSettings(ring="pixels", ring_px=view.size, atol=None, normals=False)
    drawn = machine.draw(view, there, camera, colours)
    moved_rgb = reduced(drawn.picture, view.size) if colours else view.rgb
    moved = View(moved_rgb, metric_depth(drawn.closeness, empty=PLANES[1]), camera)

    back_settings = MeshSettings(ring="none", atol=tolerance, rtol=tolerance, normals=False)
    back = machine.draw(moved, back_settings, source, colours)
    d = codec.encode(metric_depth(back.closeness, empty=PLANES[1]), depth_range).astype(np.float32)
    mask = more_than_three_quarters(back.with_depth, SUPERSAMPLE)
    if mask_discontinuities:
        mask &= ~depth_edges(d, tolerance)
    mask_rgb = mask if colours else np.zeros_like(mask)
    rgb = reduced(back.picture, view.size) * mask[..., None] if colours else np.zeros((*mask.shape, 3), np.float32)
    return Condition(rgb, d * mask, mask, mask_rgb, depth_floor=np.zeros_like(d))


class _Machine(threading.local):
    """A rasteriser and one-view stores, per thread: data loaders warp on many threads and in many processes."""

    def __init__(self, device: str | None) -> None:
        self._device = kernel_device(device)
        self._rasteriser = Rasteriser(self._device, threads=1)
        self._stores: dict[tuple[int, MeshSettings], MeshStore] = {}

    def draw(self, view: View, settings: MeshSettings, target: Camera, colours: bool) -> Samples:
        key = (view.size, settings)
        if key not in self._stores:
            self._stores = {k: s for k, s in self._stores.items() if k[0] == view.size}
            self._stores[key] = MeshStore(view.size, settings, self._device, threads=1)
        store = self._stores[key]
        (slot,) = store.slots([view])
        drawn = Target(target, view.size, SUPERSAMPLE, PLANES)
        return self._rasteriser.single(store, slot, view.camera, drawn, colours)


@cache
def _machine(device: str | None) -> _Machine:
    return _Machine(device)
