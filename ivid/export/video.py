"""The scene as a video: frames go to ffmpeg as they are rendered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ivid.export.ffmpeg import encode
from ivid.export.paths import MAX_FRAMES, Keyframe, camera_path
from ivid.export.stills import check_picture, fastest_device, fused_picture, renderer_on
from ivid.export.surface import Progress
from ivid.scene.files import written_aside
from ivid.scene.scene import Scene

if TYPE_CHECKING:
    from ivid.fusion.rasteriser import Blend, Shading

MOST_FPS = {".gif": 50}  # viewers show frames of less than 20 ms for 100 ms
CPU_SAMPLES = 512  # samples along the side of a frame


def export_video(
    scene: Scene,
    path: str | Path,
    progress: Progress | None = None,
    *,
    trajectory: str = "swing",
    keyframes: Sequence[Keyframe] | None = None,
    loop: bool = False,
    frames: int | None = None,
    seconds: float | None = None,
    fps: float = 30,
    size: int = 512,
    supersample: int | None = None,
    what: str = "colour",
    blend: Blend = "anchored",
    shading: Shading = "fragment",
    device: str | None = None,
) -> None:
    """Write a video as .mp4 (H.264), .webm (VP9), .gif or .webp.

    Args:
        trajectory, keyframes, loop: the path, see `camera_path`.
        frames: how many; 60 unless told.
        seconds: how long the video is, in place of `frames`.
        fps: frames per second, at most 50 in a GIF.
        size: side of the pictures in pixels, even.
        supersample: rendered this many times larger and reduced; 3 on a GPU unless told, on the CPU as much as
            leaves about four frames a second on two cores: 1 at 512 pixels, 4 at 128.
        what: "colour", "depth", or "both" side by side.
        blend, shading: see `export_still`.
        device: where to render; the first GPU unless told, or else the CPU.

    Raises:
        ValueError: an argument is out of range.
        OSError: the file cannot be written, or ffmpeg failed; what stood there is kept.
    """
    device = device or fastest_device()
    if supersample is None:
        supersample = 3 if device != "cpu" else min(max(CPU_SAMPLES // max(size, 1), 1), 5)
    check_video(size, fps, supersample, what)
    most = MOST_FPS.get(Path(path).suffix.lower(), fps)
    if fps > most:
        raise ValueError(f"a GIF has at most {most} frames per second, for viewers slow down what is faster; got {fps}")
    if seconds is not None:
        if frames is not None:
            raise ValueError("a video has so many frames, or lasts so many seconds; give one of the two")
        if not 0 < seconds < float("inf"):
            raise ValueError(f"a video must last a positive number of seconds, got {seconds}")
        frames = max(1, round(min(seconds * fps, MAX_FRAMES + 1)))
    cameras = camera_path(scene, trajectory, 60 if frames is None else frames, keyframes, loop)
    renderer = renderer_on(device)

    def rendered() -> Iterator[np.ndarray]:
        for index, camera in enumerate(cameras):
            yield fused_picture(renderer, scene, camera, size, supersample, what, blend, shading)
            if progress:
                progress(index + 1, len(cameras))

    with written_aside(path) as aside:
        encode(aside, rendered(), len(cameras), fps)


def check_video(size: int, fps: float, supersample: int = 1, what: str = "colour") -> None:
    """Refuse what cannot be a video.

    Raises:
        ValueError: says which argument is out of range.
    """
    check_picture(size, supersample, what)
    if size % 2:
        raise ValueError(f"the size of a video must be even, got {size}")
    if not 1 <= fps <= 120:
        raise ValueError(f"a video must have 1 to 120 frames per second, got {fps}")
