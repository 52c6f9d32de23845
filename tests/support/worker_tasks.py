"""Tasks for other processes, in a module that is imported in no time."""

from __future__ import annotations

import time
from pathlib import Path

LONG_S = 600


def slow(path: str) -> None:
    """A task that says that it has begun, and takes very long."""
    Path(path).touch()
    time.sleep(LONG_S)


def square(number: int) -> int:
    return number**2


def failing(number: int) -> int:
    if number == 3:
        raise ValueError("three")
    return number
