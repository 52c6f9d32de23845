"""python -m viewer SCENE [SCENE]: look at a scene, or compare two, without a model and without torch."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from pathlib import Path

from ivid.scene.messages import FAILURES, sentence
from viewer.addresses import check_address


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options; `run` takes them."""
    parser.add_argument("scene", type=Path, nargs="+", metavar="SCENE", help="an .ivid file; two are compared")
    parser.add_argument("--port", type=int, default=0, help="port of the local server (default: any free one)")
    parser.add_argument("--no-browser", action="store_true", help="serve, but open no browser")
    parser.add_argument("--window", action="store_true", help="a window of its own in place of the browser; one scene")


def run(options: argparse.Namespace) -> None:
    """Show the scenes until the window is closed, or until the server is interrupted.

    Raises:
        ValueError: the options contradict each other, or a file is no scene.
        OSError: a file cannot be read, or the port is taken.
        RuntimeError: there is no display for a window.
    """
    if options.window and len(options.scene) > 1:
        raise ValueError("a window shows one scene; the browser compares two")
    if len(options.scene) > 2:
        raise ValueError("give one scene, or two to compare them")
    if options.window and (options.port or options.no_browser):
        raise ValueError("--port and --no-browser have no effect on a window")
    if options.window:
        from ivid.scene.scene import Scene
        from viewer.window import SceneWindow

        SceneWindow(Scene.load(options.scene[0])).run()
        return
    from viewer.server import SceneServer

    check_address("127.0.0.1", options.port)
    server = SceneServer(options.scene, options.port)
    print(f"The scene is at {server.url} (Ctrl+C ends)", flush=True)
    if not options.no_browser:
        webbrowser.open(server.url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m viewer", description="Look at a scene, in the browser or a window."
    )
    add_arguments(parser)
    options = parser.parse_args(arguments)
    try:
        run(options)
    except FAILURES as error:
        print(f"python -m viewer: {sentence(error)}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
