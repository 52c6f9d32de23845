"""Scenes over HTTP on this machine, for a browser: the standard library's server, nothing else."""

from __future__ import annotations

import json
import mimetypes
import threading
from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ivid.scene.cameras import view_set
from ivid.scene.scene import Scene
from viewer.protocol import manifest, pack_view, scene_keyframes, scene_title, valid_keyframes

WEB = Path(__file__).with_name("web")
MAX_BODY = 200_000
ALLOWED_HOSTS = {"localhost", "127.0.0.1", "[::1]"}


class SceneServer(ThreadingHTTPServer):
    """Serves the viewer and one or two scenes at `http://127.0.0.1:<port>/`; a camera path is saved with the first.

    paths: scene files. port 0 takes any free one.

    Raises:
        ValueError: a file is no scene.
        OSError: a file cannot be read, or the port is taken.
    """

    daemon_threads = True

    def __init__(self, paths: Sequence[Path], port: int = 0) -> None:
        self.paths = list(paths)
        self.scenes = [Scene.load(path) for path in paths]
        self.writing = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    def manifests(self) -> list[dict]:
        """The manifest of each scene; views are at `/view/<scene>/<index>.ivw`."""
        return [
            manifest(
                [(f"/view/{number}/{index}.ivw", view.camera) for index, view in enumerate(scene.views)],
                size=scene.size,
                depth_range=scene.depth_range,
                planned=planned_cameras(scene),
                title=scene_title(scene) or self.paths[number].stem,
                keyframes=scene_keyframes(scene),
            )
            for number, scene in enumerate(self.scenes)
        ]

    def save_keyframes(self, frames: object) -> None:
        """Save a camera path with the first scene, in its file.

        Raises:
            ValueError: it is no list.
            OSError: the file cannot be written.
        """
        if not isinstance(frames, list):
            raise ValueError("keyframes must be a list")
        with self.writing:
            settings = {**self.scenes[0].settings, "keyframes": valid_keyframes(frames)}
            self.scenes[0] = replace(self.scenes[0], settings=settings)
            self.scenes[0].save(self.paths[0])


def planned_cameras(scene: Scene) -> list:
    """The cameras of the scene's view set, those of its views first; none if a view belongs to no such set."""
    try:
        missing = view_set(scene.view_set, scene.seed or 0)
    except ValueError:
        return []
    planned = []
    for view in scene.views:
        matrix = view.camera.world_to_view
        own = next((camera for camera in missing if abs(matrix - camera.world_to_view).max() < 1e-3), None)
        if own is None:
            return []
        missing.remove(own)
        planned.append(own)
    return planned + missing


class _Handler(BaseHTTPRequestHandler):
    server: SceneServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if not self._from_here():
            return
        parts = unquote(urlsplit(self.path).path).strip("/").split("/")
        if parts == [""]:
            self._answer((WEB / "index.html").read_bytes(), "text/html; charset=utf-8")
        elif parts == ["scenes.json"]:
            self._answer(json.dumps(self.server.manifests()).encode(), "application/json")
        elif parts[0] == "view":
            self._send_view(parts[1:])
        elif parts[0] == "web":
            self._send_file(parts[1:])
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def do_POST(self) -> None:
        if not self._from_here():
            return
        length = self.headers.get("Content-Length", "")
        json_sent = self.headers.get("Content-Type", "").startswith("application/json")
        if self.path != "/keyframes" or not json_sent or not length.isdigit() or int(length) > MAX_BODY:
            self.close_connection = True
            self.send_error(HTTPStatus.BAD_REQUEST)
            return
        try:
            self.server.save_keyframes(json.loads(self.rfile.read(int(length))))
        except ValueError as error:
            self.send_error(HTTPStatus.BAD_REQUEST, explain=str(error))
        except OSError as error:
            self.send_error(HTTPStatus.INTERNAL_SERVER_ERROR, explain=f"the scene could not be written: {error}")
        else:
            self._answer(b"{}", "application/json")

    def _from_here(self) -> bool:
        """Whether the request names this machine: a page elsewhere must not come in through a name of its own."""
        host = self.headers.get("Host", "").rsplit(":", 1)[0]
        if host in ALLOWED_HOSTS:
            return True
        self.close_connection = True
        self.send_error(HTTPStatus.FORBIDDEN)
        return False

    def _send_view(self, parts: list[str]) -> None:
        try:
            number, index = int(parts[0]), int(parts[1].removesuffix(".ivw"))
            scene = self.server.scenes[number]
            content = pack_view(scene.views[index], scene.depth_range)
        except (ValueError, IndexError):
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        self._answer(content, "application/octet-stream")

    def _send_file(self, parts: list[str]) -> None:
        path = WEB.joinpath(*parts).resolve()
        if not path.is_relative_to(WEB.resolve()) or not path.is_file():
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        kind = "text/javascript" if path.suffix == ".js" else mimetypes.guess_type(path.name)[0]
        self._answer(path.read_bytes(), kind or "application/octet-stream")

    def _answer(self, content: bytes, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-cache")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.end_headers()
        try:
            self.wfile.write(content)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the browser has left

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of requests."""
