"""The surface a scene shows, as oriented samples: what point clouds, splats and meshes are made from.

Every pixel of every view is a sample of the surface: a point, a normal, a colour and the weight with which fusion
rendering blends it, by view angle and trust (method §5). Several views see the same piece of surface;
`surface_samples` keeps the best.

Pixels get larger with distance. `contract` maps the world into the unit ball so that they do not: lengths shrink by
1 + |p|, which is about the distance to the cameras, one metre from the origin. There a single voxel size fits all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np

from ivid.scene.depth import DepthRange, encode
from ivid.scene.scene import Scene
from ivid.scene.view import View

Progress = Callable[[int, int], object]

ERODED_WEIGHT = 1e-8  # method §5
FAR_PLANE_D = 0.97  # networks draw a sky not quite at the far plane; encoded depth from here on counts as the plane
SAME_SURFACE = 0.02  # 1/metres: views that differ by less see the same surface
BETTER = 3.0  # a weight this many times higher replaces a sample: 3 degrees nearer to head-on
UP_AXES = ("y", "z")
VOXEL_PIXELS = {"points": 0.5, "mesh": 0.75, "splats": 0.7}
"""Width of a voxel in pixels of the views, by kind of export."""
COMPARED_VIEWS = 16  # the cameras nearest to a sample's own see what it shows; further ones cost time


@dataclass(frozen=True)
class PointCloud:
    """Oriented surface samples of a scene, in world coordinates.

    Attributes:
        points: float32 [N, 3], metres.
        normals: float32 [N, 3], unit, towards the cameras.
        colours: float32 [N, 3], sRGB in [0, 1].
        weights: float32 [N], view-angle weights, positive.
        footprints: float32 [N], the side in metres of a pixel at the sample's depth, seen head-on.
        towards: float32 [N, 3], unit, to the camera that took the sample.
    """

    points: np.ndarray
    normals: np.ndarray
    colours: np.ndarray
    weights: np.ndarray
    footprints: np.ndarray
    towards: np.ndarray

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: np.ndarray) -> PointCloud:
        """The samples picked by a boolean mask or by indices."""
        return PointCloud(*(getattr(self, each.name)[index] for each in fields(self)))


@dataclass(frozen=True)
class SurfaceMaps:
    """One view's pixels as samples: points and normals [S, S, 3] and weights [S, S] float32, background [S, S] bool.

    The weight of an edge pixel is 0, as is that of one which its view's mask leaves out. Background is what lies at the
    far plane and is no surface.
    """

    view: View
    points: np.ndarray
    normals: np.ndarray
    weights: np.ndarray
    background: np.ndarray


def check_up(up: str) -> None:
    """Refuse what is no axis that can point up.

    Raises:
        ValueError: it is none of `UP_AXES`.
    """
    if up not in UP_AXES:
        raise ValueError(f"the axis that points up is {' or '.join(UP_AXES)}, not {up!r}")


def axes_with_up(vectors: np.ndarray, up: str) -> np.ndarray:
    """Points or normals [N, 3] of the scene, whose y points up, in axes of another program.

    Args:
        up: "y", as in glTF and games; or "z", as in Blender and CAD: then y points away from the first camera.

    Raises:
        ValueError: there is no such axis.
    """
    check_up(up)
    return vectors if up == "y" else vectors[:, [0, 2, 1]] * np.array([1, -1, 1], vectors.dtype)


def contract(points: np.ndarray) -> np.ndarray:
    """Map points [..., 3] of the world into the unit ball: p / (1 + |p|)."""
    return points / (1 + np.linalg.norm(points, axis=-1, keepdims=True))


def expand(points: np.ndarray) -> np.ndarray:
    """The inverse of `contract`: points [..., 3] of the open unit ball back to the world."""
    return points / (1 - np.linalg.norm(points, axis=-1, keepdims=True))


def pixel_angle(view: View) -> float:
    """The side of a pixel at depth 1, in metres."""
    return 1 / (view.camera.focal * view.size)


def at_far_plane(depth_metres: np.ndarray, depth_range: DepthRange) -> np.ndarray:
    """Where a depth map [S, S] shows what lies at the far plane: bool [S, S]."""
    return encode(depth_metres, depth_range) > FAR_PLANE_D


def scene_maps(scene: Scene, keep_far: bool = False) -> list[SurfaceMaps]:
    """The samples of every pixel of every view.

    What lies at the far plane is background, since the sky would stand as a wall behind the scene; `keep_far` makes it
    surface, and so does a scene with nothing else.

    Raises:
        ValueError: every pixel of every view lies on a depth edge.
    """
    maps = [_surface_maps(view, at_far_plane(view.depth, scene.depth_range)) for view in scene.views]
    if not any((each.weights > 0).any() for each in maps):
        raise ValueError("the scene shows no surface: every pixel of its views lies on a depth edge")
    if keep_far or not any(((each.weights > 0) & ~each.background).any() for each in maps):
        return [replace(each, background=np.zeros_like(each.background)) for each in maps]
    return maps


def _surface_maps(view: View, background: np.ndarray) -> SurfaceMaps:
    """Points, normals and view-angle weights of every pixel of a view (method §4, §5)."""
    points = view.camera.unproject(view.depth).astype(np.float32)
    to_camera = _unit(view.camera.position.astype(np.float32) - points)
    normals = _normals(points, to_camera)
    angle = np.arccos(np.clip((normals * to_camera).sum(-1), 0, 1))
    weights = np.maximum(np.exp(-20 * angle), 1e-4)
    edge = edge_pixels(view)
    eroded = _box_maximum(edge, max(1, round(3 * view.size / 128)))
    left_out = edge if view.mask is None else edge | ~view.mask
    weights = view.trust * np.where(left_out, 0, np.where(eroded, weights * ERODED_WEIGHT, weights))
    return SurfaceMaps(view, points, normals, weights.astype(np.float32), background)


def edge_pixels(view: View) -> np.ndarray:
    """Bool [S, S]: the pixels touched by a steep triangle of the view's mesh (method §4)."""
    depth = view.depth
    edge = np.zeros(depth.shape, bool)
    if view.size < 2:
        return edge
    points = view.camera.unproject(depth)  # distances do not depend on the frame
    falling = np.linalg.norm(points[:-1, :-1] - points[1:, 1:], axis=-1)  # top-left to bottom-right
    rising = np.linalg.norm(points[:-1, 1:] - points[1:, :-1], axis=-1)
    split_falling = falling < rising
    corners = [(slice(None, -1), slice(None, -1)), (slice(None, -1), slice(1, None))]
    corners += [(slice(1, None), slice(None, -1)), (slice(1, None), slice(1, None))]
    for split, triangles in ((split_falling, ((0, 1, 3), (0, 2, 3))), (~split_falling, ((0, 1, 2), (1, 2, 3)))):
        for triangle in triangles:
            z = np.stack([depth[corners[corner]] for corner in triangle])
            steep = split & (np.ptp(z, axis=0) > view.edge_threshold) & (np.ptp(1 / z, axis=0) > view.edge_threshold)
            for corner in triangle:
                edge[corners[corner]] |= steep
    return edge


def surface_samples(maps: list[SurfaceMaps], progress: Progress | None = None) -> PointCloud:
    """The samples of all views that show the surface best, duplicates not yet merged.

    A pixel is dropped when it lies on a depth edge or is background, when another view shows the same piece of surface
    at a better weight, or when more views look through it than confirm it.
    """
    bounds = [_inverse_depth_bounds(each.view.depth) for each in maps]
    kept = []
    for index, own in enumerate(maps):
        samples = _samples(own, (own.weights > 0) & ~own.background)
        kept.append(samples[_best_and_confirmed(samples, index, maps, bounds)])
        if progress:
            progress(index + 1, len(maps))
    return _joined(kept)


def merged(samples: PointCloud, voxel: float) -> PointCloud:
    """One sample per occupied voxel of side `voxel` in contracted space: means by view-angle weight."""
    cells = np.floor(contract(samples.points) / voxel).astype(np.int64)
    cells -= cells.min(axis=0)
    extent = cells.max(axis=0) + 1
    keys = (cells[:, 0] * extent[1] + cells[:, 1]) * extent[2] + cells[:, 2]
    _, cell = np.unique(keys, return_inverse=True)
    weights = samples.weights.astype(np.float64)
    total = np.bincount(cell, weights)

    def mean(values: np.ndarray) -> np.ndarray:
        return (np.bincount(cell, weights * values) / total).astype(np.float32)

    def mean_rows(values: np.ndarray) -> np.ndarray:
        return np.stack([mean(column) for column in values.T], axis=-1)

    return PointCloud(
        points=mean_rows(samples.points),
        normals=_unit(mean_rows(samples.normals)),
        colours=mean_rows(samples.colours),
        weights=mean(weights),
        footprints=mean(samples.footprints),
        towards=_unit(mean_rows(samples.towards)),
    )


def voxel_size(maps: list[SurfaceMaps]) -> float:
    """The side of a pixel in contracted space, where it hardly depends on its distance."""
    return float(np.median([pixel_angle(each.view) for each in maps]))


def _samples(maps: SurfaceMaps, wanted: np.ndarray) -> PointCloud:
    view = maps.view
    return PointCloud(
        points=maps.points[wanted],
        normals=maps.normals[wanted],
        colours=view.rgb[wanted].astype(np.float32) / 255,
        weights=maps.weights[wanted],
        footprints=view.depth[wanted] * np.float32(pixel_angle(view)),
        towards=_unit(view.camera.position.astype(np.float32) - maps.points[wanted]),
    )


def _joined(parts: list[PointCloud]) -> PointCloud:
    return replace(
        parts[0],
        **{each.name: np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(PointCloud)},
    )


def _best_and_confirmed(
    samples: PointCloud, own: int, maps: list[SurfaceMaps], bounds: list[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Bool [N]: no other view shows the sample at a better weight, and no majority looks through it."""
    position = maps[own].view.camera.position
    distance = [np.linalg.norm(each.view.camera.position - position) for each in maps]
    others = [index for index in np.argsort(distance, kind="stable") if index != own][:COMPARED_VIEWS]
    best = np.ones(len(samples), bool)
    votes = np.ones(len(samples), np.int16)  # its own view confirms it
    for index in others:
        other, (lowest, highest) = maps[index], bounds[index]
        row, column, inverse_depth, inside = _project(samples.points, other.view)
        weight = np.where(inside, other.weights[row, column], 0)
        in_front = inverse_depth > highest[row, column] + SAME_SURFACE
        behind = inverse_depth < lowest[row, column] - SAME_SURFACE
        same = (weight > 0) & ~in_front & ~behind & ~other.background[row, column]
        best &= ~(same & (weight > BETTER * samples.weights))
        votes += same
        votes -= (weight > 0) & in_front
    return best & (votes > 0)


def _project(points: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The pixel (row, column) a point falls on, its 1/depth, and whether the view has that pixel; each [N]."""
    size, camera = view.size, view.camera
    matrix = camera.world_to_view[:3].astype(np.float32)
    x, y, z = (points @ matrix[:, :3].T + matrix[:, 3]).T
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        inverse_depth = np.where(z < -1e-6, -1 / z, 0)
    scale = camera.focal * size * inverse_depth
    column, row = np.floor(size / 2 + scale * x), np.floor(size / 2 - scale * y)
    inside = (inverse_depth > 0) & (column >= 0) & (column < size) & (row >= 0) & (row < size)
    pixel = np.where(inside, row, 0).astype(np.int32), np.where(inside, column, 0).astype(np.int32)
    return *pixel, inverse_depth, inside


def _inverse_depth_bounds(depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest 1/depth within the 3x3 neighbourhood of each pixel: what a slope covers of half a pixel."""
    inverse = 1 / depth
    return -_box_maximum(-inverse, 1), _box_maximum(inverse, 1)


def _box_maximum(values: np.ndarray, radius: int) -> np.ndarray:
    """Maximum over the (2 radius + 1)² box around each element of [S, S], the border replicated."""
    for axis in (0, 1):
        padded = np.pad(values, [(radius, radius) if each == axis else (0, 0) for each in (0, 1)], mode="edge")
        values = np.lib.stride_tricks.sliding_window_view(padded, 2 * radius + 1, axis=axis).max(axis=-1)
    return values


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32(1e-12))


def _normals(points: np.ndarray, to_camera: np.ndarray) -> np.ndarray:
    """Unit normals [S, S, 3] of unprojected points [S, S, 3] by Sobel differences (method §4)."""
    padded = np.pad(points, ((1, 1), (1, 1), (0, 0)), mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    columns = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    right, up = rows[:, 2:] - rows[:, :-2], columns[:-2] - columns[2:]
    normals = np.cross(right, up)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.where(length > 0, normals / np.maximum(length, np.float32(1e-30)), to_camera).astype(np.float32)
