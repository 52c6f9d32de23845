"""The static site in Chromium, with WebAssembly: visits, first pixels, the first view, a whole scene, its stages."""

from __future__ import annotations

import json
import statistics
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from playwright.sync_api import BrowserContext, Page

from benchmarks.browser import headless_chromium
from benchmarks.timing import Row
from ivid.pipeline.labels import sample_label
from ivid.pipeline.loading import load_pipeline
from ivid.pipeline.models import model_folder
from ivid.site.contents import ISOLATION
from ivid.site.folder import write_site
from ivid.site.networks import site_networks
from tests.support.site_scene import Made, agreements, make, recorded_noise

PATIENCE_MS = 600_000

LISTEN = """
  window.heard = {};
  window.Worker = class extends Worker {
    set onmessage(receive) {
      super.onmessage = (event) => {
        receive(event);
        heard[event.data.type] ??= performance.now();
      };
    }
  };
"""
"""The page writes down when it has shown the first message of each kind (`generator/worker.js`)."""

MEASURES = "() => performance.getEntriesByType('measure').map(({ name, duration }) => [name, duration])"


class _Handler(SimpleHTTPRequestHandler):
    """A folder, isolated as threads need it."""

    extensions_map: ClassVar = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def end_headers(self) -> None:
        for name, value in ISOLATION.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


def rows(agree: bool = False) -> Iterator[Row]:
    if agree:
        yield from _agreement()
        return
    with TemporaryDirectory() as name:
        site = write_site(model_folder("lowpoly"), Path(name) / "site")
        with _served(site.folder) as url, headless_chromium() as browser:
            context = browser.new_context()
            yield "networks to fetch", site.model_bytes / 1e6, "MB", "<= 65"
            page = _visit(context, url)
            yield "ready, first visit (from this machine)", page.evaluate("heard.ready / 1000"), "s", ""
            times, stages = _scene(page)
            page.close()
            again = _visit(context, url).evaluate("heard.ready / 1000")
    yield "ready, second visit", again, "s", "<= 2"
    yield "first pixels, clicked as soon as it is ready", times["preview"], "s", "<= 2"
    yield "first view", times["view"], "s", "<= 5"
    yield "27 views", times["done"], "s", "<= 60"
    for stage, milliseconds in stages.items():
        often = f" ({len(milliseconds)} times)" if len(milliseconds) > 1 else ""
        yield f"  {stage}{often}", statistics.median(milliseconds), "ms", ""


def _agreement() -> Iterator[Row]:
    """A whole scene of the site's generator beside the pipeline's from the same noise."""
    pipeline = load_pipeline(model_folder("lowpoly"), "cpu", "onnx")
    seed, name = 5, "house"
    cameras, labels, index = pipeline.config.cameras("3x9", seed), pipeline.config.labels, pipeline.class_index("house")
    instances = labels.instances[index] if labels.instances and index is not None else None
    dealt = sample_label(index, seed, instances, labels.horizontal_flip)
    told = {"classIndex": index, "instance": dealt.instance, "flipped": dealt.flipped}
    with recorded_noise() as drawn:
        next(pipeline.stream(name, seed, cameras))
    with TemporaryDirectory() as folder:
        out = Path(folder)
        manifest = site_networks(model_folder("lowpoly"), out)
        (out / "model" / "model.json").write_text(json.dumps(manifest))
        make(out, out / "model", drawn, cameras, label=told)
        views = agreements(Made(out, manifest["size"]), pipeline, name, seed, cameras)
    yield f"the same noise in Python: lowest of {len(views)} views", min(view.colour for view in views), "dB", ">= 35"
    yield "lowest overlap of masks", min(view.masks for view in views), "IoU", ">= 0.99"


def _visit(context: BrowserContext, url: str) -> Page:
    """A page that is ready to make a first view."""
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.add_init_script(LISTEN)
    page.goto(url)
    page.locator("body[data-ready]").wait_for(state="attached")
    return page


def _scene(page: Page) -> tuple[dict[str, float], dict[str, list[float]]]:
    """A scene of 27 views: seconds from the click to the first message of each kind, and milliseconds of each stage."""
    times = page.evaluate("""async () => {
      const clicked = performance.now();
      heard.preview = heard.view = undefined;
      document.querySelector("#ivid-generate").click();
      while (!heard.done) await new Promise((next) => setTimeout(next, 100));
      return Object.fromEntries(["preview", "view", "done"].map((type) => [type, (heard[type] - clicked) / 1000]));
    }""")
    stages = defaultdict(list)
    worker = next(each for each in page.workers if each.url.endswith("generator/worker.js"))
    for stage, milliseconds in worker.evaluate(MEASURES):
        stages[stage].append(milliseconds)
    return times, stages
