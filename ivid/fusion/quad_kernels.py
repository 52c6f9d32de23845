# type: ignore - kernels are Warp's language, whose types a checker of Python does not know.
# ruff: noqa: UP018, RUF046 - Warp wants int(0), float(0) for what changes in a loop.
# ruff: noqa: SIM102 - it evaluates both sides of an `and`.
"""Kernels that draw the quads of meshes into z-buffers (see `raster_kernels`), most with both triangles at once."""

from __future__ import annotations

import warp as wp

from ivid.fusion.mesh_kernels import (
    ABSENT,
    ABSENT_TRIANGLE_BIT,
    BITS_OF_KIND,
    KIND_BITS,
    KIND_SHIFT,
    corner,
    corners_of,
)
from ivid.fusion.raster_kernels import (
    COLUMN_BITS,
    DIAGONAL_SHIFT,
    LAST_TRIANGLE,
    TILE,
    TRIANGLE_SHIFT,
    box_of,
    crossing,
    draw_triangle,
    edge_plane,
    greater,
    grown,
    key_of,
    keys_from,
    lesser,
    narrowed,
    nearest_texel,
    over_samples,
    samples_of_box,
    visible_box,
    whole_lanes,
)

wp.set_module_options({"enable_backward": False})

OVERLAP = wp.constant(wp.float64(1.0e-7))  # samples


@wp.func
def plane_of(whole: wp.vec3d, volume: wp.float64, middle: wp.float64) -> wp.vec3d:
    """1/w over samples, of a triangle's edge functions together and its volume."""
    return over_samples(whole * (wp.float64(1.0) / volume), middle)


@wp.func
def draw_upright_quad(
    tl: wp.vec3,
    bl: wp.vec3,
    br: wp.vec3,
    tr: wp.vec3,
    within: wp.vec4i,
    number: int,
    diagonal: int,
    kind_left: int,
    kind_right: int,
    extent: int,
    first_row: int,
    base: int,
    depth_keys: wp.array[wp.uint64],
) -> bool:
    """Draw both triangles of a quad at once, if it is simple, and say whether it is.

    A quad is simple if all of it is seen from the front, its outline is convex, no edge is horizontal, and its left
    edge, its diagonal and its right edge cross each row in this order: most of a view's quads, seen by an upright
    camera. The same samples are covered as by `draw_triangle`, because edges cross rows at the very same columns, and
    those within OVERLAP of its outline, so that none is left out where two edges meet.

    `within` are the samples of its bounding box. All of the quad must lie between the planes.
    """
    zero = wp.float64(0.0)
    left = edge_plane(tl, bl)
    bottom = edge_plane(bl, br)
    right = edge_plane(br, tr)
    top = edge_plane(tr, tl)
    cut = edge_plane(wp.where(diagonal == 0, bl, br), wp.where(diagonal == 0, tr, tl))  # its inside is on the left
    at_bl = wp.dot(top, wp.vec3d(bl))
    at_br = wp.dot(left, wp.vec3d(br))
    at_tr = wp.dot(bottom, wp.vec3d(tr))
    at_tl = wp.dot(right, wp.vec3d(tl))
    if not (lesser(lesser(at_bl, at_br), lesser(at_tr, at_tl)) > zero):
        return False
    if not (left[0] > zero and cut[0] < zero and right[0] < zero and top[0] != zero and bottom[0] != zero):
        return False
    middle = wp.float64(0.5 * float(extent)) - wp.float64(0.5)
    cross_left = crossing(left, middle)
    cross_right = crossing(right, middle)
    cross_cut = crossing(cut, middle)
    cross_top = crossing(top, middle)
    cross_bottom = crossing(bottom, middle)

    # As in `draw_triangle`: 1/w, and which texel is nearest, are signs and sums of edge functions.
    two = wp.float64(2.0)
    of_left = left + cut + wp.where(diagonal == 0, top, bottom)
    of_right = right - cut + wp.where(diagonal == 0, bottom, top)
    closeness_left = plane_of(of_left, wp.where(diagonal == 0, at_bl, at_br), middle)
    closeness_right = plane_of(of_right, wp.where(diagonal == 0, at_tr, at_tl), middle)
    right_left = over_samples(two * left - of_left, middle)
    right_right = over_samples(of_right - two * right, middle)
    lower_left = over_samples(wp.where(diagonal == 0, two * top - of_left, of_left - two * bottom), middle)
    lower_right = over_samples(wp.where(diagonal == 0, of_right - two * bottom, two * top - of_right), middle)
    low_left = ((LAST_TRIANGLE - number) << TRIANGLE_SHIFT) | (diagonal << DIAGONAL_SHIFT) | kind_left
    low_right = ((LAST_TRIANGLE - number - 1) << TRIANGLE_SHIFT) | (diagonal << DIAGONAL_SHIFT) | kind_right
    begin = wp.float64(within[0])
    stop = wp.float64(within[2] + 1)
    for row in range(within[1], within[3] + 1):
        at = wp.float64(row)
        span = wp.vec2d(
            greater(begin, cross_left[0] + cross_left[1] * at), lesser(stop, cross_right[0] + cross_right[1] * at)
        )
        span = narrowed(span, top, cross_top, at)
        span = narrowed(span, bottom, cross_bottom, at)
        cut_at = cross_cut[0] + cross_cut[1] * at
        closeness_left_row = closeness_left[0] + closeness_left[2] * at
        closeness_right_row = closeness_right[0] + closeness_right[2] * at
        lower_left_row = lower_left[0] + lower_left[2] * at
        lower_right_row = lower_right[0] + lower_right[2] * at
        right_left_row = right_left[0] + right_left[2] * at
        right_right_row = right_right[0] + right_right[2] * at
        first = int(wp.ceil(greater(span[0] - OVERLAP, begin)))
        count = int(wp.ceil(greater(lesser(span[1] + OVERLAP, stop), span[0] - OVERLAP))) - first
        keys = keys_from(depth_keys, base + (row - first_row) * extent + first, count)
        step = int(0)
        while step < whole_lanes(count):
            x = wp.float64(first + step)
            is_left = x < cut_at
            closeness = wp.where(is_left, closeness_left_row, closeness_right_row)
            closeness += wp.where(is_left, closeness_left[1], closeness_right[1]) * x
            lower = wp.where(is_left, lower_left_row, lower_right_row)
            lower += wp.where(is_left, lower_left[1], lower_right[1]) * x
            rightmost = wp.where(is_left, right_left_row, right_right_row)
            rightmost += wp.where(is_left, right_left[1], right_right[1]) * x
            low = wp.where(is_left, low_left, low_right) | nearest_texel(lower, rightmost)
            if step < count:
                wp.atomic_max(keys, step, key_of(float(closeness), low))
            step += 1
    return True


@wp.func
def ring_flag(corners: int, which: int, row: int, column: int, size: int) -> wp.float64:
    """1 for a corner on the ring, 0 for one inside."""
    i = row + ((corners >> which) & 1)
    j = column + ((corners >> (3 + which)) & 1)
    return wp.where(i == 0 or j == 0 or i > size or j > size, wp.float64(1.0), wp.float64(0.0))


@wp.func
def meets_open_tile(within: wp.vec4i, first_row: int, open_tiles: wp.array2d[wp.uint8]) -> bool:
    """Whether some samples (see `samples_of_box`) lie in a tile that is open; tiles count from `first_row` on."""
    for i in range((within[1] - first_row) // TILE, (within[3] - first_row) // TILE + 1):
        for j in range(within[0] // TILE, within[2] // TILE + 1):
            if open_tiles[i, j] != wp.uint8(0):
                return True
    return False


@wp.func
def draw_quad(
    vertices: wp.array[wp.vec3],
    places: wp.array[wp.vec2],
    bits: int,
    row: int,
    column: int,
    size: int,
    padding: bool,
    near: float,
    far: float,
    extent: int,
    first_row: int,
    rows: int,
    base: int,
    everywhere: bool,
    open_tiles: wp.array2d[wp.uint8],
    depth_keys: wp.array[wp.uint64],
):
    """Draw both triangles of a quad of a view, whose vertices and their places on the picture these are."""
    side = size + 2
    vertex = row * side + column
    tl = vertices[vertex]
    tr = vertices[vertex + 1]
    bl = vertices[vertex + side]
    br = vertices[vertex + side + 1]
    nearest = lesser(lesser(tl[2], bl[2]), lesser(br[2], tr[2]))
    if nearest > far:
        return
    diagonal = bits & 1
    last_row = first_row + rows - 1
    number = ((row << COLUMN_BITS) + column) << 1
    if nearest >= near:
        box = grown(box_of(places[vertex], places[vertex + 1], places[vertex + side]), places[vertex + side + 1])
        within = samples_of_box(box, extent, first_row, last_row)
        if within[0] > within[2] or within[1] > within[3]:
            return
        if not everywhere:
            if not meets_open_tile(within, first_row, open_tiles):
                return
        if not padding and (bits & ABSENT) == 0:
            if greater(greater(tl[2], bl[2]), greater(br[2], tr[2])) <= far:
                kind_left = (bits >> KIND_SHIFT) & KIND_BITS
                kind_right = (bits >> (KIND_SHIFT + BITS_OF_KIND)) & KIND_BITS
                if draw_upright_quad(
                    tl, bl, br, tr, within, number, diagonal, kind_left, kind_right, extent, first_row, base, depth_keys
                ):
                    return
    for half in range(2):
        if (bits & (ABSENT_TRIANGLE_BIT << half)) != 0:
            continue
        corners = corners_of(diagonal, half)
        vertex_a = corner(vertex, corners, 0, side)
        vertex_b = corner(vertex, corners, 1, side)
        vertex_c = corner(vertex, corners, 2, side)
        a = vertices[vertex_a]
        b = vertices[vertex_b]
        c = vertices[vertex_c]
        nearest_corner = lesser(a[2], lesser(b[2], c[2]))
        if nearest_corner > far:
            continue
        box = box_of(places[vertex_a], places[vertex_b], places[vertex_c])
        if nearest_corner < near:
            box = visible_box(a, b, c, near)
        kind = (bits >> (KIND_SHIFT + BITS_OF_KIND * half)) & KIND_BITS
        ring = wp.vec3d(wp.float64(0.0))
        if padding:
            ring[0] = ring_flag(corners, 0, row, column, size)
            ring[1] = ring_flag(corners, 1, row, column, size)
            ring[2] = ring_flag(corners, 2, row, column, size)
        draw_triangle(
            a, b, c, box, number + half, diagonal, kind, ring, near, far, extent, first_row, last_row, base, depth_keys
        )


@wp.kernel
def draw_quads(
    first: int,
    first_drawn: int,
    run: int,
    slots: wp.array[int],
    size: int,
    ring_is_padding: int,
    near: float,
    far: float,
    extent: int,
    first_row: int,
    rows: int,
    quads: wp.array2d[wp.uint16],
    projected: wp.array2d[wp.vec3],
    on_picture: wp.array2d[wp.vec2],
    everywhere: int,
    open_tiles: wp.array2d[wp.uint8],
    depth_keys: wp.array[wp.uint64],
):
    """Draw runs of quads in a row, of the views from `first` on, or only those of their quads that meet open tiles.

    The z-buffers are those of the views from `first_drawn` on.
    """
    offset, row, part = wp.tid()
    view = first + offset
    vertices = projected[view]
    places = on_picture[view]
    its_quads = quads[slots[view]]
    base = (view - first_drawn) * rows * extent
    begin = wp.max(part * run, 0)  # which tells the compiler that it is not negative
    for column in range(begin, wp.min(begin + run, size + 1)):
        bits = int(its_quads[row * (size + 1) + column])
        if (bits & ABSENT) != ABSENT:
            padding = ring_is_padding != 0 and (row == 0 or column == 0 or row == size or column == size)
            draw_quad(
                vertices,
                places,
                bits,
                row,
                column,
                size,
                padding,
                near,
                far,
                extent,
                first_row,
                rows,
                base,
                everywhere != 0,
                open_tiles,
                depth_keys,
            )
