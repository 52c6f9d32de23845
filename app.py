"""The page: `python app.py` serves it. Its options, and nothing else; the page itself is the package `page`."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from ivid.page.layout import build_page, launch_options
from ivid.page.models import Shelf


def main() -> int:
    """Serve the page until interrupted; 2 when an option is wrong."""
    parser = argparse.ArgumentParser(prog="app.py", description=__doc__)
    parser.add_argument(
        "--model", nargs="+", default=["lowpoly"], help="names of models, or folders (default: lowpoly)"
    )
    parser.add_argument("--host", default=os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1"))
    port = os.environ.get("PORT") or os.environ.get("GRADIO_SERVER_PORT")
    parser.add_argument("--port", type=int, default=port, help="default: $PORT, $GRADIO_SERVER_PORT, or 7860")
    parser.add_argument("--share", action="store_true", help="make a public link")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... (default: the best there is)")
    options = parser.parse_args()
    try:
        shelf = Shelf(options.model, options.device)
    except ValueError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    # Threads of the networks that wait for one another by spinning starve a browser on the same processor, and it them.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported, which is when a model is loaded
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # so that what is to be deleted at the end is deleted
    page = build_page(shelf)
    shelf.load_in_background()
    page.launch(server_name=options.host, server_port=options.port, share=options.share, **launch_options())
    return 0


if __name__ == "__main__":
    sys.exit(main())
