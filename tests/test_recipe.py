"""The recipe of the bundled model, from 3D assets to a model that draws, at the size of a toy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import trimesh

from ivid.pipeline.loading import load_pipeline

pytestmark = [pytest.mark.training, pytest.mark.slow]

RECIPE = Path(__file__).parent.parent / "recipes" / "lowpoly.sh"
TOY = {
    "SIZE": "32",
    "ONLY": "",
    "FIRST_IMAGES": "8",
    "FURTHER_IMAGES": "8",
    "SCENES": "4",
    "VIEWS": "10",
    "ROLLOUTS": "2",
    "ROUNDS": "1",
    "PAIRS_STEPS": "2",
    "NOVEL_REFINER_STEPS": "2",
    "FIRST_STEPS": "2",
    "NOVEL_STEPS": "2",
    "REFINER_STEPS": "2",
    "BATCH": "2",
    "WORKERS": "1",
    "PYTHON": sys.executable,
}


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """Two classes of three assets each."""
    for name, shape in (("box", trimesh.creation.box), ("ball", trimesh.creation.icosphere)):
        (tmp_path / "assets" / name).mkdir(parents=True)
        for k in range(3):
            mesh = shape()
            mesh.apply_scale([1, 1 + k, 1])
            mesh.export(tmp_path / "assets" / name / f"{name}_{k}.glb")
    return tmp_path / "assets"


def run(*arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | TOY | settings
    return subprocess.run(["bash", RECIPE, *map(str, arguments)], env=environment, capture_output=True, text=True)


def test_assets_become_a_model(assets: Path, tmp_path: Path) -> None:
    done = run(assets, tmp_path / "toy", WORK=str(tmp_path / "work"))
    assert done.returncode == 0, done.stderr
    pipeline = load_pipeline(tmp_path / "toy")
    assert (pipeline.size, pipeline.class_names) == (32, ["ball", "box"])
    assert set(pipeline.networks) == {"first_view_unet", "novel_view_unet", "refiner_unet", "novel_refiner_unet"}
    assert len(pipeline("box", 1, "random").views) == 2


def test_it_stops_at_the_first_error(assets: Path, tmp_path: Path) -> None:
    done = run(assets, tmp_path / "toy", WORK=str(tmp_path / "work"), SIZE="4")
    assert done.returncode == 2
    assert "size of the pictures" in done.stderr
    assert not (tmp_path / "work" / "first_view").exists()
    assert run(assets).returncode == 2
