"""Many programs wait for scenes at once: how long the page takes to answer, what the waiting are told, and memory.

    python -m benchmarks load --clients 50

A server of its own makes one scene for one client, then scenes for all clients at once, one after the other. Meanwhile
the page and its endpoints are fetched four times a second. In the end all clients but one leave, and a last one comes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx
import numpy as np
import psutil

from benchmarks.page import serve, wait_until_served

PROBES = ("/", "/config", "/gradio_api/info", "/theme.css")
EVERY_S = 0.25
LEAVING_S = 5.0  # until those who left are no longer counted, at most


@dataclass
class Client:
    """One program that asks `/generate` for a scene, as `gradio_client` does.

    Attributes:
        session: what Gradio knows the program by.
        asked_s: how long its request took to be answered.
        told_s: how long it took until it was told something.
        said: what it was told, the last one last.
        over: how the work ended, `process_completed`; "" until then.
        succeeded: whether there is a scene.
    """

    seed: int
    session: str = field(default_factory=lambda: uuid.uuid4().hex)
    asked_s: float | None = None
    told_s: float | None = None
    said: list[str] = field(default_factory=list)
    over: str = ""
    succeeded: bool = False

    @property
    def places(self) -> list[int]:
        """The places in the queue it was told."""
        return [int(match[1]) for text in self.said if (match := re.match(r"Number (\d+) in the queue", text))]

    async def generate(self, client: httpx.AsyncClient, call: Call) -> None:
        """Ask for a scene, and follow it to its end."""
        began = time.monotonic()
        body = {"data": call.values(self.seed), "fn_index": call.fn_index, "session_hash": self.session}
        (await client.post("/gradio_api/queue/join", json=body)).raise_for_status()
        self.asked_s = time.monotonic() - began
        async with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as events:
            async for line in events.aiter_lines():
                if not line.startswith("data: "):
                    continue
                message = json.loads(line[len("data: ") :])
                for unit in message.get("progress_data") or ():
                    self.told_s = self.told_s or time.monotonic() - began
                    self.said.append(unit["desc"] or "")
                if message["msg"] == "process_completed":
                    self.over, self.succeeded = message["msg"], message["success"]
                    return


@dataclass(frozen=True)
class Call:
    """How a page is asked for scenes."""

    fn_index: int
    class_label: str
    model: str
    view_set: str
    steps: int | None = None  # of every view; the model's own when None

    @classmethod
    async def of(cls, client: httpx.AsyncClient, view_set: str, steps: int | None = None) -> Call:
        """What the page says of its endpoint `/generate`."""
        config = (await client.get("/config")).json()
        info = (await client.get("/gradio_api/info")).json()["named_endpoints"]["/generate"]
        defaults = {each["parameter_name"]: each["parameter_default"] for each in info["parameters"]}
        (fn_index,) = (each["id"] for each in config["dependencies"] if each["api_name"] == "generate")
        return cls(fn_index, defaults["class_label"], defaults["model"], view_set, steps)

    def values(self, seed: int) -> list:
        steps = [self.steps, self.steps, None]
        return [self.class_label, seed, self.view_set, "", self.model, *steps, False, None, None, "metric", False]


async def probe(client: httpx.AsyncClient, took: dict[str, list[float]]) -> None:
    """Fetch the page and its endpoints again and again, each by itself; notes how long they took."""

    async def one(path: str) -> None:
        while True:
            began = time.monotonic()
            (await client.get(path)).raise_for_status()
            took.setdefault(path, []).append(time.monotonic() - began)
            await asyncio.sleep(EVERY_S)

    await asyncio.gather(*map(one, PROBES))


def memory_mib(pid: int) -> float:
    """Memory that a process and its children hold alone: not the code that other programs have mapped too."""
    process = psutil.Process(pid)
    return sum(each.memory_full_info().uss for each in (process, *process.children(recursive=True))) / 2**20


async def measure(url: str, pid: int, clients: int, seconds: float, view_set: str) -> dict[str, list[float]]:
    """Print the figures; the times of the answers by path are returned."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=limits) as client:
        call, took = await Call.of(client, view_set), {}
        await Client(0).generate(client, call)  # the model is loaded, and caches are full
        probing = asyncio.create_task(probe(client, took))
        one, alone = asyncio.create_task(Client(1).generate(client, call)), 0.0
        while not one.done():
            alone = max(alone, memory_mib(pid))
            await asyncio.wait([one], timeout=0.5)
        print_times("one client", took)
        took.clear()

        crowd = [Client(seed) for seed in range(2, 2 + clients)]
        work = [asyncio.create_task(each.generate(client, call)) for each in crowd]
        deadline, crowded = time.monotonic() + seconds, 0.0
        while time.monotonic() < deadline and not all(task.done() for task in work):
            crowded = max(crowded, memory_mib(pid))
            await asyncio.sleep(0.5)
        took["asking for a scene"] = [each.asked_s or np.inf for each in crowd]
        took["told the first thing"] = [each.told_s or np.inf for each in crowd]
        print_times(f"{clients} clients", took)
        failed = sum(bool(each.over) and not each.succeeded for each in crowd)
        done, placed = sum(each.succeeded for each in crowd), sum(bool(each.places) for each in crowd)
        print(f"of {clients} clients {placed} were told their place, {done} have their scenes, {failed} failed")
        print(f"memory with one client {alone:.0f} MiB, with {clients} {crowded:.0f} MiB: {crowded / alone:.2f} x")

        staying = next((task for task in work if not task.done()), None)
        leaving = [task for task in work if not task.done() and task is not staying]
        for task in leaving:
            task.cancel()
        await asyncio.gather(*leaving, return_exceptions=True)
        await asyncio.sleep(LEAVING_S)
        last = Client(2 + clients)
        task = asyncio.create_task(last.generate(client, call))
        while not last.said and not task.done():
            await asyncio.sleep(0.1)
        print(f"{len(leaving)} have left; who comes now is told: {last.said[0] if last.said else last.over}")
        probing.cancel()
        task.cancel()
        if staying:
            staying.cancel()
        await asyncio.gather(task, probing, *([staying] if staying else []), return_exceptions=True)
        return took


def print_times(title: str, took: dict[str, list[float]]) -> None:
    """A table of how long answers took, in seconds."""
    print(f"{title:30} {'answers':>8} {'median':>7} {'95 %':>7} {'worst':>7}")
    for what, seconds in took.items():
        median, most, worst = np.percentile(seconds, [50, 95, 100])
        print(f"{what:30} {len(seconds):8} {median:7.3f} {most:7.3f} {worst:7.3f}", flush=True)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks load", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=40, help="how long they are waited for (default: 40)")
    parser.add_argument("--model", default="lowpoly", help="one that the page knows, or a folder (default: lowpoly)")
    parser.add_argument("--views", default="3x9", help="of the scenes (default: 3x9)")
    options = parser.parse_args(arguments)
    process, url = serve("--model", options.model)
    try:
        wait_until_served(url, process)
        asyncio.run(measure(url, process.pid, options.clients, options.seconds, options.views))
    finally:
        process.terminate()
        process.wait()
    return 0
