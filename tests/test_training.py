"""The training loop: killed and resumed, what the networks learn, and what they begin with."""

from __future__ import annotations

import io
import json
import math
import pickle
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DModel
from PIL import Image
from safetensors.torch import load_file
from tensorboardX.proto.event_pb2 import Event

from ivid.data.pairs import PairSettings, gaussian_blur_3x3
from ivid.diffusion.enlarging import enlarged, training_condition
from ivid.training.loop import LOSS_SCALING, train
from ivid.training.networks import build_unet
from tests.support.tiny_renders import SIZE, UNET, Discs, write_renders
from tests.support.tiny_training import CONFIG, weights

pytestmark = pytest.mark.training


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_a_killed_run_resumes_to_the_identical_weights(tmp_path, optimiser):
    whole, parts, config = tmp_path / "whole", tmp_path / "parts", replace(CONFIG, optimiser=optimiser)
    train(config, Discs(), whole)
    train(replace(config, steps=3), Discs(), parts)
    assert json.loads((parts / "state" / "step.json").read_text())["step"] == 3
    train(config, Discs(), parts, override=["steps"])
    assert json.loads((parts / "state" / "step.json").read_text())["step"] == 6
    one, other = weights(whole / "unet"), weights(parts / "unet")
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=0, msg=name)


def test_a_run_killed_while_saving_goes_on_from_the_state_before(tmp_path):
    run = tmp_path / "run"
    train(replace(CONFIG, steps=3), Discs(), run)
    (run / "state").rename(run / "state.replaced")  # between the two renames of a save
    train(replace(CONFIG, steps=4), Discs(), run, override=["steps"])
    assert json.loads((run / "state" / "step.json").read_text())["step"] == 4


def test_half_precision_scales_the_loss_as_published():
    weight = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.SGD([weight], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", **LOSS_SCALING.to_kwargs())
    exponents = []
    for overflow in (False, False, True, False):
        optimiser.zero_grad()
        scaler.scale((weight * (float("inf") if overflow else 1.0)).sum()).backward()
        scaler.step(optimiser)
        scaler.update()
        exponents.append(math.log2(scaler.get_scale()))
    assert exponents == pytest.approx([20.001, 20.002, 19.002, 19.003], abs=1e-4)
    assert weight.item() == pytest.approx(-3.0)  # three steps were taken, and one was left out


def test_it_stops_when_the_time_is_up_and_saves(tmp_path):
    train(replace(CONFIG, steps=10_000), Discs(), tmp_path / "run", max_seconds=1.0)
    step = json.loads((tmp_path / "run" / "state" / "step.json").read_text())["step"]
    assert 1 <= step < 10_000


def test_it_learns(tmp_path):
    run = tmp_path / "run"
    config = replace(CONFIG, steps=300, save_every=300, log_every=20, sample_every=300, sample_steps=5, batch_size=16)
    train(config, Discs(), run)
    losses = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert len(losses) == 15
    assert np.mean(losses[-3:]) < 0.4 * losses[0]
    sheet = Image.open(run / "samples" / "00000300.png")
    assert sheet.size == (8 * SIZE, 2 * SIZE)
    curves, pictures = tensorboard(run / "tensorboard")
    assert curves["loss"] == pytest.approx(dict(zip(range(20, 301, 20), losses, strict=True)))
    assert set(curves) == {"loss", "learning_rate", "samples_per_second"}
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(pictures[300]))), np.array(sheet))


def tensorboard(folder: Path) -> tuple[dict[str, dict[int, float]], dict[int, bytes]]:
    """Curves by name and step, and pictures by step, of the records that TensorBoard would read."""
    curves: dict[str, dict[int, float]] = {}
    pictures = {}
    for path in sorted(folder.iterdir()):
        content, at = path.read_bytes(), 0
        while at < len(content):  # length, its checksum (4 bytes), record, its checksum (4 bytes)
            (length,) = struct.unpack_from("<Q", content, at)
            event = Event.FromString(content[at + 12 : at + 12 + length])
            at += length + 16
            for value in event.summary.value:
                if value.HasField("image"):
                    pictures[event.step] = value.image.encoded_image_string
                else:
                    curves.setdefault(value.tag, {})[event.step] = value.simple_value
    return curves, pictures


def test_workers_make_the_same_training_pairs(tmp_path):
    images = write_renders(tmp_path / "data")
    assert len(pickle.dumps(images)) < 1000  # workers map the files themselves
    config = replace(CONFIG, network="novel_view", steps=3, sample_every=3, pairs=PairSettings(edge_threshold=0.2))
    train(config, images, tmp_path / "alone")
    train(replace(config, loader_workers=2), images, tmp_path / "helped")
    one, other = weights(tmp_path / "alone" / "unet"), weights(tmp_path / "helped" / "unet")
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=0, msg=name)
    assert Image.open(tmp_path / "alone" / "samples" / "00000003.png").size == (12 * SIZE, 6 * SIZE)


def test_the_upsampler_trains(tmp_path):
    run = tmp_path / "run"
    config = replace(CONFIG, network="upsampler", steps=200, save_every=200, sample_every=200, log_every=20)
    train(config, Discs(), run)
    losses = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert np.mean(losses[-3:]) < 0.4 * losses[0]
    assert UNet2DModel.from_pretrained(run / "unet").config["in_channels"] == 8 * CONFIG.patch_size**2
    assert Image.open(run / "samples" / "00000200.png").size == (12 * SIZE, 6 * SIZE)


def test_a_refiner_learns_to_correct_what_it_refines(tmp_path):
    images = write_renders(tmp_path / "data")
    first, novel, run = tmp_path / "first", tmp_path / "novel", tmp_path / "run"
    train(replace(CONFIG, steps=60, save_every=60), images, first)
    train(replace(CONFIG, network="novel_view", steps=60, save_every=60), images, novel)
    config = replace(
        CONFIG,
        network="refiner",
        refines=(str(first / "unet"), str(novel / "unet")),
        timesteps=(0, 300),
        steps=200,
        save_every=200,
        sample_every=200,
        log_every=20,
        pairs=PairSettings(edge_threshold=0.2),
    )
    train(config, images, run)
    losses = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert np.mean(losses[-3:]) < 0.5 * losses[0]
    refiner = UNet2DModel.from_pretrained(run / "unet")
    assert (refiner.config["in_channels"], refiner.config["num_class_embeds"]) == (14 * CONFIG.patch_size**2, None)
    assert Image.open(run / "samples" / "00000200.png").size == (12 * SIZE, 6 * SIZE)


def test_the_upsampler_is_told_a_blurred_half_size_picture():
    clean = torch.rand(2, 4, 8, 8) * 2 - 1
    told = training_condition(clean, torch.tensor([0.0, 0.8]))
    halved = clean.reshape(2, 4, 4, 2, 4, 2).mean(dim=(3, 5))
    torch.testing.assert_close(told[0], enlarged(halved)[0])
    blurred = gaussian_blur_3x3(halved[1, :3].permute(1, 2, 0).numpy(), 0.8)
    low = torch.cat([torch.from_numpy(blurred).permute(2, 0, 1).float(), halved[1, 3:]])
    torch.testing.assert_close(told[1], enlarged(low[None])[0], rtol=1e-4, atol=1e-5)


def test_the_null_class_stays_zero(tmp_path):
    train(replace(CONFIG, label_dropout=0.5), Discs(), tmp_path / "run")
    embedding = weights(tmp_path / "run" / "unet")["class_embedding.weight"]
    assert embedding.shape[0] == 3
    assert (embedding[-1] == 0).all()
    assert (embedding[:-1] != 0).any()


def test_weights_are_saved_in_half_precision(tmp_path):
    train(replace(CONFIG, steps=1), Discs(), tmp_path / "run")
    stored = load_file(tmp_path / "run" / "unet" / "diffusion_pytorch_model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16}


def test_the_novel_view_network_starts_as_the_first_view_network(tmp_path):
    train(replace(CONFIG, steps=2), Discs(), tmp_path / "run")
    source = UNet2DModel.from_pretrained(tmp_path / "run" / "unet")
    novel = build_unet(replace(CONFIG, network="novel_view", init_from=str(tmp_path / "run" / "unet")), SIZE, 2)
    x, condition = torch.randn(2, 16, 8, 8), torch.randn(2, 24, 8, 8)
    labels = torch.tensor([0, 2])
    with torch.no_grad():
        expected = source(x, 500, class_labels=labels).sample
        actual = novel(torch.cat([x, condition], dim=1), 500, class_labels=labels).sample
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_another_architecture_is_no_start(tmp_path):
    train(replace(CONFIG, steps=1), Discs(), tmp_path / "run")
    wider = replace(CONFIG, unet=UNET | {"block_out_channels": [16, 24]}, init_from=str(tmp_path / "run" / "unet"))
    with pytest.raises(ValueError, match=r"differs in \d+ tensors"):
        build_unet(wider, SIZE, 2)


def test_a_folder_with_another_run_is_left_alone(tmp_path):
    train(replace(CONFIG, steps=1), Discs(), tmp_path / "run")
    with pytest.raises(ValueError, match="another patch_size"):
        train(replace(CONFIG, patch_size=4), Discs(), tmp_path / "run")
