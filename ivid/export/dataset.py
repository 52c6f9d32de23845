"""The scene as a capture: pictures, depths and cameras, for nerfstudio and for whatever reads COLMAP's models.

nerfstudio's cameras look along -z with y up, as ours do. COLMAP's look along +z with y down; its world is ours.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.spatial.transform import Rotation

from ivid.export import colmap
from ivid.export.points import fused_cloud, write_points
from ivid.export.stills import depth_millimetres
from ivid.export.surface import PointCloud, Progress, at_far_plane
from ivid.scene.cameras import Camera
from ivid.scene.files import errors_name, folder_written_aside, written_aside
from ivid.scene.scene import Scene

COLMAP_POINTS = 20_000  # enough to start splats from; its reader goes line by line


def export_dataset(scene: Scene, path: str | Path, progress: Progress | None = None, *, keep_far: bool = False) -> None:
    """Write the folder `path`, or a zip archive of it when `path` ends in `.zip`.

    Args:
        keep_far: keep the depth of what lies at the far plane (the sky); else it is 0, which readers take as unknown.

    Raises:
        ValueError: the folder is there and not empty.
        OSError: it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() == ".zip":
        with (
            written_aside(path) as aside,
            tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as folder,
            errors_name(path, Path(folder)),
        ):
            _write(scene, Path(folder), progress, keep_far)
            with zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(Path(folder).rglob("*")):
                    archive.write(file, file.relative_to(folder))
        return
    with folder_written_aside(path) as aside:
        _write(scene, aside, progress, keep_far)


def _write(scene: Scene, folder: Path, progress: Progress | None, keep_far: bool) -> None:
    for name in ("images", "depths", "sparse/0"):
        (folder / name).mkdir(parents=True)
    steps = len(scene.views) + 1
    for index, view in enumerate(scene.views):
        Image.fromarray(view.rgb).save(folder / _picture(index))
        known = keep_far | ~at_far_plane(view.depth, scene.depth_range)
        if view.mask is not None:
            known &= view.mask
        Image.fromarray(np.where(known, depth_millimetres(view.depth), np.uint16(0))).save(folder / _depth(index))
        if progress:
            progress(index + 1, steps)
    cloud = fused_cloud(scene, voxel_pixels=1.0, keep_far=keep_far)
    write_points(folder / "sparse_pc.ply", cloud)
    (folder / "transforms.json").write_text(json.dumps(_transforms(scene), indent=1))
    model = _colmap_model(scene, cloud)
    for write in (colmap.write_text, colmap.write_binary):
        write(model, folder / "sparse" / "0")
    if progress:
        progress(steps, steps)


def _picture(index: int) -> str:
    return f"images/frame_{index + 1:05d}.png"


def _depth(index: int) -> str:
    return f"depths/frame_{index + 1:05d}.png"


def _transforms(scene: Scene) -> dict:
    """nerfstudio's `transforms.json`: camera-to-world matrices, and the intrinsics of every frame in pixels.

    There are none at the top level, because its reader takes those for all frames.
    """
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
        "w": scene.size,
        "h": scene.size,
        "ply_file_path": "sparse_pc.ply",
        "frames": frames,
    }


def _intrinsics(camera: Camera, size: int) -> dict[str, float]:
    focal = camera.focal * size
    return {"fl_x": focal, "fl_y": focal, "cx": size / 2, "cy": size / 2}


def _colmap_model(scene: Scene, cloud: PointCloud) -> colmap.Model:
    flip = np.diag([1.0, -1.0, -1.0])  # from y up, looking along -z, to y down, looking along +z
    cameras, images = [], []
    for index, view in enumerate(scene.views):
        values = _intrinsics(view.camera, view.size)
        cameras.append(colmap.Pinhole(view.size, view.size, *(values[key] for key in ("fl_x", "fl_y", "cx", "cy"))))
        rotation, translation = flip @ view.camera.world_to_view[:3, :3], flip @ view.camera.world_to_view[:3, 3]
        quaternion = Rotation.from_matrix(rotation).as_quat(scalar_first=True)
        images.append(colmap.Image(tuple(quaternion), tuple(translation), Path(_picture(index)).name))
    chosen = cloud[np.random.default_rng(0).permutation(len(cloud))[:COLMAP_POINTS]]
    return colmap.Model(cameras, images, chosen.points, np.rint(chosen.colours * 255).astype(np.uint8))
