"""python -m viewer SCENE [SCENE]: look at a scene, or compare two, without a model and without torch."""

from __future__ import annotations

import argparse
import sys
import webbrowser
from pathlib import Path

from viewer.server import SceneServer


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m viewer", description="Look at a scene in the browser.")
    parser.add_argument("scene", type=Path, nargs="+", metavar="SCENE", help="an .ivid file; two are compared")
    parser.add_argument("--port", type=int, default=0, help="port of the local server (default: any free one)")
    parser.add_argument("--no-browser", action="store_true", help="serve, but open no browser")
    options = parser.parse_args(arguments)
    if len(options.scene) > 2:
        parser.error("give one scene, or two to compare them")
    if not 0 <= options.port <= 65535:
        parser.error(f"a port lies between 0 and 65535, got {options.port}")
    try:
        server = SceneServer(options.scene, options.port)
    except (ValueError, OSError) as error:
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
