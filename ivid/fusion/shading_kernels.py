# ruff: noqa: UP018, RUF046 - Warp wants int(0), float(0) for what changes in a loop.
"""Kernels that read the z-buffers: colours, view-angle weights, the blend of the views (method §5), and single meshes (§10)."""

from __future__ import annotations

import warp as wp

from ivid.fusion.mesh_kernels import BACK, EDGE, ERODED, FADED, HIDDEN, MIXED, corner, corners_of
from ivid.fusion.raster_kernels import COLUMN_BITS, LAST_TRIANGLE

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
# A hidden sample beside more weight than this is below a float's precision, in colour and in depth.
OUTWEIGHS_HIDDEN = wp.constant(1.0e-8)


@wp.struct
class Fragment:
    """Where a sample lies in its triangle: corner vertices, their perspective-correct shares, and the texel below."""

    a: int
    b: int
    c: int
    share: wp.vec3
    texel_row: int
    texel_column: int


@wp.func
def fragment_at(low: int, view: int, size: int, x: float, y: float, projected: wp.array2d[wp.vec3]) -> Fragment:
    """The fragment of a z-buffer entry's low half at sample coordinates (x, y); ring vertices have border texels."""
    here = Fragment()
    side = size + 2
    last = size - 1
    triangle = LAST_TRIANGLE - (low >> 4)
    row = triangle >> (COLUMN_BITS + 1)
    column = (triangle >> 1) & ((1 << COLUMN_BITS) - 1)
    corners = corners_of((low >> 3) & 1, triangle & 1)
    top_left = row * side + column
    here.a = corner(top_left, corners, 0, side)
    here.b = corner(top_left, corners, 1, side)
    here.c = corner(top_left, corners, 2, side)
    a = projected[view, here.a]
    b = projected[view, here.b]
    c = projected[view, here.c]
    # Seen from the sample, edge functions are plain 2D cross products.
    ax = a[0] - x * a[2]
    ay = a[1] - y * a[2]
    bx = b[0] - x * b[2]
    by = b[1] - y * b[2]
    cx = c[0] - x * c[2]
    cy = c[1] - y * c[2]
    # The sample is inside; only rounding puts it outside of a sliver.
    in_a = wp.max(bx * cy - by * cx, 1.0e-30)
    in_b = wp.max(cx * ay - cy * ax, 0.0)
    in_c = wp.max(ax * by - ay * bx, 0.0)
    here.share = wp.vec3(in_a, in_b, in_c) / (in_a + in_b + in_c)
    down = lower_share(corners, here.share)
    along = lower_share(corners >> 3, here.share)
    top = wp.clamp(row - 1, 0, last)
    left = wp.clamp(column - 1, 0, last)
    here.texel_row = top + int(down + 0.5) * (wp.min(row, last) - top)
    here.texel_column = left + int(along + 0.5) * (wp.min(column, last) - left)
    return here


@wp.func
def lower_share(bits: int, share: wp.vec3) -> float:
    """The part of a fragment that belongs to corners whose bit is set."""
    return float(bits & 1) * share[0] + float((bits >> 1) & 1) * share[1] + float((bits >> 2) & 1) * share[2]


@wp.func
def flag_share(here: Fragment, slot: int, flag: int, flags: wp.array2d[wp.uint8]) -> float:
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
def angle_weight(here: Fragment, slot: int, points: wp.array2d[wp.vec3], normals: wp.array2d[wp.vec3]) -> float:
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
    # acos(1 - t) = sqrt(2 t) (1 + t/12 + 3 t^2/160 + ...), good to 1e-7 up to the limit above.
    t = wp.max(1.0 - facing / wp.sqrt(squares), 0.0)
    series = 1.0 + t * (0.083333333 + t * (0.01875 + t * (0.0055803571 + t * 0.0018988715)))
    return wp.max(wp.exp(-20.0 * wp.sqrt(2.0 * t) * series), MIN_WEIGHT)


@wp.func
def fragment_weight(
    here: Fragment,
    kind: int,
    slot: int,
    points: wp.array2d[wp.vec3],
    normals: wp.array2d[wp.vec3],
    flags: wp.array2d[wp.uint8],
) -> float:
    """Blending weight of a front-facing fragment (method §5); that of padding is decided where it is drawn."""
    faded = kind == FADED
    if kind == MIXED:
        if flag_share(here, slot, EDGE, flags) > FLAG_LIMIT:
            return HIDDEN_WEIGHT
        faded = flag_share(here, slot, ERODED, flags) >= FLAG_LIMIT
    if kind == HIDDEN:
        return HIDDEN_WEIGHT
    return angle_weight(here, slot, points, normals) * wp.where(faded, ERODED_FACTOR, 1.0)


@wp.kernel
def blend_views(
    first_row: int,
    band_row: int,
    rows: int,
    views: int,
    slots: wp.array[int],
    size: int,
    supersample: int,
    extent: int,
    points: wp.array2d[wp.vec3],
    normals: wp.array2d[wp.vec3],
    flags: wp.array2d[wp.uint8],
    colours: wp.array3d[wp.vec3],
    projected: wp.array2d[wp.vec3],
    depth_keys: wp.array[wp.uint64],
    rgb: wp.array2d[wp.vec3],
    closeness: wp.array2d[float],
    depth_samples: wp.array2d[int],
    rgb_samples: wp.array2d[int],
):
    """Blend all views, one thread per output pixel, from output row `first_row` on; the band begins at `band_row`."""
    offset, column = wp.tid()
    row = first_row + offset
    middle = 0.5 * float(extent) - 0.5
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
            x = float(j) - middle
            y = middle - float(i)
            for view in range(views):
                key = depth_keys[(view * rows + i - band_row * supersample) * extent + j]
                low = int(wp.uint32(key))
                kind = low & 7
                outweighed = kind == HIDDEN and colour_weight > OUTWEIGHS_HIDDEN
                if key != wp.uint64(0) and kind != BACK and not outweighed:
                    slot = slots[view]
                    inverse_z = wp.cast(wp.uint32(key >> wp.uint64(32)), wp.float32)
                    here = fragment_at(low, view, size, x, y, projected)
                    weight = fragment_weight(here, kind, slot, points, normals, flags)
                    if weight > HIDDEN_LIMIT or largest == 0.0 or largest > HIDDEN_LIMIT:
                        depth_weight = wp.where(weight > HIDDEN_LIMIT, 1.0, HIDDEN_DEPTH_WEIGHT)
                        colour += weight * colours[slot, here.texel_row, here.texel_column]
                        colour_weight += weight
                        nearness += depth_weight * inverse_z
                        nearness_weight += depth_weight
                    elif inverse_z * HIDDEN_DEPTH_WEIGHT < nearness:  # both hidden: the farther one alone
                        colour = weight * colours[slot, here.texel_row, here.texel_column]
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
    flags: wp.array2d[wp.uint8],
    colours: wp.array3d[wp.vec3],
    projected: wp.array2d[wp.vec3],
    depth_keys: wp.array[wp.uint64],
    rgb: wp.array2d[wp.vec3],
    closeness: wp.array2d[float],
    good_samples: wp.array2d[int],
):
    """Draw one mesh as it is (method §10): back faces are black; samples count that are neither back nor edge."""
    offset, column = wp.tid()
    row = first_row + offset
    middle = 0.5 * float(extent) - 0.5
    good = int(0)
    for sub_row in range(supersample):
        for sub_column in range(supersample):
            i = row * supersample + sub_row
            j = column * supersample + sub_column
            key = depth_keys[(i - band_row * supersample) * extent + j]
            low = int(wp.uint32(key))
            kind = low & 7
            colour = wp.vec3(0.0)
            if key != wp.uint64(0) and kind != BACK:
                here = fragment_at(low, 0, size, float(j) - middle, middle - float(i), projected)
                colour = colours[slot, here.texel_row, here.texel_column]
                if kind != HIDDEN and flag_share(here, slot, EDGE, flags) <= FLAG_LIMIT:
                    good += 1
            rgb[i, j] = colour
            if sub_row == supersample // 2 and sub_column == supersample // 2:
                closeness[row, column] = wp.cast(wp.uint32(key >> wp.uint64(32)), wp.float32)
    good_samples[row, column] = good
