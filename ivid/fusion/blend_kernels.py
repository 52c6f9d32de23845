# type: ignore - kernels are Warp's language, whose types a checker of Python does not know.
# ruff: noqa: UP018, RUF046 - Warp wants int(0), float(0) for what changes in a loop.
"""Kernels that blend the views' z-buffers into one picture (method §5)."""

from __future__ import annotations

from typing import Any

import numpy as np
import warp as wp

from ivid.fusion.mesh_kernels import BACK, FADED, FAINT, HIDDEN, KIND_BITS
from ivid.fusion.raster_kernels import greater, key_of, keys_from
from ivid.fusion.shading_kernels import kind_of_fragment, level, normal_at, texel_colour

wp.set_module_options({"enable_backward": False})

HIDDEN_WEIGHT = wp.constant(1.0e-16)
HIDDEN_LIMIT = wp.constant(1.0e-14)  # samples of at most this weight are hidden
RGB_LIMIT = wp.constant(1.0e-6)  # samples of at most this weight do not make colour known
HIDDEN_DEPTH_WEIGHT = wp.constant(1.0e-8)
ERODED_FACTOR = wp.constant(1.0e-8)
MIN_WEIGHT = wp.constant(1.0e-4)
ANGLE_FALLOFF = wp.constant(20.0)  # per radian
# Beyond asin(this), exp(-ANGLE_FALLOFF angle) is under MIN_WEIGHT, and neither has to be computed.
MIN_WEIGHT_SINE = wp.constant(0.4445)
ANGLE_STEPS = wp.constant(2048)
FULL_TRUST = wp.constant(0.999)  # what one view of full trust counts; all others together must count less
# A hidden sample beside more weight than this is below a float's precision, in colour and in depth.
OUTWEIGHS_HIDDEN = wp.constant(1.0e-8)


def angle_weights() -> np.ndarray:
    """exp(-ANGLE_FALLOFF angle), float32 [ANGLE_STEPS + 2], for sines of angles from 0 to just over MIN_WEIGHT_SINE."""
    sines = np.arange(ANGLE_STEPS + 2) / ANGLE_STEPS * MIN_WEIGHT_SINE
    return np.exp(-ANGLE_FALLOFF * np.arcsin(sines)).astype(np.float32)


@wp.func
def angle_weight(normal: wp.vec3, point: wp.vec3, weights: wp.array[float]) -> float:
    """exp(-ANGLE_FALLOFF angle) between a normal and the direction from a point to the origin, at least MIN_WEIGHT.

    Looked up in `angle_weights`, and good to 1e-5 of it. No branches, so that loops compile to vector instructions.
    """
    across = wp.length_sq(wp.cross(normal, point))
    squares = wp.length_sq(normal) * wp.length_sq(point)
    beyond = wp.dot(normal, point) >= 0.0 or across >= MIN_WEIGHT_SINE * MIN_WEIGHT_SINE * squares
    place = (float(ANGLE_STEPS) / MIN_WEIGHT_SINE) * wp.sqrt(wp.where(beyond, 0.0, across / squares))
    step = int(place)
    weight = weights[step]
    weight += (place - float(step)) * (weights[step + 1] - weight)
    return wp.where(beyond, MIN_WEIGHT, greater(weight, MIN_WEIGHT))


@wp.func
def blend(
    column: int,
    colour: wp.vec3,
    weight: float,
    trust: float,
    closeness: float,
    totals: wp.array[wp.vec4],
    depths: wp.array[wp.vec3],
):
    """Add one view's fragment to a sample of a row.

    Sums are kept of the weighted colour and the weight, of the weighted 1/z and its weight, and the largest weight. Of
    hidden fragments that nothing else covers, the farther one is kept alone. `trust` multiplies what a fragment that
    is seen counts for, in colour and in depth; whether it is seen, and makes colour known, its own weight says.
    """
    if weight > HIDDEN_LIMIT:
        blend_seen(column, colour, weight, trust, closeness, totals, depths)
    else:
        blend_hidden(column, colour, closeness, totals, depths)


@wp.func
def blend_seen(
    column: int,
    colour: wp.vec3,
    weight: float,
    trust: float,
    closeness: float,
    totals: wp.array[wp.vec4],
    depths: wp.array[wp.vec3],
):
    """`blend` of a fragment that is not hidden."""
    so_far = depths[column]
    share = greater(trust * weight, HIDDEN_LIMIT)
    totals[column] = totals[column] + wp.vec4(share * colour[0], share * colour[1], share * colour[2], share)
    depths[column] = wp.vec3(so_far[0] + trust * closeness, so_far[1] + trust, greater(so_far[2], weight))


@wp.func
def blend_hidden(column: int, colour: wp.vec3, closeness: float, totals: wp.array[wp.vec4], depths: wp.array[wp.vec3]):
    """`blend` of a hidden fragment."""
    so_far = depths[column]
    total = HIDDEN_WEIGHT * wp.vec4(colour[0], colour[1], colour[2], 1.0)
    depth = wp.vec3(HIDDEN_DEPTH_WEIGHT * closeness, HIDDEN_DEPTH_WEIGHT, HIDDEN_WEIGHT)
    if so_far[2] <= 0.0 or (so_far[2] <= HIDDEN_LIMIT and depth[0] < so_far[0]):
        totals[column] = total
        depths[column] = depth
    elif so_far[2] > HIDDEN_LIMIT:
        totals[column] = totals[column] + total
        depths[column] = wp.vec3(so_far[0] + depth[0], so_far[1] + depth[1], so_far[2])


@wp.func
def closeness_of(key: wp.uint64) -> float:
    """1/w of a z-buffer entry."""
    return wp.cast(wp.uint32(key >> wp.uint64(32)), wp.float32)


@wp.func
def packed(values: wp.array[Any], count: int):
    """The same array of one axis. That its values lie side by side is known to a compiler now."""
    return wp.array(ptr=values.ptr, shape=(count,), dtype=values.dtype)


@wp.func
def numbers_of(vectors: wp.array[wp.vec3], count: int):
    """Vectors as numbers, three each, which a loop can read that compiles to vector instructions."""
    return wp.array(ptr=vectors.ptr, shape=(3 * count,), dtype=float)


@wp.func
def adds_nothing(key: wp.uint64, column: int, totals: wp.array[wp.vec4]) -> bool:
    """Whether a z-buffer's entry is empty, a back face, or hidden beside what is known of its sample already."""
    kind = int(wp.uint32(key)) & KIND_BITS
    if key == wp.uint64(0) or kind == BACK:
        return True
    return kind == HIDDEN and totals[column][3] > OUTWEIGHS_HIDDEN


@wp.kernel
def accumulate_views(
    first_row: int,
    run: int,
    extent: int,
    top: int,
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
    waiting: wp.array2d[wp.uint64],
    totals: wp.array2d[wp.vec4],
    depths: wp.array2d[wp.vec3],
):
    """Blend some views over runs of samples in a row, of a band that begins at row `top` of the picture.

    `depth_keys` [V, rows, extent] holds the z-buffers of these views. `totals` and `depths` must be 0 before the first
    of all views. View by view, because what neighbouring samples see of one is close together in memory.

    Fragments that their normals weigh wait until the end of their run: their entries are moved to its beginning, and
    beside them, in `waiting` [rows, extent], stands the column, later the weight too. So they are weighed in a loop
    that compiles to vector instructions: it has no branches, and stores integers, which cannot be what it reads.
    """
    offset, part = wp.tid()
    row = first_row + offset
    begin = wp.max(part * run, 0)  # which tells the compiler that it is not negative
    end = wp.min(begin + run, extent)
    row_totals = packed(totals[row], extent)
    row_depths = packed(depths[row], extent)
    places = keys_from(waiting[row], begin, run)
    packed_weights = packed(angle_weights, ANGLE_STEPS + 2)
    middle = 0.5 * float(extent) - 0.5
    y = middle - float(top + row)
    for view in range(first_view, last_view):
        slot = slots[view]
        focal_px = focals_px[view]
        # A fragment's point divided by its depth is ray + x * ray_step + closeness * eye, in the view's camera space.
        eye = wp.transform_point(target_to_view[view], wp.vec3(0.0))
        ray = wp.transform_vector(target_to_view[view], wp.vec3(0.0, y / scale, -1.0))
        ray_step = wp.transform_vector(target_to_view[view], wp.vec3(1.0 / scale, 0.0, 0.0))
        trust = trusts[view]
        view_normals = numbers_of(normals[slot], (size + 2) * (size + 2))
        view_colours = colours[slot]
        keys = packed(depth_keys[view - first_view, row], extent)
        kept = keys_from(depth_keys[view - first_view, row], begin, run)
        number = int(0)
        following = int(begin)
        while following < end:
            column = following
            following += 1
            key = keys[column]
            if key == wp.uint64(0):
                continue
            low = int(wp.uint32(key))
            closeness = closeness_of(key)
            kind = low & (KIND_BITS - FAINT)
            if kind >= HIDDEN:
                if adds_nothing(key, column, row_totals):
                    continue
                x = float(column) - middle
                kind = kind_of_fragment(low, view, slot, size, x, y, projected, flags)
                if kind == HIDDEN:
                    blend_hidden(column, texel_colour(low, size, view_colours), closeness, row_totals, row_depths)
                    continue
            if (low & FAINT) == 0:
                kept[number] = key_of(closeness, (low & ~KIND_BITS) | kind)
                places[number] = wp.uint64(column)
                number += 1
                continue
            weight = MIN_WEIGHT * wp.where(kind == FADED, ERODED_FACTOR, 1.0)
            blend_seen(column, texel_colour(low, size, view_colours), weight, trust, closeness, row_totals, row_depths)
        step = int(0)
        while step < number:
            low = int(wp.uint32(kept[step]))
            x = float(int(places[step])) - middle
            point = ray + x * ray_step + closeness_of(kept[step]) * eye
            weight = angle_weight(normal_at(low, size, focal_px, point, view_normals), point, packed_weights)
            weight *= wp.where((low & KIND_BITS) == FADED, ERODED_FACTOR, 1.0)
            places[step] = key_of(weight, int(places[step]))
            step += 1
        step = int(0)
        while step < number:
            key = kept[step]
            place = places[step]
            colour = texel_colour(int(wp.uint32(key)), size, view_colours)
            column = int(wp.uint32(place))
            blend_seen(column, colour, closeness_of(place), trust, closeness_of(key), row_totals, row_depths)
            step += 1


@wp.kernel
def finish_blend(
    first_row: int,
    run: int,
    size: int,
    top: int,
    supersample: int,
    totals: wp.array2d[wp.vec4],
    depths: wp.array2d[wp.vec3],
    rgb: wp.array2d[wp.vec3],
    levels: wp.array2d[wp.vec3ub],
    closeness: wp.array2d[float],
    with_depth: wp.array2d[int],
    with_rgb: wp.array2d[int],
    with_trusted: wp.array2d[int],
):
    """From sums to the picture of `size` pixels: runs of output pixels in a row, of a band that begins at row `top`.

    Colours go to `rgb`, or as 8-bit levels to `levels` if there are several samples per pixel.
    """
    offset, part = wp.tid()
    band_row = first_row + offset
    row = top + band_row
    samples = supersample * supersample
    centre = (supersample // 2) * (supersample + 1)
    column = wp.max(part * run, 0)  # which tells the compiler that it is not negative
    end = wp.min(column + run, size)
    while column < end:
        depth_count = int(0)
        rgb_count = int(0)
        trusted_count = int(0)
        sample = int(0)
        i = band_row * supersample
        j = column * supersample
        while sample < samples:
            total = totals[i, j]
            depth = depths[i, j]
            colour = wp.vec3(total[0], total[1], total[2]) * wp.where(total[3] > 0.0, 1.0 / total[3], 0.0)
            if supersample == 1:
                rgb[row, j] = colour
            else:
                levels[top * supersample + i, j] = wp.vec3ub(level(colour[0]), level(colour[1]), level(colour[2]))
            depth_count += wp.where(depth[2] > HIDDEN_LIMIT, 1, 0)
            rgb_count += wp.where(depth[2] > RGB_LIMIT, 1, 0)
            trusted_count += wp.where(depth[1] >= FULL_TRUST, 1, 0)
            if sample == centre:
                closeness[row, column] = wp.where(depth[1] > 0.0, depth[0] / depth[1], 0.0)
            sample += 1
            j += 1
            if j == (column + 1) * supersample:
                j = column * supersample
                i += 1
        with_depth[row, column] = depth_count
        with_rgb[row, column] = rgb_count
        with_trusted[row, column] = trusted_count
        column += 1
