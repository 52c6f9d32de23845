"""The scene as a video: frames go to ffmpeg as they are rendered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ivid.export.paths import Keyframe, camera_path
from ivid.export.stills import check_picture, fused_picture
from ivid.export.surface import Progress
from ivid.files import written_aside
from ivid.scene import Scene

# Say how the colours are coded, or players guess: the pictures are sRGB, in BT.709's luma and its studio range.
BT709 = ["-vf", "scale=out_color_matrix=bt709:out_range=tv"]
BT709 += ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "iec61966-2-1", "-color_range", "tv"]
PALETTE = "split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=sierra2_4a"

ENCODERS: dict[str, dict[str, Any]] = {
    ".mp4": {
        "codec": "libx264",
        "pixelformat": "yuv420p",
        "output_params": ["-crf", "17", "-preset", "fast", "-movflags", "+faststart", *BT709],
    },
    ".webm": {
        "codec": "libvpx-vp9",
        "pixelformat": "yuv420p",
        "output_params": ["-crf", "24", "-b:v", "0", "-deadline", "good", "-cpu-used", "5", "-row-mt", "1", *BT709],
    },
    ".gif": {"codec": "gif", "pixelformat": "pal8", "output_params": ["-filter_complex", PALETTE, "-loop", "0"]},
    ".webp": {
        "codec": "libwebp_anim",
        "pixelformat": "bgra",
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
    fps: float = 30,
    size: int = 512,
    supersample: int = 2,
    what: str = "colour",
) -> None:
    """Write a video as .mp4 (H.264), .webm (VP9), .gif or .webp.

    Args:
        trajectory, keyframes, loop, frames: the path, see `camera_path`.
        fps: frames per second.
        size: side of the pictures in pixels, even.
        supersample: rendered this many times larger and reduced.
        what: "colour", "depth", or "both" side by side.

    Raises:
        ValueError: an argument is out of range.
        OSError: ffmpeg failed.
    """
    import imageio.v2

    suffix = Path(path).suffix.lower()
    check_picture(size, supersample, what)
    if size % 2:
        raise ValueError(f"the size of a video must be even, got {size}")
    if not 1 <= fps <= 120:
        raise ValueError(f"a video must have 1 to 120 frames per second, got {fps}")
    cameras = camera_path(scene, trajectory, frames, keyframes, loop)

    from ivid.fusion import FusionRenderer  # compiles kernels: only when something is rendered

    renderer = FusionRenderer()
    with (
        written_aside(path) as aside,
        imageio.v2.get_writer(
            aside, format="FFMPEG", mode="I", fps=fps, quality=None, macro_block_size=2, **ENCODERS[suffix]
        ) as writer,
    ):
        for index, camera in enumerate(cameras):
            writer.append_data(fused_picture(renderer, scene, camera, size, supersample, what))
            if progress:
                progress(index + 1, len(cameras))
