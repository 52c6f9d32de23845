"""Many scenes in turn from one server, for a few programs: whether its memory grows.

    python -m benchmarks soak --scenes 200

The memory of the server and of its networks is noted after every scene. Printed is the median of the last quarter
beside that of the quarter before the middle, when caches are full.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import Sequence

import httpx

from benchmarks.load import Call, Client, memory_mib
from benchmarks.page import serve, wait_until_served

PROGRAMS = 10


async def measure(url: str, pid: int, scenes: int, view_set: str, steps: int | None) -> list[float]:
    """Memory in MiB after each scene.

    Raises:
        RuntimeError: a scene was not made.
    """
    held = []
    async with httpx.AsyncClient(base_url=url, timeout=600) as client:
        call = await Call.of(client, view_set, steps)
        for seed in range(scenes):
            one = Client(seed, session=f"program {seed % PROGRAMS}")
            await one.generate(client, call)
            if not one.succeeded:
                raise RuntimeError(f"scene {seed} was not made: {one.said[-1:]}")
            held.append(memory_mib(pid))
            if seed % max(scenes // 20, 1) == 0:
                print(f"{seed + 1:5} scenes {held[-1]:8.1f} MiB", flush=True)
    return held


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scenes", type=int, default=200)
    parser.add_argument("--model", default="lowpoly", help="one that the page knows, or a folder (default: lowpoly)")
    parser.add_argument("--views", default="random", help="of the scenes (default: random, which has two)")
    parser.add_argument("--steps", type=int, help="evaluations of every view (default: the model's own)")
    options = parser.parse_args(arguments)
    if options.scenes < 8:
        parser.error("a soak needs at least 8 scenes")
    process, url = serve("--model", options.model)
    try:
        wait_until_served(url, process)
        held = asyncio.run(measure(url, process.pid, options.scenes, options.views, options.steps))
    finally:
        process.terminate()
        process.wait()
    quarter = len(held) // 4
    before, after = statistics.median(held[quarter : 2 * quarter]), statistics.median(held[-quarter:])
    print(f"{before:.1f} MiB, then {after:.1f} MiB: {after / before - 1:+.2%}")
    return 0
