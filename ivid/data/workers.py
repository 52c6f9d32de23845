"""Work shared among processes that end with the one that started them, however that ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, TypeVar

Result = TypeVar("Result")


def shared_out(function: Callable[..., Result], tasks: Sequence[tuple[Any, ...]], workers: int) -> Iterator[Result]:
    """The results of a function for each tuple of arguments, as they are done.

    One worker or one task is this process; more are new processes, spawned because an OpenGL context does not survive
    a fork. They end at once when the iterator is closed, when an error or an interrupt passes through it, and when this
    process dies. An interrupt (SIGINT) is this process's to handle; workers ignore it.
    """
    if workers == 1 or len(tasks) < 2:
        for arguments in tasks:
            yield function(*arguments)
        return
    context = multiprocessing.get_context("spawn")
    lifeline, held = context.Pipe(duplex=False)
    pool = ProcessPoolExecutor(min(workers, len(tasks)), context, _end_with, (lifeline,))
    try:
        with _interrupts_deferred():  # workers are started here, and inherit it
            futures = [pool.submit(function, *arguments) for arguments in tasks]
        for future in as_completed(futures):
            yield future.result()
        pool.shutdown()
    finally:
        held.close()  # ends workers that are still busy
        pool.shutdown(cancel_futures=True)
        lifeline.close()


def _end_with(lifeline: Connection) -> None:
    """Let this worker end when nobody holds the other end of a pipe any more."""

    def wait() -> None:
        try:
            lifeline.recv()
        except (EOFError, OSError):
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextmanager
def _interrupts_deferred() -> Iterator[None]:
    """SIGINT is delivered after the block; processes that are started in it never see one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
