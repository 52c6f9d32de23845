"""Sharing a list of work among processes, on one machine or several; none of them waits for another.

A launcher (`accelerate launch`, `torchrun`) tells every process its number by the variables RANK, WORLD_SIZE and
LOCAL_RANK. `helpers` is a launcher of its own for one machine: the process that calls it takes part as the first.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

Work = TypeVar("Work")


@dataclass(frozen=True)
class Share:
    """One process's part.

    Attributes:
        index: number of the process, from 0.
        of: how many there are.
        on_machine: its number among those on the same machine, from 0.
    """

    index: int = 0
    of: int = 1
    on_machine: int = 0

    @classmethod
    def of_environment(cls) -> Share:
        """What the launcher said; the whole work where there is none."""
        index, of, on_machine = (int(os.environ.get(name, unset)) for name, unset in _VARIABLES.items())
        return cls(index, of, on_machine)

    def part(self, work: Sequence[Work], batch: int = 1) -> list[Work]:
        """Every `of`-th batch of the work, so that the batches are those that one process alone would make."""
        starts = range(self.index * batch, len(work), self.of * batch)
        return [each for start in starts for each in work[start : start + batch]]

    def device(self) -> str | None:
        """The GPU of this process when the machine's are shared; None leaves the choice open."""
        if self.of == 1:
            return None
        import torch

        if not torch.cuda.is_available():
            return None
        return f"cuda:{self.on_machine % torch.cuda.device_count()}"


_VARIABLES = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}


def helper_count(chosen: int | None, device: str | None) -> int:
    """The count for `helpers`: as chosen, or one per GPU unless a device was chosen; 1 where a launcher made others."""
    if Share.of_environment().of > 1:
        return 1
    if chosen or device is not None:
        return chosen or 1
    import torch

    return max(torch.cuda.device_count(), 1)


@contextmanager
def helpers(count: int, arguments: Sequence[str], accepted: Collection[int] = (0,)) -> Iterator[Share]:
    """This process's share, while `count` - 1 others run `python -m ivid` with the same arguments.

    At the end they are waited for; when the body fails, or is stopped, they are stopped too.

    Args:
        count: of processes, this one included.
        arguments: of the command line.
        accepted: exit statuses of the others that are no failure.

    Raises:
        RuntimeError: another process failed; it has said why.
    """
    if count == 1:
        yield Share.of_environment()
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the others do not outlive this one
    running: list[subprocess.Popen] = []
    try:
        for index in range(1, count):
            variables = dict(zip(_VARIABLES, (str(index), str(count), str(index)), strict=True))
            running.append(
                subprocess.Popen([sys.executable, "-m", "ivid", *arguments], env={**os.environ, **variables})
            )
        yield Share(0, count)
        failed = [index for index, process in enumerate(running, start=2) if process.wait() not in accepted]
        if failed:
            raise RuntimeError(
                f"process {', '.join(map(str, failed))} of {count} failed; run it again for what is missing"
            )
    finally:
        for process in running:
            process.terminate()
            process.wait()
        signal.signal(signal.SIGTERM, before)
