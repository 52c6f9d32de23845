"""Many programs at once: the page answers, everyone is told their place, and who leaves makes room."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from benchmarks.load import Call, Client, probe

CLIENTS = 12
ANSWER_S = 2.0
LONG = 1000  # evaluations of a view, so that nobody's scene is done


async def crowd(url: str) -> tuple[dict[str, list[float]], list[Client], Client]:
    """Clients who ask at once, of whom all leave when all were told their place; and one who comes then."""
    took: dict[str, list[float]] = {}
    async with httpx.AsyncClient(base_url=url, timeout=120, limits=httpx.Limits(max_connections=None)) as client:
        call = await Call.of(client, "random", LONG)
        clients = [Client(seed) for seed in range(CLIENTS)]
        work = [asyncio.create_task(each.generate(client, call)) for each in clients]
        probing = asyncio.create_task(probe(client, took))
        deadline = time.monotonic() + 120
        while sum(bool(each.places) for each in clients) < CLIENTS - 1 and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        probing.cancel()
        for task in work:
            task.cancel()
        await asyncio.gather(probing, *work, return_exceptions=True)
        late, call = Client(CLIENTS), await Call.of(client, "uncond")
        await asyncio.wait_for(late.generate(client, call), 120)
    return took, clients, late


def test_everyone_is_answered_and_told_their_place_and_who_leaves_makes_room(served):
    served.models.load(served.model)
    with ThreadPoolExecutor(1) as other:  # the browser of other tests has a running loop in this thread
        took, clients, late = other.submit(asyncio.run, crowd(served.url)).result()
    told = sorted(max(each.places, default=1) for each in clients)
    assert told == [*range(1, CLIENTS + 1)]
    assert all(each.asked_s is not None and each.asked_s < ANSWER_S for each in clients)
    assert len(took) == 4
    for path, seconds in took.items():
        assert max(seconds) < ANSWER_S, path
    assert late.succeeded
