# ruff: noqa: UP018, RUF046 - Warp wants int(0), float(0) for what changes in a loop.
"""Kernels that draw meshes into z-buffers: which triangle of a view each sample of the picture sees, and how far away.

Convention: samples are the pixels of the enlarged picture, `extent` on a side. A point in front of the target camera projects
to homogeneous sample coordinates (X, Y, w): X/w to the right and Y/w **upwards** from the middle of the picture, in
samples; w is its depth. Edge functions are cross products of two such vectors (Olano & Greer, "Triangle scan conversion
using 2D homogeneous coordinates", 1997), so triangles that reach behind the camera need no clipping. They are taken in
double precision, where products of two floats are exact: two triangles that share an edge get opposite coefficients and so
the very same crossing with each row. A row's samples from the left crossing on, up to but without the right one, are inside;
of a horizontal edge's two triangles the upper one has it. So every sample of a surface is covered once.

A z-buffer entry is 64 bits, 0 for nothing, and the largest wins: the bits of the float 1/w, then the triangle's number,
inverted so that the lower wins a tie, its diagonal and its kind.
"""

from __future__ import annotations

import warp as wp

from ivid.fusion.mesh_kernels import ABSENT_BIT, BACK, HIDDEN, corner, corners_of

wp.set_module_options({"enable_backward": False})

LAST_TRIANGLE = wp.constant(0x07FFFFFF)
MAX_RING_SHARE = wp.constant(0.001)  # a fragment of which more than this is ring is padding
SLACK = wp.constant(0.01)  # samples added to bounding boxes, which are rounded; the edge functions decide
NOWHERE = wp.constant(wp.float64(1.0e30))


@wp.kernel
def project_vertices(
    first: int,
    slots: wp.array[int],
    view_to_target: wp.array[wp.mat44],
    scale: float,
    points: wp.array2d[wp.vec3],
    projected: wp.array2d[wp.vec3],
):
    """Vertices of the views from `first` on in homogeneous sample coordinates; `scale` is the focal length in samples."""
    offset, vertex = wp.tid()
    view = first + offset
    point = wp.transform_point(view_to_target[view], points[slots[view], vertex])
    projected[view, vertex] = wp.vec3(scale * point[0], scale * point[1], -point[2])


@wp.func
def grown(box: wp.vec4, point: wp.vec2) -> wp.vec4:
    """A box (left, bottom, right, top) that also holds a point."""
    return wp.vec4(
        wp.min(box[0], point[0]), wp.min(box[1], point[1]), wp.max(box[2], point[0]), wp.max(box[3], point[1])
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
    return int(wp.clamp(value, float(low), float(high)))


@wp.func
def edge_plane(a: wp.vec3, b: wp.vec3) -> wp.vec3d:
    """Coefficients of the edge function of two vertices."""
    return wp.cross(wp.vec3d(a), wp.vec3d(b))


@wp.func
def crossing(edge: wp.vec3d, middle: wp.float64) -> wp.vec2d:
    """Where rows cross an edge: column = [0] + [1] * row. The same for both triangles of an edge, to the last bit."""
    if edge[0] == wp.float64(0.0):
        return wp.vec2d(wp.float64(0.0), wp.float64(0.0))
    scale = wp.float64(-1.0) / edge[0]
    return wp.vec2d((edge[2] - edge[0] * middle + edge[1] * middle) * scale, -edge[1] * scale)


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
def draw_triangle(
    a: wp.vec3,
    b: wp.vec3,
    c: wp.vec3,
    box: wp.vec4,
    payload: int,
    ring_share: wp.vec3d,
    near: float,
    far: float,
    extent: int,
    first_row: int,
    rows: int,
    base: int,
    depth_keys: wp.array[wp.uint64],
):
    """Draw one triangle into the rows [first_row, first_row + rows) of a view's z-buffer, which begins at entry `base`.

    `ring_share` is 1 at corners on the ring where that is padding: its back faces are dropped, the rest is hidden.
    """
    half = 0.5 * float(extent)
    left = bounded_int(wp.ceil(box[0] + half - 0.5 - SLACK), 0, extent)
    right = bounded_int(wp.floor(box[2] + half - 0.5 + SLACK), -1, extent - 1)
    top = bounded_int(wp.ceil(half - box[3] - 0.5 - SLACK), first_row, first_row + rows)
    bottom = bounded_int(wp.floor(half - box[1] - 0.5 + SLACK), first_row - 1, first_row + rows - 1)
    if left > right or top > bottom:
        return
    zero = wp.float64(0.0)
    edge_a = edge_plane(b, c)
    edge_b = edge_plane(c, a)
    edge_c = edge_plane(a, b)
    volume = wp.dot(wp.vec3d(a), edge_a)
    if volume == zero:
        return
    inverse_w = (edge_a + edge_b + edge_c) / volume  # 1/w is linear over the picture
    low_bits = payload
    if volume < zero:
        edge_a = -edge_a
        edge_b = -edge_b
        edge_c = -edge_c
        low_bits = (payload & ~7) | BACK
    middle = wp.float64(half) - wp.float64(0.5)
    span = rows_beside(edge_a, middle, wp.vec2i(top, bottom))
    span = rows_beside(edge_b, middle, span)
    span = rows_beside(edge_c, middle, span)
    cross_a = crossing(edge_a, middle)
    cross_b = crossing(edge_b, middle)
    cross_c = crossing(edge_c, middle)
    on_ring = ring_share[0] + ring_share[1] + ring_share[2] > zero
    may_leave_planes = wp.min(a[2], wp.min(b[2], c[2])) < near or wp.max(a[2], wp.max(b[2], c[2])) > far
    start = inverse_w[2] - inverse_w[0] * middle + inverse_w[1] * middle

    for row in range(span[0], span[1] + 1):
        at = wp.float64(row)
        on_a = cross_a[0] + cross_a[1] * at
        on_b = cross_b[0] + cross_b[1] * at
        on_c = cross_c[0] + cross_c[1] * at
        low = wp.max(
            wp.where(edge_a[0] > zero, on_a, -NOWHERE),
            wp.max(wp.where(edge_b[0] > zero, on_b, -NOWHERE), wp.where(edge_c[0] > zero, on_c, -NOWHERE)),
        )
        high = wp.min(
            wp.where(edge_a[0] < zero, on_a, NOWHERE),
            wp.min(wp.where(edge_b[0] < zero, on_b, NOWHERE), wp.where(edge_c[0] < zero, on_c, NOWHERE)),
        )
        begin = int(wp.ceil(wp.max(low, wp.float64(left))))
        end = int(wp.ceil(wp.min(high, wp.float64(right + 1))))
        row_start = start - inverse_w[1] * at
        entry = base + (row - first_row) * extent
        for column in range(begin, end):
            closeness = float(row_start + inverse_w[0] * wp.float64(column))
            bits = low_bits
            drawn = True
            if may_leave_planes:
                drawn = closeness * near <= 1.0 and closeness * far >= 1.0
            if on_ring:
                x = wp.float64(column) - middle
                y = middle - at
                in_a = edge_a[0] * x + edge_a[1] * y + edge_a[2]
                in_b = edge_b[0] * x + edge_b[1] * y + edge_b[2]
                in_c = edge_c[0] * x + edge_c[1] * y + edge_c[2]
                ring = in_a * ring_share[0] + in_b * ring_share[1] + in_c * ring_share[2]
                if ring > wp.float64(MAX_RING_SHARE) * (in_a + in_b + in_c):
                    drawn = drawn and volume > zero
                    bits = (low_bits & ~7) | HIDDEN
            if drawn:
                key = (wp.uint64(wp.cast(closeness, wp.uint32)) << wp.uint64(32)) | wp.uint64(wp.uint32(bits))
                wp.atomic_max(depth_keys, entry + column, key)


@wp.func
def ring_weight(vertex: int, side: int) -> wp.float64:
    row = vertex // side
    column = vertex - row * side
    on_ring = row == 0 or column == 0 or row == side - 1 or column == side - 1
    return wp.where(on_ring, wp.float64(1.0), wp.float64(0.0))


@wp.kernel
def draw_quads(
    first: int,
    slots: wp.array[int],
    size: int,
    ring_is_padding: int,
    near: float,
    far: float,
    extent: int,
    first_row: int,
    rows: int,
    quads: wp.array2d[wp.uint8],
    projected: wp.array2d[wp.vec3],
    depth_keys: wp.array[wp.uint64],
):
    """Draw both triangles of every quad of the views from `first` on."""
    offset, quad = wp.tid()
    view = first + offset
    bits = int(quads[slots[view], quad])
    if (bits & ABSENT_BIT) != 0:
        return
    side = size + 2
    row = quad // (size + 1)
    column = quad - row * (size + 1)
    tl = row * side + column
    on_ring = row == 0 or column == 0 or row == size or column == size
    diagonal = bits & 1
    for half in range(2):
        corners = corners_of(diagonal, half)
        vertex_a = corner(tl, corners, 0, side)
        vertex_b = corner(tl, corners, 1, side)
        vertex_c = corner(tl, corners, 2, side)
        a = projected[view, vertex_a]
        b = projected[view, vertex_b]
        c = projected[view, vertex_c]
        if wp.min(a[2], wp.min(b[2], c[2])) > far:
            continue
        box = visible_box(a, b, c, near)
        share = wp.vec3d(wp.float64(0.0))
        if on_ring and ring_is_padding != 0:
            share = wp.vec3d(ring_weight(vertex_a, side), ring_weight(vertex_b, side), ring_weight(vertex_c, side))
        kind = (bits >> (1 + 2 * half)) & 3
        payload = ((LAST_TRIANGLE - (2 * quad + half)) << 4) | (diagonal << 3) | kind
        base = view * rows * extent
        draw_triangle(a, b, c, box, payload, share, near, far, extent, first_row, rows, base, depth_keys)
