"""The scene as a capture: pictures, depths and cameras, for nerfstudio and for whatever reads COLMAP's text model.

nerfstudio's cameras look along -z with y up, as ours do. COLMAP's look along +z with y down; its world is ours.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from ivid.export.points import fused_cloud, write_points
from ivid.export.stills import depth_millimetres
from ivid.export.surface import PointCloud, Progress
from ivid.scene.cameras import Camera
from ivid.scene.files import written_aside
from ivid.scene.scene import Scene

COLMAP_POINTS = 20_000  # enough to start splats from; its reader goes line by line


def export_dataset(scene: Scene, path: str | Path, progress: Progress | None = None) -> None:
    """Write the folder `path`, or a zip archive of it when `path` ends in `.zip`.

    Raises:
        ValueError: the folder exists and is not empty.
        OSError: it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() == ".zip":
        with tempfile.TemporaryDirectory() as folder, written_aside(path) as aside:
            _write(scene, Path(folder), progress)
            with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(Path(folder).rglob("*")):
                    archive.write(file, file.relative_to(folder))
        return
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"{path} exists and is not an empty folder; name a new folder, or a .zip file")
    path.parent.mkdir(parents=True, exist_ok=True)
    aside_folder = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    try:
        _write(scene, aside_folder, progress)
        aside_folder.chmod(0o755)  # mkdtemp makes folders that only their owner can read
        os.replace(aside_folder, path)
    finally:
        shutil.rmtree(aside_folder, ignore_errors=True)


def _write(scene: Scene, folder: Path, progress: Progress | None) -> None:
    for name in ("images", "depths", "sparse/0"):
        (folder / name).mkdir(parents=True)
    steps = len(scene.views) + 1
    for index, view in enumerate(scene.views):
        Image.fromarray(view.rgb).save(folder / _picture(index))
        millimetres = depth_millimetres(view.depth)
        if view.mask is not None:
            millimetres[~view.mask] = 0
        Image.fromarray(millimetres).save(folder / _depth(index))
        if progress:
            progress(index + 1, steps)
    cloud = fused_cloud(scene, voxel_pixels=1.0)
    write_points(folder / "sparse_pc.ply", cloud)
    (folder / "transforms.json").write_text(json.dumps(_transforms(scene), indent=1))
    _write_colmap(scene, cloud, folder / "sparse" / "0")
    if progress:
        progress(steps, steps)


def _picture(index: int) -> str:
    return f"images/frame_{index + 1:05d}.png"


def _depth(index: int) -> str:
    return f"depths/frame_{index + 1:05d}.png"


def _transforms(scene: Scene) -> dict:
    """nerfstudio's `transforms.json`: intrinsics in pixels, camera-to-world matrices."""
    frames = [
        {
            "file_path": _picture(index),
            "depth_file_path": _depth(index),
            "transform_matrix": view.camera.view_to_world.tolist(),
            **_intrinsics(view.camera, view.size),
        }
        for index, view in enumerate(scene.views)
    ]
    return {
        "camera_model": "OPENCV",
        **_intrinsics(scene.views[0].camera, scene.size),
        "w": scene.size,
        "h": scene.size,
        "ply_file_path": "sparse_pc.ply",
        "frames": frames,
    }


def _intrinsics(camera: Camera, size: int) -> dict[str, float]:
    focal = camera.focal * size
    return {"fl_x": focal, "fl_y": focal, "cx": size / 2, "cy": size / 2}


def _write_colmap(scene: Scene, cloud: PointCloud, folder: Path) -> None:
    """COLMAP's text model: cameras.txt, images.txt, points3D.txt."""
    cameras = [f"{index + 1} {_pinhole(view.camera, view.size)}" for index, view in enumerate(scene.views)]
    (folder / "cameras.txt").write_text("\n".join(["# CAMERA_ID MODEL WIDTH HEIGHT fx fy cx cy", *cameras, ""]))

    flip = np.diag([1.0, -1.0, -1.0])  # from y up, looking along -z, to y down, looking along +z
    images = ["# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then a line of 2D points (none)"]
    for index, view in enumerate(scene.views):
        rotation, translation = flip @ view.camera.world_to_view[:3, :3], flip @ view.camera.world_to_view[:3, 3]
        quaternion = Rotation.from_matrix(rotation).as_quat(scalar_first=True)
        numbers = " ".join(f"{value:.12g}" for value in (*quaternion, *translation))
        images += [f"{index + 1} {numbers} {index + 1} {Path(_picture(index)).name}", ""]
    (folder / "images.txt").write_text("\n".join([*images, ""]))

    chosen = cloud[np.random.default_rng(0).permutation(len(cloud))[:COLMAP_POINTS]]
    colours = np.rint(chosen.colours * 255).astype(int)
    points = [
        f"{index + 1} {x:.6g} {y:.6g} {z:.6g} {r} {g} {b} 0"
        for index, ((x, y, z), (r, g, b)) in enumerate(zip(chosen.points, colours, strict=True))
    ]
    (folder / "points3D.txt").write_text("\n".join(["# POINT3D_ID X Y Z R G B ERROR, no tracks", *points, ""]))


def _pinhole(camera: Camera, size: int) -> str:
    each = _intrinsics(camera, size)
    return f"PINHOLE {size} {size} {each['fl_x']:.12g} {each['fl_y']:.12g} {each['cx']:.12g} {each['cy']:.12g}"
