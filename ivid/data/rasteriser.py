"""Which triangle of a mesh is seen in which pixel, and how far away: pyrender as a rasteriser of face numbers.

Everything that gives a picture its look is computed from that in numpy, so all pictures of a mesh share its buffers.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

_VERTEX_SHADER = """#version 330 core
layout(location = 0) in vec3 position;
layout(location = INST_M_LOC) in mat4 inst_m;
uniform mat4 M;
uniform mat4 V;
uniform mat4 P;
void main() { gl_Position = P * V * M * inst_m * vec4(position, 1.0); }
"""
_FRAGMENT_SHADER = """#version 330 core
out vec4 frag_color;
void main() {
    int face = gl_PrimitiveID + 1;
    frag_color = vec4(face & 255, (face >> 8) & 255, (face >> 16) & 255, 255) / 255.0;
}
"""
_DEBIAN_PACKAGES = "libegl1 libgl1-mesa-dri libgl1"
RASTERISERS = ("opengl", "rays")
"""OpenGL by pyrender (`FaceRasteriser`), or rays cast by Warp (`ivid.data.ray_caster`), for machines without OpenGL."""
MAX_FACES = 2**23 - 1  # face numbers travel in three bytes, each face in both windings
NEAR, FAR = 0.02, 20.0  # metres, between which triangles are seen


def check_face_count(count: int) -> None:
    """Refuse a mesh whose faces cannot be numbered.

    Raises:
        ValueError: there are too many.
    """
    if count > MAX_FACES:
        raise ValueError(f"an asset may have at most {MAX_FACES:,} triangles, this one has {count:,}")


class RenderingUnavailable(RuntimeError):
    """pyrender or the OpenGL libraries under it cannot be used here."""


def _import_pyrender() -> Any:
    os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
    os.environ.setdefault("LP_NUM_THREADS", "0")  # Mesa's threads cost more than they give on pictures this small
    setattr(np, "infty", np.inf)  # noqa: B010  # pyrender 0.1.45 uses a name that numpy 2 dropped
    try:
        import pyrender
    except (ImportError, OSError, AttributeError) as error:
        raise RenderingUnavailable(
            f"3D assets cannot be rendered here ({error}); install pyrender, and on Debian {_DEBIAN_PACKAGES}"
        ) from None
    return pyrender


class FaceRasteriser:
    """Draws one mesh at a time into a square of `size` pixels. One per process: it owns an OpenGL context.

    Raises:
        RenderingUnavailable: pyrender or OpenGL cannot be used; the message names the packages to install.
    """

    def __init__(self, size: int) -> None:
        self._pyrender = pyrender = _import_pyrender()
        self.size = size
        try:
            self._renderer = pyrender.OffscreenRenderer(size, size)
        except Exception as error:  # whatever EGL, Mesa or PyOpenGL raise when no context can be made
            raise RenderingUnavailable(
                f"no OpenGL context can be made ({error}); on Debian install {_DEBIAN_PACKAGES}"
            ) from None
        self._shaders = tempfile.TemporaryDirectory(prefix="ivid-shaders-")
        Path(self._shaders.name, "segmentation.vert").write_text(_VERTEX_SHADER)
        Path(self._shaders.name, "segmentation.frag").write_text(_FRAGMENT_SHADER)
        # pyrender's segmentation pass draws without multisampling, which would blend face numbers.
        self._renderer._renderer._program_cache = pyrender.shader_program.ShaderProgramCache(self._shaders.name)
        self._scene = pyrender.Scene()
        self._perspective = self._scene.add(pyrender.PerspectiveCamera(np.pi / 4, NEAR, FAR, aspectRatio=1.0))
        self._orthographic = self._scene.add(pyrender.OrthographicCamera(1.0, 1.0, znear=NEAR, zfar=FAR))
        self._node: Any = None

    def mesh(self, vertices: np.ndarray, faces: np.ndarray) -> Any:
        """A handle of triangles: vertices [V, 3], faces [F, 3]; both sides are drawn.

        Raises:
            ValueError: there are too many faces.
        """
        check_face_count(len(faces))
        both = np.concatenate([faces, faces[:, ::-1]])  # the pass culls back faces: draw each face in both windings
        primitive = self._pyrender.Primitive(positions=np.asarray(vertices, np.float32), indices=both, mode=4)
        return self._pyrender.Mesh([primitive])

    def perspective(
        self, mesh: Any, faces: int, mesh_pose: np.ndarray, camera_pose: np.ndarray, fov_y_deg: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Face numbers int32 [size, size], -1 where nothing is, and depth float32 [size, size] along the axis, 0 there.

        `mesh_pose` and `camera_pose` are [4, 4] into one common frame.
        """
        self._perspective.camera.yfov = np.radians(fov_y_deg)
        return self._draw(mesh, faces, mesh_pose, camera_pose, self._perspective)

    def orthographic(
        self, mesh: Any, faces: int, mesh_pose: np.ndarray, camera_pose: np.ndarray, half_width: float
    ) -> np.ndarray:
        """Depth float32 [size, size] of a parallel projection 2·`half_width` wide, inf where nothing is."""
        self._orthographic.camera.xmag = self._orthographic.camera.ymag = half_width
        index, depth = self._draw(mesh, faces, mesh_pose, camera_pose, self._orthographic)
        # pyrender linearises the depth buffer as if the projection were a perspective one: undo it.
        with np.errstate(divide="ignore"):
            window = (FAR + NEAR - 2 * FAR * NEAR / depth) / (FAR - NEAR)
        return np.where(index >= 0, NEAR + (window + 1) / 2 * (FAR - NEAR), np.inf).astype(np.float32)

    def _draw(
        self, mesh: Any, faces: int, mesh_pose: np.ndarray, camera_pose: np.ndarray, camera_node: Any
    ) -> tuple[np.ndarray, np.ndarray]:
        scene = self._scene
        if self._node is None or self._node.mesh is not mesh:
            if self._node is not None:
                scene.remove_node(self._node)
            self._node = scene.add(mesh)
        scene.set_pose(self._node, mesh_pose)
        scene.set_pose(camera_node, camera_pose)
        scene.main_camera_node = camera_node
        colour, depth = self._renderer.render(
            scene, flags=self._pyrender.RenderFlags.SEG, seg_node_map={self._node: (0, 0, 0)}
        )
        number = colour[..., 0].astype(np.int32) | colour[..., 1].astype(np.int32) << 8
        number |= colour[..., 2].astype(np.int32) << 16
        index = np.where(number > 0, (number - 1) % faces, -1)
        return index, np.ascontiguousarray(depth)

    def close(self) -> None:
        """Give the OpenGL context back."""
        self._renderer.delete()
        self._shaders.cleanup()
