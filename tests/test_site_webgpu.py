"""The site's networks in WebGPU, on SwiftShader: a graphics card that the processor plays."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from playwright.sync_api import Page

from benchmarks.browser import HEADLESS_SHELL
from ivid.diffusion.denoiser import evaluate
from ivid.pipeline.pipeline import IvidPipeline
from ivid.site.networks import site_networks
from tests.support.serving import running
from tests.support.site_scene import ORT, ROOT
from tests.support.viewer_browser import PATIENCE_MS

ARGUMENTS = ["--headless=new", "--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"]
ARGUMENTS += ["--enable-features=Vulkan", "--disable-background-networking", "--disable-component-update"]

EVALUATE = """async ([name, input, labels, timestep]) => {
  const { openModel } = await import("/checkout/ivid/site/web/generator/model.js");
  const { unpacked } = await import("/checkout/ivid/site/web/packing.js");
  const ort = await import("/checkout/node_modules/onnxruntime-web/dist/ort.webgpu.min.mjs");
  ort.env.wasm.wasmPaths = location.origin + "/checkout/node_modules/onnxruntime-web/dist/";
  ort.env.wasm.numThreads = 1;
  const manifest = await (await fetch("/model/model.json")).json();
  manifest.networks = { [name]: manifest.networks[name] };
  const fetchPart = async ({ file }) => unpacked((await fetch("/model/" + file)).body);
  const { model } = openModel(ort, manifest, "webgpu", fetchPart, () => {});
  const bytes = Uint8Array.from(atob(input), (character) => character.charCodeAt(0));
  const [output] = await model.networks[name].evaluate([new Float32Array(bytes.buffer)], timestep, labels);
  const made = new Uint8Array(output.buffer, output.byteOffset, output.byteLength);
  let text = "";
  for (let k = 0; k < made.length; k += 0x8000) text += String.fromCharCode(...made.subarray(k, k + 0x8000));
  return btoa(text);
}"""

pytestmark = pytest.mark.slow


class _Handler(SimpleHTTPRequestHandler):
    """A model's folder, and the checkout."""

    def translate_path(self, path: str) -> str:
        checkout = path.removeprefix("/checkout")
        return str(ROOT) + checkout if checkout != path else super().translate_path(path)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def page(browser, tiny_with_graphs, tmp_path) -> Iterator[Page]:
    """A page beside the tiny model, in a browser that has WebGPU."""
    manifest = site_networks(tiny_with_graphs, tmp_path)
    (tmp_path / "model" / "model.json").write_text(json.dumps(manifest))
    (tmp_path / "index.html").write_text("<!doctype html>")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(tmp_path)))
    with running(server):
        other = browser.browser_type.launch(executable_path=HEADLESS_SHELL, args=ARGUMENTS)
        page = other.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        if not page.evaluate("async () => Boolean(await navigator.gpu?.requestAdapter())"):
            other.close()
            pytest.skip("this Chromium has no WebGPU")
        yield page
        other.close()


@pytest.mark.skipif(not ORT.is_dir(), reason="npm ci was not run")
def test_a_network_in_webgpu_agrees_with_torch(page, tiny_with_graphs):
    network = IvidPipeline.from_pretrained(tiny_with_graphs, torch.float32).networks["novel_view_unet"]
    values = torch.randn((1, 10, 32, 32), generator=torch.Generator().manual_seed(0))
    given = base64.b64encode(values.numpy().tobytes()).decode()
    made = page.evaluate(EVALUATE, ["novel_view_unet", given, [1], 300])
    output = np.frombuffer(base64.b64decode(made), np.float32)
    with torch.inference_mode():
        expected = evaluate(network, values, torch.tensor([300]), torch.tensor([1])).numpy().ravel()
    assert np.ptp(expected) > 0.1
    assert np.abs(output - expected).max() < 1e-3
