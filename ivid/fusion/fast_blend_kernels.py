# type: ignore - kernels are Warp's language, whose types a checker of Python does not know.
# ruff: noqa: UP018, RUF046 - Warp wants int(0), float(0) for what changes in a loop.
"""Kernels that blend with less work per sample than `blend_kernels`: of the shading modes "fast" and "pixel"."""

from __future__ import annotations

import warp as wp

from ivid.fusion.blend_kernels import (
    ERODED_FACTOR,
    HIDDEN_WEIGHT,
    MIN_WEIGHT,
    RGB_LIMIT,
    adds_nothing,
    angle_weight,
    blend,
    blend_hidden,
    blend_seen,
    closeness_of,
    numbers_of,
    packed,
)
from ivid.fusion.mesh_kernels import FADED, FAINT, HIDDEN, KIND_BITS, MIXED
from ivid.fusion.raster_kernels import TILE
from ivid.fusion.shading_kernels import kind_of_fragment, normal_at, texel_colour, texel_normal

wp.set_module_options({"enable_backward": False})


@wp.kernel
def accumulate_views_per_texel(
    first_row: int,
    run: int,
    extent: int,
    top: int,
    everywhere: int,
    open_tiles: wp.array2d[wp.uint8],
    first_view: int,
    last_view: int,
    slots: wp.array[int],
    trusts: wp.array[float],
    focals_px: wp.array[float],
    angle_weights: wp.array[float],
    target_to_view: wp.array[wp.mat44],
    scale: float,
    size: int,
    normals: wp.array2d[wp.vec3],
    flags: wp.array2d[wp.uint8],
    colours: wp.array3d[wp.vec3],
    projected: wp.array2d[wp.vec3],
    depth_keys: wp.array3d[wp.uint64],
    totals: wp.array2d[wp.vec4],
    depths: wp.array2d[wp.vec3],
):
    """`blend_kernels.accumulate_views` with the normal of each sample's nearest texel, everywhere or in open tiles."""
    offset, part = wp.tid()
    row = first_row + offset
    begin = wp.max(part * run, 0)  # which tells the compiler that it is not negative
    row_totals = packed(totals[row], extent)
    row_depths = packed(depths[row], extent)
    middle = 0.5 * float(extent) - 0.5
    y = middle - float(top + row)
    for view in range(first_view, last_view):
        slot = slots[view]
        eye = wp.transform_point(target_to_view[view], wp.vec3(0.0))
        ray = wp.transform_vector(target_to_view[view], wp.vec3(0.0, y / scale, -1.0))
        ray_step = wp.transform_vector(target_to_view[view], wp.vec3(1.0 / scale, 0.0, 0.0))
        trust = trusts[view]
        view_normals = packed(normals[slot], (size + 2) * (size + 2))
        view_colours = colours[slot]
        keys = packed(depth_keys[view - first_view, row], extent)
        end = wp.min(begin + run, extent)
        following = int(begin)
        while following < end:
            column = following
            if everywhere == 0 and open_tiles[row // TILE, column // TILE] == wp.uint8(0):
                following = (column // TILE + 1) * TILE
                continue
            following += 1
            key = keys[column]
            if key == wp.uint64(0):
                continue
            low = int(wp.uint32(key))
            closeness = closeness_of(key)
            x = float(column) - middle
            kind = low & (KIND_BITS - FAINT)
            if kind >= HIDDEN:
                if adds_nothing(key, column, row_totals):
                    continue
                kind = kind_of_fragment(low, view, slot, size, x, y, projected, flags)
                if kind == HIDDEN:
                    blend_hidden(column, texel_colour(low, size, view_colours), closeness, row_totals, row_depths)
                    continue
            weight = float(MIN_WEIGHT)
            if (low & FAINT) == 0:
                point = ray + x * ray_step + closeness * eye
                weight = angle_weight(texel_normal(low, size, view_normals), point, angle_weights)
            if kind == FADED:
                weight *= ERODED_FACTOR
            blend_seen(column, texel_colour(low, size, view_colours), weight, trust, closeness, row_totals, row_depths)


@wp.kernel
def find_open_tiles(first: int, rows: int, extent: int, depths: wp.array2d[wp.vec3], open_tiles: wp.array2d[wp.uint8]):
    """Which tiles of a band hold a sample whose colour no view knows so far."""
    offset, tile_column = wp.tid()
    tile_row = first + offset
    is_open = int(0)
    for row in range(tile_row * TILE, wp.min((tile_row + 1) * TILE, rows)):
        for column in range(tile_column * TILE, wp.min((tile_column + 1) * TILE, extent)):
            if depths[row, column][2] <= RGB_LIMIT:
                is_open = 1
    open_tiles[tile_row, tile_column] = wp.uint8(is_open)


@wp.kernel
def accumulate_views_per_pixel(
    first_row: int,
    run: int,
    extent: int,
    top: int,
    supersample: int,
    first_view: int,
    last_view: int,
    slots: wp.array[int],
    trusts: wp.array[float],
    focals_px: wp.array[float],
    angle_weights: wp.array[float],
    target_to_view: wp.array[wp.mat44],
    scale: float,
    size: int,
    normals: wp.array2d[wp.vec3],
    flags: wp.array2d[wp.uint8],
    colours: wp.array3d[wp.vec3],
    projected: wp.array2d[wp.vec3],
    depth_keys: wp.array3d[wp.uint64],
    totals: wp.array2d[wp.vec4],
    depths: wp.array2d[wp.vec3],
):
    """`blend_kernels.accumulate_views` with one colour and weight per view and output pixel, that of its centre sample.

    Which samples a view covers, how far away, and whether as surface or hidden, is kept per sample: samples of another
    kind than the one shaded are shaded themselves, and so are all those near flags that change within a triangle.
    `first_row` and `run` count output pixels.
    """
    offset, part = wp.tid()
    middle = 0.5 * float(extent) - 0.5
    half = supersample // 2
    samples = supersample * supersample
    centre = half * supersample + half
    pixel_row = first_row + offset
    for view in range(first_view, last_view):
        slot = slots[view]
        eye = wp.transform_point(target_to_view[view], wp.vec3(0.0))
        for pixel in range(part * run, wp.min((part + 1) * run, extent // supersample)):
            shaded_kind = int(-1)
            weight = float(0.0)
            colour = wp.vec3(0.0)
            # The centre comes first; step 0 stands for it, and it is passed by in its place.
            next_row = pixel_row * supersample
            next_column = pixel * supersample
            for step in range(samples + 1):
                row = next_row
                column = next_column
                if step == 0:
                    row += half
                    column += half
                else:
                    next_column += 1
                    if next_column == (pixel + 1) * supersample:
                        next_column = pixel * supersample
                        next_row += 1
                    if step == centre + 1:
                        continue
                key = depth_keys[view - first_view, row, column]
                low = int(wp.uint32(key))
                kind = low & (KIND_BITS - FAINT)
                if adds_nothing(key, column, totals[row]):
                    continue
                closeness = closeness_of(key)
                if kind != shaded_kind or kind == MIXED:
                    shaded_kind = kind
                    colour = texel_colour(low, size, colours[slot])
                    weight = HIDDEN_WEIGHT
                    x = float(column) - middle
                    y = middle - float(top + row)
                    kind = kind_of_fragment(low, view, slot, size, x, y, projected, flags)
                    if kind != HIDDEN:
                        weight = MIN_WEIGHT
                        if (low & FAINT) == 0:
                            ray = wp.transform_vector(target_to_view[view], wp.vec3(x / scale, y / scale, -1.0))
                            point = ray + closeness * eye
                            view_normals = numbers_of(normals[slot], (size + 2) * (size + 2))
                            normal = normal_at(low, size, focals_px[view], point, view_normals)
                            weight = angle_weight(normal, point, angle_weights)
                        if kind == FADED:
                            weight *= ERODED_FACTOR
                blend(column, colour, weight, trusts[view], closeness, totals[row], depths[row])
