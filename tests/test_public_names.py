"""What other programs may rely on: the names of the README, and what importing them loads."""

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import ivid
from ivid.scene import Scene
from tests.support.synthetic import synthetic_scene

PUBLIC = {
    "ivid": ["load", "open_scene", "export", "__version__"],
    "ivid.scene": ["Camera", "View", "Scene", "view_set", "trajectory", "encode", "decode"],
    "ivid.fusion": ["FusionRenderer", "aggregate_conditions", "forward_backward_warp", "Condition"],
    "ivid.pipeline": ["IvidPipeline", "Preview", "ViewDone", "Sampling"],
    "ivid.published": ["convert_published"],
    "ivid.export": ["export_scene"],
}
HEAVY = ("torch", "diffusers", "warp", "gradio", "scipy")


def loaded(code: str) -> list[str]:
    """Which modules Python has loaded after some code."""
    code += "\nimport json, sys; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("module", PUBLIC)
def test_public_names_are_there(module):
    imported = importlib.import_module(module)
    for name in PUBLIC[module]:
        assert getattr(imported, name) is not None


def test_the_package_alone_loads_nothing():
    modules = loaded("import ivid")
    assert [name for name in modules if name.startswith("ivid")] == ["ivid"]
    assert "numpy" not in modules


@pytest.mark.parametrize("module", ["ivid.scene", "viewer", "ivid.export", "ivid.pipeline", "ivid.published"])
def test_scenes_are_opened_without_what_makes_them(module):
    assert not set(HEAVY) & set(loaded(f"import {module}"))


def test_the_front_door_opens_and_exports_scenes(tmp_path):
    scene = synthetic_scene(16, "random")
    ivid.export(scene, tmp_path / "a.ivid")
    ivid.export(scene, tmp_path / "a.ply", "points")
    assert (tmp_path / "a.ply").stat().st_size > 0
    opened = ivid.open_scene(tmp_path / "a.ivid")
    for ours, theirs in zip(opened.views, scene.views, strict=True):
        np.testing.assert_array_equal(ours.rgb, theirs.quantised().rgb)
    from ivid.export import export_scene

    assert ivid.export.export_scene is export_scene


def test_the_front_door_loads_models(monkeypatch, tmp_path):
    import ivid.pipeline.loading
    import ivid.pipeline.models

    asked = []
    monkeypatch.setattr(ivid.pipeline.models, "model_folder", lambda name: tmp_path / name)
    monkeypatch.setattr(
        ivid.pipeline.loading, "load_pipeline", lambda folder, device, backend: asked.append((folder, device, backend))
    )
    for cached in ("load_pipeline", "model_folder"):
        vars(ivid.pipeline).pop(cached, None)  # names that were looked up before
    ivid.load("lowpoly", "cpu", "torch")
    assert asked == [(tmp_path / "lowpoly", "cpu", "torch")]


def test_peeking_is_what_loading_says(tmp_path):
    scene = synthetic_scene(16, "random")
    scene.save(tmp_path / "a.ivid")
    peeked, whole = Scene.peek(tmp_path / "a.ivid"), Scene.load(tmp_path / "a.ivid")
    np.testing.assert_array_equal(peeked.rgb, whole.views[0].rgb)
    assert peeked.view_count == len(whole.views)
    for name in ("depth_range", "model", "class_name", "seed", "view_set", "settings"):
        assert getattr(peeked, name) == getattr(whole, name)
    (tmp_path / "b.ivid").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"b\.ivid cannot be opened as a scene"):
        Scene.peek(tmp_path / "b.ivid")


def test_the_version_is_that_of_the_project():
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]
    assert project["tool"]["hatch"]["version"]["path"] == "ivid/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+", ivid.__version__)


def exists(path: str) -> bool:
    """Whether there is such a module, or such a name in a module."""
    parent, _, name = path.rpartition(".")
    try:
        return importlib.util.find_spec(path) is not None or hasattr(importlib.import_module(parent), name)
    except ModuleNotFoundError:
        return hasattr(importlib.import_module(parent), name)


def test_the_new_paths_of_the_changelog_exist():
    rows = re.findall(r"^\| (`.*?) \| (`.*?) \|$", Path("CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(rows) > 15
    for before, now in rows:
        for path in re.findall(r"`((?:ivid|viewer)[\w.]*)", now):
            assert exists(path), path
        listed = re.search(r"\((.*)\)", before)
        for name in re.findall(r"`(\w+)`", listed[1] if listed else ""):
            assert hasattr(importlib.import_module(now.strip("`")), name), (now, name)
