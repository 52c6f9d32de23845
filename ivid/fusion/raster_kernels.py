"""Kernels that draw meshes into z-buffers: which triangle of a view each sample of the picture sees, and how far away.

Convention: samples are the pixels of the enlarged picture, `extent` on a side. A point in front of the target camera projects to
homogeneous sample coordinates (X, Y, w): X/w to the right and Y/w **upwards** from the middle of the picture, in samples; w
is its depth. Edge functions are cross products of two such vectors (Olano & Greer, "Triangle scan conversion using 2D
homogeneous coordinates", 1997), so triangles that reach behind the camera need no clipping. They are taken in double
precision, where products of two floats are exact: two triangles that share an edge get exactly opposite values, and an edge that
passes through a sample belongs to the triangle to its right, or above if it is horizontal. Every sample is covered once.

A z-buffer entry is 64 bits, 0 for nothing, and the largest wins: the bits of the float 1/w, then the triangle's number, inverted so
that the lower wins a tie, its diagonal and its kind.
"""

from __future__ import annotations

import warp as wp

from ivid.fusion.mesh_kernels import ABSENT_BIT, BACK, corner

wp.set_module_options({"enable_backward": False})

LAST_TRIANGLE = wp.constant(0x07FFFFFF)
MAX_RING_SHARE = 0.001  # a fragment of which more than this is ring is padding
SPAN_FROM = wp.constant(8)  # triangles at least this wide are drawn by row spans


@wp.kernel
def project_vertices(
    first: int,
    slots: wp.array(dtype=int),
    view_to_target: wp.array(dtype=wp.mat44),
    scale: float,
    points: wp.array2d(dtype=wp.vec3),
    projected: wp.array2d(dtype=wp.vec3),
):
    """Vertices of the views from `first` on in homogeneous sample coordinates; `scale` is the focal length in samples."""
    offset, vertex = wp.tid()
    view = first + offset
    point = wp.transform_point(view_to_target[view], points[slots[view], vertex])
    projected[view, vertex] = wp.vec3(scale * point[0], scale * point[1], -point[2])


@wp.func
def edge_function(a: wp.vec3, b: wp.vec3) -> wp.vec3d:
    """Coefficients of the plane through the camera and two vertices."""
    return wp.cross(wp.vec3d(a), wp.vec3d(b))


@wp.func
def owns_border(edge: wp.vec3d) -> bool:
    """Whether samples exactly on the edge belong to the triangle on its positive side."""
    return edge[0] > wp.float64(0.0) or (edge[0] == wp.float64(0.0) and edge[1] > wp.float64(0.0))


@wp.func
def near_crossing(a: wp.vec3, b: wp.vec3, near: float) -> wp.vec2:
    """Where an edge meets the near plane, in sample coordinates."""
    t = (near - a[2]) / (b[2] - a[2])
    return wp.vec2((a[0] + t * (b[0] - a[0])) / near, (a[1] + t * (b[1] - a[1])) / near)


@wp.func
def grown(bounds: wp.vec4, point: wp.vec2) -> wp.vec4:
    return wp.vec4(
        wp.min(bounds[0], point[0]),
        wp.min(bounds[1], point[1]),
        wp.max(bounds[2], point[0]),
        wp.max(bounds[3], point[1]),
    )


@wp.func
def visible_bounds(a: wp.vec3, b: wp.vec3, c: wp.vec3, near: float) -> wp.vec4:
    """Bounding box (left, bottom, right, top) in sample coordinates of what lies beyond the near plane."""
    bounds = wp.vec4(1.0e30, 1.0e30, -1.0e30, -1.0e30)
    if a[2] >= near:
        bounds = grown(bounds, wp.vec2(a[0] / a[2], a[1] / a[2]))
    if b[2] >= near:
        bounds = grown(bounds, wp.vec2(b[0] / b[2], b[1] / b[2]))
    if c[2] >= near:
        bounds = grown(bounds, wp.vec2(c[0] / c[2], c[1] / c[2]))
    if (a[2] >= near) != (b[2] >= near):
        bounds = grown(bounds, near_crossing(a, b, near))
    if (b[2] >= near) != (c[2] >= near):
        bounds = grown(bounds, near_crossing(b, c, near))
    if (c[2] >= near) != (a[2] >= near):
        bounds = grown(bounds, near_crossing(c, a, near))
    return bounds


@wp.func
def bounded_int(value: float, low: int, high: int) -> int:
    """An integer-valued float as an int; clamped first, because most floats fit no int."""
    return int(wp.clamp(value, float(low), float(high)))


@wp.func
def draw_triangle(
    a: wp.vec3,
    b: wp.vec3,
    c: wp.vec3,
    payload: int,
    ring_share: wp.vec3d,
    near: float,
    far: float,
    extent: int,
    first_row: int,
    rows: int,
    view: int,
    depth_keys: wp.array3d(dtype=wp.uint64),
):
    """Draw one triangle into the rows [first_row, first_row + rows) of a view's z-buffer.

    `ring_share` is 1 at corners on the ring if back faces there are to be dropped.
    """
    zero = wp.float64(0.0)
    edge_a = edge_function(b, c)
    edge_b = edge_function(c, a)
    edge_c = edge_function(a, b)
    volume = wp.dot(wp.vec3d(a), edge_a)
    if volume == zero:
        return
    half = 0.5 * float(extent)
    bounds = visible_bounds(a, b, c, near)
    slack = 1.0e-3  # samples; the bounds are rounded, the edge functions decide
    left = bounded_int(wp.ceil(bounds[0] + half - 0.5 - slack), 0, extent)
    right = bounded_int(wp.floor(bounds[2] + half - 0.5 + slack), -1, extent - 1)
    top = bounded_int(wp.ceil(half - bounds[3] - 0.5 - slack), first_row, first_row + rows)
    bottom = bounded_int(wp.floor(half - bounds[1] - 0.5 + slack), first_row - 1, first_row + rows - 1)
    if left > right or top > bottom:
        return

    inverse_w = (edge_a + edge_b + edge_c) / volume  # 1/w is linear over the picture
    low_bits = payload
    drop = bool(False)
    if volume < zero:
        edge_a = -edge_a
        edge_b = -edge_b
        edge_c = -edge_c
        low_bits = (payload & ~7) | BACK
        drop = ring_share[0] + ring_share[1] + ring_share[2] > zero
    low = wp.uint64(wp.uint32(low_bits))
    own_a = owns_border(edge_a)
    own_b = owns_border(edge_b)
    own_c = owns_border(edge_c)
    nearest = 1.0 / near
    farthest = 1.0 / far
    middle = wp.float64(half) - wp.float64(0.5)

    for row in range(top, bottom + 1):
        y = middle - wp.float64(row)
        at_a = edge_a[1] * y + edge_a[2]
        at_b = edge_b[1] * y + edge_b[2]
        at_c = edge_c[1] * y + edge_c[2]
        begin = left
        end = right
        if right - left >= SPAN_FROM:
            span = wp.vec2d(wp.float64(left) - middle, wp.float64(right) - middle)
            span = narrowed(span, edge_a[0], at_a)
            span = narrowed(span, edge_b[0], at_b)
            span = narrowed(span, edge_c[0], at_c)
            if span[0] > span[1]:
                continue
            begin = wp.max(int(wp.floor(span[0] + middle)), left)
            end = wp.min(int(wp.ceil(span[1] + middle)), right)
        for column in range(begin, end + 1):
            x = wp.float64(column) - middle
            in_a = edge_a[0] * x + at_a
            in_b = edge_b[0] * x + at_b
            in_c = edge_c[0] * x + at_c
            if in_a < zero or in_b < zero or in_c < zero:
                continue
            if (in_a == zero and not own_a) or (in_b == zero and not own_b) or (in_c == zero and not own_c):
                continue
            if drop:
                ring = in_a * ring_share[0] + in_b * ring_share[1] + in_c * ring_share[2]
                if ring > wp.float64(MAX_RING_SHARE) * (in_a + in_b + in_c):
                    continue
            closeness = float(inverse_w[0] * x + (inverse_w[1] * y + inverse_w[2]))
            if closeness > nearest or closeness < farthest:
                continue
            key = (wp.uint64(wp.cast(closeness, wp.uint32)) << wp.uint64(32)) | low
            wp.atomic_max(depth_keys, view, row - first_row, column, key)


@wp.func
def narrowed(span: wp.vec2d, slope: wp.float64, offset: wp.float64) -> wp.vec2d:
    """The part of an interval of x where slope * x + offset >= 0."""
    low = span[0]
    high = span[1]
    if slope > wp.float64(0.0):
        low = wp.max(low, -offset / slope)
    elif slope < wp.float64(0.0):
        high = wp.min(high, -offset / slope)
    elif offset < wp.float64(0.0):
        high = low - wp.float64(1.0)
    return wp.vec2d(low, high)


@wp.kernel
def draw_quads(
    first: int,
    slots: wp.array(dtype=int),
    size: int,
    drop_ring_backs: int,
    near: float,
    far: float,
    extent: int,
    first_row: int,
    rows: int,
    quads: wp.array2d(dtype=wp.uint8),
    projected: wp.array2d(dtype=wp.vec3),
    depth_keys: wp.array3d(dtype=wp.uint64),
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
    p = projected[view, tl]
    q = projected[view, tl + 1]
    r = projected[view, tl + side]
    s = projected[view, tl + side + 1]
    # Nothing of the quad is seen when all of it lies beyond one plane of the view frustum.
    edge = 0.5 * float(extent)
    high = edge - float(first_row)
    low = edge - float(first_row + rows)
    if p[2] < near and q[2] < near and r[2] < near and s[2] < near:
        return
    if p[2] > far and q[2] > far and r[2] > far and s[2] > far:
        return
    if p[0] < -edge * p[2] and q[0] < -edge * q[2] and r[0] < -edge * r[2] and s[0] < -edge * s[2]:
        return
    if p[0] > edge * p[2] and q[0] > edge * q[2] and r[0] > edge * r[2] and s[0] > edge * s[2]:
        return
    if p[1] < low * p[2] and q[1] < low * q[2] and r[1] < low * r[2] and s[1] < low * s[2]:
        return
    if p[1] > high * p[2] and q[1] > high * q[2] and r[1] > high * r[2] and s[1] > high * s[2]:
        return
    on_ring = row == 0 or column == 0 or row == size or column == size
    diagonal = bits & 1
    for half in range(2):
        a = corner(row, column, diagonal, half, 0, side)
        b = corner(row, column, diagonal, half, 1, side)
        c = corner(row, column, diagonal, half, 2, side)
        share = wp.vec3d(wp.float64(0.0))
        if on_ring and drop_ring_backs != 0:
            share = wp.vec3d(ring_weight(a, side), ring_weight(b, side), ring_weight(c, side))
        kind = (bits >> (1 + 2 * half)) & 3
        payload = ((LAST_TRIANGLE - (2 * quad + half)) << 4) | (diagonal << 3) | kind
        draw_triangle(
            projected[view, a],
            projected[view, b],
            projected[view, c],
            payload,
            share,
            near,
            far,
            extent,
            first_row,
            rows,
            view,
            depth_keys,
        )


@wp.func
def ring_weight(vertex: int, side: int) -> wp.float64:
    row = vertex // side
    column = vertex - row * side
    if row == 0 or column == 0 or row == side - 1 or column == side - 1:
        return wp.float64(1.0)
    return wp.float64(0.0)
