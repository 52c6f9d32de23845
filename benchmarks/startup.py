"""From the command to the first evaluation of a network, beside `import torch`; processor time of fresh processes."""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence

from benchmarks.timing import Row

GENERATE = """
import os, sys
import ivid.cli.generate
from ivid.cli import main

def make(work, options, make=ivid.cli.generate.make):
    import ivid.diffusion.denoiser
    ivid.diffusion.denoiser.evaluate = lambda *_: os._exit(0)
    make(work, options)

ivid.cli.generate.make = make
sys.exit(main(["generate", "--class", "house", "--seeds", "5", *sys.argv[1:]]) or 1)
"""
"""`ivid generate`, which ends where the first network would be evaluated."""


def rows() -> Iterator[Row]:
    torch = _processor_seconds("import torch")
    yield "import torch", torch, "s", ""
    with tempfile.TemporaryDirectory() as folder:
        for backend, goal in (("onnx", "<= 2.5"), ("torch", "")):
            taken = _processor_seconds(GENERATE, ["--backend", backend, "--device", "cpu", "--out", folder])
            yield f"ivid generate up to its first evaluation, backend {backend}", taken, "s", ""
            yield "  beside import torch", taken / torch, "x", goal


def _processor_seconds(program: str, arguments: Sequence[str] = (), runs: int = 3) -> float:
    """Median of user and system time of the program in a fresh interpreter; the first run fills the caches."""
    taken = []
    for _ in range(runs + 1):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", program, *arguments], check=True, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(taken[1:])
