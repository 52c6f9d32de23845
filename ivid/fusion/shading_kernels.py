# type: ignore - kernels are Warp's language, whose types a checker of Python does not know.
# ruff: noqa: UP018, RUF046 - Warp wants int(0), float(0) for what changes in a loop.
"""Kernels that read the z-buffers: colours, weights and the blend of views (method §5), and single meshes (§10)."""

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
ROUNDING = wp.constant(1.0 / 512.0)  # levels
# A hidden sample beside more weight than this is below a float's precision, in colour and in depth.
OUTWEIGHS_HIDDEN = wp.constant(1.0e-8)


@wp.struct
class Triangle:
    """A drawn triangle: its place in the grid, and its corners' vertices, projections and normals."""

    row: int
    column: int
    diagonal: int
    half: int
    vertex_a: int
    vertex_b: int
    vertex_c: int
    a: wp.vec3
    b: wp.vec3
    c: wp.vec3
    normal_a: wp.vec3
    normal_b: wp.vec3
    normal_c: wp.vec3


@wp.func
def triangle_of(
    low: int, view: int, slot: int, size: int, projected: wp.array2d[wp.vec3], normals: wp.array2d[wp.vec3]
) -> Triangle:
    """The triangle of a z-buffer entry's low half."""
    found = Triangle()
    number = LAST_TRIANGLE - (low >> 4)
    found.row = number >> (COLUMN_BITS + 1)
    found.column = (number >> 1) & ((1 << COLUMN_BITS) - 1)
    found.diagonal = (low >> 3) & 1
    found.half = number & 1
    corners = corners_of(found.diagonal, found.half)
    side = size + 2
    top_left = found.row * side + found.column
    found.vertex_a = corner(top_left, corners, 0, side)
    found.vertex_b = corner(top_left, corners, 1, side)
    found.vertex_c = corner(top_left, corners, 2, side)
    found.a = projected[view, found.vertex_a]
    found.b = projected[view, found.vertex_b]
    found.c = projected[view, found.vertex_c]
    found.normal_a = normals[slot, found.vertex_a]
    found.normal_b = normals[slot, found.vertex_b]
    found.normal_c = normals[slot, found.vertex_c]
    return found


@wp.func
def corner_shares(of: Triangle, x: float, y: float) -> wp.vec3:
    """Perspective-correct shares of a triangle's corners at sample coordinates (x, y), which lie inside."""
    # Seen from the sample, edge functions are plain 2D cross products.
    ax = of.a[0] - x * of.a[2]
    ay = of.a[1] - y * of.a[2]
    bx = of.b[0] - x * of.b[2]
    by = of.b[1] - y * of.b[2]
    cx = of.c[0] - x * of.c[2]
    cy = of.c[1] - y * of.c[2]
    # Only rounding puts a sample outside, of a sliver.
    in_a = wp.max(bx * cy - by * cx, 1.0e-30)
    in_b = wp.max(cx * ay - cy * ax, 0.0)
    in_c = wp.max(ax * by - ay * bx, 0.0)
    return wp.vec3(in_a, in_b, in_c) / (in_a + in_b + in_c)


@wp.func
def nearest_texel(of: Triangle, share: wp.vec3, slot: int, size: int, colours: wp.array3d[wp.vec3]) -> wp.vec3:
    """The colour of the nearest texel; ring vertices have the texture coordinates of their border pixel."""
    # The shares of the lower and of the right corners, see corners_of.
    lower = wp.where(of.diagonal == of.half, share[1], 1.0 - share[0])
    right = wp.where(of.half == 0, share[2], 1.0 - wp.where(of.diagonal == 0, share[1], share[0]))
    row = wp.where(lower >= 0.5, wp.min(of.row, size - 1), wp.max(of.row - 1, 0))
    column = wp.where(right >= 0.5, wp.min(of.column, size - 1), wp.max(of.column - 1, 0))
    return colours[slot, row, column]


@wp.func
def flag_share(of: Triangle, share: wp.vec3, slot: int, flag: int, flags: wp.array2d[wp.uint8]) -> float:
    """A flag interpolated over the triangle."""
    total = float(0.0)
    if (int(flags[slot, of.vertex_a]) & flag) != 0:
        total += share[0]
    if (int(flags[slot, of.vertex_b]) & flag) != 0:
        total += share[1]
    if (int(flags[slot, of.vertex_c]) & flag) != 0:
        total += share[2]
    return total


@wp.func
def angle_weight(normal: wp.vec3, point: wp.vec3) -> float:
    """exp(-20 angle) between a normal and the direction from a point to the origin, at least MIN_WEIGHT."""
    facing = -wp.dot(normal, point)
    squares = wp.length_sq(normal) * wp.length_sq(point)
    if facing <= 0.0 or facing * facing < MIN_WEIGHT_COSINE * MIN_WEIGHT_COSINE * squares:
        return MIN_WEIGHT
    # acos(1 - t) = sqrt(2 t) (1 + t/12 + 3 t^2/160 + ...), good to 1e-7 up to the limit above.
    t = wp.max(1.0 - facing / wp.sqrt(squares), 0.0)
    series = 1.0 + t * (0.083333333 + t * (0.01875 + t * (0.0055803571 + t * 0.0018988715)))
    return wp.max(wp.exp(-20.0 * wp.sqrt(2.0 * t) * series), MIN_WEIGHT)


@wp.func
def shaded(
    of: Triangle,
    kind: int,
    point: wp.vec3,
    share: wp.vec3,
    slot: int,
    size: int,
    flags: wp.array2d[wp.uint8],
    colours: wp.array3d[wp.vec3],
) -> wp.vec4:
    """Colour and blending weight of a front-facing fragment (method §5); `point` is in its view's camera space."""
    weight = float(HIDDEN_WEIGHT)
    faded = kind == FADED
    hidden = kind == HIDDEN
    if kind == MIXED:
        hidden = flag_share(of, share, slot, EDGE, flags) > FLAG_LIMIT
        faded = flag_share(of, share, slot, ERODED, flags) >= FLAG_LIMIT
    if not hidden:
        normal = share[0] * of.normal_a + share[1] * of.normal_b + share[2] * of.normal_c
        weight = angle_weight(normal, point) * wp.where(faded, ERODED_FACTOR, 1.0)
    colour = nearest_texel(of, share, slot, size, colours)
    return wp.vec4(colour[0], colour[1], colour[2], weight)


@wp.func
def blended(totals: wp.vec4, sample: wp.vec4, only_hidden: bool, farther: bool) -> wp.vec4:
    """Weighted colour and weight so far, and one more sample."""
    weight = sample[3]
    added = wp.vec4(weight * sample[0], weight * sample[1], weight * sample[2], weight)
    if only_hidden and weight <= HIDDEN_LIMIT:
        return wp.where(farther, added, totals)
    return totals + added


@wp.func
def depth_blended(depths: wp.vec3, weight: float, closeness: float, only_hidden: bool, farther: bool) -> wp.vec3:
    """Weighted 1/z, its weight and the largest weight so far, and one more sample."""
    depth_weight = wp.where(weight > HIDDEN_LIMIT, 1.0, HIDDEN_DEPTH_WEIGHT)
    if only_hidden and weight <= HIDDEN_LIMIT:
        return wp.where(farther, wp.vec3(depth_weight * closeness, depth_weight, weight), depths)
    return wp.vec3(depths[0] + depth_weight * closeness, depths[1] + depth_weight, wp.max(depths[2], weight))


@wp.kernel
def accumulate_views(
    first_row: int,
    run: int,
    rows: int,
    extent: int,
    top: int,
    views: int,
    slots: wp.array[int],
    target_to_view: wp.array[wp.mat44],
    scale: float,
    size: int,
    normals: wp.array2d[wp.vec3],
    flags: wp.array2d[wp.uint8],
    colours: wp.array3d[wp.vec3],
    projected: wp.array2d[wp.vec3],
    depth_keys: wp.array[wp.uint64],
    totals: wp.array2d[wp.vec4],
    depths: wp.array2d[wp.vec3],
):
    """Blend all views over runs of samples in a row, of a band of `rows` that begins at row `top` of the picture.

    `totals` and `depths` must be 0 at first. View by view, because neighbouring samples mostly see the same triangle.
    """
    offset, part = wp.tid()
    row = first_row + offset
    middle = 0.5 * float(extent) - 0.5
    y = middle - float(top + row)
    for view in range(views):
        slot = slots[view]
        to_view = target_to_view[view]
        seen = int(-1)
        of = Triangle()
        for column in range(part * run, wp.min((part + 1) * run, extent)):
            key = depth_keys[(view * rows + row) * extent + column]
            low = int(wp.uint32(key))
            kind = low & 7
            if key == wp.uint64(0) or kind == BACK:
                continue
            total = totals[row, column]
            if kind == HIDDEN and total[3] > OUTWEIGHS_HIDDEN:
                continue
            if low != seen:
                of = triangle_of(low, view, slot, size, projected, normals)
                seen = low
            closeness = wp.cast(wp.uint32(key >> wp.uint64(32)), wp.float32)
            x = float(column) - middle
            z = 1.0 / closeness
            point = wp.transform_point(to_view, wp.vec3(x * z / scale, y * z / scale, -z))
            sample = shaded(of, kind, point, corner_shares(of, x, y), slot, size, flags, colours)
            depth = depths[row, column]
            only_hidden = depth[2] > 0.0 and depth[2] <= HIDDEN_LIMIT
            farther = closeness * HIDDEN_DEPTH_WEIGHT < depth[0]
            totals[row, column] = blended(total, sample, only_hidden, farther)
            depths[row, column] = depth_blended(depth, sample[3], closeness, only_hidden, farther)


@wp.kernel
def accumulate_views_per_pixel(
    first_row: int,
    run: int,
    rows: int,
    extent: int,
    top: int,
    supersample: int,
    views: int,
    slots: wp.array[int],
    target_to_view: wp.array[wp.mat44],
    scale: float,
    size: int,
    normals: wp.array2d[wp.vec3],
    flags: wp.array2d[wp.uint8],
    colours: wp.array3d[wp.vec3],
    projected: wp.array2d[wp.vec3],
    depth_keys: wp.array[wp.uint64],
    totals: wp.array2d[wp.vec4],
    depths: wp.array2d[wp.vec3],
):
    """`accumulate_views` with one colour and weight per view and output pixel, that of its centre sample.

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
    for view in range(views):
        slot = slots[view]
        to_view = target_to_view[view]
        for pixel in range(part * run, wp.min((part + 1) * run, extent // supersample)):
            have = int(-1)
            sample = wp.vec4(0.0)
            # The centre comes first; step 0 stands for it, and it is passed by in its place.
            for step in range(samples + 1):
                number = wp.where(step == 0, centre, step - 1)
                if step == centre + 1:
                    continue
                row = pixel_row * supersample + number // supersample
                column = pixel * supersample + number % supersample
                key = depth_keys[(view * rows + row) * extent + column]
                low = int(wp.uint32(key))
                kind = low & 7
                if key == wp.uint64(0) or kind == BACK:
                    continue
                total = totals[row, column]
                if kind == HIDDEN and total[3] > OUTWEIGHS_HIDDEN:
                    continue
                closeness = wp.cast(wp.uint32(key >> wp.uint64(32)), wp.float32)
                if kind != have or kind == MIXED:
                    x = float(column) - middle
                    y = middle - float(top + row)
                    z = 1.0 / closeness
                    point = wp.transform_point(to_view, wp.vec3(x * z / scale, y * z / scale, -z))
                    of = triangle_of(low, view, slot, size, projected, normals)
                    sample = shaded(of, kind, point, corner_shares(of, x, y), slot, size, flags, colours)
                    have = kind
                depth = depths[row, column]
                only_hidden = depth[2] > 0.0 and depth[2] <= HIDDEN_LIMIT
                farther = closeness * HIDDEN_DEPTH_WEIGHT < depth[0]
                totals[row, column] = blended(total, sample, only_hidden, farther)
                depths[row, column] = depth_blended(depth, sample[3], closeness, only_hidden, farther)


@wp.kernel
def finish_blend(
    first_row: int,
    top: int,
    supersample: int,
    totals: wp.array2d[wp.vec4],
    depths: wp.array2d[wp.vec3],
    rgb: wp.array2d[wp.vec3],
    levels: wp.array2d[wp.vec3ub],
    closeness: wp.array2d[float],
    with_depth: wp.array2d[int],
    with_rgb: wp.array2d[int],
):
    """From sums to the picture, one thread per output pixel of a band that begins at output row `top`.

    Colours go to `rgb`, or as 8-bit levels to `levels` if there are several samples per pixel.
    """
    offset, column = wp.tid()
    band_row = first_row + offset
    row = top + band_row
    depth_count = int(0)
    rgb_count = int(0)
    for sub_row in range(supersample):
        for sub_column in range(supersample):
            i = band_row * supersample + sub_row
            j = column * supersample + sub_column
            total = totals[i, j]
            depth = depths[i, j]
            colour = wp.vec3(total[0], total[1], total[2]) * wp.where(total[3] > 0.0, 1.0 / total[3], 0.0)
            if supersample == 1:
                rgb[row, j] = colour
            else:
                levels[row * supersample + sub_row, j] = wp.vec3ub(level(colour[0]), level(colour[1]), level(colour[2]))
            depth_count += wp.where(depth[2] > HIDDEN_LIMIT, 1, 0)
            rgb_count += wp.where(depth[2] > RGB_LIMIT, 1, 0)
            if sub_row == supersample // 2 and sub_column == supersample // 2:
                closeness[row, column] = wp.where(depth[1] > 0.0, depth[0] / depth[1], 0.0)
    with_depth[row, column] = depth_count
    with_rgb[row, column] = rgb_count


@wp.func
def level(value: float) -> wp.uint8:
    """A colour in [0, 1] truncated to 8 bits. ROUNDING is for whole levels that a weighted mean left just below."""
    return wp.uint8(wp.clamp(value * 255.0 + ROUNDING, 0.0, 255.0))


@wp.kernel
def shade_nearest(
    first_row: int,
    top: int,
    slot: int,
    size: int,
    supersample: int,
    extent: int,
    normals: wp.array2d[wp.vec3],
    flags: wp.array2d[wp.uint8],
    colours: wp.array3d[wp.vec3],
    projected: wp.array2d[wp.vec3],
    depth_keys: wp.array[wp.uint64],
    levels: wp.array2d[wp.vec3ub],
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
            i = (top + row) * supersample + sub_row
            j = column * supersample + sub_column
            key = depth_keys[(row * supersample + sub_row) * extent + j]
            low = int(wp.uint32(key))
            kind = low & 7
            colour = wp.vec3(0.0)
            if key != wp.uint64(0) and kind != BACK:
                of = triangle_of(low, 0, slot, size, projected, normals)
                share = corner_shares(of, float(j) - middle, middle - float(i))
                colour = nearest_texel(of, share, slot, size, colours)
                if kind != HIDDEN and flag_share(of, share, slot, EDGE, flags) <= FLAG_LIMIT:
                    good += 1
            levels[i, j] = wp.vec3ub(level(colour[0]), level(colour[1]), level(colour[2]))
            if sub_row == supersample // 2 and sub_column == supersample // 2:
                closeness[top + row, column] = wp.cast(wp.uint32(key >> wp.uint64(32)), wp.float32)
    good_samples[top + row, column] = good
