"""The scene as a triangle mesh with vertex colours or a texture: .glb, .obj or .ply."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

from ivid.export.libraries import library
from ivid.export.meshopt import compressed
from ivid.export.surface import (
    VOXEL_PIXELS,
    Progress,
    SurfaceMaps,
    axes_with_up,
    check_up,
    scene_maps,
    surface_samples,
    voxel_size,
)
from ivid.export.texture import check_texture_size, textured
from ivid.export.tsdf import Surface, fuse_surface, surface_colours
from ivid.scene.files import written_aside
from ivid.scene.scene import Scene
from ivid.scene.view import quantised

LINEAR_ATTRIBUTE = "_LINEAR"
MATERIAL = "views"


def export_mesh(
    scene: Scene,
    path: str | Path,
    progress: Progress | None = None,
    *,
    keep_far: bool = False,
    voxel_pixels: float = VOXEL_PIXELS["mesh"],
    max_triangles: int | None = None,
    up: str = "y",
    texture: int | None = None,
    compress: bool = False,
) -> None:
    """Write the fused surface as .glb, .obj or .ply.

    In glTF the colours of vertices are linear (16 bits) and the material unlit, so that they look as in the pictures;
    in the other formats they are sRGB, as textures are everywhere. Beside a textured .obj stand its .mtl and .png.

    Args:
        keep_far: keep what lies at the far plane (the sky).
        voxel_pixels: side of a voxel in pixels, at any distance.
        max_triangles: simplify to at most so many, by quadric error.
        up: the axis that points up, see `axes_with_up`; in glTF it is y.
        texture: side in pixels of a texture in place of vertex colours; of .glb and .obj.
        compress: quantise and pack a .glb by meshoptimizer (`ivid.export.meshopt`).

    Raises:
        ValueError: an argument is out of range, or the views agree on no surface.
        MissingLibraryError: Open3D, trimesh, or what the texture or the compression needs is not there.
    """
    check_up(up)
    suffix = Path(path).suffix.lower()
    if suffix == ".glb" and up != "y":
        raise ValueError(f"in glTF files y points up; write .obj or .ply for {up}")
    if texture is not None:
        check_texture_size(texture)
        if suffix == ".ply":
            raise ValueError("a texture goes into .glb or .obj, not into .ply")
        library("xatlas", "xatlas", "a texture")
    if compress:
        if suffix != ".glb":
            raise ValueError(f"only .glb can be compressed, not {suffix}")
        library("meshopt", "meshopt", "compressing a mesh")
    trimesh = library("trimesh", "trimesh", "a mesh")
    if texture is None:
        surface, colours = coloured_surface(scene, progress, keep_far, voxel_pixels, max_triangles)
        mesh = trimesh.Trimesh(axes_with_up(surface.vertices, up), surface.triangles, process=False)
        if suffix == ".glb":
            _set_linear_colours(mesh, colours)
        else:
            mesh.visual.vertex_colors = quantised(colours)
    else:
        mesh = _textured_mesh(trimesh, scene, progress, keep_far, voxel_pixels, max_triangles, texture, path)
        mesh.vertices = axes_with_up(np.asarray(mesh.vertices), up)
    if suffix == ".glb":
        content = _glb(trimesh, mesh, scene)
        files = {"": compressed(content) if compress else content}
    elif suffix == ".obj" and texture is not None:
        files = _obj_with_texture(trimesh, mesh, Path(path))
    else:
        settings = {"vertex_normal": True} if suffix == ".ply" else {"include_normals": True}
        content = mesh.export(file_type=suffix[1:], **settings)
        files = {"": content if isinstance(content, bytes) else content.encode()}
    for ending, content in files.items():  # the mesh itself comes last
        with written_aside(Path(path).with_suffix(ending) if ending else path) as aside:
            aside.write_bytes(content)


def coloured_surface(
    scene: Scene,
    progress: Progress | None = None,
    keep_far: bool = False,
    voxel_pixels: float = VOXEL_PIXELS["mesh"],
    max_triangles: int | None = None,
) -> tuple[Surface, np.ndarray]:
    """The fused surface and its vertices' colours, float32 [N, 3] sRGB in [0, 1]; see `export_mesh`."""
    maps, surface, steps = _fused(scene, progress, keep_far, voxel_pixels, max_triangles)
    colours = surface_colours(maps, surface.vertices)
    if progress:
        progress(steps, steps)
    return surface, colours


def _fused(
    scene: Scene, progress: Progress | None, keep_far: bool, voxel_pixels: float, max_triangles: int | None
) -> tuple[list[SurfaceMaps], Surface, int]:
    """The views' samples, the surface of them, and the number of steps, of which colours are the last."""
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
    return maps, surface, steps


def _textured_mesh(trimesh, scene, progress, keep_far, voxel_pixels, max_triangles, size: int, path: str | Path):
    """The fused surface with a texture, as a mesh of trimesh."""
    from PIL import Image

    maps, surface, steps = _fused(scene, progress, keep_far, voxel_pixels, max_triangles)
    made = textured(surface, maps, size)
    if progress:
        progress(steps, steps)
    material = trimesh.visual.material.PBRMaterial(
        name=Path(path).stem,
        baseColorTexture=Image.fromarray(made.picture),
        metallicFactor=0.0,
        roughnessFactor=1.0,
        doubleSided=True,
    )
    visual = trimesh.visual.TextureVisuals(uv=made.uv, material=material)
    return trimesh.Trimesh(made.surface.vertices, made.surface.triangles, visual=visual, process=False)


def _set_linear_colours(mesh, colours: np.ndarray) -> None:
    linear = np.ones((len(colours), 4))
    linear[:, :3] = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    mesh.vertex_attributes[LINEAR_ATTRIBUTE] = np.rint(linear * 65535).astype(np.uint16)


def _obj_with_texture(trimesh, mesh, path: Path) -> dict[str, bytes]:
    """The files of a textured .obj by their endings."""
    picture = io.BytesIO()
    mesh.visual.material.baseColorTexture.save(picture, format="PNG")
    text = trimesh.exchange.obj.export_obj(
        mesh, include_normals=True, include_color=False, include_texture=True, write_texture=False, header=None
    )
    lines = [line for line in text.splitlines() if not line.startswith(("mtllib", "usemtl"))]
    first_face = next(index for index, line in enumerate(lines) if line.startswith("f "))
    lines[first_face:first_face] = [f"usemtl {MATERIAL}"]
    text = "\n".join([f"mtllib {path.stem}.mtl", *lines, ""])
    material = f"newmtl {MATERIAL}\nKd 1 1 1\nillum 0\nmap_Kd {path.stem}.png\n"
    return {".png": picture.getvalue(), ".mtl": material.encode(), "": text.encode()}


def _glb(trimesh, mesh, scene: Scene) -> bytes:
    """Binary glTF with the first view's camera."""
    first = scene.views[0].camera
    placed = trimesh.Scene(
        {"scene": mesh},
        camera=trimesh.scene.Camera(name="first view", resolution=(512, 512), fov=(first.fov_y_deg, first.fov_y_deg)),
        camera_transform=first.view_to_world,
    )
    return trimesh.exchange.gltf.export_glb(placed, include_normals=True, tree_postprocessor=_as_unlit)


def _as_unlit(tree: dict) -> None:
    """What trimesh cannot write itself: 16-bit vertex colours, an unlit material, and what buffer views are for."""
    (primitive,) = tree["meshes"][0]["primitives"]
    attributes = primitive["attributes"]
    for accessor, target in (*((each, 34962) for each in attributes.values()), (primitive["indices"], 34963)):
        tree["bufferViews"][tree["accessors"][accessor]["bufferView"]]["target"] = target
    if LINEAR_ATTRIBUTE in attributes:
        attributes["COLOR_0"] = attributes.pop(LINEAR_ATTRIBUTE)
        tree["accessors"][attributes["COLOR_0"]]["normalized"] = True
        plain = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
        tree["materials"] = [{"name": MATERIAL, "doubleSided": True, "pbrMetallicRoughness": plain}]
        primitive["material"] = 0
    tree["materials"][0]["extensions"] = {"KHR_materials_unlit": {}}
    tree.setdefault("extensionsUsed", []).append("KHR_materials_unlit")
