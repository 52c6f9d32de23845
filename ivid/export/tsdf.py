"""Fusing the depth maps of a scene into one surface: a truncated signed distance field and its triangles.

The field is Open3D's sparse voxel grid and its marching cubes; what is fused into it is ours, because the library
weighs all observations alike. Voxels live in contracted space (`ivid.export.surface.contract`), so that one voxel size
suits near and far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ivid.export.libraries import library
from ivid.export.surface import SAME_SURFACE, SurfaceMaps, contract, expand, pixel_angle

TRUNCATION_VOXELS = 4.0
BLOCK = 8  # voxels along the side of a block of the sparse grid
SMALLEST_PIECE = 0.002  # of all triangles
CHUNK = 65536  # voxels per launch of a kernel
SMALLEST_WEIGHT = 1e-30
NO_SURFACE = "the views agree on no surface from which a mesh could be made; points and splats need none"
BEYOND = 1e6  # metres: the depth of background, which is empty space to any voxel


@dataclass(frozen=True)
class Surface:
    """A triangle mesh in world coordinates: vertices float32 [N, 3], triangles int32 [M, 3] counter-clockwise."""

    vertices: np.ndarray
    triangles: np.ndarray


def fuse_surface(
    maps: Sequence[SurfaceMaps], seeds: np.ndarray, voxel: float, max_triangles: int | None = None
) -> Surface:
    """The zero crossing of the views' mean signed distance, by view-angle weight.

    Args:
        maps: pixels of all views (`surface_maps`).
        seeds: world points [N, 3] near which there is a surface.
        voxel: side of a voxel in contracted space.
        max_triangles: simplify to at most so many.

    Pieces of the surface that hang together by less than SMALLEST_PIECE of its triangles are dropped.

    Raises:
        ValueError: there is no surface.
        MissingLibraryError: Open3D cannot be imported.
    """
    open3d = library("open3d", "open3d", "a mesh")
    field = _Field(open3d, contract(seeds).astype(np.float32), voxel)
    distance, total = integrated(maps, field.voxels, TRUNCATION_VOXELS * voxel)
    mesh = field.triangles(distance, total)
    pieces, counts, _ = (np.asarray(each) for each in mesh.cluster_connected_triangles())
    mesh.remove_triangles_by_mask((counts < counts.sum() * SMALLEST_PIECE)[pieces])
    mesh.remove_unreferenced_vertices()
    if max_triangles and len(mesh.triangles) > max_triangles:
        mesh = mesh.simplify_quadric_decimation(max_triangles)
    return Surface(expand(np.asarray(mesh.vertices)).astype(np.float32), np.asarray(mesh.triangles, np.int32))


def integrated(maps: Sequence[SurfaceMaps], voxels: np.ndarray, truncation: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean truncated distance in units of `truncation` and sum of weights, both float32 [N], of voxels [N, 3]."""
    from ivid.export import tsdf_kernels as kernels

    wp, views = _views(maps)
    distance, total = wp.zeros(len(voxels), dtype=float, device="cpu"), wp.zeros(len(voxels), dtype=float, device="cpu")
    normals = wp.array(np.stack([each.normals for each in maps]), dtype=wp.vec3, device="cpu")
    positions = np.array([each.view.camera.position for each in maps], np.float32)
    inputs = [
        maps[0].view.size,
        truncation,
        wp.array(voxels, dtype=wp.vec3, device="cpu"),
        views.world_to_view,
        wp.array(positions, dtype=wp.vec3, device="cpu"),
        views.scales,
        views.depth,
        views.weights,
        normals,
        distance,
        total,
    ]
    _launch(kernels.integrate, len(voxels), inputs)
    return distance.numpy(), total.numpy()


def surface_colours(maps: Sequence[SurfaceMaps], points: np.ndarray) -> np.ndarray:
    """Colours float32 [N, 3], sRGB in [0, 1], of surface points [N, 3]: what fusion would blend there (method §5)."""
    from ivid.export import tsdf_kernels as kernels

    wp, views = _views(maps)
    colours = np.stack([each.view.rgb.astype(np.float32) / 255 for each in maps])
    gathered = wp.zeros(len(points), dtype=wp.vec3, device="cpu")
    inputs = [
        maps[0].view.size,
        SAME_SURFACE,
        wp.array(points, dtype=wp.vec3, device="cpu"),
        views.world_to_view,
        views.scales,
        views.depth,
        views.weights,
        wp.array(colours, dtype=wp.vec3, device="cpu"),
        gathered,
    ]
    _launch(kernels.gather_colours, len(points), inputs)
    return gathered.numpy()


class _Field:
    """Open3D's sparse voxel grid around seed points, all in contracted space."""

    def __init__(self, open3d, seeds: np.ndarray, voxel: float) -> None:
        self._tensor = open3d.core.Tensor
        floats = (open3d.core.float32, open3d.core.float32)
        device = open3d.core.Device("CPU:0")
        self._grid = open3d.t.geometry.VoxelBlockGrid(
            ("tsdf", "weight"), floats, ((1), (1)), voxel, BLOCK, 10_000, device
        )
        cloud = open3d.t.geometry.PointCloud(self._tensor(seeds))
        blocks = self._grid.compute_unique_block_coordinates(cloud, TRUNCATION_VOXELS)
        self._grid.hashmap().activate(blocks)
        slots, _ = self._grid.hashmap().find(blocks)
        voxels, self._indices = self._grid.voxel_coordinates_and_flattened_indices(slots)
        self.voxels: np.ndarray = voxels.numpy()

    def triangles(self, distance: np.ndarray, total: np.ndarray):
        """The zero crossing, as an Open3D triangle mesh.

        Raises:
            ValueError: there is none.
        """
        for name, values in (("tsdf", distance), ("weight", total)):
            self._grid.attribute(name).reshape((-1, 1))[self._indices] = self._tensor(values[:, None])
        try:
            mesh = self._grid.extract_triangle_mesh(SMALLEST_WEIGHT)
        except RuntimeError as error:  # what Open3D says when there is not a single triangle
            raise ValueError(NO_SURFACE) from error
        if not len(mesh.triangle.indices):
            raise ValueError(NO_SURFACE)
        return mesh.to_legacy()


@dataclass(frozen=True)
class _Views:
    world_to_view: object
    scales: object
    depth: object
    weights: object


def _views(maps: Sequence[SurfaceMaps]):
    from ivid.fusion.runtime import start_warp

    start_warp()
    import warp as wp

    matrices = np.array([each.view.camera.world_to_view for each in maps], np.float32)
    scales = np.array([1 / pixel_angle(each.view) for each in maps], np.float32)
    return wp, _Views(
        wp.array(matrices, dtype=wp.mat44, device="cpu"),
        wp.array(scales, dtype=float, device="cpu"),
        wp.array(np.stack([_depth(each) for each in maps]), dtype=float, device="cpu"),
        wp.array(np.stack([each.weights for each in maps]), dtype=float, device="cpu"),
    )


def _depth(maps: SurfaceMaps) -> np.ndarray:
    return np.where(maps.background, np.float32(BEYOND), maps.view.depth)


def _launch(kernel, count: int, inputs: list) -> None:
    """Run a kernel over range(count), in chunks on a few threads."""
    import warp as wp

    from ivid.fusion.runtime import kernel_device, split, thread_count

    def launch(first_chunk: int, chunks: int) -> None:
        first = first_chunk * CHUNK
        wp.launch(kernel, dim=min(chunks * CHUNK, count - first), inputs=[first, *inputs], device="cpu")

    kernel.module.load(kernel_device("cpu"))  # once, before the threads ask for it
    split(-(-count // CHUNK), thread_count(None, kernel_device("cpu")), launch)
