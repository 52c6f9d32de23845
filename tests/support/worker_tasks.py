"""Tasks for other processes, in a module that is imported in no time."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
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


def cannot_be_made(piece: int, step: Callable[[], None]) -> None:
    """Work for a cluster that has wrong input."""
    raise ValueError(f"{piece} cannot be made")


def ends_its_worker(piece: int, step: Callable[[], None]) -> None:
    """Work for a cluster that no worker survives."""
    os.kill(os.getpid(), signal.SIGKILL)
