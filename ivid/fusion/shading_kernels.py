"""Kernels that read the z-buffers: colours, view-angle weights, the blend of the views (method §5), and single meshes (§10)."""

from __future__ import annotations

import warp as wp

from ivid.fusion.mesh_kernels import BACK, EDGE, ERODED, FADED, HIDDEN, MIXED, RING, corner
from ivid.fusion.raster_kernels import LAST_TRIANGLE, MAX_RING_SHARE, edge_function

wp.set_module_options({"enable_backward": False})

HIDDEN_WEIGHT = wp.constant(1.0e-16)
HIDDEN_LIMIT = wp.constant(1.0e-14)  # samples of at most this weight are hidden
RGB_LIMIT = wp.constant(1.0e-6)  # samples of at most this weight do not make colour known
HIDDEN_DEPTH_WEIGHT = wp.constant(1.0e-8)
ERODED_FACTOR = wp.constant(1.0e-8)
MIN_WEIGHT = wp.constant(1.0e-4)
FLAG_LIMIT = wp.constant(0.999)
# Beyond acos(this), exp(-20 angle) is under MIN_WEIGHT, and neither has to be computed.
MIN_WEIGHT_COSINE = wp.constant(0.8958)


@wp.struct
class Fragment:
    """A triangle under a sample, and where the sample lies in it."""

    row: int
    column: int
    diagonal: int
    half: int
    a: int
    b: int
    c: int
    share: wp.vec3


@wp.func
def fragment_at(
    low: wp.uint32, view: int, size: int, x: wp.float64, y: wp.float64, projected: wp.array2d(dtype=wp.vec3)
) -> Fragment:
    """The fragment of a z-buffer entry's low half at sample coordinates (x, y)."""
    here = Fragment()
    side = size + 2
    triangle = LAST_TRIANGLE - int(low >> wp.uint32(4))
    quad = triangle >> 1
    here.half = triangle & 1
    here.diagonal = int(low >> wp.uint32(3)) & 1
    here.row = quad // (size + 1)
    here.column = quad - here.row * (size + 1)
    here.a = corner(here.row, here.column, here.diagonal, here.half, 0, side)
    here.b = corner(here.row, here.column, here.diagonal, here.half, 1, side)
    here.c = corner(here.row, here.column, here.diagonal, here.half, 2, side)
    a = projected[view, here.a]
    b = projected[view, here.b]
    c = projected[view, here.c]
    sample = wp.vec3d(x, y, wp.float64(1.0))
    in_a = wp.dot(edge_function(b, c), sample)
    in_b = wp.dot(edge_function(c, a), sample)
    in_c = wp.dot(edge_function(a, b), sample)
    scale = wp.float64(1.0) / (in_a + in_b + in_c)
    here.share = wp.vec3(float(in_a * scale), float(in_b * scale), float(in_c * scale))
    return here


@wp.func
def texel_at(here: Fragment, slot: int, size: int, colours: wp.array3d(dtype=wp.vec3)) -> wp.vec3:
    """The nearest texel's colour; ring vertices have the texture coordinates of their border pixel."""
    side = size + 2
    last = size - 1
    row_a = here.a // side
    row_b = here.b // side
    row_c = here.c // side
    column = (
        here.share[0] * float(wp.clamp(here.a - row_a * side - 1, 0, last))
        + here.share[1] * float(wp.clamp(here.b - row_b * side - 1, 0, last))
        + here.share[2] * float(wp.clamp(here.c - row_c * side - 1, 0, last))
    )
    row = (
        here.share[0] * float(wp.clamp(row_a - 1, 0, last))
        + here.share[1] * float(wp.clamp(row_b - 1, 0, last))
        + here.share[2] * float(wp.clamp(row_c - 1, 0, last))
    )
    i = wp.clamp(int(wp.floor(row + 0.5)), 0, last)
    j = wp.clamp(int(wp.floor(column + 0.5)), 0, last)
    return colours[slot, i, j]


@wp.func
def flag_share(here: Fragment, slot: int, flag: int, flags: wp.array2d(dtype=wp.uint8)) -> float:
    """A flag interpolated over the triangle."""
    share = float(0.0)
    if (int(flags[slot, here.a]) & flag) != 0:
        share += here.share[0]
    if (int(flags[slot, here.b]) & flag) != 0:
        share += here.share[1]
    if (int(flags[slot, here.c]) & flag) != 0:
        share += here.share[2]
    return share


@wp.func
def angle_weight(
    here: Fragment, slot: int, points: wp.array2d(dtype=wp.vec3), normals: wp.array2d(dtype=wp.vec3)
) -> float:
    """exp(-20 angle) between the surface's normal and the direction to its view's camera, at least MIN_WEIGHT."""
    point = (
        here.share[0] * points[slot, here.a]
        + here.share[1] * points[slot, here.b]
        + here.share[2] * points[slot, here.c]
    )
    normal = (
        here.share[0] * normals[slot, here.a]
        + here.share[1] * normals[slot, here.b]
        + here.share[2] * normals[slot, here.c]
    )
    facing = -wp.dot(normal, point)
    squares = wp.length_sq(normal) * wp.length_sq(point)
    if facing <= 0.0 or facing * facing < MIN_WEIGHT_COSINE * MIN_WEIGHT_COSINE * squares:
        return MIN_WEIGHT
    cosine = wp.min(facing / wp.sqrt(squares), 1.0)
    return wp.max(wp.exp(-20.0 * wp.acos(cosine)), MIN_WEIGHT)


@wp.func
def fragment_weight(
    here: Fragment,
    kind: int,
    slot: int,
    points: wp.array2d(dtype=wp.vec3),
    normals: wp.array2d(dtype=wp.vec3),
    flags: wp.array2d(dtype=wp.uint8),
) -> float:
    """Blending weight of a front-facing fragment (method §5)."""
    if kind == HIDDEN:
        return HIDDEN_WEIGHT
    faded = kind == FADED
    if kind == MIXED:
        if flag_share(here, slot, RING, flags) > MAX_RING_SHARE:
            return HIDDEN_WEIGHT
        if flag_share(here, slot, EDGE, flags) > FLAG_LIMIT:
            return HIDDEN_WEIGHT
        faded = flag_share(here, slot, ERODED, flags) >= FLAG_LIMIT
    weight = angle_weight(here, slot, points, normals)
    if faded:
        weight = weight * ERODED_FACTOR
    return weight


@wp.kernel
def blend_views(
    first_row: int,
    band_row: int,
    views: int,
    slots: wp.array(dtype=int),
    size: int,
    supersample: int,
    extent: int,
    points: wp.array2d(dtype=wp.vec3),
    normals: wp.array2d(dtype=wp.vec3),
    flags: wp.array2d(dtype=wp.uint8),
    colours: wp.array3d(dtype=wp.vec3),
    projected: wp.array2d(dtype=wp.vec3),
    depth_keys: wp.array3d(dtype=wp.uint64),
    rgb: wp.array2d(dtype=wp.vec3),
    closeness: wp.array2d(dtype=float),
    depth_samples: wp.array2d(dtype=int),
    rgb_samples: wp.array2d(dtype=int),
):
    """Blend all views, one thread per output pixel, from output row `first_row` on; the band begins at `band_row`."""
    offset, column = wp.tid()
    row = first_row + offset
    middle = wp.float64(0.5) * wp.float64(extent) - wp.float64(0.5)
    with_depth = int(0)
    with_rgb = int(0)
    for sub_row in range(supersample):
        for sub_column in range(supersample):
            i = row * supersample + sub_row
            j = column * supersample + sub_column
            colour = wp.vec3(0.0)
            colour_weight = float(0.0)
            nearness = float(0.0)
            nearness_weight = float(0.0)
            largest = float(0.0)
            for view in range(views):
                key = depth_keys[view, i - band_row * supersample, j]
                low = wp.uint32(key)
                kind = int(low) & 7
                if key != wp.uint64(0) and kind != BACK:
                    slot = slots[view]
                    inverse_z = wp.cast(wp.uint32(key >> wp.uint64(32)), wp.float32)
                    here = fragment_at(low, view, size, wp.float64(j) - middle, middle - wp.float64(i), projected)
                    weight = fragment_weight(here, kind, slot, points, normals, flags)
                    if weight > HIDDEN_LIMIT or largest == 0.0 or largest > HIDDEN_LIMIT:
                        depth_weight = wp.where(weight > HIDDEN_LIMIT, 1.0, HIDDEN_DEPTH_WEIGHT)
                        colour += weight * texel_at(here, slot, size, colours)
                        colour_weight += weight
                        nearness += depth_weight * inverse_z
                        nearness_weight += depth_weight
                    elif inverse_z * HIDDEN_DEPTH_WEIGHT < nearness:  # both hidden: the farther one alone
                        colour = weight * texel_at(here, slot, size, colours)
                        colour_weight = weight
                        nearness = HIDDEN_DEPTH_WEIGHT * inverse_z
                        nearness_weight = HIDDEN_DEPTH_WEIGHT
                    largest = wp.max(largest, weight)
            if largest > HIDDEN_LIMIT:
                with_depth += 1
            if largest > RGB_LIMIT:
                with_rgb += 1
            if colour_weight > 0.0:
                rgb[i, j] = colour / colour_weight
            else:
                rgb[i, j] = wp.vec3(0.0)
            if sub_row == supersample // 2 and sub_column == supersample // 2:
                closeness[row, column] = wp.where(nearness_weight > 0.0, nearness / nearness_weight, 0.0)
    depth_samples[row, column] = with_depth
    rgb_samples[row, column] = with_rgb


@wp.kernel
def shade_nearest(
    first_row: int,
    band_row: int,
    slot: int,
    size: int,
    supersample: int,
    extent: int,
    flags: wp.array2d(dtype=wp.uint8),
    colours: wp.array3d(dtype=wp.vec3),
    projected: wp.array2d(dtype=wp.vec3),
    depth_keys: wp.array3d(dtype=wp.uint64),
    rgb: wp.array2d(dtype=wp.vec3),
    closeness: wp.array2d(dtype=float),
    good_samples: wp.array2d(dtype=int),
):
    """Draw one mesh as it is (method §10): back faces are black; samples count that are neither back nor edge."""
    offset, column = wp.tid()
    row = first_row + offset
    middle = wp.float64(0.5) * wp.float64(extent) - wp.float64(0.5)
    good = int(0)
    for sub_row in range(supersample):
        for sub_column in range(supersample):
            i = row * supersample + sub_row
            j = column * supersample + sub_column
            key = depth_keys[0, i - band_row * supersample, j]
            low = wp.uint32(key)
            kind = int(low) & 7
            colour = wp.vec3(0.0)
            if key != wp.uint64(0) and kind != BACK:
                here = fragment_at(low, 0, size, wp.float64(j) - middle, middle - wp.float64(i), projected)
                colour = texel_at(here, slot, size, colours)
                if kind != HIDDEN and flag_share(here, slot, EDGE, flags) <= FLAG_LIMIT:
                    good += 1
            rgb[i, j] = colour
            if sub_row == supersample // 2 and sub_column == supersample // 2:
                closeness[row, column] = wp.cast(wp.uint32(key >> wp.uint64(32)), wp.float32)
    good_samples[row, column] = good
