"""Networks that are told instances, finer than classes: what they begin with, and how they become a model."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import UNet2DModel

from ivid.cli import main
from ivid.data.renders import Instances
from ivid.diffusion.denoiser import Denoiser
from ivid.pipeline.loading import load_pipeline
from ivid.scene.cameras import Camera
from ivid.training.labels import known_labels
from ivid.training.loop import train
from ivid.training.networks import build_unet
from ivid.training.packaging import bundle
from tests.support.tiny_renders import MODELS, SIZE, Discs, write_renders
from tests.support.tiny_training import CONFIG, weights

pytestmark = pytest.mark.training


def embeddings(unet: UNet2DModel) -> torch.Tensor:
    return unet.get_parameter("class_embedding.weight").detach()


def test_a_network_told_instances_starts_as_the_one_told_classes(tmp_path):
    train(replace(CONFIG, steps=2), Discs(), tmp_path / "run")
    source = UNet2DModel.from_pretrained(tmp_path / "run" / "unet")
    instances = Instances(("red/a", "green/a", "red/b", "green/b"), ("red", "green"))
    finer = build_unet(replace(CONFIG, init_from=str(tmp_path / "run" / "unet")), SIZE, 4, instances)
    torch.testing.assert_close(embeddings(finer), embeddings(source)[[0, 1, 0, 1, 2]])
    assert (embeddings(finer)[-1] == 0).all()
    x = torch.randn(2, 16, 8, 8)
    with torch.no_grad():
        expected = source(x, 500, class_labels=torch.tensor([2, 2])).sample
        torch.testing.assert_close(finer(x, 500, class_labels=torch.tensor([4, 4])).sample, expected)


def test_instances_are_the_assets_that_renders_show(tmp_path):
    images = write_renders(tmp_path / "data")
    finer = images.by_instance()
    assert finer.instances == Instances(MODELS, ("red", "green"))
    assert finer.instances.class_indices == [0, 1, 0, 1]
    assert finer.classes == images.asset_names
    for index in range(len(images)):
        label = finer[index][2]
        assert label == images.assets[index]
        assert finer.instances.class_indices[label] == images.labels[index]
    travelled = pickle.loads(pickle.dumps(finer))
    assert travelled.instances == finer.instances
    np.testing.assert_array_equal(travelled.labels, finer.labels)


def test_a_network_told_instances_becomes_a_model_of_classes(tmp_path):
    images = write_renders(tmp_path / "data")
    first, novel, out = tmp_path / "first", tmp_path / "novel", tmp_path / "discs"
    told = replace(CONFIG, steps=400, save_every=400, labels="instance", batch_size=16)
    train(told, images, first)
    assert weights(first / "unet")["class_embedding.weight"].shape[0] == 5
    train(replace(CONFIG, steps=2, network="novel_view"), images, novel)
    arguments = ["--no-graphs", "--data", str(images.folder), "--out", str(out)]
    assert main(["bundle", "configs/models/lowpoly.json", str(first), str(novel), *arguments]) == 0
    pipeline = load_pipeline(out)
    assert (pipeline.class_names, pipeline.config.labels.instances) == (["red", "green"], ((0, 2), (1, 3)))
    for label, strong, weak in (("red", 0, 1), ("green", 1, 0)):
        colours = pipeline(label, 3, "uncond").views[0].rgb.reshape(-1, 3)
        colours = colours[np.argsort(np.ptp(colours, axis=1))[-20:]].astype(float)  # the disc's
        assert (colours[:, strong] > colours[:, weak]).mean() > 0.9
    refining = replace(
        told, network="refiner", refines=(str(first / "unet"), str(novel / "unet")), steps=3, save_every=3
    )
    train(refining, images, tmp_path / "refiner")
    assert weights(tmp_path / "refiner" / "unet")["class_embedding.weight"].shape[0] == 5
    with_details = [
        str(first),
        str(novel),
        "--refiner",
        str(tmp_path / "refiner"),
        *arguments[:4],
        str(tmp_path / "whole"),
    ]
    assert main(["bundle", "configs/models/lowpoly.json", *with_details]) == 0
    whole, asked = load_pipeline(tmp_path / "whole"), []
    whole.refiner_unet.register_forward_pre_hook(
        lambda _, __, named: asked.append(named["class_labels"]), with_kwargs=True
    )
    whole("green", 3, "random")
    assert asked
    assert {int(labels) in (1, 3) for labels in asked} == {True}
    train(replace(refining, init_from=str(tmp_path / "refiner" / "unet")), images, tmp_path / "refined further")
    assert len(weights(tmp_path / "refined further" / "unet")) == len(weights(tmp_path / "refiner" / "unet"))
    with pytest.raises(ValueError, match="must be renders"):
        train(told, Discs(), tmp_path / "none")
    with pytest.raises(ValueError, match="told the class"):
        replace(told, network="upsampler")


def test_a_network_told_instances_starts_as_one_that_knows_more_of_them(tmp_path):
    told = replace(CONFIG, steps=2, labels="instance")
    train(told, write_renders(tmp_path / "data"), tmp_path / "run")
    start = tmp_path / "run" / "unet"
    known, names = embeddings(UNet2DModel.from_pretrained(start)), known_labels(start)
    assert names is not None
    assert len(names) == len(known) - 1
    some = Instances(("green/ball", "red/disc"), ("red", "green"))
    fewer = embeddings(build_unet(replace(told, init_from=str(start)), SIZE, 2, some))
    torch.testing.assert_close(fewer, known[[names.index("green/ball"), names.index("red/disc"), -1]])
    assert (fewer[-1] == 0).all()
    strange = Instances(("green/ball", "red/dragon", "blue/whale"), ("red", "green", "blue"))
    begun = embeddings(build_unet(replace(told, init_from=str(start)), SIZE, 3, strange))
    red = torch.stack([known[k] for k, name in enumerate(names) if name.startswith("red/")]).mean(0)
    torch.testing.assert_close(begun, torch.stack([known[names.index("green/ball")], red, known[-1], known[-1]]))


def test_a_model_is_bundled_of_networks_told_instances(tmp_path, monkeypatch):
    images = write_renders(tmp_path / "data")
    first, novel, out = tmp_path / "first", tmp_path / "novel", tmp_path / "discs"
    told = replace(CONFIG, steps=2, labels="instance")
    train(told, images, first)
    train(replace(told, network="novel_view"), images, novel)
    trained = weights(novel / "unet")["class_embedding.weight"]
    for run, names in ((first, [3, 0]), (novel, [0, 1, 2, 3])):  # as if the first had been shown two of the models
        (run / "unet" / "labels.json").write_text(json.dumps([images.asset_names[k] for k in names]))
    arguments = ["configs/models/lowpoly.json", str(first), str(novel), "--data", str(images.folder), "--out", str(out)]
    assert main(["bundle", *arguments, "--no-graphs"]) == 0
    pipeline = load_pipeline(out)
    assert (pipeline.config.labels.instances, pipeline.config.labels.novel_instances) == (((1,), (0,)), True)
    bundled = weights(out / "novel_view_unet")["class_embedding.weight"]  # loaded, they have the processor's precision
    torch.testing.assert_close(bundled, trained[[3, 0, 4]])

    labels = []
    evaluate = Denoiser.__call__

    def noted(self, x_t, timesteps, class_labels=None, *others, **named):
        labels.append(class_labels.tolist())
        return evaluate(self, x_t, timesteps, class_labels, *others, **named)

    monkeypatch.setattr(Denoiser, "__call__", noted)
    cameras = [Camera.orbit(0.0, 0.0), Camera.orbit(0.2, 0.0)]
    scene = pipeline("red", 3, cameras)
    assert labels
    assert all(set(its) == {1} for its in labels)
    labels.clear()
    pipeline("red", 3, cameras, first_view=scene.views[0])  # nobody knows which instance that is
    assert labels
    assert all(set(its) == {2} for its in labels)
    (novel / "unet" / "labels.json").write_text(json.dumps(list(images.asset_names[:3])))
    with pytest.raises(ValueError, match="does not know green/ball"):
        bundle(first, novel, out, {}, images.classes, images.depth_range)
