"""Rendering fused views into a new camera (method §5)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ivid.fusion.anchoring import Anchor, find_anchor
from ivid.fusion.mesh import MeshSettings, MeshStore, default_erosion_radius
from ivid.fusion.rasteriser import Blend, Planes, Rasteriser, Samples, Shading, Target
from ivid.fusion.resample import laid_over, metric_depth, more_than_three_quarters, reduced
from ivid.fusion.runtime import kernel_device, thread_count
from ivid.scene.cameras import Camera
from ivid.scene.view import View

PLANES: Planes = (0.1, 200.0)
MAX_EXTENT = 16384  # samples on a side of an enlarged picture
STORES = 4  # kinds of meshes kept at a time


@dataclass(frozen=True, eq=False)
class Rendering:
    """A fused picture.

    Attributes:
        rgb: float32 [H, W, 3] in [0, 1], 0 where nothing is.
        depth: float32 [H, W], metres along the viewing axis, of each pixel's centre sample; where nothing is, the near
            plane.
        mask: bool [H, W], where more than 75 % of a pixel's samples see a surface, not only padding or depth edges.
    """

    rgb: np.ndarray
    depth: np.ndarray
    mask: np.ndarray


class FusionRenderer:
    """Renders views from cameras in between, without any network (method §4, §5).

    Meshes of views are kept between calls as long as the view objects live, so a video of a scene builds them once. May
    be called from several threads, which then take turns. The same views give the same picture, however many threads
    compute it.

    Args:
        device: "cpu" (also None) or a CUDA device such as "cuda:0".
        threads: over how many threads the work is split on the CPU; a few, unless told.

    Raises:
        ValueError: there is no such device, or `threads` is less than 1.
    """

    def __init__(self, device: str | None = None, threads: int | None = None) -> None:
        self._device = kernel_device(device)
        self._threads = thread_count(threads, self._device)
        self._rasteriser = Rasteriser(self._device, self._threads)
        self._stores: dict[tuple[int, MeshSettings], MeshStore] = {}
        self._turn = threading.Lock()

    def render(
        self,
        views: Sequence[View],
        camera: Camera,
        size: int,
        supersample: int = 1,
        *,
        padding_px: float | None = None,
        erosion_radius: int | None = None,
        planes: Planes = PLANES,
        edge_threshold: float | None = None,
        shading: Shading = "fragment",
        blend: Blend = "exact",
    ) -> Rendering:
        """Fuse `views` into `camera`.

        Args:
            views: at least one, all of one size S.
            camera: the camera to render for.
            size: H = W of the picture.
            supersample: samples per pixel in each direction; above 1 the colours are truncated to 8 bits and reduced by
                Lanczos (method §5), at 1 they stay as they are.
            padding_px: how far each view's border is stretched outwards, in its pixels; 32/128 S unless told.
            erosion_radius: pixels around depth edges that give way to other views; 3/128 S (at least 1) unless told.
            planes: (near, far) in metres, between which surfaces are drawn.
            edge_threshold: a triangle is a depth edge if its depths differ by more than this in metres, and their
                inverses by more than this per metre; the views' own unless told.
            shading: "fragment" weighs and colours every sample on its own (method §5); "pixel" does so once per view
                and pixel, but keeps what each sample sees and how far away: faster where `supersample` is above 1.
                "fast" draws the few views that count the most, and the others only where these leave something open;
                the nearest pixel of a view says how much a sample counts.
            blend: "exact" is the method's fusion (§5). "anchored" lays the view whose camera is nearest over its
                colours; at that camera the picture is the view, and within 4 degrees it becomes the method's
                (`ivid.fusion.anchoring`). Depth and mask are the same in both.

        Raises:
            ValueError: there are no views, or they differ in size, or a number is out of range.

        Example:
            >>> scene = ivid.open_scene("house.ivid")
            >>> drawn = FusionRenderer().render(scene.views, Camera.orbit(0.2, 0.1), size=512, supersample=3)
            >>> Image.fromarray((drawn.rgb * 255).astype(np.uint8)).save("house.png")
        """
        threshold = (views[0].edge_threshold if views else 0.0) if edge_threshold is None else edge_threshold
        settings = MeshSettings(
            ring="pixels",
            ring_px=_view_size(views) * 32 / 128 if padding_px is None else padding_px,
            erosion_radius=default_erosion_radius(_view_size(views)) if erosion_radius is None else erosion_radius,
            atol=threshold,
            rtol=threshold,
        )
        if blend not in ("exact", "anchored"):
            raise ValueError(f"there is no blend {blend!r}; choose exact or anchored")
        samples = self.sample(views, camera, size, supersample, settings, planes, shading)
        anchor = find_anchor([view.camera for view in views], camera) if blend == "anchored" else None
        picture = samples.picture
        if anchor is not None:
            picture = laid_over(
                picture, self._layer(views, anchor, Target(camera, size, supersample, planes), settings)
            )
        return Rendering(
            rgb=reduced(picture, size),
            depth=metric_depth(samples.closeness, empty=planes[0]),
            mask=more_than_three_quarters(samples.with_depth, supersample),
        )

    def sample(
        self,
        views: Sequence[View],
        camera: Camera,
        size: int,
        supersample: int,
        settings: MeshSettings,
        planes: Planes,
        shading: Shading = "fragment",
    ) -> Samples:
        """The enlarged picture behind `render`, with any kind of mesh; raises what `render` raises."""
        view_size = _view_size(views)
        if not (size >= 1 and supersample >= 1 and size * supersample <= MAX_EXTENT):
            raise ValueError(
                f"a picture of {size} pixels at {supersample}x is out of range: both must be at least 1, "
                f"and their product at most {MAX_EXTENT}"
            )
        if shading not in ("fragment", "pixel", "fast"):
            raise ValueError(f"there is no shading {shading!r}; choose fragment, pixel or fast")
        near, far = planes
        if not 0 < near < far < float("inf"):
            raise ValueError(f"the planes must be 0 < near < far, got {near} and {far}")
        with self._turn:
            store = self._store(view_size, settings)
            slots = store.slots(views)
            cameras, trusts = [view.camera for view in views], [view.trust for view in views]
            target = Target(camera, size, supersample, planes)
            return self._rasteriser.fuse(store, slots, cameras, trusts, target, shading)

    def _layer(self, views: Sequence[View], anchor: Anchor, target: Target, settings: MeshSettings) -> np.ndarray:
        view = views[anchor.index]
        with self._turn:
            store = self._store(view.size, settings)
            (slot,) = store.slots([view])
            return self._rasteriser.layer(store, slot, view.camera, target, settings.rtol, anchor)

    def _store(self, size: int, settings: MeshSettings) -> MeshStore:
        """The store of one kind of mesh; the kind unused for longest makes room."""
        key = (size, settings)
        store = self._stores.pop(key, None) or MeshStore(size, settings, self._device, self._threads)
        self._stores[key] = store
        while len(self._stores) > STORES:
            del self._stores[next(iter(self._stores))]
        return store


def _view_size(views: Sequence[View]) -> int:
    sizes = sorted({view.size for view in views})
    if not sizes:
        raise ValueError("there is nothing to render: at least one view is needed")
    if len(sizes) > 1:
        raise ValueError(f"the views must be of one size, got {', '.join(map(str, sizes))}")
    return sizes[0]
