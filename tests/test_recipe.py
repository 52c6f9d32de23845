"""The recipe of the bundled model, from 3D assets to a model that draws, at the size of a toy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import trimesh

from ivid.cli import main
from ivid.pipeline.loading import load_pipeline
from tests.support.tutorials import ivid_commands, shell_lines
from tests.support.warm_python import warm_python

pytestmark = [pytest.mark.training, pytest.mark.slow]

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "recipes" / "lowpoly.sh"
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
    "NO_GRAPHS": "yes",
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


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What runs the recipe's eleven commands without each of them importing the libraries anew."""
    with warm_python(tmp_path_factory.mktemp("python")) as program:
        yield str(program)


def run(*arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | TOY | settings
    return subprocess.run(["bash", RECIPE, *map(str, arguments)], env=environment, capture_output=True, text=True)


def test_the_tutorial_makes_a_model_of_assets(assets: Path, python: str, tmp_path: Path, monkeypatch) -> None:
    tutorial = "tutorial-own-models.md"
    assets.rename(tmp_path / "models")
    for name in ("recipes", "configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    (recipe,) = (line for line in shell_lines(tutorial) if "recipes/lowpoly.sh" in line)
    environment = os.environ | TOY | {"PYTHONPATH": str(ROOT), "PYTHON": python}
    done = subprocess.run(["bash", "-c", recipe], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    for command in ivid_commands(tutorial):
        assert main(command) == 0
    assert Path("box.html").stat().st_size > 200_000
    pipeline = load_pipeline("mine")
    assert (pipeline.size, pipeline.class_names) == (32, ["ball", "box"])
    assert set(pipeline.networks) == {"first_view_unet", "novel_view_unet", "refiner_unet", "novel_refiner_unet"}
    assert len(pipeline("box", 1, "random").views) == 2


def test_it_stops_at_the_first_error(assets: Path, tmp_path: Path) -> None:
    done = run(assets, tmp_path / "toy", WORK=str(tmp_path / "work"), SIZE="4")
    assert done.returncode == 2
    assert "size of the pictures" in done.stderr
    assert not (tmp_path / "work" / "first_view").exists()
    assert run(assets).returncode == 2


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """The bundled model for pictures of a quarter of its side."""
    for path in (ROOT / "ckpts" / "lowpoly").rglob("*"):
        copy = tmp_path / "start" / path.relative_to(ROOT / "ckpts" / "lowpoly")
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".safetensors":
            copy.symlink_to(path)
        elif path.is_file():
            copy.write_bytes(path.read_bytes())
    for path in (tmp_path / "start").glob("*/config.json"):
        config = json.loads(path.read_text())
        path.write_text(json.dumps(config | {"sample_size": config["sample_size"] // 4}))
    return tmp_path / "start"


def test_a_gpu_makes_a_model_in_one_call(assets: Path, start: Path, python: str, tmp_path: Path) -> None:
    """The same code on a CPU, for a moment and at the size of a toy."""
    recipe = ROOT / "recipes" / "lowpoly_gpu.sh"
    toy = "--device cpu --minutes 0.1 --size 32 --first-images 6 --scenes 4 --views 4 --rollouts 2 --batch 2"
    toy += " --small-batch 2 --channels 64 64 64 --loaders 0"
    command = ["bash", recipe, assets, tmp_path / "parts", "--start", start, *toy.split()]
    done = subprocess.run(command, env=os.environ | {"PYTHON": python}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    parts = sorted((tmp_path / "parts").iterdir())
    assert len(parts) > 1
    assert all(path.stat().st_size <= 15 * 2**20 for path in parts)
    (tmp_path / "model.tar").write_bytes(b"".join(path.read_bytes() for path in parts))
    with tarfile.open(tmp_path / "model.tar") as tar:
        tar.extractall(tmp_path / "model", filter="data")
    pipeline = load_pipeline(tmp_path / "model")
    assert (pipeline.size, pipeline.class_names) == (32, ["ball", "box"])
    assert pipeline.first_view_unet.config["block_out_channels"] == [64, 64, 64]
    assert len(pipeline("box", 1, "random").views) == 2
