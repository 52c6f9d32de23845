"""Timing that can be repeated."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

Row = tuple[str, float, str, str]  # what, value, unit, goal


def median_seconds(run: Callable[[], object], runs: int = 5, warm_up: int = 1) -> float:
    """Median wall time of `run` in seconds."""
    for _ in range(warm_up):
        run()
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return statistics.median(times)
