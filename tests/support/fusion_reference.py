"""The slow, obvious twin of `ivid.fusion`: method §4-§6 and §10 in plain numpy, one triangle at a time.

It shares no formula with the kernels that could be got wrong twice: triangles are clipped to the near plane as
polygons, edges and barycentrics are taken on the screen, points and normals in the world, all in double precision.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ivid.scene.cameras import Camera
from ivid.scene.view import View


@dataclass
class Mesh:
    """A view as triangles: per vertex world position, world normal, texel coordinates (column, row) and three flags."""

    points: np.ndarray
    normals: np.ndarray
    texels: np.ndarray
    edge: np.ndarray
    ring: np.ndarray
    eroded: np.ndarray
    triangles: np.ndarray
    rgb: np.ndarray
    camera: Camera
    trust: float


def sobel_normals(points: np.ndarray) -> np.ndarray:
    padded = np.pad(points, ((1, 1), (1, 1), (0, 0)), mode="edge")
    size = points.shape[0]

    def shifted(row: int, column: int) -> np.ndarray:
        return padded[1 + row : 1 + row + size, 1 + column : 1 + column + size]

    right = sum(w * (shifted(k, 1) - shifted(k, -1)) for k, w in ((-1, 1), (0, 2), (1, 1)))
    up = sum(w * (shifted(-1, k) - shifted(1, k)) for k, w in ((-1, 1), (0, 2), (1, 1)))
    normals = np.cross(right, up)
    return normals / np.linalg.norm(normals, axis=-1, keepdims=True)


def build_mesh(
    view: View, ring: str | None, ring_px: float, radius: int, atol: float | None, rtol: float | None
) -> Mesh:
    """Method §4. `ring` is None, "pixels" or "frustum"; `atol` None makes no edges."""
    size, focal = view.size, view.camera.focal
    rgb = view.rgb / 255.0 if view.rgb.dtype == np.uint8 else view.rgb.astype(np.float64)
    depth = view.depth.astype(np.float64)

    def camera_point(row: float, column: float, z: float) -> np.ndarray:
        u, v = (column + 0.5) / size, (row + 0.5) / size
        return z * np.array([(u - 0.5) / focal, (0.5 - v) / focal, -1.0])

    grid = np.array([[camera_point(i, j, depth[i, j]) for j in range(size)] for i in range(size)])
    grid_normals = sobel_normals(grid)
    pad = 0 if ring is None else 1
    side = size + 2 * pad
    points, normals, texels, depths, on_ring = [], [], [], [], []
    for i in range(-pad, size + pad):
        for j in range(-pad, size + pad):
            row, column = min(max(i, 0), size - 1), min(max(j, 0), size - 1)
            z = depth[row, column]
            outside = (i, j) != (row, column)
            step = ring_px if ring == "pixels" else 1.0
            point = camera_point(row + (i - row) * step, column + (j - column) * step, z)
            if outside and ring == "frustum":
                point = point * (0.1 / z)
            points.append(point)
            normals.append(grid_normals[row, column])
            texels.append((column, row))
            depths.append(z)
            on_ring.append(outside)
    points, depths = np.array(points), np.array(depths)

    triangles = []
    for i in range(side - 1):
        for j in range(side - 1):
            tl, tr, bl, br = i * side + j, i * side + j + 1, (i + 1) * side + j, (i + 1) * side + j + 1
            if np.linalg.norm(points[tl] - points[br]) < np.linalg.norm(points[tr] - points[bl]):
                triangles += [(tl, bl, br), (tl, br, tr)]
            else:
                triangles += [(tl, bl, tr), (tr, bl, br)]

    edge = np.zeros(side * side, bool)
    if atol is not None:
        for triangle in triangles:
            z = depths[list(triangle)]
            if z.max() - z.min() > atol and (1 / z).max() - (1 / z).min() > rtol:
                edge[list(triangle)] = True
    flat = edge.reshape(side, side)
    eroded = np.array(
        [
            [flat[max(i - radius, 0) : i + radius + 1, max(j - radius, 0) : j + radius + 1].any() for j in range(side)]
            for i in range(side)
        ]
    )
    if view.mask is not None:
        kept = np.pad(view.mask, pad, mode="edge").reshape(-1)
        triangles = [triangle for triangle in triangles if kept[list(triangle)].all()]
    to_world = view.camera.view_to_world
    return Mesh(
        points=points @ to_world[:3, :3].T + to_world[:3, 3],
        normals=np.array(normals) @ to_world[:3, :3].T,
        texels=np.array(texels, np.float64),
        edge=edge.astype(np.float64),
        ring=np.array(on_ring, np.float64),
        eroded=eroded.reshape(-1).astype(np.float64),
        triangles=np.array(triangles),
        rgb=rgb,
        camera=view.camera,
        trust=view.trust,
    )


@dataclass
class Fragments:
    """What one mesh shows in a picture: per sample 1/z (0 for nothing), back face or not, barycentrics, triangle."""

    inverse_z: np.ndarray
    back: np.ndarray
    share: np.ndarray
    triangle: np.ndarray


CORNERS = np.eye(3)  # barycentrics of a triangle's own corners


def clipped_to_near(corners: np.ndarray, near: float) -> tuple[np.ndarray, np.ndarray]:
    """The polygon of a camera-space triangle beyond the near plane, and its corners' barycentrics in the triangle."""
    if (-corners[:, 2] >= near).all():
        return corners, CORNERS
    kept, shares = [], []
    for k in range(3):
        a, b = corners[k], corners[(k + 1) % 3]
        share_a, share_b = CORNERS[k], CORNERS[(k + 1) % 3]
        inside_a, inside_b = -a[2] >= near, -b[2] >= near
        if inside_a:
            kept.append(a)
            shares.append(share_a)
        if inside_a != inside_b:
            t = (near + a[2]) / (a[2] - b[2])
            kept.append(a + t * (b - a))
            shares.append(share_a + t * (share_b - share_a))
    return np.array(kept), np.array(shares)


def rasterise(mesh: Mesh, camera: Camera, extent: int, near: float, far: float, drop_ring_backs: bool) -> Fragments:
    """Draw a mesh with a z-buffer: strictly nearer wins, so an earlier triangle keeps a tie."""
    out = Fragments(
        np.zeros((extent, extent)),
        np.zeros((extent, extent), bool),
        np.zeros((extent, extent, 3)),
        np.full((extent, extent), -1),
    )
    seen = mesh.points @ camera.world_to_view[:3, :3].T + camera.world_to_view[:3, 3]
    for number, triangle in enumerate(mesh.triangles):
        polygon, shares = clipped_to_near(seen[triangle], near)
        if len(polygon) < 3:
            continue
        z = -polygon[:, 2]
        x = (0.5 + camera.focal * polygon[:, 0] / z) * extent
        y = (0.5 - camera.focal * polygon[:, 1] / z) * extent
        for k in range(1, len(polygon) - 1):
            fan = [0, k, k + 1]
            draw_screen_triangle(
                out, number, x[fan], y[fan], z[fan], shares[fan], far, mesh.ring[triangle] if drop_ring_backs else None
            )
    return out


def draw_screen_triangle(
    out: Fragments,
    number: int,
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    shares: np.ndarray,
    far: float,
    ring: np.ndarray | None,
) -> None:
    """Draw one triangle given on the screen; `ring` holds the ring flags of the triangle it was clipped from."""
    extent = out.inverse_z.shape[0]
    area = (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0])
    if area == 0:
        return
    left, right = max(math.ceil(min(x) - 0.51), 0), min(math.floor(max(x) - 0.49), extent - 1)
    top, bottom = max(math.ceil(min(y) - 0.51), 0), min(math.floor(max(y) - 0.49), extent - 1)
    if left > right or top > bottom:
        return
    px = np.arange(left, right + 1)[None, :] + 0.5
    py = np.arange(top, bottom + 1)[:, None] + 0.5
    screen = np.stack(
        [
            ((x[(k + 1) % 3] - px) * (y[(k + 2) % 3] - py) - (x[(k + 2) % 3] - px) * (y[(k + 1) % 3] - py)) / area
            for k in range(3)
        ],
        axis=-1,
    )
    # Samples on a shared edge go to both triangles: the z-buffer keeps one, and they are equal there.
    covered = (screen >= -1e-9).all(axis=-1)
    inverse_z = screen @ (1 / z)
    perspective = (screen / z) @ shares / inverse_z[..., None]
    back = area > 0  # y runs downwards on the screen, so counter-clockwise has a negative area
    if back and ring is not None:
        covered &= perspective @ ring <= 0.001
    window = (slice(top, bottom + 1), slice(left, right + 1))
    # Equal up to rounding is a tie.
    nearer = covered & (inverse_z >= 1 / far) & (inverse_z > out.inverse_z[window] * (1 + 1e-9))
    out.inverse_z[window][nearer] = inverse_z[nearer]
    out.back[window][nearer] = back
    out.share[window][nearer] = perspective[nearer]
    out.triangle[window][nearer] = number


def interpolated(fragments: Fragments, mesh: Mesh, attribute: np.ndarray) -> np.ndarray:
    corners = attribute[mesh.triangles[fragments.triangle]]
    share = fragments.share if corners.ndim == 3 else fragments.share[..., None]
    return (corners * share).sum(axis=2)


def texel_colours(fragments: Fragments, mesh: Mesh) -> np.ndarray:
    texel = np.floor(interpolated(fragments, mesh, mesh.texels) + 0.5).astype(int)
    texel = np.clip(texel, 0, mesh.rgb.shape[0] - 1)
    return mesh.rgb[texel[..., 1], texel[..., 0]]


def lanczos(rgb: np.ndarray, size: int) -> np.ndarray:
    if rgb.shape[0] == size:
        return np.clip(rgb, 0, 1)
    eight_bit = np.floor(np.clip(rgb, 0, 1) * 255 + 1e-6).astype(np.uint8)
    return np.asarray(Image.fromarray(eight_bit).resize((size, size), Image.Resampling.LANCZOS)) / 255.0


def counts(samples: np.ndarray, supersample: int) -> np.ndarray:
    size = samples.shape[0] // supersample
    return samples.reshape(size, supersample, size, supersample).sum(axis=(1, 3))


def centres(samples: np.ndarray, supersample: int) -> np.ndarray:
    return samples[supersample // 2 :: supersample, supersample // 2 :: supersample]


def interpolated_flag(fragments: Fragments, mesh: Mesh, flag: np.ndarray) -> np.ndarray:
    return (flag[mesh.triangles[fragments.triangle]] * fragments.share).sum(axis=2)


def encode(z: np.ndarray, depth_range: tuple[float, float]) -> np.ndarray:
    near, far = depth_range
    return (1 / near - 1 / np.clip(z, near, far)) / (1 / near - 1 / far)


def depth_edges(d: np.ndarray, tolerance: float) -> np.ndarray:
    size = d.shape[0]
    d = np.maximum(d, 1e-6)
    edges = np.zeros((size, size), bool)
    for i in range(size):
        for j in range(size):
            different = 0
            for k in range(max(i - 1, 0), min(i + 2, size)):
                for m in range(max(j - 1, 0), min(j + 2, size)):
                    apart = abs(d[k, m] - d[i, j]) > tolerance and abs(1 / d[k, m] - 1 / d[i, j]) > tolerance
                    different += apart
            edges[i, j] = different >= 3
    return edges


def draw_plain(mesh: Mesh, camera: Camera, extent: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour, metric depth and "neither edge nor back face" of a single mesh (method §10, steps 3 and 4)."""
    fragments = rasterise(mesh, camera, extent, 0.1, 200.0, drop_ring_backs=False)
    covered = fragments.triangle >= 0
    front = covered & ~fragments.back
    rgb = np.where(front[..., None], texel_colours(fragments, mesh), 0.0)
    z = np.where(covered, 1 / np.where(covered, fragments.inverse_z, 1.0), 200.0)
    good = front & (interpolated_flag(fragments, mesh, mesh.edge) <= 0.999)
    return rgb, z, good


def forward_backward_warp(
    rgb: np.ndarray, depth: np.ndarray, camera: Camera, depth_range: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour, d and mask, before anything is masked (method §10, steps 3 and 4)."""
    source = Camera.orbit(0.0, 0.0)
    view = View(rgb, depth, source)
    size = view.size
    there_rgb, there_z, _ = draw_plain(build_mesh(view, "pixels", size, 0, None, None), camera, 3 * size)
    moved = View(lanczos(there_rgb, size), centres(there_z, 3), camera)
    back_rgb, back_z, good = draw_plain(build_mesh(moved, None, 0, 0, 0.02, 0.02), source, 3 * size)
    d = encode(centres(back_z, 3), depth_range)
    mask = (counts(good, 3) > 0.75 * 9) & ~depth_edges(d, 0.02)
    return lanczos(back_rgb, size), d, mask


@dataclass
class Blend:
    """The fusion of several views: per sample colour, 1/z (0 for nothing), and the largest weight seen."""

    rgb: np.ndarray
    inverse_z: np.ndarray
    largest_weight: np.ndarray


def fragment_weights(fragments: Fragments, mesh: Mesh) -> np.ndarray:
    """Method §5, per sample; 0 where nothing or a back face is."""
    p = interpolated(fragments, mesh, mesh.points)
    n = interpolated(fragments, mesh, mesh.normals)
    to_camera = mesh.camera.position - p
    lengths = np.linalg.norm(n, axis=-1) * np.linalg.norm(to_camera, axis=-1)
    cosine = (n * to_camera).sum(-1) / np.where(lengths > 0, lengths, 1.0)  # no normal where nothing was drawn
    angle = np.arccos(np.clip(cosine, 0, 1))
    w = np.maximum(np.exp(np.maximum(-20 * angle, -50)), 1e-4)
    w = np.where(interpolated_flag(fragments, mesh, mesh.eroded) >= 0.999, w * 1e-8, w)
    hidden = (interpolated_flag(fragments, mesh, mesh.ring) > 0.001) | (
        interpolated_flag(fragments, mesh, mesh.edge) > 0.999
    )
    w = np.maximum(np.where(hidden, 1e-16, w), 1e-16)
    return np.where((fragments.triangle >= 0) & ~fragments.back, w, 0.0)


def fuse(meshes: list[Mesh], camera: Camera, extent: int, near: float, far: float) -> Blend:
    """Method §5, one view after the other, all samples at once."""
    colour = np.zeros((extent, extent, 3))
    weight, nearness, nearness_weight, largest = (np.zeros((extent, extent)) for _ in range(4))
    for mesh in meshes:
        fragments = rasterise(mesh, camera, extent, near, far, drop_ring_backs=True)
        w = fragment_weights(fragments, mesh)
        c = texel_colours(fragments, mesh)
        hidden = (w > 0) & (w <= 1e-14)
        depth_w = np.where(hidden, 1e-8, np.where(w > 0, mesh.trust, 0.0))
        share = np.where(hidden | (w == 0), w, np.maximum(mesh.trust * w, 1e-14))
        both_hidden = hidden & (largest > 0) & (largest <= 1e-14)
        so_far = nearness / np.where(nearness_weight > 0, nearness_weight, 1)
        farther = fragments.inverse_z < so_far * (1 - 1e-9)
        replaced, left = both_hidden & farther, both_hidden & ~farther
        for total in (colour, weight, nearness, nearness_weight):
            total[replaced] = 0
        share, w, depth_w = (np.where(left, 0, values) for values in (share, w, depth_w))
        colour += share[..., None] * c
        weight += share
        nearness += depth_w * fragments.inverse_z
        nearness_weight += depth_w
        largest = np.maximum(largest, w)
    covered = weight > 0
    return Blend(
        colour / np.where(covered, weight, 1)[..., None], nearness / np.where(covered, nearness_weight, 1), largest
    )


def metric(inverse_z: np.ndarray, empty: float) -> np.ndarray:
    return np.where(inverse_z > 0, 1 / np.where(inverse_z > 0, inverse_z, 1.0), empty)


def render(views: list[View], camera: Camera, size: int, supersample: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Colour, metric depth and mask (method §5, video planes and padding)."""
    radius = max(1, round(3 * views[0].size / 128))
    meshes = [build_mesh(view, "pixels", view.size / 4, radius, 0.03, 0.03) for view in views]
    blend = fuse(meshes, camera, size * supersample, 0.1, 200.0)
    mask = counts(blend.largest_weight > 1e-14, supersample) > 0.75 * supersample**2
    return lanczos(blend.rgb, size), metric(centres(blend.inverse_z, supersample), 0.1), mask


def aggregate_conditions(
    views: list[View], camera: Camera, depth_range: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Colour, d, mask, mask_rgb and depth floor (method §6)."""
    size = views[0].size
    radius = max(1, round(3 * size / 128))
    meshes = [build_mesh(view, "frustum", 1, radius, 0.03, 0.03) for view in views]
    blend = fuse(meshes, camera, 3 * size, 0.01, 200.0)
    floor = encode(metric(centres(blend.inverse_z, 3), 0.01), depth_range)
    mask = (counts(blend.largest_weight > 1e-14, 3) > 0.75 * 9) & ~depth_edges(floor, 0.03)
    mask_rgb = counts(blend.largest_weight > 1e-6, 3) > 0.75 * 9
    reach = radius - 1
    for i in range(size):
        for j in range(size):
            mask_rgb[i, j] &= mask[max(i - reach, 0) : i + reach + 1, max(j - reach, 0) : j + reach + 1].all()
    return lanczos(blend.rgb, size) * mask_rgb[..., None], floor * mask, mask, mask_rgb, floor


def anchor_layer(
    view: View, camera: Camera, size: int, weight: float, edge_weight: float
) -> tuple[np.ndarray, np.ndarray]:
    """Colour and opacity of the view laid over a fused picture (`ivid.fusion.anchoring`)."""
    ring_px, threshold = view.size / 4, view.edge_threshold
    mesh = build_mesh(view, "pixels", ring_px, 1, threshold, threshold)
    fragments = rasterise(mesh, camera, size, 0.1, 200.0, drop_ring_backs=True)
    columns, rows = mesh.texels.astype(int).T
    magnification = camera.focal * size / (view.camera.focal * view.size)
    mix = fragments.share.clip(0) ** np.clip(4 / magnification, 1, 4)
    mix /= np.maximum(mix.sum(-1, keepdims=True), 1e-30)
    colour = (mesh.rgb[rows, columns][mesh.triangles[fragments.triangle]] * mix[..., None]).sum(2)
    z = view.depth[rows, columns].astype(np.float64)[mesh.triangles[fragments.triangle]]
    near, far = z.min(-1), z.max(-1)
    steep = (far - near > threshold) & (1 / near - 1 / far > threshold)
    along = (z * fragments.share).sum(-1)
    side = np.abs(along - (near + far) / 2) / np.where(steep, (far - near) / 2, 1)
    opacity = np.where(steep, edge_weight + (weight - edge_weight) * side**4, weight)
    opacity *= np.clip(1.5 - ring_px * interpolated_flag(fragments, mesh, mesh.ring), 0, 1)
    return colour, np.where((fragments.triangle >= 0) & ~fragments.back, opacity, 0)


def cross_check(view: View, others: list[View], by_trust: bool) -> tuple[np.ndarray, np.ndarray]:
    """How many other views support each pixel, and how many see through it (`ivid.fusion.consistency`)."""
    size = view.size
    supporting, contradicting = (np.zeros((size, size), int) for _ in range(2))
    points = view.camera.unproject(view.depth)

    def same(a: float, b: float) -> bool:
        return abs(a - b) <= view.edge_threshold or abs(1 / a - 1 / b) <= view.edge_threshold

    for row in range(size):
        for column in range(size):
            for other in others:
                seen = other.camera.world_to_view[:3, :3] @ points[row, column] + other.camera.world_to_view[:3, 3]
                z = -seen[2]
                if z <= 0:
                    continue
                j = math.floor((0.5 + other.camera.focal * seen[0] / z) * size)
                i = math.floor((0.5 - other.camera.focal * seen[1] / z) * size)
                if not (0 <= i < size and 0 <= j < size):
                    continue
                window = slice(max(i - 1, 0), i + 2), slice(max(j - 1, 0), j + 2)
                mask = np.ones((size, size), bool) if other.mask is None else other.mask
                depths, kept = other.depth[window].ravel(), mask[window].ravel()
                if any(same(z, float(its)) for its in depths[kept]):
                    supporting[row, column] += 1
                elif kept.all() and (depths > z).all() and (other.trust >= view.trust or not by_trust):
                    contradicting[row, column] += 1
    return supporting, contradicting
