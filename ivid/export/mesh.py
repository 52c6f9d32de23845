"""The scene as a triangle mesh with vertex colours: .glb, .obj or .ply."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ivid.export.libraries import library
from ivid.export.surface import Progress, axes_with_up, check_up, scene_maps, surface_samples, voxel_size
from ivid.export.tsdf import Surface, fuse_surface, surface_colours
from ivid.scene.files import written_aside
from ivid.scene.scene import Scene

LINEAR_ATTRIBUTE = "_LINEAR"


def export_mesh(
    scene: Scene,
    path: str | Path,
    progress: Progress | None = None,
    *,
    keep_far: bool = False,
    voxel_pixels: float = 0.75,
    max_triangles: int | None = None,
    up: str = "y",
) -> None:
    """Write the fused surface as .glb, .obj or .ply.

    In glTF the colours are linear (16 bits) and the material unlit, so that they look as in the pictures; in the other
    formats they are sRGB.

    Args:
        keep_far: keep what lies at the far plane (the sky).
        voxel_pixels: side of a voxel in pixels, at any distance.
        max_triangles: simplify to at most so many.
        up: the axis that points up, see `axes_with_up`; in glTF it is y.

    Raises:
        ValueError: an argument is out of range, or the views agree on no surface.
        MissingLibraryError: Open3D or trimesh is not there.
    """
    check_up(up)
    suffix = Path(path).suffix.lower()
    if suffix == ".glb" and up != "y":
        raise ValueError(f"in glTF files y points up; write .obj or .ply for {up}")
    trimesh = library("trimesh", "trimesh", "a mesh")
    surface, colours = coloured_surface(scene, progress, keep_far, voxel_pixels, max_triangles)
    mesh = trimesh.Trimesh(axes_with_up(surface.vertices, up), surface.triangles, process=False)
    if suffix == ".glb":
        content = _glb(trimesh, mesh, colours, scene)
    else:
        mesh.visual.vertex_colors = np.rint(colours * 255).astype(np.uint8)
        settings = {"vertex_normal": True} if suffix == ".ply" else {"include_normals": True}
        content = mesh.export(file_type=suffix[1:], **settings)
    with written_aside(path) as aside:
        aside.write_bytes(content if isinstance(content, bytes) else content.encode())


def coloured_surface(
    scene: Scene,
    progress: Progress | None = None,
    keep_far: bool = False,
    voxel_pixels: float = 0.75,
    max_triangles: int | None = None,
) -> tuple[Surface, np.ndarray]:
    """The fused surface and its vertices' colours, float32 [N, 3] sRGB in [0, 1]; see `export_mesh`."""
    if not voxel_pixels > 0:
        raise ValueError(f"a voxel must be a positive number of pixels wide, got {voxel_pixels}")
    if max_triangles is not None and max_triangles < 4:
        raise ValueError(f"a mesh needs at least 4 triangles, got a maximum of {max_triangles}")
    maps = scene_maps(scene, keep_far)
    steps = len(maps) + 2
    seeds = surface_samples(maps, progress and (lambda done, _: progress(done, steps))).points
    surface = fuse_surface(maps, seeds, voxel_pixels * voxel_size(maps), max_triangles)
    if progress:
        progress(len(maps) + 1, steps)
    colours = surface_colours(maps, surface.vertices)
    if progress:
        progress(steps, steps)
    return surface, colours


def _glb(trimesh, mesh, colours: np.ndarray, scene: Scene) -> bytes:
    """Binary glTF with the first view's camera."""
    linear = np.ones((len(colours), 4))
    linear[:, :3] = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    mesh.vertex_attributes[LINEAR_ATTRIBUTE] = np.rint(linear * 65535).astype(np.uint16)
    first = scene.views[0].camera
    placed = trimesh.Scene(
        {"scene": mesh},
        camera=trimesh.scene.Camera(name="first view", resolution=(512, 512), fov=(first.fov_y_deg, first.fov_y_deg)),
        camera_transform=first.view_to_world,
    )
    return trimesh.exchange.gltf.export_glb(placed, include_normals=True, tree_postprocessor=_as_unlit)


def _as_unlit(tree: dict) -> None:
    """What trimesh cannot write itself: 16-bit vertex colours, and a material that takes no light."""
    attributes = tree["meshes"][0]["primitives"][0]["attributes"]
    attributes["COLOR_0"] = attributes.pop(LINEAR_ATTRIBUTE)
    tree["accessors"][attributes["COLOR_0"]]["normalized"] = True
    tree["materials"] = [
        {
            "name": "views",
            "doubleSided": True,
            "pbrMetallicRoughness": {"metallicFactor": 0.0, "roughnessFactor": 1.0},
            "extensions": {"KHR_materials_unlit": {}},
        }
    ]
    tree["meshes"][0]["primitives"][0]["material"] = 0
    tree.setdefault("extensionsUsed", []).append("KHR_materials_unlit")
