"""The scene as Gaussian splats (Kerbl et al., 3D Gaussian Splatting, SIGGRAPH 2023), in the files that viewers take.

One flat Gaussian per surface sample, lying in the surface: as wide as the pixel it comes from, longer down the slope,
as the pixel's footprint is, and thin along the normal. The colours do not depend on the direction; they are fitted to
fused pictures (`splat_fit`). The constants below were chosen by comparing a few values on two example scenes
(`python -m benchmarks splats`).

Axes: `.spz` and `.glb` have y up, like the scene. Viewers take the other files to have y down and turn them by 180°
about z (SuperSplat, PlayCanvas), so those are written turned by 180° about z, and stand upright there.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from ivid.export import suffix_of
from ivid.export.glb import POINTS, GlbAttribute, glb_file
from ivid.export.libraries import library
from ivid.export.ply import write_ply_to
from ivid.export.points import fused_cloud
from ivid.export.splat_drawing import Splats
from ivid.export.splat_fit import fit_cameras, with_fitted_colours
from ivid.export.surface import VOXEL_PIXELS, PointCloud, Progress, pixel_angle
from ivid.scene.files import written_aside
from ivid.scene.scene import Scene

SH_DC = 0.28209479177387814  # the constant spherical harmonic: colour = 0.5 + SH_DC · f_dc
WIDTH = 0.65  # standard deviation in pixels: neighbours a pixel apart then close up
THICKNESS = 0.1  # of the width
STEEPEST = 0.35  # cosine of the angle to the camera from which on splats get no longer
OPACITY = 0.98
FIT_STEPS = 6

Y_UP = Rotation.identity()
Y_DOWN = Rotation.from_euler("z", 180, degrees=True)  # x left, y down, z towards the first camera

SPLAT_RECORD = np.dtype(
    [("position", "<f4", 3), ("scale", "<f4", 3), ("colour", "u1", 4), ("rotation", "u1", 4)]
)  # fmt: skip


def export_splats(
    scene: Scene,
    path: str | Path,
    progress: Progress | None = None,
    *,
    keep_far: bool = False,
    voxel_pixels: float = VOXEL_PIXELS["splats"],
    sh_degree: int = 0,
    fit_steps: int = FIT_STEPS,
) -> None:
    """Write splats as .ply, .splat, .compressed.ply, .sog, .spz or .glb (KHR_gaussian_splatting).

    Args:
        keep_far: keep what lies at the far plane (the sky).
        voxel_pixels: one splat per voxel of this many pixels, at any distance.
        sh_degree: 0 to 3; higher degrees are written as zeros, for readers that insist on them (.ply only).
        fit_steps: how far the colours are fitted to fused pictures, `with_fitted_colours`; with 0 they are the views'.

    Raises:
        ValueError: an argument is out of range.
        MissingLibraryError: the package that writes .compressed.ply, .sog and .spz is not installed.
    """
    if sh_degree not in range(4):
        raise ValueError(f"spherical harmonics have degree 0 to 3 here, got {sh_degree}")
    suffix = suffix_of(path)
    if sh_degree and suffix != ".ply":
        raise ValueError(f"spherical harmonics of a degree above 0 are written to .ply, not to {suffix}")
    splats = scene_splats(scene, progress, keep_far=keep_far, voxel_pixels=voxel_pixels, fit_steps=fit_steps)
    content = upright_ply_file(splats, sh_degree) if sh_degree else WRITERS[suffix](splats)
    with written_aside(path) as aside:
        aside.write_bytes(content)


def scene_splats(
    scene: Scene,
    progress: Progress | None = None,
    *,
    keep_far: bool = False,
    voxel_pixels: float = VOXEL_PIXELS["splats"],
    fit_steps: int = FIT_STEPS,
) -> Splats:
    """The splats of a scene, in the scene's axes; see `export_splats`."""
    if fit_steps < 0:
        raise ValueError(f"the number of steps that colours are fitted by is 0 or more, got {fit_steps}")
    views, cameras = len(scene.views), len(fit_cameras(scene)) if fit_steps else 0

    def from_(start: int) -> Progress:
        return lambda done, _: progress(start + done, views + cameras) if progress else None

    cloud = fused_cloud(scene, from_(0), keep_far=keep_far, voxel_pixels=voxel_pixels)
    pixel = float(np.median([pixel_angle(view) for view in scene.views]))
    spacing = voxel_pixels * pixel * (1 + np.linalg.norm(cloud.points, axis=-1))  # of voxels in contracted space
    scales, rotations = shapes(cloud, WIDTH * np.maximum(cloud.footprints, spacing))
    splats = Splats(cloud.points, cloud.normals, scales, rotations, cloud.colours, OPACITY)
    return with_fitted_colours(splats, scene, fit_steps, keep_far, from_(views))


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


def ply_file(splats: Splats, sh_degree: int = 0) -> bytes:
    """The .ply file with the names of 3D Gaussian splatting, in the axes that the splats have."""
    columns = {name: splats.positions[:, axis] for axis, name in enumerate(("x", "y", "z"))}
    columns |= {name: splats.normals[:, axis] for axis, name in enumerate(("nx", "ny", "nz"))}
    columns |= {f"f_dc_{channel}": values for channel, values in enumerate(_coefficients(splats).T)}
    zeros = np.zeros(len(splats), np.float32)
    columns |= {f"f_rest_{index}": zeros for index in range(3 * (sh_degree + 1) ** 2 - 3)}
    columns["opacity"] = zeros + np.float32(np.log(splats.opacity / (1 - splats.opacity)))
    columns |= {f"scale_{axis}": np.log(splats.scales[:, axis]) for axis in range(3)}
    columns |= {f"rot_{index}": splats.rotations[:, index] for index in range(4)}
    stream = io.BytesIO()
    write_ply_to(stream, columns)
    return stream.getvalue()


def upright_ply_file(splats: Splats, sh_degree: int = 0) -> bytes:
    """`ply_file` in the axes in which viewers take such files to be."""
    return ply_file(splats.rotated(Y_DOWN), sh_degree)


def splat_file(splats: Splats) -> bytes:
    """The .splat file: 32 bytes a splat, the largest first, because viewers draw them while they load."""
    turned = splats.rotated(Y_DOWN)
    records = np.empty(len(turned), SPLAT_RECORD)
    records["position"], records["scale"] = turned.positions, turned.scales
    records["colour"][:, :3] = np.rint(turned.colours * 255)
    records["colour"][:, 3] = round(turned.opacity * 255)
    records["rotation"] = np.clip(np.rint(turned.rotations * 128 + 128), 0, 255)
    return records[np.argsort(-turned.scales.prod(axis=-1), kind="stable")].tobytes()


def khr_file(splats: Splats) -> bytes:
    """The .glb file with the extension KHR_gaussian_splatting; viewers without it show a point cloud."""
    attribute = "KHR_gaussian_splatting:"
    colours = np.empty((len(splats), 4), np.uint8)
    colours[:, :3], colours[:, 3] = np.rint(splats.colours * 255), round(splats.opacity * 255)
    return glb_file(
        {
            "POSITION": GlbAttribute(splats.positions, bounds=True),
            "COLOR_0": GlbAttribute(colours, normalized=True),
            f"{attribute}ROTATION": GlbAttribute(np.roll(splats.rotations, -1, axis=1)),  # x, y, z, w
            f"{attribute}SCALE": GlbAttribute(splats.scales),
            f"{attribute}OPACITY": GlbAttribute(np.full(len(splats), splats.opacity, np.float32)),
            f"{attribute}SH_DEGREE_0_COEF_0": GlbAttribute(_coefficients(splats)),
        },
        mode=POINTS,
        extension=(
            "KHR_gaussian_splatting",
            {
                "kernel": "ellipse",
                "colorSpace": "srgb_rec709_display",
                "sortingMethod": "cameraDistance",
                "projection": "perspective",
            },
        ),
    )


def _coefficients(splats: Splats) -> np.ndarray:
    return (splats.colours - np.float32(0.5)) / np.float32(SH_DC)


def _converted(name: str, rotation: Rotation) -> Callable[[Splats], bytes]:
    """A writer by GaussForge, which is given a .ply in the axes of `rotation`."""

    def write(splats: Splats) -> bytes:
        gaussforge = library("gaussforge", "gaussforge", f"writing .{name}")
        answer = gaussforge.GaussForge().convert(ply_file(splats.rotated(rotation)), "ply", name)
        if "error" in answer:
            raise ValueError(f"the splats could not be written as .{name}: {answer['error']}")
        return answer["data"]

    return write


WRITERS: dict[str, Callable[[Splats], bytes]] = {
    ".compressed.ply": _converted("compressed.ply", Y_DOWN),
    ".ply": upright_ply_file,
    ".splat": splat_file,
    ".sog": _converted("sog", Y_DOWN),
    ".spz": _converted("spz", Y_UP),
    ".glb": khr_file,
}
