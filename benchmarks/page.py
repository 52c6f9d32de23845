"""The page as a person waits for it: a server process, and Chromium."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.timing import Row

ROOT = Path(__file__).resolve().parent.parent


def rows() -> Iterator[Row]:
    times, memory = [], []
    for _ in range(2):  # the first start fills the caches
        started = time.perf_counter()
        process, url = serve()
        try:
            wait_until_served(url, process)
            times.append(time.perf_counter() - started)
            memory.append(resident_mib(process.pid))
        finally:
            process.terminate()
            process.wait()
    yield "page served, second start", times[1], "s", "<= 10"
    yield "memory of the server before the first click", memory[1], "MiB", "<= 2000"


def serve() -> tuple[subprocess.Popen, str]:
    """The page on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return process, f"http://127.0.0.1:{port}/"


def wait_until_served(url: str, process: subprocess.Popen, timeout_s: float = 120) -> None:
    """Return when the page answers.

    Raises:
        RuntimeError: the server ended, or the time is up.
    """
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                answer.read()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.05)
    raise RuntimeError("the page was not served")


def resident_mib(pid: int) -> float:
    """Resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024
