"""python -m viewer SCENE [SCENE]: look at a scene, or compare two, without a model and without torch."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from pathlib import Path

from ivid.scene.scene import Scene
from viewer.server import SceneServer
from viewer.window import SceneWindow


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m viewer", description="Look at a scene, in the browser or a window."
    )
    parser.add_argument("scene", type=Path, nargs="+", metavar="SCENE", help="an .ivid file; two are compared")
    parser.add_argument("--port", type=int, default=0, help="port of the local server (default: any free one)")
    parser.add_argument("--no-browser", action="store_true", help="serve, but open no browser")
    parser.add_argument("--window", action="store_true", help="a window of its own in place of the browser; one scene")
    options = parser.parse_args(arguments)
    if options.window and len(options.scene) > 1:
        parser.error("a window shows one scene; the browser compares two")
    if len(options.scene) > 2:
        parser.error("give one scene, or two to compare them")
    if not 0 <= options.port <= 65535:
        parser.error(f"a port lies between 0 and 65535, got {options.port}")
    try:
        if options.window:
            SceneWindow(Scene.load(options.scene[0])).run()
            return 0
        server = SceneServer(options.scene, options.port)
    except (ValueError, OSError, RuntimeError) as error:
        print(f"python -m viewer: {error}", file=sys.stderr)
        return 2
    print(f"The scene is at {server.url} (Ctrl+C ends)", flush=True)
    if not options.no_browser:
        webbrowser.open(server.url)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print()
    finally:
        server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
