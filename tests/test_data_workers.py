"""Processes that share work end with the one that started them, however that ends, and say nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trimesh

from ivid.data.workers import shared_out
from tests.support.worker_tasks import failing, square

pytestmark = pytest.mark.slow

WAIT_S = 300


def children(pid: int) -> list[int]:
    """Of a process, as Linux lists them; none when it is gone."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(what: str, condition) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {WAIT_S} s for {what}"
        time.sleep(0.02)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_has_its_result(workers: int) -> None:
    assert sorted(shared_out(square, [(n,) for n in range(5)], workers)) == [0, 1, 4, 9, 16]
    with pytest.raises(ValueError, match="three"):
        list(shared_out(failing, [(n,) for n in range(5)], workers))


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_workers_end_with_a_process_that_is_killed(tmp_path: Path, sent: signal.Signals) -> None:
    started = [str(tmp_path / f"{n}") for n in range(2)]
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom ivid.data.workers import shared_out\nfrom tests.support.worker_tasks import slow\n"
        "if __name__ == '__main__':\n    list(shared_out(slow, [(path,) for path in sys.argv[1:]], 2))\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path.cwd())}
    process = subprocess.Popen(
        [sys.executable, str(script), *started], env=environment, stderr=subprocess.PIPE, text=True
    )
    wait_for("both tasks to begin", lambda: all(Path(path).exists() for path in started))
    workers = children(process.pid)
    assert len(workers) >= 2
    process.send_signal(sent)
    _, said = process.communicate(timeout=WAIT_S)
    wait_for("the workers to end", lambda: not any(alive(pid) for pid in workers))
    assert process.returncode in (-sent, 1)
    assert said.count("Traceback") == (sent == signal.SIGINT)  # that of the script itself, which handles no interrupt


@pytest.mark.parametrize("after_s", [0.3, 1.0])
def test_an_interrupt_while_workers_start_is_not_swallowed(tmp_path: Path, after_s: float) -> None:
    (tmp_path / "assets" / "box").mkdir(parents=True)
    for k in range(2):
        trimesh.creation.box([1, 1 + k, 1]).export(tmp_path / "assets" / "box" / f"box_{k}.glb")
    arguments = ["prepare", "models", str(tmp_path / "assets"), "--out", str(tmp_path / "out"), "--size", "256"]
    process = subprocess.Popen(
        [sys.executable, "-m", "ivid", *arguments, "--images", "100000", "--workers", "2"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for("the first worker to start", lambda: len(children(process.pid)) > 1)
    workers = children(process.pid)
    time.sleep(after_s)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130
    assert "Traceback" not in said
    wait_for("the workers to end", lambda: not any(alive(pid) for pid in workers))
