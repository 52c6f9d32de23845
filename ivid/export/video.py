"""The scene as a video: frames go to ffmpeg as they are rendered."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ivid.export.paths import Keyframe, camera_path
from ivid.export.stills import check_picture, fastest_device, fused_picture, renderer_on
from ivid.export.surface import Progress
from ivid.scene.files import written_aside
from ivid.scene.scene import Scene

if TYPE_CHECKING:
    from ivid.fusion.rasteriser import Blend

CPU_SAMPLES = 512  # samples along the side of a frame

# Say how the colours are coded, or players guess: the pictures are sRGB, in BT.709's luma and its studio range.
BT709 = "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int+full_chroma_inp"
BT709 += ",setparams=colorspace=bt709:color_primaries=bt709:color_trc=iec61966-2-1:range=tv"
PALETTE = "split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=sierra2_4a"

# What imageio_ffmpeg.write_frames is told; its own idea of quality is left out.
ENCODERS: dict[str, dict[str, Any]] = {
    ".mp4": {
        "quality": None,
        "codec": "libx264",
        "pix_fmt_out": "yuv420p",
        "output_params": f"-crf 17 -preset fast -movflags +faststart -vf {BT709}".split(),
    },
    ".webm": {
        "quality": None,
        "codec": "libvpx-vp9",
        "pix_fmt_out": "yuv420p",
        "output_params": f"-crf 24 -b:v 0 -deadline good -cpu-used 5 -row-mt 1 -vf {BT709}".split(),
    },
    ".gif": {
        "quality": None,
        "codec": "gif",
        "pix_fmt_out": "pal8",
        "output_params": f"-filter_complex {PALETTE} -loop 0".split(),
    },
    ".webp": {
        "quality": None,
        "codec": "libwebp_anim",
        "pix_fmt_out": "bgra",
        "output_params": ["-quality", "88", "-compression_level", "3", "-loop", "0"],
    },
}


def export_video(
    scene: Scene,
    path: str | Path,
    progress: Progress | None = None,
    *,
    trajectory: str = "swing",
    keyframes: Sequence[Keyframe] | None = None,
    loop: bool = False,
    frames: int = 60,
    seconds: float | None = None,
    fps: float = 30,
    size: int = 512,
    supersample: int | None = None,
    what: str = "colour",
    blend: Blend = "anchored",
    device: str | None = None,
) -> None:
    """Write a video as .mp4 (H.264), .webm (VP9), .gif or .webp.

    Args:
        trajectory, keyframes, loop, frames: the path, see `camera_path`.
        seconds: how long the video is, in place of `frames`.
        fps: frames per second.
        size: side of the pictures in pixels, even.
        supersample: rendered this many times larger and reduced; 3 on a GPU unless told, on the CPU as much as
            leaves about four frames a second on two cores: 1 at 512 pixels, 4 at 128.
        what: "colour", "depth", or "both" side by side.
        blend: see `export_still`.
        device: where to render; the first GPU unless told, or else the CPU.

    Raises:
        ValueError: an argument is out of range.
        OSError: ffmpeg failed.
    """
    import imageio_ffmpeg

    device = device or fastest_device()
    if supersample is None:
        supersample = 3 if device != "cpu" else min(max(CPU_SAMPLES // max(size, 1), 1), 5)
    suffix = Path(path).suffix.lower()
    check_picture(size, supersample, what)
    if size % 2:
        raise ValueError(f"the size of a video must be even, got {size}")
    if not 1 <= fps <= 120:
        raise ValueError(f"a video must have 1 to 120 frames per second, got {fps}")
    if seconds is not None:
        if not 0 < seconds < float("inf"):
            raise ValueError(f"a video must last a positive number of seconds, got {seconds}")
        frames = max(1, round(seconds * fps))
    cameras = camera_path(scene, trajectory, frames, keyframes, loop)
    renderer = renderer_on(device)
    picture_size = (2 * size if what == "both" else size, size)
    with written_aside(path) as aside:
        settings = {"fps": fps, "macro_block_size": 2, "ffmpeg_log_level": "error", **ENCODERS[suffix]}
        encoder = imageio_ffmpeg.write_frames(str(aside), picture_size, **settings)
        with contextlib.closing(encoder):
            encoder.send(None)  # starts ffmpeg
            for index, camera in enumerate(cameras):
                encoder.send(fused_picture(renderer, scene, camera, size, supersample, what, blend))
                if progress:
                    progress(index + 1, len(cameras))
        if not aside.stat().st_size:
            raise OSError(f"ffmpeg wrote nothing to {Path(path).name}")
