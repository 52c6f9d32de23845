"""The scene as Gaussian splats: .ply with the names of 3D Gaussian splatting (Kerbl et al. 2023), or .splat.

One flat Gaussian per surface sample, lying in the surface: as wide as the pixel it comes from, longer down the slope,
as the pixel's footprint is, and thin along the normal. The colours do not depend on the direction.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ivid.export.ply import write_ply
from ivid.export.points import fused_cloud
from ivid.export.surface import PointCloud, Progress, pixel_angle
from ivid.scene.files import written_aside
from ivid.scene.scene import Scene

SH_DC = 0.28209479177387814  # the constant spherical harmonic: colour = 0.5 + SH_DC · f_dc
WIDTH = 0.55  # standard deviation in pixels: neighbours a pixel apart then close up
THICKNESS = 0.1  # of the width
STEEPEST = 0.2  # cosine of the angle to the camera from which on splats get no longer
OPACITY = 0.98

SPLAT_RECORD = np.dtype(
    [("position", "<f4", 3), ("scale", "<f4", 3), ("colour", "u1", 4), ("rotation", "u1", 4)]
)  # fmt: skip


def export_splats(
    scene: Scene,
    path: str | Path,
    progress: Progress | None = None,
    *,
    keep_far: bool = False,
    voxel_pixels: float = 0.7,
    sh_degree: int = 0,
) -> None:
    """Write splats as .ply or .splat.

    Args:
        keep_far: keep what lies at the far plane (the sky).
        voxel_pixels: one splat per voxel of this many pixels, at any distance.
        sh_degree: 0 to 3; higher degrees are written as zeros, for readers that insist on them (.ply only).

    Raises:
        ValueError: an argument is out of range.
    """
    if sh_degree not in range(4):
        raise ValueError(f"spherical harmonics have degree 0 to 3 here, got {sh_degree}")
    cloud = fused_cloud(scene, progress, keep_far=keep_far, voxel_pixels=voxel_pixels)
    pixel = float(np.median([pixel_angle(view) for view in scene.views]))
    spacing = voxel_pixels * pixel * (1 + np.linalg.norm(cloud.points, axis=-1))  # of voxels in contracted space
    scales, quaternions = shapes(cloud, WIDTH * np.maximum(cloud.footprints, spacing))
    if Path(path).suffix.lower() == ".splat":
        _write_records(path, cloud, scales, quaternions)
    else:
        _write_ply(path, cloud, scales, quaternions, sh_degree)


def shapes(cloud: PointCloud, width: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviations [N, 3] in metres along a splat's own axes, and its rotation, quaternions w, x, y, z [N, 4].

    The axes are: down the slope as seen from the camera, across it, and the normal. `width` [N] is the deviation
    across.
    """
    cosine = np.clip((cloud.normals * cloud.towards).sum(-1, keepdims=True), 0, 1)
    slope = cloud.towards - cosine * cloud.normals
    anything = np.where(
        np.abs(cloud.normals[:, 1:2]) < 0.9, [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]
    )  # where it is seen head-on
    sideways = np.cross(cloud.normals, np.where(np.linalg.norm(slope, axis=-1, keepdims=True) > 1e-3, slope, anything))
    sideways /= np.linalg.norm(sideways, axis=-1, keepdims=True)
    axes = np.stack([np.cross(sideways, cloud.normals), sideways, cloud.normals], axis=-1)
    scales = np.stack([width / np.maximum(cosine[:, 0], STEEPEST), width, THICKNESS * width], axis=-1)
    return scales.astype(np.float32), Rotation.from_matrix(axes).as_quat(scalar_first=True).astype(np.float32)


def _write_ply(
    path: str | Path, cloud: PointCloud, scales: np.ndarray, quaternions: np.ndarray, sh_degree: int
) -> None:
    columns = {name: cloud.points[:, axis] for axis, name in enumerate(("x", "y", "z"))}
    columns |= {name: cloud.normals[:, axis] for axis, name in enumerate(("nx", "ny", "nz"))}
    coefficients = (cloud.colours - np.float32(0.5)) / np.float32(SH_DC)
    columns |= {f"f_dc_{channel}": coefficients[:, channel] for channel in range(3)}
    zeros = np.zeros(len(cloud), np.float32)
    columns |= {f"f_rest_{index}": zeros for index in range(3 * (sh_degree + 1) ** 2 - 3)}
    columns["opacity"] = zeros + np.float32(np.log(OPACITY / (1 - OPACITY)))
    columns |= {f"scale_{axis}": np.log(scales[:, axis]) for axis in range(3)}
    columns |= {f"rot_{index}": quaternions[:, index] for index in range(4)}
    write_ply(path, columns)


def _write_records(path: str | Path, cloud: PointCloud, scales: np.ndarray, quaternions: np.ndarray) -> None:
    """The .splat file: 32 bytes a splat, the largest first, because viewers draw them while they load."""
    records = np.empty(len(cloud), SPLAT_RECORD)
    records["position"], records["scale"] = cloud.points, scales
    records["colour"][:, :3] = np.rint(cloud.colours * 255)
    records["colour"][:, 3] = round(OPACITY * 255)
    records["rotation"] = np.clip(np.rint(quaternions * 128 + 128), 0, 255)
    with written_aside(path) as aside:
        records[np.argsort(-scales.prod(axis=-1), kind="stable")].tofile(aside)
