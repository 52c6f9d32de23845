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

from playwright.sync_api import Page

from benchmarks.browser import headless_chromium
from benchmarks.timing import Row

ROOT = Path(__file__).resolve().parent.parent
CLASS, SEED = "house", 12
# Notes when the viewer shows the scene's first preview, its first view, and all of its views, in seconds.
WATCH = """() => {
  const began = performance.now();
  const seen = (window.seen = {});
  const note = (what) => (seen[what] ??= (performance.now() - began) / 1000);
  const watch = setInterval(() => {
    const { manifest, renderer } = document.querySelector("#ivid-viewer .ivid-viewer").ividViewer;
    if (!manifest?.title.includes("SEED") || renderer.dirty || !renderer.held.size) return;
    note("preview");
    if (!renderer.held.get(0).preview) note("first");
    if (renderer.held.size === manifest.planned.length) {
      note("all");
      clearInterval(watch);
    }
  }, 10);
  document.querySelector("#ivid-generate").click();
}""".replace("SEED", f"seed {SEED}")


def rows() -> Iterator[Row]:
    for start in range(2):  # the first start fills the caches
        started = time.perf_counter()
        process, url = serve()
        try:
            wait_until_served(url, process)
            if start:
                yield "page served, second start", time.perf_counter() - started, "s", "<= 10"
                with headless_chromium() as browser:
                    yield from making_rows(browser.new_page(viewport={"width": 1280, "height": 800}), url)
                yield "memory of the server after a scene", resident_mib(process.pid), "MiB", "<= 2000"
        finally:
            process.terminate()
            process.wait()


def making_rows(page: Page, url: str) -> Iterator[Row]:
    """A scene made on the page, as the browser shows it; the model has been loaded before."""
    page.goto(f"{url}?class={CLASS}&seed=1&views=uncond")
    page.wait_for_function("document.querySelector('.ivid-status p')?.textContent.startsWith('Done')")
    page.get_by_label("Seed", exact=True).fill(str(SEED))
    page.get_by_role("button", name="Advanced").click()
    page.get_by_label("3 × 9 grid").check()
    page.evaluate(WATCH)
    page.wait_for_function("window.seen.all", timeout=600_000, polling=250)
    seen = page.evaluate("window.seen")
    yield "page: something of the first view on screen", seen["preview"], "s", "<= 1"
    yield "page: first view on screen", seen["first"], "s", "<= 4"
    yield "page: all 27 views on screen", seen["all"], "s", "<= 40"


def serve(*options: str) -> tuple[subprocess.Popen, str]:
    """The page on a free port, with these options of `app.py`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), *options]
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
