# type: ignore - kernels are Warp's language, whose types a checker of Python does not know.
# ruff: noqa: UP018, RUF046 - Warp wants int(0), float(0) for what changes in a loop.
"""Kernels that draw meshes into z-buffers: which triangle of a view each sample of the picture sees, and how far away.

Convention: samples are the pixels of the enlarged picture, `extent` on a side. A point in front of the target camera
projects to homogeneous sample coordinates (X, Y, w): X/w to the right and Y/w **upwards** from the middle of the
picture, in samples; w is its depth. Edge functions are cross products of two such vectors (Olano & Greer, "Triangle
scan conversion using 2D homogeneous coordinates", 1997), so triangles that reach behind the camera need no clipping.

Fill rule: edge functions are taken in double precision, where products of two floats are exact, so two triangles that
share an edge get opposite coefficients and the very same crossing with each row of samples. Samples from the left
crossing on, up to but without the right one, are inside; a sample on a horizontal edge belongs to the triangle above
it. So every sample of a surface is covered once.

A z-buffer entry is 64 bits, 0 for nothing, and the largest wins: the bits of the float 1/w, then the triangle, inverted
so that the lower number wins a tie, its diagonal, the texel and the kind. The texel is the corner of the quad that is
nearest in texture coordinates: which one is a matter of signs, so colours can be read with no look at the triangle.
"""

from __future__ import annotations

from typing import Any

import warp as wp

from ivid.fusion.mesh_kernels import (
    BACK,
    HIDDEN,
)

wp.set_module_options({"enable_backward": False})

# The low half of a z-buffer entry: the inverted triangle from bit 6 on, made of row, column and half of its quad; then
# 1 bit of diagonal, 2 of texel and 3 of kind.
COLUMN_BITS = wp.constant(12)
LAST_TRIANGLE = wp.constant(0x01FFFFFF)
TRIANGLE_SHIFT, DIAGONAL_SHIFT = wp.constant(6), wp.constant(5)
LOWER_TEXEL, RIGHT_TEXEL = wp.constant(16), wp.constant(8)
MAX_VIEW_SIZE = 4094  # pixels on a side, for which rows and columns of quads fit into COLUMN_BITS
MAX_RING_SHARE = wp.constant(0.001)  # a fragment of which more than this is ring is padding
SLACK = wp.constant(0.01)  # samples added to bounding boxes, which are rounded; the edge functions decide
LONG = wp.constant(6)  # triangles of more rows than this are worth looking at more closely first
NOWHERE = wp.constant(wp.float64(1.0e30))
TILE = wp.constant(8)  # samples on a side of the tiles that `open_tiles` counts
LANES = wp.constant(8)  # samples of a row that are drawn together


@wp.kernel
def project_vertices(
    first: int,
    run: int,
    slots: wp.array[int],
    view_to_target: wp.array[wp.mat44],
    scale: float,
    points: wp.array2d[wp.vec3],
    projected: wp.array2d[wp.vec3],
    on_picture: wp.array2d[wp.vec2],
):
    """Runs of vertices, of the views from `first` on, in homogeneous sample coordinates.

    `scale` is the focal length there. `on_picture` gets X/w and Y/w, of use for vertices in front of the camera only.
    """
    offset, part = wp.tid()
    view = first + offset
    to_target = view_to_target[view]
    its_points = points[slots[view]]
    its_projected = projected[view]
    its_places = on_picture[view]
    begin = wp.max(part * run, 0)  # which tells the compiler that it is not negative
    for vertex in range(begin, wp.min(begin + run, its_points.shape[0])):
        point = wp.transform_point(to_target, its_points[vertex])
        x = scale * point[0]
        y = scale * point[1]
        inverse = -1.0 / point[2]
        its_projected[vertex] = wp.vec3(x, y, -point[2])
        its_places[vertex] = wp.vec2(x * inverse, y * inverse)


@wp.func
def lesser(a: Any, b: Any):
    """The smaller of two numbers, without `wp.min`'s care for what is not a number."""
    return wp.where(a < b, a, b)


@wp.func
def greater(a: Any, b: Any):
    """The larger of two numbers, without `wp.max`'s care for what is not a number."""
    return wp.where(a > b, a, b)


@wp.func
def box_of(a: wp.vec2, b: wp.vec2, c: wp.vec2) -> wp.vec4:
    """The box (left, bottom, right, top) of three points."""
    return wp.vec4(
        lesser(a[0], lesser(b[0], c[0])),
        lesser(a[1], lesser(b[1], c[1])),
        greater(a[0], greater(b[0], c[0])),
        greater(a[1], greater(b[1], c[1])),
    )


@wp.func
def grown(box: wp.vec4, point: wp.vec2) -> wp.vec4:
    """A box that also holds a point."""
    return wp.vec4(
        lesser(box[0], point[0]), lesser(box[1], point[1]), greater(box[2], point[0]), greater(box[3], point[1])
    )


@wp.func
def grown_by_edge(box: wp.vec4, a: wp.vec3, b: wp.vec3, near: float) -> wp.vec4:
    """A box that also holds what is seen of the beginning of an edge, and the point where it meets the near plane."""
    if a[2] >= near:
        box = grown(box, wp.vec2(a[0] / a[2], a[1] / a[2]))
    if (a[2] >= near) != (b[2] >= near):
        t = (near - a[2]) / (b[2] - a[2])
        box = grown(box, wp.vec2((a[0] + t * (b[0] - a[0])) / near, (a[1] + t * (b[1] - a[1])) / near))
    return box


@wp.func
def visible_box(a: wp.vec3, b: wp.vec3, c: wp.vec3, near: float) -> wp.vec4:
    """Bounding box in sample coordinates of what lies beyond the near plane; inside out if nothing does."""
    box = wp.vec4(1.0e30, 1.0e30, -1.0e30, -1.0e30)
    box = grown_by_edge(box, a, b, near)
    box = grown_by_edge(box, b, c, near)
    return grown_by_edge(box, c, a, near)


@wp.func
def bounded_int(value: float, low: int, high: int) -> int:
    """An integer-valued float as an int; clamped first, because most floats fit no int."""
    return int(lesser(greater(value, float(low)), float(high)))


@wp.func
def samples_of_box(box: wp.vec4, extent: int, first_row: int, last_row: int) -> wp.vec4i:
    """The first column and row and the last ones of the samples in a box; one beyond another where it holds none."""
    half_extent = 0.5 * float(extent)
    return wp.vec4i(
        bounded_int(wp.ceil(box[0] + half_extent - 0.5 - SLACK), 0, extent),
        bounded_int(wp.ceil(half_extent - box[3] - 0.5 - SLACK), first_row, last_row + 1),
        bounded_int(wp.floor(box[2] + half_extent - 0.5 + SLACK), -1, extent - 1),
        bounded_int(wp.floor(half_extent - box[1] - 0.5 + SLACK), first_row - 1, last_row),
    )


@wp.func
def edge_plane(a: wp.vec3, b: wp.vec3) -> wp.vec3d:
    """Coefficients of the edge function of two vertices."""
    return wp.cross(wp.vec3d(a), wp.vec3d(b))


@wp.func
def crossing(edge: wp.vec3d, middle: wp.float64) -> wp.vec2d:
    """Where rows cross an edge: column = [0] + [1] * row. The same for both triangles of an edge, to the last bit."""
    scale = wp.where(edge[0] == wp.float64(0.0), wp.float64(0.0), wp.float64(-1.0) / edge[0])
    return wp.vec2d((edge[2] - edge[0] * middle + edge[1] * middle) * scale, -edge[1] * scale)


@wp.func
def over_samples(plane: wp.vec3d, middle: wp.float64) -> wp.vec3d:
    """The same function as [0] + [1] * column + [2] * row."""
    return wp.vec3d(plane[2] + (plane[1] - plane[0]) * middle, plane[0], -plane[1])


@wp.func
def rows_beside(edge: wp.vec3d, middle: wp.float64, rows: wp.vec2i) -> wp.vec2i:
    """The rows (first, last) on the inner side of a horizontal edge; other edges change nothing."""
    if edge[0] != wp.float64(0.0):
        return rows
    if edge[1] == wp.float64(0.0):
        return wp.where(edge[2] > wp.float64(0.0), rows, wp.vec2i(0, -1))
    at = wp.floor(wp.clamp(middle + edge[2] / edge[1], wp.float64(-2.0), wp.float64(1.0e6)))
    if edge[1] > wp.float64(0.0):
        return wp.vec2i(rows[0], wp.min(rows[1], int(at)))
    return wp.vec2i(wp.max(rows[0], int(at) + 1), rows[1])


@wp.func
def rows_where(offset_slope: wp.vec2d, rows: wp.vec2i) -> wp.vec2i:
    """The rows at which offset + slope * row may be at least 0, with one to spare at either end."""
    slope = offset_slope[1]
    if slope == wp.float64(0.0):
        return rows
    root = wp.clamp(-offset_slope[0] / slope, wp.float64(-2.0), wp.float64(1.0e6))
    if slope > wp.float64(0.0):
        return wp.vec2i(wp.max(rows[0], int(root) - 1), rows[1])
    return wp.vec2i(rows[0], wp.min(rows[1], int(root) + 1))


@wp.func
def rows_between(e: wp.vec3d, cross_e: wp.vec2d, f: wp.vec3d, cross_f: wp.vec2d, rows: wp.vec2i) -> wp.vec2i:
    """The rows in which the inner sides of two edges, one to the left and one to the right, overlap."""
    if e[0] * f[0] >= wp.float64(0.0):
        return rows
    return rows_where(wp.where(e[0] > wp.float64(0.0), cross_f - cross_e, cross_e - cross_f), rows)


@wp.func
def rows_in_view(edge: wp.vec3d, cross: wp.vec2d, left: int, right: int, rows: wp.vec2i) -> wp.vec2i:
    """The rows in which some of the inner side of an edge lies between two columns."""
    if edge[0] > wp.float64(0.0):
        return rows_where(wp.vec2d(wp.float64(right + 1), wp.float64(0.0)) - cross, rows)
    if edge[0] < wp.float64(0.0):
        return rows_where(cross - wp.vec2d(wp.float64(left), wp.float64(0.0)), rows)
    return rows


@wp.func
def narrowed(span: wp.vec2d, edge: wp.vec3d, cross: wp.vec2d, row: wp.float64) -> wp.vec2d:
    """A span of columns, cut off where a row crosses an edge."""
    at = cross[0] + cross[1] * row
    return wp.vec2d(
        greater(span[0], wp.where(edge[0] > wp.float64(0.0), at, -NOWHERE)),
        lesser(span[1], wp.where(edge[0] < wp.float64(0.0), at, NOWHERE)),
    )


@wp.func
def nearest_texel(lower: wp.float64, rightmost: wp.float64) -> int:
    """The bits of the quad's corner that is nearest: a lower one or a right one where these are at least 0."""
    return wp.where(lower >= wp.float64(0.0), LOWER_TEXEL, 0) | wp.where(rightmost >= wp.float64(0.0), RIGHT_TEXEL, 0)


@wp.func
def key_of(closeness: float, low: int) -> wp.uint64:
    """A z-buffer entry of its two halves."""
    return (wp.uint64(wp.cast(closeness, wp.uint32)) << wp.uint64(32)) | wp.uint64(wp.uint32(low))


@wp.func
def keys_from(depth_keys: wp.array[wp.uint64], entry: int, count: int):
    """Some entries of z-buffers in a row. A compiler knows that they lie side by side, unlike those it is given."""
    return wp.array(ptr=depth_keys.ptr + wp.uint64(entry) * wp.uint64(8), shape=(count,), dtype=wp.uint64)


@wp.func
def whole_lanes(count: int) -> int:
    """At least a number of samples, and a multiple of LANES: a loop of so many steps compiles to vector instructions.

    It does if it counts from 0 with `while`, and stores at its step in an array that begins at the first sample. What
    is beyond `count` must be computed, but not be stored.
    """
    return (count + LANES - 1) & -LANES


@wp.func
def draw_triangle(
    a: wp.vec3,
    b: wp.vec3,
    c: wp.vec3,
    box: wp.vec4,
    number: int,
    diagonal: int,
    kind: int,
    ring: wp.vec3d,
    near: float,
    far: float,
    extent: int,
    first_row: int,
    last_row: int,
    base: int,
    depth_keys: wp.array[wp.uint64],
):
    """Draw one triangle into rows of a view's z-buffer, of which `first_row` begins at entry `base`.

    `box` holds what is seen of it. `ring` is 1 at corners on the ring, where that is padding. Where more than
    MAX_RING_SHARE of a fragment is ring, it is hidden, or dropped if it is a back face.
    """
    within = samples_of_box(box, extent, first_row, last_row)
    left, top, right, bottom = within[0], within[1], within[2], within[3]
    if left > right or top > bottom:
        return
    zero = wp.float64(0.0)
    edge_a = edge_plane(b, c)
    edge_b = edge_plane(c, a)
    edge_c = edge_plane(a, b)
    volume = wp.dot(wp.vec3d(a), edge_a)
    if volume == zero:
        return
    back = volume < zero
    if back:
        edge_a = -edge_a
        edge_b = -edge_b
        edge_c = -edge_c
        kind = BACK
    middle = wp.float64(0.5 * float(extent)) - wp.float64(0.5)
    cross_a = crossing(edge_a, middle)
    cross_b = crossing(edge_b, middle)
    cross_c = crossing(edge_c, middle)
    rows = wp.vec2i(top, bottom)
    rows = rows_beside(edge_a, middle, rows)
    rows = rows_beside(edge_b, middle, rows)
    rows = rows_beside(edge_c, middle, rows)

    padding = ring[0] + ring[1] + ring[2] > zero
    surface = wp.vec3d(zero)  # at least 0 where a fragment is hardly ring
    cross_surface = wp.vec2d(zero)
    if padding:
        share = wp.float64(MAX_RING_SHARE)
        surface = edge_a * (share - ring[0]) + edge_b * (share - ring[1]) + edge_c * (share - ring[2])
        cross_surface = crossing(surface, middle)
        if back:
            rows = rows_beside(surface, middle, rows)
            rows = rows_between(surface, cross_surface, edge_a, cross_a, rows)
            rows = rows_between(surface, cross_surface, edge_b, cross_b, rows)
            rows = rows_between(surface, cross_surface, edge_c, cross_c, rows)
    if bottom - top > LONG:
        rows = rows_between(edge_a, cross_a, edge_b, cross_b, rows)
        rows = rows_between(edge_b, cross_b, edge_c, cross_c, rows)
        rows = rows_between(edge_c, cross_c, edge_a, cross_a, rows)
        rows = rows_in_view(edge_a, cross_a, left, right, rows)
        rows = rows_in_view(edge_b, cross_b, left, right, rows)
        rows = rows_in_view(edge_c, cross_c, left, right, rows)

    may_leave_planes = lesser(a[2], lesser(b[2], c[2])) < near or greater(a[2], greater(b[2], c[2])) > far
    # All edge functions together are 1/w, up to a factor; a texel wins where it has more than half of them.
    whole = edge_a + edge_b + edge_c
    two = wp.float64(2.0)
    number_half = number & 1
    lower = wp.where(diagonal == number_half, two * edge_b - whole, whole - two * edge_a)
    rightmost = whole - two * wp.where(diagonal == 0, edge_b, edge_a)
    if number_half == 0:
        rightmost = two * edge_c - whole
    closeness_at = over_samples(whole / wp.abs(volume), middle)
    surface_at = over_samples(surface, middle)
    lower_at = over_samples(lower, middle)
    right_at = over_samples(rightmost, middle)
    low_half = ((LAST_TRIANGLE - number) << TRIANGLE_SHIFT) | (diagonal << DIAGONAL_SHIFT)
    # On either side at most two edges bound a row, unless the triangle reaches behind the camera.
    nowhere_left = wp.vec2d(-NOWHERE, zero)
    lower_1 = wp.where(edge_b[0] > zero, cross_b, nowhere_left)
    lower_2 = wp.where(edge_c[0] > zero, cross_c, wp.where(edge_a[0] > zero, lower_1, nowhere_left))
    lower_1 = wp.where(edge_a[0] > zero, cross_a, lower_1)
    nowhere_right = wp.vec2d(NOWHERE, zero)
    upper_1 = wp.where(edge_b[0] < zero, cross_b, nowhere_right)
    upper_2 = wp.where(edge_c[0] < zero, cross_c, wp.where(edge_a[0] < zero, upper_1, nowhere_right))
    upper_1 = wp.where(edge_a[0] < zero, cross_a, upper_1)
    one_sided = lesser(edge_a[0], lesser(edge_b[0], edge_c[0])) > zero
    one_sided = one_sided or greater(edge_a[0], greater(edge_b[0], edge_c[0])) < zero
    nearest = wp.where(may_leave_planes, near, 0.0)
    farthest = wp.where(may_leave_planes, far, float(NOWHERE))
    for row in range(rows[0], rows[1] + 1):
        at = wp.float64(row)
        span = wp.vec2d(
            greater(greater(lower_1[0] + lower_1[1] * at, lower_2[0] + lower_2[1] * at), wp.float64(left)),
            lesser(lesser(upper_1[0] + upper_1[1] * at, upper_2[0] + upper_2[1] * at), wp.float64(right + 1)),
        )
        if one_sided:
            span = narrowed(span, edge_b, cross_b, at)
        if padding and back:
            span = narrowed(span, surface, cross_surface, at)
        first = int(wp.ceil(span[0]))
        count = int(wp.ceil(greater(span[1], span[0]))) - first
        closeness_row = closeness_at[0] + closeness_at[2] * at
        surface_row = surface_at[0] + surface_at[2] * at
        lower_row = lower_at[0] + lower_at[2] * at
        right_row = right_at[0] + right_at[2] * at
        keys = keys_from(depth_keys, base + (row - first_row) * extent + first, count)
        step = int(0)
        while step < whole_lanes(count):
            x = wp.float64(first + step)
            closeness = float(closeness_row + closeness_at[1] * x)
            its_kind = wp.where(surface_row + surface_at[1] * x < zero, HIDDEN, kind)
            low = low_half | its_kind | nearest_texel(lower_row + lower_at[1] * x, right_row + right_at[1] * x)
            if step < count and closeness * nearest <= 1.0 and closeness * farthest >= 1.0:
                wp.atomic_max(keys, step, key_of(closeness, low))
            step += 1
