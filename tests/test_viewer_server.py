"""The viewer's own server and command."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest

from ivid.scene.scene import Scene
from tests.support.synthetic import synthetic_scene
from tests.support.viewer_browser import serving
from viewer.__main__ import main
from viewer.html import bundled_modules, write_html
from viewer.protocol import unpack_view

KEY = {"t": 0, "yaw": 0.1, "pitch": 0, "radius": 1, "x": 0, "y": 0, "z": 0, "fov": 45}


@pytest.fixture
def scene_path(tmp_path):
    path = tmp_path / "still life.ivid"
    synthetic_scene(16).save(path)
    return path


def get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as response:
        return response.read()


def post(url: str, content: object) -> int:
    request = urllib.request.Request(url, json.dumps(content).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=20) as response:
        return response.status


def test_serves_page_scene_and_views(scene_path):
    with serving(scene_path) as server:
        assert b"<!doctype html>" in get(server.url)
        [manifest] = json.loads(get(server.url + "scenes.json"))
        assert manifest["title"] == "still life · seed 0"
        assert len(manifest["views"]) == len(manifest["planned"]) == 27
        view = synthetic_scene(16).views[5]
        content = get(server.url.rstrip("/") + manifest["views"][5]["url"])
        assert np.array_equal(unpack_view(content, view.camera).rgb, view.rgb)
        assert b"export function mount" in get(server.url + "web/viewer.js")


@pytest.mark.parametrize("path", ["web/../server.py", "web/%2e%2e/server.py", "web//etc/passwd", "view/0/99.ivw", "x"])
def test_serves_nothing_else(scene_path, path):
    with serving(scene_path) as server, pytest.raises(urllib.error.HTTPError, match="404"):
        get(server.url + path)


def test_another_name_of_this_machine_is_refused(scene_path):
    with serving(scene_path) as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=20)
        connection.request("GET", "/scenes.json", headers={"Host": "evil.example"})
        assert connection.getresponse().status == 403
        connection.close()


def test_a_camera_path_is_saved_with_the_scene(scene_path):
    with serving(scene_path) as server:
        assert post(server.url + "keyframes", [KEY, {"t": 1}]) == 200
        with pytest.raises(urllib.error.HTTPError, match="400"):
            post(server.url + "keyframes", {"not": "a list"})
        [manifest] = json.loads(get(server.url + "scenes.json"))
    assert manifest["keyframes"] == [KEY]
    assert Scene.load(scene_path).settings["keyframes"] == [KEY]


def test_bad_scenes_are_one_sentence(tmp_path, capsys):
    (tmp_path / "bad.ivid").write_bytes(b"nonsense")
    for name in ("bad.ivid", "missing.ivid"):
        assert main([str(tmp_path / name), "--no-browser"]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_the_viewer_needs_neither_torch_nor_gradio():
    code = "import sys, viewer.html, viewer.__main__; print({'torch', 'gradio', 'open3d'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_one_file_holds_everything(scene_path, tmp_path):
    path = write_html(Scene.load(scene_path), tmp_path / "out" / "scene.html")
    text = path.read_text()
    assert "http://" not in text
    assert "https://" not in text
    assert len(bundled_modules("viewer.js")) >= 20
    assert not any('from ".' in source for source in bundled_modules("viewer.js").values())
