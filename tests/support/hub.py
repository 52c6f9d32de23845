"""A small Hugging Face hub on loopback: repositories of models are made, filled and read."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.support.serving import running

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Hub:
    """What the hub holds.

    Attributes:
        url: for `HF_ENDPOINT`; set `HF_HUB_DISABLE_XET` too.
        repositories: of every repository its files.
        tokens: those that came with uploads.
    """

    url: str = ""
    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    tokens: set[str] = field(default_factory=set)
    objects: dict[str, bytes] = field(default_factory=dict)


@contextmanager
def serving_hub() -> Iterator[Hub]:
    """A hub until the context ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    with running(server):
        yield hub


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def do_POST(self) -> None:
        body, path = self._body(), unquote(urlsplit(self.path).path)
        if token := self.headers.get("Authorization"):
            self.hub.tokens.add(token.removeprefix("Bearer "))
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked.get('organization') or 'someone'}/{asked['name']}"
            if name in self.hub.repositories:
                return self._json({"error": "You already created this model repo"}, 409)
            self.hub.repositories[name] = {}
            return self._json({"url": f"{self.hub.url}/{name}", "name": name})
        if match := re.fullmatch(r"/api/models/(.+)/preupload/main", path):
            files = json.loads(body)["files"]
            modes = [_mode(each["path"]) for each in files]
            return self._json(
                {
                    "files": [
                        {"path": each["path"], "uploadMode": mode, "shouldIgnore": False, "oid": None}
                        for each, mode in zip(files, modes, strict=True)
                    ]
                }
            )
        if re.fullmatch(r"/(.+)\.git/info/lfs/objects/batch", path):
            objects = [
                {**each, "actions": {"upload": {"href": f"{self.hub.url}/upload/{each['oid']}"}}}
                for each in json.loads(body)["objects"]
            ]
            return self._json({"transfer": "basic", "objects": objects})
        if match := re.fullmatch(r"/api/models/(.+)/commit/main", path):
            files = self.hub.repositories[match[1]]
            for line in body.decode().splitlines():
                each = json.loads(line)
                if each["key"] == "file":
                    files[each["value"]["path"]] = base64.b64decode(each["value"]["content"])
                elif each["key"] == "lfsFile":
                    files[each["value"]["path"]] = self.hub.objects[each["value"]["oid"]]
            url = f"{self.hub.url}/{match[1]}/commit/{COMMIT}"
            return self._json({"commitUrl": url, "commitOid": COMMIT, "pullRequestUrl": None, "success": True})
        if path == "/api/validate-yaml":
            return self._json({"errors": [], "warnings": []})
        return self._json({"error": f"no {path}"}, 404)

    def do_PUT(self) -> None:
        body = self._body()
        self.hub.objects[hashlib.sha256(body).hexdigest()] = body
        self._json({})

    def do_HEAD(self) -> None:
        self._read(body=False)

    def do_GET(self) -> None:
        self._read(body=True)

    def _read(self, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        if match := re.fullmatch(r"/([^/]+/[^/]+)/resolve/(?:main|[0-9a-f]{40})/(.+)", path):
            content = self.hub.repositories.get(match[1], {}).get(match[2])
            if content is None:
                return self._answer(404, b"", {"X-Error-Code": "EntryNotFound"}, body)
            named = {"ETag": f'"{hashlib.sha256(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
            return self._answer(200, content, named, body)
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/[^/]+)?", path):
            files = self.hub.repositories.get(match[1])
            if files is None:
                return self._answer(404, b"", {"X-Error-Code": "RepoNotFound"}, body)
            siblings = [{"rfilename": name} for name in sorted(files)]
            return self._json({"id": match[1], "modelId": match[1], "sha": COMMIT, "siblings": siblings, "tags": []})
        if match := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/[^/]+", path):
            files = self.hub.repositories[match[1]]
            return self._json(
                [
                    {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
                    for name, content in sorted(files.items())
                ]
            )
        return self._json({"error": f"no {path}"}, 404)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _json(self, value: Any, code: int = 200) -> None:
        self._answer(code, json.dumps(value).encode(), {"Content-Type": "application/json"}, True)

    def _answer(self, code: int, content: bytes, headers: dict[str, str], body: bool) -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, format: str, *_: object) -> None:
        return


def _mode(path: str) -> str:
    return "lfs" if path.endswith(".safetensors") else "regular"
