"""How near a drawing of the exported splats is to the fused picture, per format, at six cameras."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from benchmarks.scenes import example_scene
from benchmarks.timing import Row
from ivid.export import export_scene
from ivid.export.splats import SH_DC, Y_DOWN, Splats, scene_splats
from ivid.export.surface import at_far_plane
from ivid.fusion import FusionRenderer
from ivid.scene import Camera, Scene

SIZE = 128
CAMERAS = [
    Camera.orbit(yaw, pitch) for yaw, pitch in ((0, 0), (0.3, 0), (-0.3, 0.1), (0.5, -0.1), (-0.5, 0), (0.1, 0.15))
]
DILATION_PX2 = 0.3  # what viewers add to the variance of a splat on the screen
NEAREST = 0.05


def draw(splats: Splats, camera: Camera, size: int) -> np.ndarray:
    """Splats as viewers draw them: projected Gaussians, blended front to back (Kerbl et al. 2023, §4).

    Returns:
        colour [size, size, 3], on black.
    """
    world_to_view, focal = camera.world_to_view, camera.focal * size
    points = splats.positions @ world_to_view[:3, :3].T + world_to_view[:3, 3]
    depth = -points[:, 2]
    axes = world_to_view[:3, :3] @ Rotation.from_quat(splats.rotations, scalar_first=True).as_matrix()
    covariance = (axes * splats.scales[:, None] ** 2) @ axes.transpose(0, 2, 1)
    jacobian = np.zeros((len(splats), 2, 3))
    jacobian[:, 0, 0], jacobian[:, 0, 2] = focal / depth, focal * points[:, 0] / depth**2
    jacobian[:, 1, 1], jacobian[:, 1, 2] = -focal / depth, -focal * points[:, 1] / depth**2
    flat = jacobian @ covariance @ jacobian.transpose(0, 2, 1) + DILATION_PX2 * np.eye(2)
    centres = np.stack([size / 2 + focal * points[:, 0] / depth, size / 2 - focal * points[:, 1] / depth], axis=-1)
    inverse = np.linalg.inv(flat)
    reach = 3 * np.sqrt(np.stack([flat[:, 0, 0], flat[:, 1, 1]], axis=-1))
    colour, through = np.zeros((size, size, 3)), np.ones((size, size))
    for index in np.argsort(depth):
        low = np.maximum(np.floor(centres[index] - reach[index]), 0).astype(int)
        high = np.minimum(np.ceil(centres[index] + reach[index]) + 1, size).astype(int)
        if depth[index] < NEAREST or (low >= high).any():
            continue
        dx = np.arange(low[0], high[0]) + 0.5 - centres[index, 0]
        dy = (np.arange(low[1], high[1]) + 0.5 - centres[index, 1])[:, None]
        (a, b), (_, c) = inverse[index]
        alpha = np.minimum(splats.opacity * np.exp(-0.5 * (a * dx * dx + 2 * b * dx * dy + c * dy * dy)), 0.99)
        window = slice(low[1], high[1]), slice(low[0], high[0])
        colour[window] += (through[window] * alpha)[..., None] * splats.colours[index]
        through[window] *= 1 - alpha
    return colour


def psnr_db(splats: Splats, scene: Scene, renderer: FusionRenderer) -> float:
    """Mean over `CAMERAS` of the PSNR of the drawing to the fused picture, where that shows a surface."""
    scores = []
    for camera in CAMERAS:
        fused = renderer.render(scene.views, camera, SIZE, 3)
        colour = draw(splats, camera, SIZE)
        surface = fused.mask & ~at_far_plane(fused.depth, scene.depth_range)
        inside = np.asarray(ndimage.binary_erosion(surface, iterations=2), dtype=bool)  # splats have soft silhouettes
        error = np.mean((colour[inside] - fused.rgb[inside]) ** 2)
        scores.append(-10 * math.log10(error))
    return float(np.mean(scores))


def read(path: Path) -> Splats:
    """The splats of a file, in the scene's axes, by way of GaussForge."""
    import gaussforge

    name = "compressed.ply" if path.name.endswith(".compressed.ply") else path.suffix[1:]
    content = path.read_bytes()
    if name != "ply":
        content = gaussforge.GaussForge().convert(content, name, "ply")["data"]
    head, _, body = content.partition(b"end_header\n")
    names = [line.split()[-1].decode() for line in head.splitlines() if line.startswith(b"property float")]
    column = dict(zip(names, np.frombuffer(body, "<f4").reshape(-1, len(names)).T, strict=True))

    def columns(*keys: str) -> np.ndarray:
        return np.stack([column[key] for key in keys], axis=-1)

    splats = Splats(
        positions=columns("x", "y", "z"),
        normals=np.zeros((len(column["x"]), 3), np.float32),
        scales=np.exp(columns("scale_0", "scale_1", "scale_2")),
        rotations=columns("rot_0", "rot_1", "rot_2", "rot_3"),
        colours=0.5 + SH_DC * columns("f_dc_0", "f_dc_1", "f_dc_2"),
        opacity=float(1 / (1 + np.exp(-column["opacity"].mean()))),
    )
    return splats if name == "spz" else splats.rotated(Y_DOWN.inv())


def rows() -> Iterator[Row]:
    scene = example_scene()
    renderer = FusionRenderer()
    yield "splats as they are made", psnr_db(scene_splats(scene), scene, renderer), "dB", ">= 25"
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".ply", ".compressed.ply", ".splat", ".sog", ".spz"):
            path = Path(folder) / f"scene{suffix}"
            export_scene(scene, path, "splats")
            yield f"splats read from {suffix}", psnr_db(read(path), scene, renderer), "dB", ">= 25"
