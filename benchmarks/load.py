"""Requests to the page while many programs wait for their scenes: how long they take to be answered.

    ivid app --model MODEL --port 7860 &
    python -m benchmarks.load --url http://127.0.0.1:7860 --clients 50 --model MODEL --class house

Every client asks `/generate` for a scene of its own; the page generates one at a time. Meanwhile the page itself and a
small endpoint are fetched twice a second.
"""

from __future__ import annotations

import argparse
import asyncio
import time

import httpx
import numpy as np

PROBES = ("/", "/gradio_api/info")
EVERY_S = 0.5


async def main() -> None:
    """Print the median, the 95th percentile and the worst of the answers, in seconds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:7860")
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--model", required=True, help="as the page calls it")
    parser.add_argument("--class", dest="class_label", required=True)
    options = parser.parse_args()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=options.url, timeout=120, limits=limits) as client:
        work = [asyncio.create_task(generate(client, options, seed)) for seed in range(options.clients)]
        took: list[float] = []
        deadline = time.monotonic() + options.seconds
        while time.monotonic() < deadline and not all(task.done() for task in work):
            for path in PROBES:
                began = time.monotonic()
                (await client.get(path)).raise_for_status()
                took.append(time.monotonic() - began)
            await asyncio.sleep(EVERY_S)
        over = sum(task.done() for task in work)
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
    median, most, worst = np.percentile(took, [50, 95, 100])
    print(f"{len(took)} requests, {over} of {options.clients} scenes over: {median:.2f} {most:.2f} {worst:.2f} s")


async def generate(client: httpx.AsyncClient, options: argparse.Namespace, seed: int) -> None:
    """Ask for a scene, and follow it to its end."""
    fields = [options.class_label, seed, "3x9", "", options.model, None, None, None, False]
    answer = await client.post("/gradio_api/call/generate", json={"data": fields})
    answer.raise_for_status()
    async with client.stream("GET", f"/gradio_api/call/generate/{answer.json()['event_id']}") as events:
        async for _ in events.aiter_lines():
            pass


if __name__ == "__main__":
    asyncio.run(main())
