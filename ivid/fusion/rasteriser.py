"""Drawing meshes for a target camera: projection, z-buffers in bands of bounded memory, and what is read from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, cast

import numpy as np
import warp as wp

from ivid.fusion import blend_kernels, fast_blend_kernels, quad_kernels, raster_kernels, shading_kernels
from ivid.fusion.anchoring import Anchor, by_weight
from ivid.fusion.mesh import MeshStore
from ivid.fusion.raster_kernels import TILE
from ivid.fusion.runtime import empty, launch, split
from ivid.scene.cameras import Camera

NEAREST_VIEWS = 6  # of shading "fast", drawn whole
BAND_BYTES = 96_000_000  # of z-buffers at a time: views are drawn in groups, and larger pictures in several bands

Planes = tuple[float, float]
Shading = Literal["fragment", "pixel", "fast"]
Blend = Literal["exact", "anchored"]


@dataclass(frozen=True)
class Target:
    """What is to be drawn: `size` output pixels on a side of `supersample`^2 samples each, planes in metres."""

    camera: Camera
    size: int
    supersample: int
    planes: Planes

    @property
    def extent(self) -> int:
        """Samples on a side."""
        return self.size * self.supersample


@dataclass(frozen=True)
class Samples:
    """An enlarged picture and what is known of each output pixel.

    Attributes:
        picture: uint8 [k*S, k*S, 3], or float32 [S, S, 3] if there is one sample per pixel.
        closeness: float32 [S, S], 1/z of each pixel's centre sample, 0 where there is nothing.
        with_depth, with_rgb: int32 [S, S], how many of a pixel's k^2 samples know depth and colour.
        with_trusted: int32 [S, S], of how many of them views of full trust know the depth.
    """

    picture: np.ndarray
    closeness: np.ndarray
    with_depth: np.ndarray
    with_rgb: np.ndarray
    with_trusted: np.ndarray


@dataclass(frozen=True)
class _Band:
    """Some output rows of a target, with the z-buffers of a group of views: keys [V * rows * k * k*S], view by view.

    `draw(first, last, everywhere)` fills them with the views in range(first, last), a group at most, everywhere or only
    where tiles are open. `groups(first, last)` are the ranges of views that may be drawn at a time.
    """

    top: int
    rows: int
    keys: wp.array
    open_tiles: wp.array
    draw: Callable[[int, int, bool], None]
    groups: Callable[[int, int], list[tuple[int, int]]]


class Rasteriser:
    """Draws meshes of a store into a target camera. Keeps its scratch memory; not to be used by two threads at once."""

    def __init__(self, device: wp.Device, threads: int) -> None:
        self._device, self._threads = device, threads
        self._scratch: dict[str, wp.array] = {}
        self._angle_weights = self._array(blend_kernels.angle_weights(), float)

    def fuse(
        self,
        store: MeshStore,
        slots: Sequence[int],
        cameras: Sequence[Camera],
        trusts: Sequence[float],
        target: Target,
        shading: Shading = "fragment",
    ) -> Samples:
        """Blend the views in `slots`, seen by `cameras`, into the target, each as far as it is trusted (method §5)."""
        extent, supersample = target.extent, target.supersample
        drawn_whole = len(slots)
        if shading == "fast":
            order = by_weight(cameras, trusts, target.camera)
            slots, cameras, trusts = [slots[k] for k in order], [cameras[k] for k in order], [trusts[k] for k in order]
            drawn_whole = min(NEAREST_VIEWS, len(slots))
        views = self._array(np.asarray(slots, np.int32), int)
        weights = self._array(np.asarray(trusts, np.float32), float)
        focals_px = self._array(np.asarray([camera.focal * store.size for camera in cameras], np.float32), float)
        target_to_view = self._transforms([camera.world_to_view @ target.camera.view_to_world for camera in cameras])
        rgb = empty((extent, extent) if supersample == 1 else (1, 1), wp.vec3, self._device)
        levels = empty((1, 1) if supersample == 1 else (extent, extent), wp.vec3ub, self._device)
        known = [empty((target.size, target.size), dtype, self._device) for dtype in (float, int, int, int)]
        per_pixel = shading == "pixel" and supersample > 1
        run = extent if self._device.is_cpu else 1  # samples per thread, which a CPU takes one after the other
        projected, on_picture = self._projected(store, views, cameras, target)
        scene = [views, weights, focals_px, self._angle_weights, target_to_view, target.camera.focal * extent]
        scene += [store.size, store.arrays.normals, store.arrays.flags, store.arrays.colours, projected]
        for band in self._bands(store, views, projected, on_picture, target, ring_is_padding=True):
            rows = band.rows * supersample
            totals = self._kept("totals", rows * extent, wp.vec4).reshape((rows, extent))
            depths = self._kept("depths", rows * extent, wp.vec3).reshape((rows, extent))
            sums = [totals, depths]
            waits = not per_pixel and shading != "fast"
            scratch = [self._kept("waiting", rows * extent, wp.uint64).reshape((rows, extent))] if waits else []

            def blend(
                group: tuple[int, int],
                everywhere: bool,
                first: int,
                count: int,
                band: _Band = band,
                sums: list = sums,
                scratch: list = scratch,
            ) -> None:
                begin, end = first * supersample, (first + count) * supersample
                if group[0] == 0:
                    for array in sums:
                        array[begin:end].zero_()
                place = [run, extent, band.top * supersample]
                per_run = (end - begin, -(-extent // run))
                if shading == "fast":
                    kernel, dim = fast_blend_kernels.accumulate_views_per_texel, per_run
                    inputs = [begin, *place, int(everywhere), band.open_tiles]
                elif per_pixel:
                    kernel, dim = fast_blend_kernels.accumulate_views_per_pixel, (count, -(-target.size // run))
                    inputs = [first, *place, supersample]
                else:
                    kernel, dim, inputs = blend_kernels.accumulate_views, per_run, [begin, *place]
                keys = band.keys.reshape((-1, band.rows * supersample, extent))
                launch(kernel, dim, [*inputs, *group, *scene, keys, *scratch, *sums], self._device)

            def finish(first: int, count: int, band: _Band = band, sums: list = sums) -> None:
                inputs = [first, run, target.size, band.top, supersample, *sums, rgb, levels, *known]
                launch(blend_kernels.finish_blend, (count, -(-target.size // run)), inputs, self._device)

            for group in [*band.groups(0, drawn_whole), *band.groups(drawn_whole, len(slots))]:
                if group[0] == drawn_whole:
                    inputs = [0, rows, extent, depths, band.open_tiles]
                    launch(fast_blend_kernels.find_open_tiles, band.open_tiles.shape, inputs, self._device)
                everywhere = group[0] < drawn_whole
                band.draw(*group, everywhere)
                split(band.rows, self._threads, partial(blend, group, everywhere))
            split(band.rows, self._threads, finish)
        return Samples((rgb if supersample == 1 else levels).numpy(), *(array.numpy() for array in known))

    def single(self, store: MeshStore, slot: int, camera: Camera, target: Target, colours: bool) -> Samples:
        """Draw one mesh as ordinary surface, padding included; back faces are black (method §10, steps 3 and 4).

        Colours are 8 bits, also at one sample per pixel; unless asked for, the picture stays undefined. `with_depth`
        and its siblings count the samples that are neither edge nor back face.
        """
        views = self._array(np.asarray([slot], np.int32), int)
        levels = empty((target.extent, target.extent), wp.vec3ub, self._device)
        closeness = empty((target.size, target.size), float, self._device)
        good = empty((target.size, target.size), int, self._device)
        projected, on_picture = self._projected(store, views, [camera], target)
        for band in self._bands(store, views, projected, on_picture, target, ring_is_padding=False):
            band.draw(0, 1, True)

            def shade(first: int, count: int, band: _Band = band) -> None:
                inputs = [first, band.top, slot, store.size, target.supersample, target.extent, int(colours)]
                inputs += [store.arrays.flags, store.arrays.colours, projected, band.keys, levels, closeness, good]
                launch(shading_kernels.shade_nearest, (count, target.size), inputs, self._device)

            split(band.rows, self._threads, shade)
        return Samples(levels.numpy(), closeness.numpy(), *3 * (good.numpy(),))

    def layer(
        self, store: MeshStore, slot: int, camera: Camera, target: Target, threshold: float, anchor: Anchor
    ) -> np.ndarray:
        """The anchor's mesh, to be laid over the enlarged picture: float32 [k*S, k*S, 4], colour and what it counts."""
        views = self._array(np.asarray([slot], np.int32), int)
        magnification = target.camera.focal * target.size / (camera.focal * store.size)
        sharpness = min(max(4 / magnification, 1.0), 4.0)  # a pixel that keeps its size keeps its colour
        layer = empty((target.extent, target.extent), wp.vec4, self._device)
        projected, on_picture = self._projected(store, views, [camera], target)
        for band in self._bands(store, views, projected, on_picture, target, ring_is_padding=True):
            band.draw(0, 1, True)

            def shade(first: int, count: int, band: _Band = band) -> None:
                inputs = [first * target.supersample, band.top * target.supersample, slot, store.size, target.extent]
                inputs += [store.settings.ring_px, threshold, anchor.weight, anchor.edge_weight, sharpness]
                inputs += [store.arrays.depth, store.arrays.colours, projected, band.keys, layer]
                launch(shading_kernels.shade_anchor, (count * target.supersample, target.extent), inputs, self._device)

            split(band.rows, self._threads, shade)
        return layer.numpy()

    def _projected(
        self, store: MeshStore, views: wp.array, cameras: Sequence[Camera], target: Target
    ) -> tuple[wp.array, wp.array]:
        """Vertices [V, N] of the views in the target: homogeneous sample coordinates, and X/w and Y/w."""
        view_to_target = self._transforms([target.camera.world_to_view @ camera.view_to_world for camera in cameras])
        shape = (len(cameras), store.vertices)
        projected = self._kept("projected", shape[0] * shape[1], wp.vec3).reshape(shape)
        on_picture = self._kept("on_picture", shape[0] * shape[1], wp.vec2).reshape(shape)

        run = store.vertices if self._device.is_cpu else 1  # vertices per thread

        def project(first: int, count: int) -> None:
            inputs = [first, run, views, view_to_target, target.camera.focal * target.extent, store.arrays.points]
            inputs += [projected, on_picture]
            launch(raster_kernels.project_vertices, (count, store.vertices // run), inputs, self._device)

        split(len(cameras), self._threads, project)
        return projected, on_picture

    def _bands(
        self,
        store: MeshStore,
        views: wp.array,
        projected: wp.array,
        on_picture: wp.array,
        target: Target,
        ring_is_padding: bool,
    ) -> Iterator[_Band]:
        """The target band by band; a band's z-buffers are good until others are drawn or the next band is asked for."""
        near, far = target.planes
        row_entries = target.supersample * target.extent  # of one view in one output row
        # A CPU's threads draw a view each.
        least = min(views.size, 2 * self._threads)
        at_once = min(views.size, max(least, BAND_BYTES // (8 * row_entries * target.size)))
        height = max(1, min(target.size, BAND_BYTES // (8 * at_once * row_entries)))
        height -= height % TILE if height > TILE else 0  # so that tiles lie the same in every band

        def groups(first: int, last: int) -> list[tuple[int, int]]:
            return [(begin, min(begin + at_once, last)) for begin in range(first, last, at_once)]

        for top in range(0, target.size, height):
            rows = min(height, target.size - top)
            entries = rows * row_entries
            keys = self._kept("keys", at_once * entries, wp.uint64)
            tiles = (-(-rows * target.supersample // TILE), -(-target.extent // TILE))
            open_tiles = self._kept("open_tiles", tiles[0] * tiles[1], wp.uint8).reshape(tiles)
            shape = [target.extent, top * target.supersample, entries // target.extent, store.arrays.quads]

            def draw(
                first: int, last: int, everywhere: bool, entries=entries, keys=keys, shape=shape, open_tiles=open_tiles
            ) -> None:
                def part(begin: int, count: int) -> None:
                    together = 1 if self._device.is_cpu else count  # a single z-buffer fits into a CPU's cache
                    run = store.size + 1 if self._device.is_cpu else 1  # quads per thread
                    for place in range(begin, begin + count, together):
                        keys[place * entries : (place + together) * entries].zero_()
                        inputs = [first + place, first, run, views, store.size, int(ring_is_padding), near, far, *shape]
                        inputs += [projected, on_picture, int(everywhere), open_tiles, keys]
                        dim = (together, store.size + 1, (store.size + 1) // run)
                        launch(quad_kernels.draw_quads, dim, inputs, self._device)

                split(last - first, self._threads, part)

            yield _Band(top, rows, keys, open_tiles, draw, groups)

    def _transforms(self, matrices: list[np.ndarray]) -> wp.array:
        return self._array(np.stack(matrices).astype(np.float32), wp.mat44)

    def _array(self, values: np.ndarray, dtype: Any) -> wp.array:
        return wp.array(values, dtype=dtype, device=self._device)

    def _kept(self, name: str, entries: int, dtype: Any) -> wp.array:
        """Scratch memory that stays allocated between pictures."""
        kept = self._scratch.get(name)
        if kept is None or kept.size < entries:
            self._scratch.pop(name, None)
            kept = self._scratch[name] = empty((entries,), dtype, self._device)
        return cast(wp.array, kept[:entries])
