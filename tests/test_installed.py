"""The program as `pip install .` installs it, outside the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import urllib.request
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ivid.scene.scene import Scene
from tests.support.processes import free_port, running

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (path,) = folder.glob("ivid-*.whl")
    return path


@pytest.fixture(scope="module")
def program(wheel, tmp_path_factory) -> Path:
    """The command `ivid` in a fresh environment, which finds the packages it depends on in the one of the tests."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / "bin" / "ivid"


@pytest.fixture(scope="module")
def scene_file(program, tmp_path_factory) -> Path:
    """A scene of the bundled model."""
    folder = tmp_path_factory.mktemp("elsewhere")
    options = ["--class", "house", "--seeds", "3", "--views", "random", "--first-steps", "2", "--novel-steps", "2"]
    run(program, "generate", *options, "--out", "scenes", folder=folder)
    return folder / "scenes" / "house_seed00003.ivid"


def environment() -> dict[str, str]:
    """Without what would let the checkout be found."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def run(program: Path, *arguments: str | Path, folder: Path) -> None:
    done = subprocess.run([program, *arguments], cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@contextmanager
def serving(program: Path, *arguments: str | Path, folder: Path) -> Iterator[str]:
    """The address that a command of the program says it serves at."""
    with running([program, *arguments], cwd=folder, env=environment()) as server:
        yield server.until(r"http://127\.0\.0\.1:\d+")[0].rstrip("/") + "/"


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def test_the_wheel_holds_all_files_of_the_packages(wheel):
    files = (path for package in ("ivid", "viewer") for path in (ROOT / package).rglob("*") if path.is_file())
    expected = {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}
    held = set(zipfile.ZipFile(wheel).namelist())
    assert sorted(expected - held - {"viewer/component.pyi"}) == []


def test_it_makes_a_scene_and_a_page_of_it(program, scene_file):
    scene = Scene.load(scene_file)
    assert (scene.model, scene.class_name, scene.size, len(scene.views)) == ("lowpoly", "house", 128, 2)
    run(program, "export", scene_file, "--out", "house.html", folder=scene_file.parent)
    page = (scene_file.parent / "house.html").read_text(encoding="utf-8")
    assert "<title>house" in page
    assert len(page) > 200_000  # the viewer and the views are packed into it


def test_it_shows_a_scene(program, scene_file):
    with serving(program, "view", scene_file.name, "--no-browser", folder=scene_file.parent) as url:
        (script,) = re.findall(r'src="/([^"]+\.js)"', fetched(url))
        assert "import" in fetched(url + script)
        (scene,) = json.loads(fetched(url + "scenes.json"))
        assert len(scene["views"]) == 2


def test_it_serves_the_page(program, tmp_path):
    with serving(program, "app", "--port", str(free_port()), folder=tmp_path) as url:
        page = fetched(url)
        assert "lowpoly" in page
        modules = set(re.findall(r"(/[\w/.-]+/web/[\w/.-]+\.(?:js|woff2))", page))
        assert {Path(module).name for module in modules} >= {"grid.js", "exports.js", "figtree.woff2"}
        for module in modules:
            with urllib.request.urlopen(f"{url}gradio_api/file={module}", timeout=30) as answer:
                assert answer.read()
