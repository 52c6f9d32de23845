"""The page as a Hugging Face Space runs it: nothing to write in at home, no graphics libraries, a GPU that is lent."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trimesh
import yaml
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from ivid.export.libraries import SYSTEM_LIBRARIES
from ivid.page.api import own_file
from ivid.scene.scene import Scene
from tests.support.processes import free_port, running
from tests.support.tiny_model import save_tiny_model

ROOT = Path(__file__).resolve().parent.parent
pytestmark = pytest.mark.slow

GRAPHICS = ("libGL.so.1", "libEGL.so.1", "libOSMesa.so.8")
LENT_GPU = """
import functools, os, torch

torch.cuda.is_available = lambda: True  # so it says, though there is none outside of a function that is lent one

def GPU(duration):
    def lent(function):
        @functools.wraps(function)
        def run(*arguments, **named):
            torch.cuda.is_available = lambda: False  # the tests have no GPU to lend
            with open(os.environ["LENT"], "a") as log:
                log.write(f"{function.__name__} for {duration} s\\n")
            yield from function(*arguments, **named)
        return run
    return lent
"""


@pytest.fixture(scope="module")
def lent(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("spaces") / "lent.txt"


@pytest.fixture(scope="module")
def client(lent, tmp_path_factory) -> Iterator[Client]:
    """The page in a process of its own, on the port that the environment names."""
    folder = tmp_path_factory.mktemp("space")
    (folder / "spaces").mkdir()
    (folder / "spaces" / "__init__.py").write_text(LENT_GPU)
    for name in GRAPHICS:
        (folder / name).touch()  # found first, and no library: loading it fails
    port = free_port()
    removed = ("XDG_CACHE_HOME", "HF_HOME", "IVID_CACHE", "GRADIO_SERVER_PORT", "GRADIO_TEMP_DIR", "WARP_CACHE_PATH")
    environment = {name: value for name, value in os.environ.items() if name not in removed} | {
        "HOME": "/proc/nobody",
        "LD_LIBRARY_PATH": str(folder),
        "PYTHONPATH": str(folder),
        "PORT": str(port),
        "LENT": str(lent),
        "SPACE_ID": "someone/ivid",
        "SPACES_ZERO_GPU": "true",
    }
    code = (
        "import ctypes, sys\nfor name in sys.argv[1:]:\n  try: ctypes.CDLL(name); print(name)\n  except OSError: pass"
    )
    loaded = subprocess.run([sys.executable, "-c", code, *GRAPHICS], env=environment, capture_output=True, text=True)
    assert loaded.stdout == ""
    model = save_tiny_model(folder / "tiny")
    command = [sys.executable, "app.py", "--model", str(model), "--mcp"]
    with running(command, cwd=ROOT, env=environment) as server:
        server.until(rf"http://[\w.]+:{port}")
        yield Client(f"http://127.0.0.1:{port}/", verbose=False, download_files=tmp_path_factory.mktemp("downloads"))


@pytest.fixture(scope="module")
def scene_file(client):
    return client.predict(class_label="tree", seed=3, view_set="3x9", api_name="/generate")


def test_a_scene_is_made_with_the_gpu_that_is_lent(scene_file, lent):
    assert len(Scene.load(scene_file).views) == 27
    assert lent.read_text() == "stream for 120 s\n"


def test_what_needs_no_graphics_libraries_is_taken_away(client, scene_file):
    video = client.predict(
        scene=handle_file(scene_file), trajectory="swing", size=64, frames=2, fps=10, api_name="/render"
    )
    assert Path(video).stat().st_size > 500
    cloud = client.predict(scene=handle_file(scene_file), kind="points", api_name="/export")
    assert len(trimesh.load(cloud).vertices) > 100  # pyright: ignore[reportAttributeAccessIssue]
    page = client.predict(scene=handle_file(scene_file), kind="page", api_name="/export")
    assert Path(page).read_text()[:15].lower() == "<!doctype html>"


def test_what_needs_them_says_so(client, scene_file):
    with pytest.raises(AppError, match=r"needs the package open3d.* try: apt-get install .*libgl1"):
        client.predict(scene=handle_file(scene_file), kind="mesh", api_name="/export")


async def as_an_agent(url: str) -> tuple[dict[str, Any], list[str]]:
    """The tools that an MCP client finds, and what it is told when it makes a scene, exports it, and asks wrongly."""
    async with streamable_http_client(f"{url}gradio_api/mcp/") as (read, write, _), ClientSession(read, write) as agent:
        await agent.initialize()
        tools = {tool.name: tool for tool in (await agent.list_tools()).tools}
        made = await agent.call_tool("generate", {"class_label": "tree", "seed": 4, "view_set": "uncond"})
        scene = made.content[0].text
        exported = await agent.call_tool("export", {"scene": scene, "kind": "points"})
        refused = await agent.call_tool("generate", {"class_label": "spaceship", "seed": 4})
        assert refused.isError
        return tools, [scene, exported.content[0].text, refused.content[0].text]


def test_an_agent_uses_it_as_tools(client):
    with ThreadPoolExecutor(1) as other:  # the browser of other tests has a running loop in this thread
        tools, told = other.submit(asyncio.run, as_an_agent(client.src)).result()
    assert {"generate", "render", "export"} <= tools.keys()
    assert "tiny: house, tree" in tools["generate"].description
    assert "mesh (.glb, .obj, .ply)" in tools["export"].description
    for name in ("generate", "render", "export"):
        for parameter in tools[name].inputSchema["properties"].values():
            assert len(parameter["description"]) > 10
    assert "class_label" in tools["generate"].inputSchema["properties"]
    scene, cloud, refusal = told
    assert scene.endswith("tree_seed00004.ivid")
    with urllib.request.urlopen(cloud, timeout=30) as answer:
        assert answer.read(3) == b"ply"
    assert "has no class 'spaceship'" in refusal


def test_only_files_that_were_handed_out_have_addresses(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "handed out"))
    (tmp_path / "handed out").mkdir()
    for name in ("handed out/a.ivid", "secret.ivid"):
        (tmp_path / name).touch()
    served = f"http://127.0.0.1:7860/gradio_api/file={tmp_path}"
    assert own_file(f"{served}/handed%20out/a.ivid") == tmp_path / "handed out" / "a.ivid"
    for other in ("secret.ivid", "handed%20out/../secret.ivid", "handed%20out/none.ivid"):
        assert own_file(f"{served}/{other}") is None
    assert own_file(str(tmp_path / "handed out" / "a.ivid")) is None


def test_the_front_matter_fits_what_is_installed():
    matter = yaml.safe_load((ROOT / "README.md").read_text().split("---")[1])
    locked = (ROOT / "requirements.txt").read_text()
    assert (matter["sdk"], matter["app_file"]) == ("gradio", "app.py")
    assert f"gradio=={matter['sdk_version']}\n" in locked
    required = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert required
    assert required[1] == matter["python_version"]
    assert set((ROOT / "packages.txt").read_text().split()) == set(SYSTEM_LIBRARIES.split())
