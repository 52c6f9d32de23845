"""Reading files that somebody else made: what they claim is bounded before anything is allocated for it.

Everything here raises ValueError with a reason that completes the sentence "FILE cannot be read: …".
"""

from __future__ import annotations

import ast
import errno
import io
import lzma
import math
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

MAX_NPY_HEADER_BYTES = 4096
_NPY_MAGIC = b"\x93NUMPY"
_NPY_LENGTH_FORMATS = {1: "<H", 2: "<I", 3: "<I"}


def require_regular_file(path: Path) -> None:
    """Refuse what is no regular file, such as a pipe or a device: reading one may never end.

    Raises:
        ValueError: `path`, or what it links to, is something else.
        OSError: there is no such file.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode):
        kinds = {stat.S_ISDIR: "a folder", stat.S_ISFIFO: "a pipe", stat.S_ISSOCK: "a socket"}
        what = next((name for test, name in kinds.items() if test(mode)), "a device")
        raise ValueError(f"it is {what}, not a file")


@contextmanager
def archive_errors(kind: str) -> Iterator[None]:
    """Turn what a damaged zip archive raises inside the body into one ValueError.

    Args:
        kind: what the file should be, such as "scene file".
    """
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error) as error:
        raise ValueError(f"it is no {kind}, or is damaged ({error})") from None
    except (NotImplementedError, RuntimeError) as error:  # unknown compression; encryption
        raise ValueError(f"it is no {kind}, or is damaged ({error})") from None
    except OSError as error:  # bz2's own, and places before the file's start; what the disk says has other numbers
        if error.errno not in (None, errno.EINVAL):
            raise
        raise ValueError(f"it is no {kind}, or is damaged") from None
    except (OverflowError, MemoryError) as error:
        raise ValueError(f"it claims sizes that no file has ({type(error).__name__})") from None


def read_member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """The content of an archive member, of which at most `limit` bytes are decompressed.

    Raises:
        ValueError: there is no such member, or it is larger.
    """
    try:
        with archive.open(name) as stream:
            content = stream.read(limit + 1)
    except KeyError:
        raise ValueError(f"it has no {name}") from None
    if len(content) > limit:
        raise ValueError(f"its {name} is larger than a scene needs ({limit:,} bytes)")
    return content


def read_npy_header(stream: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, Fortran order and type of an `.npy` array; the stream stands at its data afterwards.

    Raises:
        ValueError: it is no `.npy` array, or its header is longer, or says more, than one of numbers needs.
    """
    start = stream.read(8)
    if len(start) < 8 or start[:6] != _NPY_MAGIC or start[6] not in _NPY_LENGTH_FORMATS:
        raise ValueError("it is no .npy array")
    length_format = _NPY_LENGTH_FORMATS[start[6]]
    packed = stream.read(struct.calcsize(length_format))
    length = struct.unpack(length_format, packed)[0] if len(packed) == struct.calcsize(length_format) else 0
    if not 0 < length <= MAX_NPY_HEADER_BYTES:
        raise ValueError(f"its .npy header has {length:,} bytes; 1 to {MAX_NPY_HEADER_BYTES:,} are allowed")
    try:
        header = ast.literal_eval(stream.read(length).decode("utf-8" if start[6] == 3 else "latin-1").strip())
        code, fortran_order, shape = header["descr"], header["fortran_order"], header["shape"]
        sound = isinstance(code, str) and isinstance(fortran_order, bool) and isinstance(shape, tuple)
        sound = sound and len(header) == 3 and len(shape) <= 8
        sound = sound and all(type(side) is int and 0 <= side < 2**40 for side in shape)
    except (SyntaxError, ValueError, TypeError, KeyError, RecursionError, MemoryError):
        sound = False
    if not sound:
        raise ValueError("its .npy header is damaged")
    if not re.fullmatch(r"[<>|=]?[?biufcO]\d{0,3}", code):
        raise ValueError(f"its .npy array holds {code[:40]!r}, not numbers")
    try:
        return shape, fortran_order, np.dtype(code)
    except TypeError:
        raise ValueError(f"its .npy array holds {code[:40]!r}, which no program reads") from None


def read_npy(stream: BinaryIO, max_values: int, kinds: Collection[str] = "uif") -> np.ndarray:
    """An `.npy` array of numbers.

    Args:
        stream: at the start of the file.
        max_values: how many numbers it may hold.
        kinds: of numpy's types: unsigned, integer, float.

    Raises:
        ValueError: it is no such array, or is cut short.
    """
    shape, fortran_order, dtype = read_npy_header(stream)
    if dtype.kind not in kinds:
        raise ValueError(f"it holds {dtype}, not numbers that are read (nothing is unpickled)")
    count = math.prod(shape)
    if count > max_values:
        raise ValueError(f"it claims {count:,} values; at most {max_values:,} are read")
    content = stream.read(count * dtype.itemsize)
    if len(content) < count * dtype.itemsize:
        raise ValueError(f"it is cut short: {len(content):,} of {count * dtype.itemsize:,} bytes are there")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran_order else "C").copy()


def read_png(content: bytes, mode: str, side: int | None = None, max_side: int = 2048) -> np.ndarray:
    """The pixels of a PNG file in one mode.

    Args:
        content: the file.
        mode: of Pillow, "RGB", "RGBA", or "1" for bool.
        side: the width and height it must have; any up to `max_side` when None.

    Raises:
        ValueError: it is no PNG, is damaged, or has another mode or size; the message goes on after the file's name.
    """
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            width, height = image.size
            if image.mode != mode or (side is not None and image.size != (side, side)) or max(image.size) > max_side:
                wanted = f"{side}x{side}" if side else f"of at most {max_side}x{max_side}"
                raise ValueError(f"is {image.mode} {width}x{height}, not {mode} {wanted}")
            return np.array(image)
    except Image.DecompressionBombError:
        raise ValueError("claims more pixels than any picture here has") from None
    except (OSError, SyntaxError, EOFError, zlib.error, struct.error, OverflowError, MemoryError) as error:
        raise ValueError(f"is no readable PNG ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    """What a library says is wrong, without the object it names."""
    return "unknown format" if "cannot identify" in str(error) else str(error) or type(error).__name__
