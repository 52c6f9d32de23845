"""The scene as a point cloud: a binary PLY with normals and sRGB colours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.spatial import KDTree

from ivid.export.ply import write_ply
from ivid.export.surface import (
    VOXEL_PIXELS,
    PointCloud,
    Progress,
    axes_with_up,
    check_up,
    contract,
    merged,
    scene_maps,
    surface_samples,
    voxel_size,
)
from ivid.scene.scene import Scene

NEIGHBOURS, DEVIATIONS = 16, 3.0


def export_points(
    scene: Scene,
    path: str | Path,
    progress: Progress | None = None,
    *,
    keep_far: bool = False,
    voxel_pixels: float = VOXEL_PIXELS["points"],
    outliers: bool = False,
    up: str = "y",
) -> None:
    """Write the fused point cloud (`write_points`).

    Args:
        keep_far: keep what lies at the far plane (the sky).
        voxel_pixels: duplicates are merged on voxels this many pixels wide, at any distance.
        outliers: keep statistical outliers.
        up: the axis that points up, see `axes_with_up`.

    Raises:
        ValueError: `voxel_pixels` is not positive, or there is no such axis.
    """
    check_up(up)
    cloud = fused_cloud(scene, progress, keep_far=keep_far, voxel_pixels=voxel_pixels, outliers=outliers)
    points, normals = (axes_with_up(vectors, up) for vectors in (cloud.points, cloud.normals))
    write_points(path, replace(cloud, points=points, normals=normals))


def write_points(path: str | Path, cloud: PointCloud) -> None:
    """Write samples as a binary PLY: x, y, z, normals (float32) and red, green, blue (uint8, sRGB)."""
    names = ("x", "y", "z"), ("nx", "ny", "nz")
    columns = {name: cloud.points[:, axis] for axis, name in enumerate(names[0])}
    columns |= {name: cloud.normals[:, axis] for axis, name in enumerate(names[1])}
    colours = np.rint(cloud.colours * 255).astype(np.uint8)
    columns |= {name: colours[:, channel] for channel, name in enumerate(("red", "green", "blue"))}
    write_ply(path, columns, comments=["axes: y up, orbit centre at the origin, first camera at (0, 0, 1)"])


def fused_cloud(
    scene: Scene,
    progress: Progress | None = None,
    *,
    keep_far: bool = False,
    voxel_pixels: float = VOXEL_PIXELS["points"],
    outliers: bool = False,
) -> PointCloud:
    """The samples of all views, the best of each place, merged, without outliers; see `export_points`."""
    if not voxel_pixels > 0:
        raise ValueError(f"a voxel must be a positive number of pixels wide, got {voxel_pixels}")
    maps = scene_maps(scene, keep_far)
    cloud = merged(surface_samples(maps, progress), voxel_pixels * voxel_size(maps))
    return cloud if outliers else without_outliers(cloud)


def without_outliers(cloud: PointCloud) -> PointCloud:
    """The samples whose mean distance to their neighbours is not unusual, measured where pixels are of one size.

    Unusual is beyond DEVIATIONS standard deviations above the mean, and beyond three times the median besides: a clean
    cloud has hardly any deviation, and its sparser parts would be taken for outliers.
    """
    if len(cloud) <= NEIGHBOURS:
        return cloud
    contracted = contract(cloud.points)
    distances, _ = KDTree(contracted).query(contracted, NEIGHBOURS + 1, workers=-1)  # the nearest is the sample itself
    mean = distances[:, 1:].mean(axis=1)
    return cloud[mean <= max(mean.mean() + DEVIATIONS * mean.std(), 3 * np.median(mean))]
