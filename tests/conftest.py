"""The servers and the browser that all tests share. What is heavy is imported when a test asks for it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import device

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.page_server import Served


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--device",
        default="cpu",
        help="where fusion and the tiny model run: cpu or cuda (default: %(default)s)",
    )


def pytest_configure(config: pytest.Config) -> None:
    # A shell's background job ignores Ctrl-C, and hands that on to the programs that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chosen = config.getoption("--device")
    if chosen != "cpu":
        from ivid.fusion import runtime

        runtime.DEFAULT_DEVICE = device.DEVICE = chosen


@pytest.fixture(scope="session")
def served(tmp_path_factory) -> Iterator[Served]:
    """The page with the tiny model."""
    from tests.support.page_server import serving_page

    with serving_page(tmp_path_factory.mktemp("page")) as served:
        yield served


@pytest.fixture(scope="session")
def tiny_with_graphs(tmp_path_factory) -> Path:
    """The tiny model in half precision, with graphs for ONNX Runtime: a site takes it as it is.

    Graphs take seconds, so that all processes of a test run share it; nobody changes it.
    """
    import torch
    from diffusers import UNet2DModel
    from filelock import FileLock

    from ivid.pipeline.config import ModelIndex
    from ivid.pipeline.graphs import write_graphs
    from ivid.scene.files import folder_written_aside
    from tests.support.tiny_model import save_tiny_model

    here = tmp_path_factory.getbasetemp()
    folder = (here.parent if "PYTEST_XDIST_WORKER" in os.environ else here) / "tiny-with-graphs" / "tiny"
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            with folder_written_aside(folder) as aside:
                save_tiny_model(aside)
                for network in ModelIndex.read(aside).networks:
                    UNet2DModel.from_pretrained(aside / network, dtype=torch.float16).save_pretrained(aside / network)
                write_graphs(aside)
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium; what a test opens in it is a context of its own."""
    from benchmarks.browser import HEADLESS_SHELL, headless_chromium

    # What the processor draws as a graphics card is put together with the page faster by the processor as such.
    with headless_chromium("--disable-gpu-compositing", path=HEADLESS_SHELL) as browser:
        yield browser


@pytest.fixture(scope="session")
def whole_browser(browser) -> Iterator[Browser]:
    """The same with a window around the page: what it paints first is what people see first."""
    from benchmarks.browser import ARGUMENTS, CHROMIUM

    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no {CHROMIUM}")
    whole = browser.browser_type.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    yield whole
    whole.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that use the browser, and put files that take long first, so that two workers end together."""
    long = set()
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
        if any(item.get_closest_marker(name) for name in ("browser", "training", "slow")):
            long.add(item.path)
    items.sort(key=lambda item: item.path not in long)
