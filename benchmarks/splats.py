"""How near a drawing of the exported splats is to the fused picture, per format, at six cameras."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from benchmarks.scenes import example_scene
from benchmarks.timing import Row
from ivid.export import export_scene
from ivid.export.splat_drawing import Splats, draw
from ivid.export.splats import SH_DC, Y_DOWN, scene_splats
from ivid.export.surface import at_far_plane
from ivid.fusion import FusionRenderer
from ivid.scene import Camera, Scene

SIZE = 128
CAMERAS = [
    Camera.orbit(yaw, pitch) for yaw, pitch in ((0, 0), (0.3, 0), (-0.3, 0.1), (0.5, -0.1), (-0.5, 0), (0.1, 0.15))
]


def fused_pictures(scene: Scene) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each of `CAMERAS`: the fused picture [SIZE, SIZE, 3], and where it shows a surface [SIZE, SIZE]."""
    renderer, pictures = FusionRenderer(), []
    for camera in CAMERAS:
        fused = renderer.render(scene.views, camera, SIZE, 3)
        surface = fused.mask & ~at_far_plane(fused.depth, scene.depth_range)
        inside = np.asarray(ndimage.binary_erosion(surface, iterations=2), dtype=bool)  # splats have soft silhouettes
        pictures.append((fused.rgb, inside))
    return pictures


def psnr_db(splats: Splats, pictures: list[tuple[np.ndarray, np.ndarray]]) -> float:
    """Mean over `CAMERAS` of the PSNR of the drawing to the fused picture, where that shows a surface."""
    scores = []
    for camera, (fused, inside) in zip(CAMERAS, pictures, strict=True):
        error = np.mean((draw(splats, camera, SIZE)[inside] - fused[inside]) ** 2)
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
    pictures = fused_pictures(scene)
    yield "splats in the views' colours", psnr_db(scene_splats(scene, fit_steps=0), pictures), "dB", ""
    yield "splats as they are made", psnr_db(scene_splats(scene), pictures), "dB", ">= 25"
    with tempfile.TemporaryDirectory() as folder:
        for suffix in (".ply", ".compressed.ply", ".splat", ".sog", ".spz"):
            path = Path(folder) / f"scene{suffix}"
            export_scene(scene, path, "splats")
            yield f"splats read from {suffix}", psnr_db(read(path), pictures), "dB", ">= 25"
