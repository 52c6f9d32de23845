# type: ignore - kernels are Warp's language, whose types a checker of Python does not know.
# ruff: noqa: UP018, RUF046 - Warp wants int(0), float(0) for what changes in a loop.
# ruff: noqa: SIM102 - it evaluates both sides of an `and`.
"""Kernels that turn RGBD views into triangle meshes with a ring of padding around them (method §4).

Grids: a view of S x S pixels has (S + 2) x (S + 2) vertices, its pixel centres and the ring, row by row, and
(S + 1) x (S + 1) quads between them. Arrays of views have the store's slot as their first axis. Points and normals are
in the camera space of their view: the angle between them, all that fusion needs of normals, is the same in any frame.
A normal's length is the inverse of its vertex's depth.
"""

from __future__ import annotations

import warp as wp

wp.set_module_options({"enable_backward": False})

RING_NONE, RING_PIXELS, RING_FRUSTUM = 0, 1, 2
FRUSTUM_DEPTH = wp.constant(0.1)  # metres from the camera to which a frustum ring is pulled

# Flags of a vertex.
EDGE, ERODED = wp.constant(1), wp.constant(2)

# What every fragment of a triangle is; MIXED ones have to be looked at one by one. All but hidden ones may have the bit
# FAINT: no fragment weighs more than the least that one can. BACK is found when drawing.
PLAIN, FADED, HIDDEN, MIXED = (wp.constant(kind) for kind in range(4))
FAINT, BACK = wp.constant(4), wp.constant(6)

# A quad's bits: bit 0 its diagonal, 1-3 and 4-6 the kinds of its two triangles, 7 and 8 that these do not exist.
KIND_BITS, KIND_SHIFT, BITS_OF_KIND = wp.constant(7), wp.constant(1), wp.constant(3)
ABSENT_TRIANGLE_BIT, ABSENT = wp.constant(128), wp.constant(128 + 256)

# Beyond this angle to the direction of their view's camera, in radians, surfaces weigh least (`blend_kernels`).
FAINT_ANGLE = wp.constant(0.462)

CORNERS = wp.constant(0b110010_100110_101110_100010)  # see corners_of


@wp.func
def pixel_ray(row: float, column: float, size: int, focal: float) -> wp.vec3:
    """Camera-space direction of depth 1 through a pixel centre, which may lie outside the image."""
    u = (column + 0.5) / float(size)
    v = (row + 0.5) / float(size)
    return wp.vec3((u - 0.5) / focal, (0.5 - v) / focal, -1.0)


@wp.kernel
def place_vertices(
    slot: int,
    size: int,
    focal: float,
    ring: int,
    ring_px: float,
    depth: wp.array3d[float],
    points: wp.array2d[wp.vec3],
    edges: wp.array[wp.uint8],
):
    """Points of all vertices, and a clean slate for the edge flags."""
    vertex = wp.tid()
    side = size + 2
    row = vertex // side
    column = vertex - row * side
    i = wp.clamp(row - 1, 0, size - 1)
    j = wp.clamp(column - 1, 0, size - 1)
    z = depth[slot, i, j]
    outwards_i = float(row - 1 - i) * ring_px
    outwards_j = float(column - 1 - j) * ring_px
    point = z * pixel_ray(float(i) + outwards_i, float(j) + outwards_j, size, focal)
    if ring == RING_FRUSTUM and (outwards_i != 0.0 or outwards_j != 0.0):
        point = point * (FRUSTUM_DEPTH / z)
    points[slot, vertex] = point
    edges[vertex] = wp.uint8(0)


@wp.func
def grid_point(points: wp.array2d[wp.vec3], slot: int, row: int, column: int, size: int) -> wp.vec3:
    """Point of a pixel; the border is replicated."""
    return points[slot, (wp.clamp(row, 0, size - 1) + 1) * (size + 2) + wp.clamp(column, 0, size - 1) + 1]


@wp.kernel
def find_normals(slot: int, size: int, points: wp.array2d[wp.vec3], normals: wp.array2d[wp.vec3]):
    """Normals from central differences, smoothed 1-2-1 across (Sobel); a ring vertex has its border pixel's.

    They are divided by their vertex's depth, which makes them linear in the view's picture.
    """
    vertex = wp.tid()
    row = vertex // (size + 2)
    i = wp.clamp(row - 1, 0, size - 1)
    j = wp.clamp(vertex - row * (size + 2) - 1, 0, size - 1)
    right = wp.vec3(0.0)
    up = wp.vec3(0.0)
    for step in range(-1, 2):
        weight = 2.0 - float(wp.abs(step))
        right += weight * (
            grid_point(points, slot, i + step, j + 1, size) - grid_point(points, slot, i + step, j - 1, size)
        )
        up += weight * (
            grid_point(points, slot, i - 1, j + step, size) - grid_point(points, slot, i + 1, j + step, size)
        )
    normals[slot, vertex] = wp.normalize(wp.cross(right, up)) / -points[slot, vertex][2]


@wp.func
def is_steep(a: float, b: float, c: float, atol: float, rtol: float) -> bool:
    """Whether a triangle of these vertex depths spans a depth edge (method §4)."""
    near = wp.min(a, wp.min(b, c))
    far = wp.max(a, wp.max(b, c))
    return far - near > atol and far - near > rtol * near * far


@wp.func
def corners_of(diagonal: int, half: int) -> int:
    """Which corners of its quad a triangle has, counter-clockwise seen from the view's own camera.

    Bit k says whether corner k is a lower one, bit 3 + k whether it is a right one. Diagonal 0 runs from top right to
    bottom left: TL BL TR and TR BL BR; diagonal 1 from top left to bottom right: TL BL BR and TL BR TR.
    """
    return (CORNERS >> (6 * (2 * diagonal + half))) & 63


@wp.func
def corner(top_left: int, corners: int, which: int, side: int) -> int:
    """Vertex index of a triangle's corner."""
    return top_left + ((corners >> which) & 1) * side + ((corners >> (3 + which)) & 1)


@wp.func
def corner_depth(
    depth: wp.array3d[float], slot: int, row: int, column: int, corners: int, which: int, size: int
) -> float:
    """Depth of a triangle's corner, a ring vertex's being that of its border pixel."""
    i = wp.clamp(row - 1 + ((corners >> which) & 1), 0, size - 1)
    j = wp.clamp(column - 1 + ((corners >> (3 + which)) & 1), 0, size - 1)
    return depth[slot, i, j]


@wp.kernel
def split_quads(
    slot: int,
    size: int,
    ring: int,
    atol: float,
    rtol: float,
    depth: wp.array3d[float],
    masks: wp.array3d[wp.uint8],
    points: wp.array2d[wp.vec3],
    quads: wp.array2d[wp.uint16],
    edges: wp.array[wp.uint8],
):
    """Choose each quad's diagonal and flag the vertices of steep triangles. `atol` < 0 means no edge flags.

    Triangles with a corner that its view's mask leaves out do not exist, but are edges nevertheless.
    """
    quad = wp.tid()
    row = quad // (size + 1)
    column = quad - row * (size + 1)
    if ring == RING_NONE and (row == 0 or column == 0 or row == size or column == size):
        quads[slot, quad] = wp.uint16(ABSENT)
        return
    side = size + 2
    tl = row * side + column
    falling = wp.length_sq(points[slot, tl + side + 1] - points[slot, tl])
    rising = wp.length_sq(points[slot, tl + 1] - points[slot, tl + side])
    diagonal = wp.where(falling < rising, 1, 0)
    bits = diagonal
    for half in range(2):
        corners = corners_of(diagonal, half)
        for which in range(3):
            i = wp.clamp(row - 1 + ((corners >> which) & 1), 0, size - 1)
            j = wp.clamp(column - 1 + ((corners >> (3 + which)) & 1), 0, size - 1)
            if masks[slot, i, j] == wp.uint8(0):
                bits |= ABSENT_TRIANGLE_BIT << half
    quads[slot, quad] = wp.uint16(bits)
    if atol < 0.0:
        return
    for half in range(2):
        corners = corners_of(diagonal, half)
        a = corner(tl, corners, 0, side)
        b = corner(tl, corners, 1, side)
        c = corner(tl, corners, 2, side)
        za = corner_depth(depth, slot, row, column, corners, 0, size)
        zb = corner_depth(depth, slot, row, column, corners, 1, size)
        zc = corner_depth(depth, slot, row, column, corners, 2, size)
        if is_steep(za, zb, zc, atol, rtol):
            edges[a] = wp.uint8(1)
            edges[b] = wp.uint8(1)
            edges[c] = wp.uint8(1)


@wp.kernel
def spread_rows(side: int, radius: int, edges: wp.array[wp.uint8], spread: wp.array[wp.uint8]):
    """Per vertex, whether there is an edge within `radius` in its row: one half of a box dilation."""
    vertex = wp.tid()
    row = vertex // side
    column = vertex - row * side
    found = wp.uint8(0)
    for other in range(wp.max(column - radius, 0), wp.min(column + radius, side - 1) + 1):
        found = found | edges[row * side + other]
    spread[vertex] = found


@wp.kernel
def flag_vertices(
    slot: int,
    side: int,
    radius: int,
    edges: wp.array[wp.uint8],
    spread: wp.array[wp.uint8],
    flags: wp.array2d[wp.uint8],
):
    """The other half of the box dilation, and all flags of a vertex."""
    vertex = wp.tid()
    row = vertex // side
    column = vertex - row * side
    eroded = wp.uint8(0)
    for other in range(wp.max(row - radius, 0), wp.min(row + radius, side - 1) + 1):
        eroded = eroded | spread[other * side + column]
    bits = int(0)
    if edges[vertex] != wp.uint8(0):
        bits |= EDGE
    if eroded != wp.uint8(0):
        bits |= ERODED
    flags[slot, vertex] = wp.uint8(bits)


@wp.func
def is_faint(top_left: int, side: int, slot: int, points: wp.array2d[wp.vec3], normals: wp.array2d[wp.vec3]) -> bool:
    """Whether no normal on a quad is within FAINT_ANGLE of the direction to its view's camera.

    The normals at its corners lie in a cone around their mean, the directions in another; so does what is interpolated
    between them. The angle between any two is at least that between the cones' axes without half their widths. An angle
    of at most 60 degrees is at most 1.05 times its chord, and its cosine at least 1 minus half its square.
    """
    normal_a = wp.normalize(normals[slot, top_left])
    normal_b = wp.normalize(normals[slot, top_left + 1])
    normal_c = wp.normalize(normals[slot, top_left + side])
    normal_d = wp.normalize(normals[slot, top_left + side + 1])
    ray_a = wp.normalize(points[slot, top_left])
    ray_b = wp.normalize(points[slot, top_left + 1])
    ray_c = wp.normalize(points[slot, top_left + side])
    ray_d = wp.normalize(points[slot, top_left + side + 1])
    normal = wp.normalize(normal_a + normal_b + normal_c + normal_d)
    ray = wp.normalize(ray_a + ray_b + ray_c + ray_d)
    chord = wp.sqrt(
        wp.max(
            wp.max(wp.length_sq(normal_a - normal), wp.length_sq(normal_b - normal)),
            wp.max(wp.length_sq(normal_c - normal), wp.length_sq(normal_d - normal)),
        )
    )
    chord += wp.sqrt(
        wp.max(
            wp.max(wp.length_sq(ray_a - ray), wp.length_sq(ray_b - ray)),
            wp.max(wp.length_sq(ray_c - ray), wp.length_sq(ray_d - ray)),
        )
    )
    angle = FAINT_ANGLE + 1.05 * chord
    return chord < 1.0 and -wp.dot(normal, ray) < 1.0 - 0.5 * angle * angle


@wp.kernel
def sort_triangles(
    slot: int,
    size: int,
    with_normals: int,
    points: wp.array2d[wp.vec3],
    normals: wp.array2d[wp.vec3],
    flags: wp.array2d[wp.uint8],
    quads: wp.array2d[wp.uint16],
):
    """Note beside each quad what its two triangles are, so that most fragments need no look at flags and normals."""
    quad = wp.tid()
    side = size + 2
    row = quad // (size + 1)
    column = quad - row * (size + 1)
    bits = int(quads[slot, quad])
    if (bits & ABSENT) == ABSENT:
        return
    top_left = row * side + column
    faint = int(0)
    if with_normals != 0:
        if is_faint(top_left, side, slot, points, normals):
            faint = FAINT
    for half in range(2):
        corners = corners_of(bits & 1, half)
        all_of = int(7)
        any_of = int(0)
        for which in range(3):
            of_vertex = int(flags[slot, corner(top_left, corners, which, side)])
            all_of &= of_vertex
            any_of |= of_vertex
        kind = int(MIXED)
        if any_of == 0:
            kind = PLAIN
        elif (all_of & EDGE) != 0:
            kind = HIDDEN
        elif any_of == ERODED and all_of == ERODED:
            kind = FADED
        if kind != HIDDEN:
            kind |= faint
        bits |= kind << (KIND_SHIFT + BITS_OF_KIND * half)
    quads[slot, quad] = wp.uint16(bits)
