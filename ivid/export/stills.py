"""Pictures of a scene: the grid of its views, a fused picture at any camera, a depth map."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ivid.export.surface import Progress
from ivid.scene.cameras import FOV_Y_DEG, Camera
from ivid.scene.depth import depth_picture
from ivid.scene.files import written_aside
from ivid.scene.scene import Scene

if TYPE_CHECKING:
    from ivid.fusion import FusionRenderer
    from ivid.fusion.rasteriser import Blend, Shading

SHOWN = ("colour", "depth", "both")
MILLIMETRES = "millimetres"
MAX_PICTURE = 8192
NEAR_PLANE = 0.1  # metres, of fused pictures (method §5); their depth where nothing is drawn

GRID_YAWS_RAD = (0.60, 0.45, 0.30, 0.15, 0.0, -0.15, -0.30, -0.45, -0.60)  # columns of the published grid (method §8)
GRID_PITCHES_RAD = (-0.15, 0.0, 0.15)  # rows


def export_grid(scene: Scene, path: str | Path, progress: Progress | None = None, *, what: str = "colour") -> None:
    """Write the picture of all views (`grid_picture`) as PNG."""
    _save(path, grid_picture(scene, what))
    if progress:
        progress(1, 1)


def export_still(
    scene: Scene,
    path: str | Path,
    progress: Progress | None = None,
    *,
    camera: Camera | None = None,
    yaw: float = 0.0,
    pitch: float = 0.0,
    radius: float = 1.0,
    fov: float = FOV_Y_DEG,
    size: int = 512,
    supersample: int = 3,
    what: str = "colour",
    blend: Blend = "anchored",
    shading: Shading = "fragment",
    device: str | None = None,
) -> None:
    """Write one fused picture, `size` pixels square, as PNG.

    Args:
        camera: where from; else `yaw` and `pitch` in radians on the sphere of `radius`, and `fov` in degrees.
        what: "colour", "depth", "both" side by side, or "millimetres": the depth map as 16-bit grey in millimetres
            along the viewing axis, 0 where nothing is known.
        blend: "anchored" shows views as they are at their own cameras, "exact" is the method's picture; see
            `FusionRenderer.render`.
        shading: "fragment" is the method's, "fast" draws the views that count the most and takes half of the time; see
            `FusionRenderer.render`.
        device: where to render; the first GPU unless told, or else the CPU.

    Raises:
        ValueError: an argument is out of range.
    """
    check_picture(size, supersample, "depth" if what == MILLIMETRES else what)
    camera = camera or Camera.orbit(yaw, pitch, radius, fov)
    renderer = renderer_on(device)
    if what == MILLIMETRES:
        rendering = renderer.render(scene.views, camera, size, supersample, shading=shading)
        picture = np.where(rendering.mask, depth_millimetres(rendering.depth), 0).astype(np.uint16)
    else:
        picture = fused_picture(renderer, scene, camera, size, supersample, what, blend, shading)
    _save(path, picture)
    if progress:
        progress(1, 1)


def grid_picture(scene: Scene, what: str = "colour") -> np.ndarray:
    """All views of a scene side by side, uint8 [rows·S, columns·S, 3].

    The 3x9 set lies as published: pitch -0.15, 0, +0.15 downwards, yaw +0.60 … -0.60 to the right (method §8); views
    still missing are black. Other sets fill a nearly square grid, by yaw from left to right if they form a ring.

    Args:
        what: "colour", "depth", or "both": depths below the colours.
    """
    _check_what(what)
    rows, columns, places = grid_layout([view.camera for view in scene.views], scene.view_set)
    size = scene.size
    pictures = []
    for each in ("colour", "depth") if what == "both" else (what,):
        grid = np.zeros((rows * size, columns * size, 3), np.uint8)
        for view, (row, column) in zip(scene.views, places, strict=True):
            picture = view.rgb if each == "colour" else depth_picture(view.depth, scene.depth_range)
            grid[row * size : (row + 1) * size, column * size : (column + 1) * size] = picture
        pictures.append(grid)
    return np.concatenate(pictures)


def grid_layout(cameras: Sequence[Camera], view_set: str = "") -> tuple[int, int, list[tuple[int, int]]]:
    """Rows and columns of the grid, and the place (row, column) of each camera; see `grid_picture`."""
    angles = [orbit_angles(camera) for camera in cameras]
    if view_set == "3x9":
        published = [
            (row, column)
            for yaw, pitch in angles
            for row, row_pitch in enumerate(GRID_PITCHES_RAD)
            for column, column_yaw in enumerate(GRID_YAWS_RAD)
            if abs(yaw - column_yaw) < 0.01 and abs(pitch - row_pitch) < 0.01
        ]
        if len(set(published)) == len(cameras):
            return len(GRID_PITCHES_RAD), len(GRID_YAWS_RAD), published
    columns = math.ceil(math.sqrt(len(cameras)))
    rows = math.ceil(len(cameras) / columns)
    order = list(range(len(cameras)))
    if view_set == "360":
        order.sort(key=lambda index: -angles[index][0])
    places = [(0, 0)] * len(cameras)
    for place, index in enumerate(order):
        places[index] = divmod(place, columns)
    return rows, columns, places


def renderer_on(device: str | None) -> FusionRenderer:
    """A renderer on a device; on the first GPU, or else the CPU, when None.

    Raises:
        ValueError: there is no such device.
    """
    from ivid.fusion import FusionRenderer  # brings Warp along: only when something is rendered

    return FusionRenderer(device or fastest_device())


def fastest_device() -> str:
    """The first GPU that kernels can run on, or "cpu"."""
    from ivid.fusion.runtime import start_warp

    start_warp()
    import warp

    return "cuda:0" if warp.is_cuda_available() else "cpu"


def fused_picture(
    renderer: FusionRenderer,
    scene: Scene,
    camera: Camera,
    size: int,
    supersample: int,
    what: str,
    blend: Blend = "anchored",
    shading: Shading = "fragment",
) -> np.ndarray:
    """The scene from a camera, uint8 [size, size, 3], or [size, 2·size, 3] for `what="both"`; black where empty."""
    rendering = renderer.render(scene.views, camera, size, supersample, shading=shading, blend=blend)
    pictures = []
    if what != "depth":
        pictures.append(np.rint(np.clip(rendering.rgb, 0, 1) * 255).astype(np.uint8))
    if what != "colour":
        drawn = rendering.depth > NEAR_PLANE * 1.001
        pictures.append(depth_picture(np.where(drawn, rendering.depth, scene.depth_range[1]), scene.depth_range))
    return np.concatenate(pictures, axis=1)


def depth_millimetres(depth_metres: np.ndarray) -> np.ndarray:
    """A depth map of any shape as uint16 millimetres, at most 65.535 m; 0 stands for unknown and is not used."""
    return np.rint(np.clip(depth_metres * 1000, 1, 65535)).astype(np.uint16)


def check_picture(size: int, supersample: int = 1, what: str = "colour") -> None:
    """Refuse sizes that cannot be rendered.

    Raises:
        ValueError: says which argument is out of range.
    """
    if not 1 <= size <= MAX_PICTURE:
        raise ValueError(f"a picture must be 1 to {MAX_PICTURE} pixels wide, got {size}")
    if not 1 <= supersample <= 8:
        raise ValueError(f"supersampling must be 1 to 8, got {supersample}")
    if size * supersample > 2 * MAX_PICTURE:
        raise ValueError(f"{size} pixels at {supersample}x supersampling are too many; choose a smaller size")
    _check_what(what)


def _check_what(what: str) -> None:
    if what not in SHOWN:
        raise ValueError(f"there is nothing called {what!r} to show; choose one of {', '.join(SHOWN)}")


def orbit_angles(camera: Camera) -> tuple[float, float]:
    """(yaw, pitch) in radians of a camera's position around the origin."""
    x, y, z = camera.position
    return math.atan2(x, z), math.atan2(y, math.hypot(x, z))


def png_bytes(picture: np.ndarray) -> bytes:
    """A picture, uint8 [H, W, 3] or uint16 [H, W], as a PNG file's content."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    return stream.getvalue()


def _save(path: str | Path, picture: np.ndarray) -> None:
    with written_aside(path) as aside:
        aside.write_bytes(png_bytes(picture))
