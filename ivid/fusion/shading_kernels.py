# type: ignore - kernels are Warp's language, whose types a checker of Python does not know.
# ruff: noqa: UP018, RUF046 - Warp wants int(0), float(0) for what changes in a loop.
"""What a fragment of the z-buffers is: its texel, kind and normal; and the kernel that shows one mesh (method §10)."""

from __future__ import annotations

import warp as wp

from ivid.fusion.mesh_kernels import (
    BACK,
    EDGE,
    ERODED,
    FADED,
    FAINT,
    HIDDEN,
    KIND_BITS,
    MIXED,
    PLAIN,
    corner,
    corners_of,
    is_steep,
)
from ivid.fusion.raster_kernels import (
    COLUMN_BITS,
    DIAGONAL_SHIFT,
    LAST_TRIANGLE,
    LOWER_TEXEL,
    RIGHT_TEXEL,
    TRIANGLE_SHIFT,
    lesser,
)

wp.set_module_options({"enable_backward": False})

FLAG_LIMIT = wp.constant(0.999)
ROUNDING = wp.constant(1.0 / 512.0)  # levels


@wp.struct
class Corners:
    """The corners of a drawn triangle: their vertices, and where they are seen from a sample of the picture.

    Seen from there, edge functions are plain 2D cross products: `inside` holds those of the sample, its shares of the
    corners up to a common factor.
    """

    vertex_a: int
    vertex_b: int
    vertex_c: int
    a: wp.vec3
    b: wp.vec3
    c: wp.vec3
    inside: wp.vec3


@wp.func
def triangle_of(low: int) -> int:
    """The triangle of a z-buffer entry's low half. Masked, so that the compiler knows it is not negative."""
    return (LAST_TRIANGLE - (low >> TRIANGLE_SHIFT)) & LAST_TRIANGLE


@wp.func
def corners_seen(low: int, view: int, size: int, x: float, y: float, projected: wp.array2d[wp.vec3]) -> Corners:
    """The triangle of a z-buffer entry's low half, seen from sample coordinates (x, y)."""
    of = Corners()
    number = triangle_of(low)
    corners = corners_of((low >> DIAGONAL_SHIFT) & 1, number & 1)
    top_left = quad_row(number) * (size + 2) + quad_column(number)
    of.vertex_a = corner(top_left, corners, 0, size + 2)
    of.vertex_b = corner(top_left, corners, 1, size + 2)
    of.vertex_c = corner(top_left, corners, 2, size + 2)
    of.a = seen_from(x, y, projected[view, of.vertex_a])
    of.b = seen_from(x, y, projected[view, of.vertex_b])
    of.c = seen_from(x, y, projected[view, of.vertex_c])
    of.inside = wp.vec3(
        of.b[0] * of.c[1] - of.b[1] * of.c[0],
        of.c[0] * of.a[1] - of.c[1] * of.a[0],
        of.a[0] * of.b[1] - of.a[1] * of.b[0],
    )
    return of


@wp.func
def seen_from(x: float, y: float, vertex: wp.vec3) -> wp.vec3:
    """A projected vertex with its origin moved to sample coordinates (x, y)."""
    return wp.vec3(vertex[0] - x * vertex[2], vertex[1] - y * vertex[2], vertex[2])


@wp.func
def normal_at(low: int, size: int, focal_px: float, point: wp.vec3, normals: wp.array[float]) -> wp.vec3:
    """The interpolated normal of a z-buffer entry at a point of its view's camera space, both of any length.

    The point's place in the view's own picture says how near it is to the corners of its triangle there. Divided by
    their depths, as `normals` are, these shares are those on the surface.
    """
    number = triangle_of(low)
    # The corner at the triangle's right angle, and the ways from there along its row of vertices and its column.
    along_row = 1 - 2 * (number & 1)
    along_column = 1 - 2 * ((number ^ (low >> DIAGONAL_SHIFT)) & 1)
    row = quad_row(number) + wp.where(along_column > 0, 0, 1)
    column = quad_column(number) + wp.where(along_row > 0, 0, 1)
    vertex = row * (size + 2) + column
    normal = normal_of(vertex, normals)
    to_right = float(along_row) * (normal_of(vertex + along_row, normals) - normal)
    to_bottom = float(along_column) * (normal_of(vertex + along_column * (size + 2), normals) - normal)
    middle = 0.5 * float(size) + 0.5
    columns = focal_px * point[0] - point[2] * (middle - float(column))
    rows = -focal_px * point[1] - point[2] * (middle - float(row))
    return columns * to_right + rows * to_bottom - point[2] * normal


@wp.func
def normal_of(vertex: int, normals: wp.array[float]) -> wp.vec3:
    return wp.vec3(normals[3 * vertex], normals[3 * vertex + 1], normals[3 * vertex + 2])


@wp.func
def quad_row(number: int) -> int:
    return number >> (COLUMN_BITS + 1)


@wp.func
def quad_column(number: int) -> int:
    return (number >> 1) & ((1 << COLUMN_BITS) - 1)


@wp.func
def texel_colour(low: int, size: int, colours: wp.array2d[wp.vec3]) -> wp.vec3:
    """The colour of the nearest texel; ring vertices have the texture coordinates of their border pixel."""
    number = triangle_of(low)
    row = quad_row(number) - 1 + wp.where((low & LOWER_TEXEL) != 0, 1, 0)
    column = quad_column(number) - 1 + wp.where((low & RIGHT_TEXEL) != 0, 1, 0)
    return colours[wp.clamp(row, 0, size - 1), wp.clamp(column, 0, size - 1)]


@wp.func
def texel_normal(low: int, size: int, normals: wp.array[wp.vec3]) -> wp.vec3:
    """The normal of the nearest texel's vertex."""
    number = triangle_of(low)
    row = quad_row(number) + wp.where((low & LOWER_TEXEL) != 0, 1, 0)
    column = quad_column(number) + wp.where((low & RIGHT_TEXEL) != 0, 1, 0)
    return normals[row * (size + 2) + column]


@wp.func
def flag_share(of: Corners, slot: int, flag: int, flags: wp.array2d[wp.uint8]) -> float:
    """A flag interpolated over the triangle."""
    # Only rounding puts a sample outside, of a sliver.
    in_a = wp.max(of.inside[0], 1.0e-30)
    in_b = wp.max(of.inside[1], 0.0)
    in_c = wp.max(of.inside[2], 0.0)
    total = float(0.0)
    if (int(flags[slot, of.vertex_a]) & flag) != 0:
        total += in_a
    if (int(flags[slot, of.vertex_b]) & flag) != 0:
        total += in_b
    if (int(flags[slot, of.vertex_c]) & flag) != 0:
        total += in_c
    return total / (in_a + in_b + in_c)


@wp.func
def kind_of_fragment(
    low: int,
    view: int,
    slot: int,
    size: int,
    x: float,
    y: float,
    projected: wp.array2d[wp.vec3],
    flags: wp.array2d[wp.uint8],
) -> int:
    """The kind of a front-facing fragment at sample coordinates (x, y): HIDDEN, FADED or PLAIN (method §5)."""
    kind = low & (KIND_BITS - FAINT)
    if kind != MIXED:
        return kind
    of = corners_seen(low, view, size, x, y, projected)
    if flag_share(of, slot, EDGE, flags) > FLAG_LIMIT:
        return HIDDEN
    if flag_share(of, slot, ERODED, flags) >= FLAG_LIMIT:
        return FADED
    return PLAIN


@wp.func
def level(value: float) -> wp.uint8:
    """A colour in [0, 1] truncated to 8 bits. ROUNDING is for whole levels that a weighted mean left just below."""
    return wp.uint8(lesser(value * 255.0 + ROUNDING, 255.0))


@wp.kernel
def shade_nearest(
    first_row: int,
    top: int,
    slot: int,
    size: int,
    supersample: int,
    extent: int,
    coloured: int,
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
            kind = low & KIND_BITS
            seen = key != wp.uint64(0) and kind != BACK
            if seen:
                x = float(j) - middle
                if kind_of_fragment(low, 0, slot, size, x, middle - float(i), projected, flags) != HIDDEN:
                    good += 1
            if coloured != 0:
                colour = wp.vec3(0.0)
                if seen:
                    colour = texel_colour(low, size, colours[slot])
                levels[i, j] = wp.vec3ub(level(colour[0]), level(colour[1]), level(colour[2]))
            if sub_row == supersample // 2 and sub_column == supersample // 2:
                closeness[top + row, column] = wp.cast(wp.uint32(key >> wp.uint64(32)), wp.float32)
    good_samples[top + row, column] = good


@wp.func
def of_ring(vertex: int, size: int) -> float:
    """1 for a ring vertex, 0 for a pixel's."""
    row = vertex // (size + 2)
    column = vertex - row * (size + 2)
    return wp.where(row == 0 or column == 0 or row > size or column > size, 1.0, 0.0)


@wp.func
def pixel_of_vertex(vertex: int, size: int) -> wp.vec2i:
    """Row and column of a vertex's pixel, of the border for the ring."""
    row = vertex // (size + 2)
    column = vertex - row * (size + 2)
    return wp.vec2i(wp.clamp(row - 1, 0, size - 1), wp.clamp(column - 1, 0, size - 1))


@wp.kernel
def shade_anchor(
    first_row: int,
    top: int,
    slot: int,
    size: int,
    extent: int,
    ring_px: float,
    threshold: float,
    weight: float,
    edge_weight: float,
    sharpness: float,
    depth: wp.array3d[float],
    colours: wp.array3d[wp.vec3],
    projected: wp.array2d[wp.vec3],
    depth_keys: wp.array[wp.uint64],
    layer: wp.array2d[wp.vec4],
):
    """Draw one view to be laid over the fused picture (`anchoring`): colour between its pixels, and how much it counts.

    `sharpness` 1 interpolates colours linearly; the higher, the more each sample has that of its nearest pixel.
    Surface counts `weight`; the middle of what is stretched across a depth edge `edge_weight`, and more towards either
    side; nothing beyond one pixel outside the view's border.
    """
    offset, column = wp.tid()
    row = first_row + offset
    key = depth_keys[row * extent + column]
    low = int(wp.uint32(key))
    if key == wp.uint64(0) or (low & KIND_BITS) == BACK:
        layer[top + row, column] = wp.vec4(0.0)
        return
    middle = 0.5 * float(extent) - 0.5
    of = corners_seen(low, 0, size, float(column) - middle, middle - float(top + row), projected)
    inside = wp.vec3(wp.max(of.inside[0], 1.0e-30), wp.max(of.inside[1], 0.0), wp.max(of.inside[2], 0.0))
    share = inside / (inside[0] + inside[1] + inside[2])
    a = pixel_of_vertex(of.vertex_a, size)
    b = pixel_of_vertex(of.vertex_b, size)
    c = pixel_of_vertex(of.vertex_c, size)
    mix = wp.vec3(wp.pow(share[0], sharpness), wp.pow(share[1], sharpness), wp.pow(share[2], sharpness))
    mix = mix / (mix[0] + mix[1] + mix[2])
    colour = mix[0] * colours[slot, a[0], a[1]] + mix[1] * colours[slot, b[0], b[1]]
    colour += mix[2] * colours[slot, c[0], c[1]]
    outside_px = ring_px * (
        share[0] * of_ring(of.vertex_a, size)
        + share[1] * of_ring(of.vertex_b, size)
        + share[2] * of_ring(of.vertex_c, size)
    )
    z = wp.vec3(depth[slot, a[0], a[1]], depth[slot, b[0], b[1]], depth[slot, c[0], c[1]])
    counts = weight
    if is_steep(z[0], z[1], z[2], threshold, threshold):
        near = wp.min(z[0], wp.min(z[1], z[2]))
        far = wp.max(z[0], wp.max(z[1], z[2]))
        along = (2.0 * wp.dot(share, z) - near - far) / (far - near)  # -1 on the near side, 1 on the far side
        counts = edge_weight + (weight - edge_weight) * along * along * along * along
    counts *= wp.clamp(1.5 - outside_px, 0.0, 1.0)
    layer[top + row, column] = wp.vec4(colour[0], colour[1], colour[2], counts)
