"""Frames into a video file by ffmpeg, checked: by ffmpeg's exit status, and by counting what the file holds.

imageio-ffmpeg brings the program and counts frames; its writer is not used, for it looks at neither.
"""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

# Say how the colours are coded, or players guess: the pictures are sRGB, in BT.709's luma and its studio range.
BT709 = "scale=out_color_matrix=bt709:out_range=tv:flags=accurate_rnd+full_chroma_int+full_chroma_inp"
BT709 += ",setparams=colorspace=bt709:color_primaries=bt709:color_trc=iec61966-2-1:range=tv"
PALETTE = "split[a][b];[a]palettegen=stats_mode=full[p];[b][p]paletteuse=dither=sierra2_4a"

ENCODERS: dict[str, str] = {  # options of ffmpeg by suffix
    ".mp4": f"-c:v libx264 -pix_fmt yuv420p -crf 17 -preset fast -movflags +faststart -vf {BT709}",
    ".webm": f"-c:v libvpx-vp9 -pix_fmt yuv420p -crf 24 -b:v 0 -deadline good -cpu-used 5 -row-mt 1 -vf {BT709}",
    ".gif": f"-c:v gif -filter_complex {PALETTE} -loop 0",
    ".webp": "-c:v libwebp_anim -pix_fmt bgra -quality 88 -compression_level 3 -loop 0",
}


def encode(path: Path, frames: Iterable[np.ndarray], count: int, fps: float) -> None:
    """Write a video whose format is that of the suffix, one of ENCODERS.

    Args:
        path: where to; written in place, so give the name of a temporary file.
        frames: uint8 [H, W, 3], all of one size, H and W even; taken one by one.
        count: how many there are.
        fps: frames per second.

    Raises:
        OSError: ffmpeg failed, or the file does not hold all frames. What is left at `path` is of no use then.
    """
    import imageio_ffmpeg

    process: subprocess.Popen[bytes] | None = None
    with tempfile.TemporaryFile() as told:
        try:
            for frame in frames:
                if process is None:
                    size = f"{frame.shape[1]}x{frame.shape[0]}"
                    source = f"-f rawvideo -pix_fmt rgb24 -s {size} -r {fps:g} -i -"
                    command = [imageio_ffmpeg.get_ffmpeg_exe(), *["-y", "-nostdin", "-v", "error"], *source.split()]
                    # in a session of its own: an interrupt is for this program, which then stops ffmpeg
                    process = subprocess.Popen(
                        [*command, *ENCODERS[path.suffix.lower()].split(), str(path)],
                        stdin=subprocess.PIPE,
                        stderr=told,
                        start_new_session=True,
                    )
                assert process.stdin is not None
                process.stdin.write(np.ascontiguousarray(frame))
            if process is not None:
                process.communicate()
        except BrokenPipeError:  # ffmpeg has ended before its time, and says why
            pass
        finally:
            if process is not None:
                if process.poll() is None:
                    process.kill()
                process.wait()
        if process is None or process.returncode:
            told.seek(0)
            raise _failure(told.read().decode(errors="replace"))
    if not _holds(path, count, fps):
        raise OSError(f"the video is not complete: ffmpeg said nothing, but the file does not hold {count} frames")


def _failure(told: str) -> OSError:
    """The error for what ffmpeg said."""
    for code in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO):
        if os.strerror(code) in told:
            return OSError(code, os.strerror(code))
    lines = [line for line in told.splitlines() if line.strip()]
    return OSError(f"the video could not be encoded; ffmpeg said: {lines[0] if lines else 'nothing, and stopped'}")


def _holds(path: Path, count: int, fps: float) -> bool:
    """Whether a file can be decoded to its end, and shows so many frames."""
    import imageio_ffmpeg

    suffix = path.suffix.lower()
    if suffix not in (".gif", ".webp"):
        try:
            return imageio_ffmpeg.count_frames_and_secs(path)[0] == count
        except RuntimeError:
            return False
    try:
        with Image.open(path) as animation:
            durations_ms = [_duration_ms(frame) for frame in ImageSequence.Iterator(animation)]
    except (OSError, EOFError, SyntaxError, ValueError):
        return False
    if suffix == ".gif":
        return len(durations_ms) == count
    # frames that look the same have become one that is shown for longer; if all of them do, a still without duration
    return len(durations_ms) == 1 or abs(sum(durations_ms) / 1000 - count / fps) < 0.5 / fps


def _duration_ms(frame: Image.Image) -> float:
    frame.load()
    return frame.info.get("duration", 0)
