"""The page as a Hugging Face Space runs it: nothing to write in at home, no graphics libraries, a GPU that is lent."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trimesh
import yaml
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from ivid.export.libraries import SYSTEM_LIBRARIES
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
    command = [sys.executable, "app.py", "--model", str(model)]
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


def test_the_front_matter_fits_what_is_installed():
    matter = yaml.safe_load((ROOT / "README.md").read_text().split("---")[1])
    locked = (ROOT / "requirements.txt").read_text()
    assert (matter["sdk"], matter["app_file"]) == ("gradio", "app.py")
    assert f"gradio=={matter['sdk_version']}\n" in locked
    required = re.search(r'requires-python = ">=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
    assert required
    assert required[1] == matter["python_version"]
    assert set((ROOT / "packages.txt").read_text().split()) == set(SYSTEM_LIBRARIES.split())
