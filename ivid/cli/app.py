"""`ivid app`: serve the page."""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys

from ivid.cli.arguments import DEVICE_HELP, add_backend, device, integer
from ivid.pipeline.devices import check_backend, check_device
from viewer.addresses import check_address


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Serve the page in the browser: pick a class and a seed, watch a scene grow view by view, look around in it, "
        "and take it away as a mesh, splats, a video, a page of its own or a scene file. The page is a web API too."
    )
    parser.add_argument(
        "--model",
        nargs="+",
        default=["lowpoly"],
        help="the models to choose from: lowpoly, imagenet128, or model folders (default: lowpoly)",
    )
    parser.add_argument(
        "--host",
        default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"),
        help="address to listen at; 0.0.0.0 lets other machines in (default: $GRADIO_SERVER_NAME, or 127.0.0.1)",
    )
    port = os.environ.get("PORT") or os.environ.get("GRADIO_SERVER_PORT")
    parser.add_argument(
        "--port",
        type=integer(1, 65535),
        default=port,
        help="port to listen at (default: $PORT, $GRADIO_SERVER_PORT, or the first free one from 7860 on)",
    )
    parser.add_argument(
        "--estimator",
        help="a depth estimator of the hub, or a folder, for pictures without a depth map (default: Depth Anything V2 "
        "small, which is fetched on first use)",
    )
    parser.add_argument(
        "--mcp",
        action="store_true",
        help="serve generate, render and export to agents too, as tools of the Model Context Protocol",
    )
    parser.add_argument("--share", action="store_true", help="make a public link through gradio.live")
    parser.add_argument(
        "--device", type=device, help=f"where the networks run: {DEVICE_HELP} (default: the first GPU, or else cpu)"
    )
    add_backend(parser)


def run(options: argparse.Namespace) -> None:
    check_address(options.host, options.port or 0)
    check_device(options.device)
    check_backend(options.backend, options.device)
    if options.mcp and importlib.util.find_spec("mcp") is None:
        raise ValueError("--mcp needs the package mcp, which is not installed; try: pip install 'gradio[mcp]'")

    from ivid.page.registry import ModelRegistry

    models = ModelRegistry(options.model, options.device, options.estimator, options.backend)
    # Threads of the networks that wait for one another by spinning starve a browser on the same processor, and it them.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported, which is when a model is loaded
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that what is to be deleted at the end is deleted
    models.load_in_background()

    from ivid.page.quick_gradio import import_gradio

    import_gradio(options.mcp)

    from ivid.page.layout import build_page, launch_options

    page = build_page(models)
    page.launch(
        server_name=options.host,
        server_port=options.port,
        share=options.share,
        mcp_server=options.mcp,
        **launch_options(),
    )
