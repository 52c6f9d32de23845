"""A plain web server for a static site: it knows nothing of isolation, and serves the site under a path."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.serving import running


@dataclass
class SiteServer:
    """What tests see of the server, and how they make it err.

    Attributes:
        url: of the site.
        asked: paths of all requests so far.
        damaged: how many more times files whose name ends so arrive with another byte.
    """

    url: str = ""
    asked: list[str] = field(default_factory=list)
    damaged: dict[str, int] = field(default_factory=dict)


@contextmanager
def serving_site(site: Path) -> Iterator[SiteServer]:
    """Serve a site, under the name of its folder, at a free port of this machine."""
    told = SiteServer()
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, told, directory=str(site.parent)))
    told.url = f"http://127.0.0.1:{server.server_port}/{site.name}/"
    with running(server):
        yield told


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, told: SiteServer, *arguments, **options) -> None:
        self.told = told
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        self.told.asked.append(self.path)
        for ending, times in self.told.damaged.items():
            if times and self.path.endswith(ending):
                self.told.damaged[ending] -= 1
                content = bytearray(Path(self.translate_path(self.path)).read_bytes())
                content[len(content) // 2] ^= 1
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                return
        super().do_GET()

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing is printed."""
