"""Writing files so that a reader never meets half of one, and reading JSON that anyone may have written."""

from __future__ import annotations

import json
import math
import os
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
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent)
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files that only their owner can read
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


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
