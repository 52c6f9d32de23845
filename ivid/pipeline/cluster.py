"""Sharing a list of work among the machines of a Ray cluster.

Plain actors, not Ray Data: a piece of work takes minutes and its result is a line, so there is no data to stream, and
a worker that is given one piece at a time keeps none waiting that an idle one could take.
"""

from __future__ import annotations

import logging
import os
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import urlsplit

Piece = TypeVar("Piece")
Result = TypeVar("Result")

CONNECT_S = 10
HTTP2_SETTINGS = b"\x04"  # the type of the frame that either side says first (RFC 9113 §3.4)
HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0" + HTTP2_SETTINGS + b"\0" + b"\0\0\0\0"
TELL_S = 1.0  # a worker says this often how far it is
DEATHS_IN_A_ROW = 3  # of every worker, with nothing finished in between: then it is the work that ends them


@dataclass(frozen=True)
class Cluster:
    """Where work goes.

    Attributes:
        address: `host:port`, `ray://host:port`, `auto` for the cluster that this machine is part of, or `local` for one
            of this machine alone, which ends with the work.
        workers: how many; None for one per GPU, or one per machine where there are none.
        device: `cpu` leaves the cluster's GPUs alone.

    Raises:
        ValueError: the address is none, or the device is one of several.
    """

    address: str
    workers: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        _host_and_port(self.address)
        if self.device is not None and ":" in self.device:
            raise ValueError(f"every worker of a Ray cluster has its own GPU; choose cuda or cpu, not {self.device}")


@contextmanager
def connected(cluster: Cluster) -> Iterator[Any]:
    """The module `ray`, connected to a cluster; workers that were started are stopped at the end.

    Raises:
        ModuleNotFoundError: Ray is not installed.
        ConnectionError: there is no cluster at the address.
        RuntimeError: the cluster fails, or has another version of Ray.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # a cluster that is started here reports to nobody
    import ray
    import ray.exceptions

    _check_answers(cluster.address)
    dashboard = False if cluster.address == "local" else None  # what a cluster that is there has, it has
    try:
        try:
            ray.init(cluster.address, log_to_driver=False, logging_level=logging.ERROR, include_dashboard=dashboard)
        except ConnectionError as error:
            if cluster.address != "auto":
                raise
            raise ConnectionError(
                "no Ray cluster is found; start one by `ray start --head`, or name another"
            ) from error
        yield ray
    except ray.exceptions.RayError as error:
        raise RuntimeError(f"the Ray cluster at {cluster.address} failed: {_reason(error)}") from None
    finally:
        ray.shutdown()


def share_out(
    ray: Any,
    make: Callable[[Piece, Callable[[], None]], Result],
    pieces: Sequence[Piece],
    cluster: Cluster,
    folders: Sequence[Path] = (),
    on_steps: Callable[[int], object] = lambda steps: None,
) -> Iterator[Result]:
    """Have every piece of the work made by some worker. What a worker was making that dies is made by another.

    Args:
        ray: from `connected`.
        make: called on the workers as `make(piece, step)`; it calls `step()` as it gets on. Each worker has a copy of
            it, which may load what it needs on the first call and keep it.
        pieces: the work. What is made of a piece that was begun twice must be the same.
        cluster: who works.
        folders: made here where they are not there, and to be seen by all machines.
        on_steps: told how many steps are done, about once a second; fewer than before when a worker has died.

    Yields:
        what `make` returned, in the order in which the pieces are finished.

    Raises:
        RuntimeError: workers die again and again.
        ValueError: a machine does not see one of the folders.
        Exception: what `make` raised.
    """
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    start, count = _worker_of(ray, cluster, make)
    waiting, idle = deque(pieces), []
    busy: dict[Any, _Task[Piece]] = {}  # by what is waited for
    finished, deaths = 0, 0

    def start_one() -> None:
        worker = start()
        busy[worker.check.remote(folders)] = _Task(worker)

    for _ in range(min(count, len(waiting))):
        start_one()
    while waiting or any(task.pieces for task in busy.values()):
        while waiting and idle:
            worker, piece = idle.pop(), waiting.popleft()
            busy[worker.make.remote(piece)] = _Task(worker, [piece])
        (told,), _ = ray.wait(list(busy), num_returns=1)
        task = busy.pop(told)
        try:
            answer = ray.get(next(told) if task.pieces else told)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        except ray.exceptions.RayActorError as error:
            deaths += 1
            if deaths > DEATHS_IN_A_ROW * count:
                raise RuntimeError(f"workers of the Ray cluster die again and again: {_reason(error)}") from None
            waiting.extendleft(task.pieces)
            ray.kill(task.worker)  # for one that is only out of reach
            start_one()
            continue
        if not task.pieces:
            idle.append(task.worker)
        elif answer.done:
            finished, deaths = finished + answer.steps, 0
            idle.append(task.worker)
            yield answer.result
        else:
            busy[told] = _Task(task.worker, task.pieces, answer.steps)
        on_steps(finished + sum(each.steps for each in busy.values()))


@dataclass(frozen=True)
class _Answer:
    """How far a worker is with its piece."""

    steps: int
    done: bool = False
    result: Any = None


@dataclass(frozen=True)
class _Task(Generic[Piece]):
    """What a worker was asked for: a piece, or none where it only has to say that it is there."""

    worker: Any
    pieces: Sequence[Piece] = ()
    steps: int = 0


class _Worker:
    """The actor."""

    def __init__(self, make: Callable[[Any, Callable[[], None]], Any]) -> None:
        self._make = make

    def check(self, folders: Sequence[Path]) -> None:
        """Answers once the worker runs.

        Raises:
            ValueError: it does not see one of the folders.
        """
        for folder in folders:
            if not folder.is_dir():
                raise ValueError(f"the machine {socket.gethostname()} of the Ray cluster sees no folder {folder}")

    def make(self, piece: Any) -> Iterator[_Answer]:
        """Make a piece; yields how far it is, in the end with the result."""
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1

        with ThreadPoolExecutor(1) as threads:
            making = threads.submit(self._make, piece, step)
            while not wait([making], TELL_S).done:
                yield _Answer(steps)
        yield _Answer(steps, True, making.result())


def _worker_of(ray: Any, cluster: Cluster, make: Callable) -> tuple[Callable[[], Any], int]:
    """What starts a worker, and how many are wanted; without GPUs, those of a machine have all its CPUs."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    gpus = 0 if cluster.device == "cpu" else int(ray.cluster_resources().get("GPU", 0))
    count = cluster.workers or gpus or max(len(machines), 1)
    on_each = -(-count // max(len(machines), 1))
    cpus = max(1, int(min((each["CPU"] for each in machines), default=1)) // on_each)
    needs = {"num_gpus": 1, "num_cpus": 1} if gpus else {"num_cpus": cpus}
    actor = ray.remote(_Worker).options(scheduling_strategy="SPREAD", **needs)
    stored = ray.put(make)
    return (lambda: actor.remote(stored)), count


def _host_and_port(address: str) -> tuple[str, int] | None:
    """Where a cluster is; None for one that Ray finds, or starts, by itself.

    Raises:
        ValueError: it is no address.
    """
    named = _named(address)
    if named in ("auto", "local"):
        return None
    try:
        parts = urlsplit(named if "://" in named else f"//{named}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or port is None:
        raise ValueError(f"{named!r:.80} is no address of a Ray cluster; give host:port, auto or local")
    return host, port


def _named(address: str) -> str:
    return (os.environ.get("RAY_ADDRESS") or "auto") if address == "auto" else address


def _check_answers(address: str) -> None:
    """Find out whether a server of gRPC, as Ray's are, answers at an address; Ray itself would wait for minutes.

    Raises:
        ConnectionError: none does.
    """
    place, named = _host_and_port(address), _named(address)
    if place is None:
        return
    try:
        with socket.create_connection(place, CONNECT_S) as connection:
            if os.environ.get("RAY_USE_TLS") == "1":
                return
            connection.sendall(HTTP2_HELLO)
            said = connection.recv(9)
    except OSError as error:
        raise ConnectionError(f"no Ray cluster answers at {named} ({error.strerror or error})") from None
    if said[3:4] != HTTP2_SETTINGS:
        raise ConnectionError(f"what answers at {named} is no Ray cluster")


def _reason(error: Exception) -> str:
    """The line of Ray's message that says most: the last of those that are not indented."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not line.startswith((" ", "\t"))]
    return lines[-1] if lines else type(error).__name__
