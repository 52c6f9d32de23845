"""Writing files so that a reader never meets half of one, and reading JSON that anyone may have written."""

from __future__ import annotations

import errno
import json
import math
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def is_unfinished(path: Path) -> bool:
    """Whether a file is, by its name, one that `written_aside` was writing when its program was killed."""
    return path.name.startswith(".")


@contextmanager
def written_aside(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, with the same suffix, to write to; rename it onto `path` afterwards.

    When the body raises, the temporary file is removed and what stood at `path` stays as it was. Missing folders are
    made.

    Raises:
        OSError: the file cannot be written; the error names `path`, not the temporary file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with errors_name(path):
        descriptor, name = tempfile.mkstemp(prefix=_temporary_prefix(path), suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        with errors_name(path, temporary):
            yield temporary
            _reach_disk(temporary)
            temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner can read
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def folder_written_aside(path: str | Path, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder beside `path` to fill; rename it onto `path`, which is new or empty, afterwards.

    When the body raises, the temporary folder is removed.

    Args:
        replace: whether what stands at `path` gives way, whole, once the body is through.

    Raises:
        ValueError: there is something at `path`, and it is not to be replaced, or is no folder.
        OSError: it cannot be written.
    """
    path = Path(path)
    if not (replace and path.is_dir()):
        check_new_folder(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with errors_name(path):
        temporary = Path(tempfile.mkdtemp(prefix=_temporary_prefix(path), dir=path.parent))
    try:
        with errors_name(path, temporary):
            yield temporary
            temporary.chmod(0o777 & ~_umask())  # mkdtemp makes folders that only their owner can enter
            if replace and path.is_dir() and any(path.iterdir()):
                _exchange(path, temporary)
            else:
                os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _exchange(path: Path, temporary: Path) -> None:
    """Put a folder in the place of another one, which is deleted; if that fails, the other one is back in its place."""
    old = Path(tempfile.mkdtemp(prefix=_temporary_prefix(path), dir=path.parent))
    try:
        os.replace(path, old)  # onto the empty folder
        try:
            os.replace(temporary, path)
        except BaseException:
            os.replace(old, path)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def check_new_folder(path: str | Path) -> None:
    """Refuse a folder that has something in it.

    Raises:
        ValueError: it is there and not empty, or it is a file.
    """
    path = Path(path)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise ValueError(f"{path} is there already and is not an empty folder; give the name of a new one")


def check_writable(path: str | Path, folder: bool = False) -> None:
    """Refuse a place that cannot be written to, before work is done for it; nothing is left there.

    Args:
        path: of a file, or of a `folder`, which may be there or not, as may the folders around it.

    Raises:
        OSError: it cannot be written; the error names the place that is in the way.
        ValueError: what stands there is no file that could be replaced.
    """
    path = Path(path)
    if not folder and path.exists() and not path.is_file():
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise ValueError(f"{path} is a device or a pipe, not a file that could be replaced")
    there = path if folder else path.parent
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(there))
    longest = os.pathconf(there, "PC_NAME_MAX")
    for part in path.parts:
        if len(os.fsencode(part)) > longest:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), part)
    with errors_name(there):
        tempfile.TemporaryFile(dir=there).close()


def _temporary_prefix(path: Path) -> str:
    """The beginning of a temporary name, hidden, and so short that the whole name is no longer than any name may be."""
    room = 255 - len(os.fsencode(path.suffix)) - len(".-") - 8  # what mkstemp adds
    return f".{os.fsencode(path.stem)[: max(room, 0)].decode(errors='ignore')}-"


_OF_WRITING = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


@contextmanager
def errors_name(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Errors of the system that the body raises, as errors about `path`.

    Args:
        temporary: with it, only those about this file, or about one in this folder, or about a disk that is full.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or (temporary is not None and not _is_about(error, temporary)):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def _is_about(error: OSError, temporary: Path) -> bool:
    """Whether an error is about a temporary file, or about one in a temporary folder."""
    if not isinstance(error.filename, str | bytes):
        return error.errno in _OF_WRITING
    return Path(os.fsdecode(error.filename)).is_relative_to(temporary)


def _reach_disk(path: Path) -> None:
    """Wait until a file is on its disk: some disks, across a network or over quota, refuse it no earlier."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def read_json(source: str | Path | bytes, what: str = "") -> Any:
    """The value of a JSON file, UTF-8 with or without a byte order mark.

    Args:
        source: the file's path, or its content.
        what: what the message calls it; its path when empty.

    Raises:
        ValueError: it is no JSON, is nested too deeply, or holds a number that no float can; one sentence.
        OSError: the file cannot be read.
    """
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    name = what or ("the file" if isinstance(source, bytes) else str(source))
    try:
        return json.loads(content.decode("utf-8-sig"), parse_float=_finite_float, parse_int=_finite_int)
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not valid JSON: it is no UTF-8 text (at byte {error.start})") from None
    except RecursionError:
        raise ValueError(f"{name} is not valid JSON: it is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{name} is not valid JSON: {error}") from None


def _finite_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"the number {_shortened(text)} is too large")
    return value


def _finite_int(text: str) -> int:
    _finite_float(text)
    return int(text)


def _shortened(text: str) -> str:
    return text if len(text) <= 20 else f"{text[:12]}... of {len(text)} digits"
