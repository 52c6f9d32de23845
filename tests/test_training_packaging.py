"""Runs become a model folder."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivid.cli import main
from ivid.pipeline.loading import load_pipeline
from ivid.pipeline.upsampling import upsampled
from ivid.training.loop import train
from tests.support.tiny_renders import SIZE, write_renders
from tests.support.tiny_training import CONFIG

pytestmark = pytest.mark.training


def test_three_runs_become_a_model(tmp_path, monkeypatch):
    images = write_renders(tmp_path / "data")
    first, novel = tmp_path / "first", tmp_path / "novel"
    train(replace(CONFIG, steps=2), images, first)
    train(replace(CONFIG, steps=2, network="novel_view", init_from=str(first / "unet")), images, novel)
    refiner = tmp_path / "refiner"
    train(
        replace(CONFIG, steps=2, network="refiner", refines=(str(first / "unet"), str(novel / "unet"))), images, refiner
    )
    arguments = ["--data", str(images.folder), "--refiner", str(refiner), "--out", str(tmp_path / "discs")]
    graphed: list[Path] = []
    monkeypatch.setattr("ivid.training.packaging.write_graphs", graphed.append)  # which takes half a minute a network
    (tmp_path / "discs").mkdir()
    (tmp_path / "discs" / "README.md").write_text("the card")
    assert main(["bundle", "configs/models/lowpoly.json", str(first), str(novel), *arguments]) == 0
    assert [folder.parent for folder in graphed] == [tmp_path]  # before it takes the model's place
    pipeline = load_pipeline(tmp_path / "discs")
    assert (pipeline.size, pipeline.class_names, pipeline.depth_range) == (SIZE, ["red", "green"], (0.5, 4.0))
    assert pipeline.refiner_unet.config["in_channels"] == 14 * CONFIG.patch_size**2
    scene = pipeline("red", 1, "random")
    config = json.loads(Path("configs/models/lowpoly.json").read_text())
    assert scene.views[1].edge_threshold == config["depth"]["edge_threshold"]
    assert (tmp_path / "discs" / "README.md").read_text() == "the card"
    assert main(["bundle", "configs/models/lowpoly.json", str(novel), str(first), *arguments]) == 2


def test_photographs_become_a_model_with_an_upsampler(tmp_path):
    rng, data = np.random.default_rng(0), tmp_path / "data"
    for kind in ("images", "depths"):
        (data / kind / "cat").mkdir(parents=True)
    for name in range(4):
        Image.fromarray(rng.integers(0, 256, (70, 80, 3), np.uint8)).save(data / "images" / "cat" / f"{name}.png")
        np.savez(data / "depths" / "cat" / f"{name}.npz", rng.uniform(1000, 9000, (70, 80)).astype(np.float16))
    runs = {}
    for network, size in (("first_view", SIZE), ("novel_view", SIZE), ("upsampler", 2 * SIZE)):
        config = tmp_path / f"{network}.json"
        config.write_text(json.dumps(asdict(replace(CONFIG, network=network, steps=2, log_every=1))))
        runs[network] = str(tmp_path / network)
        arguments = ["--data", str(data), "--out", runs[network], "--size", str(size)]
        assert main(["train", str(config), *arguments]) == 0
    bundled = ["bundle", "configs/models/imagenet128.json", runs["first_view"], runs["novel_view"], "--data", str(data)]
    bundled.append("--no-graphs")
    out = tmp_path / "cats"
    assert main([*bundled, "--upsampler", runs["novel_view"], "--out", str(out)]) == 2
    assert main([*bundled, "--upsampler", runs["upsampler"], "--out", str(out)]) == 0
    pipeline = load_pipeline(out)
    assert (pipeline.size, pipeline.class_names, pipeline.depth_range) == (SIZE, ["cat"], (0.6, 5.0))
    assert pipeline.sampling().first_sampler == "ddpm"
    scene = pipeline("cat", 1, "uncond", first_steps=2)
    assert upsampled(pipeline, scene, novel_steps=2).size == 2 * SIZE
