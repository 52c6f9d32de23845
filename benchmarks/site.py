"""The static site's generator in Chromium, with WebAssembly: loading, first pixels, the first view, a whole scene."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from benchmarks.browser import headless_chromium
from benchmarks.timing import Row
from ivid.pipeline.config import ModelIndex
from ivid.pipeline.models import model_folder
from ivid.site.networks import site_networks

ROOT = Path(__file__).parents[1]
PATIENCE_MS = 600_000
THREADS = 2

SCENE = """async ([threads, again]) => {
  const worker = new Worker("/ivid/site/web/generator/worker.js", { type: "module" });
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  const times = {};
  let click = 0;
  await new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = ({ data }) => {
      if (data.type === "error") reject(new Error(data.message));
      if (data.type === "ready") {
        times.ready = click = seconds();
        if (again) resolve();
        worker.postMessage({ type: "generate", id: 1, label: { classIndex: 0 }, seed: 1, viewSet: "3x9" });
      }
      if (data.type === "preview") times.pixels ??= seconds() - click;
      if (data.type === "view" && data.index === 0) times.first = seconds() - click;
      if (data.type === "done") {
        times.scene = seconds() - click;
        resolve();
      }
    };
    const here = location.origin;
    const ort = here + "/node_modules/onnxruntime-web/dist/";
    worker.postMessage({ type: "load", base: here + "/model/", ort, threads, backend: "wasm" });
  });
  worker.terminate();
  return times;
}"""


class _Handler(SimpleHTTPRequestHandler):
    """The checkout, and a model's folder as /model/, isolated as threads need it."""

    extensions_map: ClassVar = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def __init__(self, *args: object, model: Path, **options: object) -> None:
        self.model = model
        super().__init__(*args, directory=str(ROOT), **options)  # type: ignore[arg-type]

    def translate_path(self, path: str) -> str:
        name = path.removeprefix("/model/")
        return super().translate_path(path) if name == path else str(self.model / Path(name).name)

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


def rows() -> Iterator[Row]:
    with TemporaryDirectory() as name:
        folder = model_folder("lowpoly")
        manifest = site_networks(folder, name)
        cameras = [
            {"world_to_view": camera.world_to_view.ravel().tolist(), "fov_y_deg": camera.fov_y_deg}
            for camera in ModelIndex.read(folder).config.cameras("3x9", 0)
        ]
        manifest["view_sets"] = {"3x9": {"cameras": cameras}}
        (Path(name) / "model" / "model.json").write_text(json.dumps(manifest))
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, model=Path(name) / "model"))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            with headless_chromium() as browser:
                page = browser.new_page()
                page.set_default_timeout(PATIENCE_MS)
                page.goto(f"http://127.0.0.1:{server.server_port}/viewer/web/messages.js")
                times = page.evaluate(SCENE, [THREADS, False])
                again = page.evaluate(SCENE, [THREADS, True])
        finally:
            server.shutdown()
            server.server_close()
    yield "ready, first visit (nothing but this machine to fetch from)", times["ready"], "s", ""
    yield "ready, second visit", again["ready"], "s", "<= 2"
    yield f"first pixels after the click, {THREADS} threads", times["pixels"], "s", "<= 2"
    yield "first view", times["first"], "s", "<= 5"
    yield "27 views", times["scene"], "s", "<= 60"
