"""The documentation as a site."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ivid.cli import main
from tests.support.published_network import write_files
from tests.support.tutorials import ivid_commands

ROOT = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.slow


def test_the_site_is_built_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"} <= {
        path.name for path in tmp_path.iterdir()
    }
    gallery = (tmp_path / "gallery" / "index.html").read_text()
    scenes = re.findall(r'<iframe src="([^"]+)"', gallery)
    assert len(scenes) == len(list((ROOT / "assets").glob("*.ivid")))
    for scene in scenes:
        assert (tmp_path / "gallery" / scene).stat().st_size > 200_000  # the viewer with a scene in it
    api = (tmp_path / "api" / "index.html").read_text()
    assert {"ivid.load", "ivid.export.export_scene", "ivid.scene.scene.Scene.save"} <= set(
        re.findall(r' id="([^"]+)"', api)
    )
    assert "The bundled model" in (tmp_path / "source" / "ckpts" / "lowpoly" / "index.html").read_text()


def test_the_tutorial_makes_a_scene_of_published_weights(tmp_path, monkeypatch):
    """Its commands, with networks that are small, few steps and a short video."""
    for file in write_files(tmp_path):
        assert file.parent == tmp_path
    monkeypatch.chdir(tmp_path)
    toy = {
        "generate": ["--first-steps", "2", "--novel-steps", "2"],
        "render": ["--size", "64", "--frames", "2"],
    }
    for command in ivid_commands("tutorial-published.md"):
        assert main([*command, *toy.get(command[0], [])]) == 0
    assert Path("swing.mp4").stat().st_size > 500
    assert Path("dog.html").stat().st_size > 200_000
