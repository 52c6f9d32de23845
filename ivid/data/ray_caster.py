# type: ignore - kernels are Warp's language, whose types a checker of Python does not know.
"""Which triangle of a mesh is seen in which pixel, by rays that Warp casts: on any processor or GPU, without a display.

It says what `ivid.data.rasteriser.FaceRasteriser` says, which a test holds it against.
"""

from __future__ import annotations

import math

import numpy as np
import warp as wp

from ivid.data.rasteriser import FAR, NEAR, check_face_count
from ivid.fusion.runtime import empty, launch, start_warp

wp.set_module_options({"enable_backward": False})


@wp.kernel
def cast(
    mesh: wp.uint64,
    size: int,
    to_mesh: wp.mat44,
    half_width: float,
    perspective: int,
    near: float,
    far: float,
    faces: wp.array2d[int],
    depths: wp.array2d[float],
):
    """The first triangle along the ray of each pixel, and its depth along the camera's axis."""
    row, column = wp.tid()
    x = half_width * ((2.0 * float(column) + 1.0) / float(size) - 1.0)
    y = half_width * (1.0 - (2.0 * float(row) + 1.0) / float(size))
    start = wp.vec3(x, y, 0.0)
    ray = wp.vec3(0.0, 0.0, -1.0)
    if perspective != 0:
        start = wp.vec3(0.0, 0.0, 0.0)
        ray = wp.vec3(x, y, -1.0)
    # A step of 1 along `ray` is a metre of depth, in the mesh's frame too.
    ray = wp.transform_vector(to_mesh, ray)
    unit = 1.0 / wp.length(ray)
    begin = wp.transform_point(to_mesh, start) + near * ray
    found = wp.mesh_query_ray(mesh, begin, ray * unit, (far - near) / unit)
    if found.result:
        faces[row, column] = found.face
        depths[row, column] = near + found.t * unit
    else:
        faces[row, column] = -1
        depths[row, column] = 0.0


class RayCaster:
    """Draws one mesh at a time into a square of `size` pixels.

    Args:
        size: side of the pictures.
        device: Warp's name of it, such as "cpu" or "cuda:0".
    """

    def __init__(self, size: int, device: str = "cpu") -> None:
        start_warp()
        self.size, self._device = size, wp.get_device(device)
        self._faces = empty((size, size), int, self._device)
        self._depths = empty((size, size), float, self._device)

    def mesh(self, vertices: np.ndarray, faces: np.ndarray) -> wp.Mesh:
        """A handle of triangles: vertices [V, 3], faces [F, 3]; both sides are seen.

        Raises:
            ValueError: there are too many faces.
        """
        check_face_count(len(faces))
        points = wp.array(np.asarray(vertices, np.float32), dtype=wp.vec3, device=self._device)
        indices = wp.array(np.asarray(faces, np.int32).reshape(-1), dtype=int, device=self._device)
        return wp.Mesh(points, indices)

    def perspective(
        self, mesh: wp.Mesh, faces: int, mesh_pose: np.ndarray, camera_pose: np.ndarray, fov_y_deg: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Face numbers int32 [size, size], -1 where nothing is, and depth float32 [size, size] along the axis, 0 there.

        `mesh_pose` and `camera_pose` are [4, 4] into one common frame.
        """
        return self._cast(mesh, mesh_pose, camera_pose, math.tan(math.radians(fov_y_deg) / 2), True)

    def orthographic(
        self, mesh: wp.Mesh, faces: int, mesh_pose: np.ndarray, camera_pose: np.ndarray, half_width: float
    ) -> np.ndarray:
        """Depth float32 [size, size] of a parallel projection 2·`half_width` wide, inf where nothing is."""
        index, depth = self._cast(mesh, mesh_pose, camera_pose, half_width, False)
        return np.where(index >= 0, depth, np.float32(np.inf))

    def _cast(
        self, mesh: wp.Mesh, mesh_pose: np.ndarray, camera_pose: np.ndarray, half_width: float, perspective: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        to_mesh = wp.mat44((np.linalg.inv(mesh_pose) @ camera_pose).astype(np.float32))
        inputs = [mesh.id, self.size, to_mesh, half_width, int(perspective), NEAR, FAR, self._faces, self._depths]
        launch(cast, (self.size, self.size), inputs, self._device)
        return self._faces.numpy().copy(), self._depths.numpy().copy()

    def close(self) -> None:
        """Nothing is held that has to be given back."""
