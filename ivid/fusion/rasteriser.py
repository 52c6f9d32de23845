"""Drawing meshes for a target camera: projection, z-buffers in bands of bounded memory, then a kernel that reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import warp as wp

from ivid.cameras import Camera
from ivid.fusion import raster_kernels, shading_kernels
from ivid.fusion.mesh import MeshStore
from ivid.fusion.runtime import split

BAND_BYTES = 96_000_000  # of z-buffers at a time; larger pictures are drawn in several bands

Planes = tuple[float, float]


@dataclass(frozen=True)
class Samples:
    """An enlarged picture and what is known of each output pixel.

    Attributes:
        rgb: float32 [k*S, k*S, 3].
        closeness: float32 [S, S], 1/z of each pixel's centre sample, 0 where there is nothing.
        with_depth, with_rgb: int32 [S, S], how many of a pixel's k^2 samples know depth and colour.
    """

    rgb: np.ndarray
    closeness: np.ndarray
    with_depth: np.ndarray
    with_rgb: np.ndarray


class Rasteriser:
    """Draws meshes of a store into a target camera. Keeps its scratch memory; not to be used by two threads at once."""

    def __init__(self, device: wp.Device, threads: int) -> None:
        self._device, self._threads = device, threads
        self._keys: wp.array | None = None

    def fuse(
        self,
        store: MeshStore,
        slots: Sequence[int],
        cameras: Sequence[Camera],
        target: Camera,
        size: int,
        supersample: int,
        planes: Planes,
    ) -> Samples:
        """Blend the views in `slots`, seen by `cameras`, into the target (method §5)."""
        picture = self._picture(size, supersample)
        rgb, closeness, with_depth, with_rgb = picture

        def blend(scene: _Projected, band_row: int, rows: int, keys: wp.array) -> None:
            def launch(first: int, count: int) -> None:
                inputs = [
                    band_row + first,
                    band_row,
                    rows * supersample,
                    len(slots),
                    scene.slots,
                    store.size,
                    supersample,
                    size * supersample,
                    store.points,
                    store.normals,
                    store.flags,
                    store.colours,
                    scene.vertices,
                    keys,
                    *picture,
                ]
                self._launch(shading_kernels.blend_views, (count, size), inputs)

            split(rows, self._threads, launch)

        self._draw(store, slots, cameras, target, size, supersample, planes, True, blend)
        return Samples(*(array.numpy() for array in (rgb, closeness, with_depth, with_rgb)))

    def single(
        self, store: MeshStore, slot: int, camera: Camera, target: Camera, size: int, supersample: int, planes: Planes
    ) -> Samples:
        """Draw one mesh as ordinary surface, padding included; back faces are black (method §10, steps 3 and 4).

        `with_depth` and `with_rgb` count the samples that are neither edge nor back face.
        """
        rgb, closeness, good, _ = self._picture(size, supersample)

        def shade(scene: _Projected, band_row: int, rows: int, keys: wp.array) -> None:
            def launch(first: int, count: int) -> None:
                inputs = [
                    band_row + first,
                    band_row,
                    slot,
                    store.size,
                    supersample,
                    size * supersample,
                    store.flags,
                    store.colours,
                    scene.vertices,
                    keys,
                    rgb,
                    closeness,
                    good,
                ]
                self._launch(shading_kernels.shade_nearest, (count, size), inputs)

            split(rows, self._threads, launch)

        self._draw(store, [slot], [camera], target, size, supersample, planes, False, shade)
        return Samples(rgb.numpy(), closeness.numpy(), good.numpy(), good.numpy())

    def _draw(
        self,
        store: MeshStore,
        slots: Sequence[int],
        cameras: Sequence[Camera],
        target: Camera,
        size: int,
        supersample: int,
        planes: Planes,
        ring_is_padding: bool,
        read: Callable[[_Projected, int, int, wp.array], None],
    ) -> None:
        """Fill z-buffers band by band and let `read` use each; bands are counted in output rows."""
        extent, views = size * supersample, len(slots)
        near, far = planes
        to_target = np.stack([target.world_to_view @ camera.view_to_world for camera in cameras])
        scene = _Projected(
            wp.array(np.asarray(slots, np.int32), dtype=int, device=self._device),
            wp.array(to_target.astype(np.float32), dtype=wp.mat44, device=self._device),
            wp.empty((views, store.vertices), dtype=wp.vec3, device=self._device),
        )
        focal_samples = target.focal * extent

        def project(first: int, count: int) -> None:
            inputs = [first, scene.slots, scene.to_target, focal_samples, store.points, scene.vertices]
            self._launch(raster_kernels.project_vertices, (count, store.vertices), inputs)

        split(views, self._threads, project)
        band = max(1, min(size, BAND_BYTES // (8 * views * extent * supersample)))
        for band_row in range(0, size, band):
            rows = min(band, size - band_row)
            keys = self._scratch(views * rows * supersample * extent)

            def draw(first: int, count: int, band_row: int = band_row, rows: int = rows, keys: wp.array = keys) -> None:
                entries = rows * supersample * extent
                keys[first * entries : (first + count) * entries].zero_()
                inputs = [
                    first,
                    scene.slots,
                    store.size,
                    int(ring_is_padding),
                    near,
                    far,
                    extent,
                    band_row * supersample,
                    rows * supersample,
                    store.quads,
                    scene.vertices,
                    keys,
                ]
                self._launch(raster_kernels.draw_quads, (count, store.quads_per_view), inputs)

            split(views, self._threads, draw)
            read(scene, band_row, rows, keys)

    def _picture(self, size: int, supersample: int) -> tuple[wp.array, wp.array, wp.array, wp.array]:
        extent = size * supersample
        return (
            wp.empty((extent, extent), dtype=wp.vec3, device=self._device),
            wp.empty((size, size), dtype=float, device=self._device),
            wp.empty((size, size), dtype=int, device=self._device),
            wp.empty((size, size), dtype=int, device=self._device),
        )

    def _scratch(self, entries: int) -> wp.array:
        if self._keys is None or self._keys.size < entries:
            self._keys = wp.empty(entries, dtype=wp.uint64, device=self._device)
        return self._keys[:entries]

    def _launch(self, kernel: wp.Kernel, dim: tuple[int, ...], inputs: list) -> None:
        wp.launch(kernel, dim, inputs, device=self._device, record_tape=False)


@dataclass(frozen=True)
class _Projected:
    """Views on their way into a target camera: slots [V], source-to-target transforms [V], vertices [V, N]."""

    slots: wp.array
    to_target: wp.array
    vertices: wp.array
