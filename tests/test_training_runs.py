"""Training the published way: the six configs, many processes, loss scaling, and what a run tells of itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from diffusers import UNet2DModel
from diffusers.training_utils import EMAModel
from PIL import Image

from ivid.cli import main
from ivid.data.pairs import PairSettings
from ivid.training import loop as training
from ivid.training.batches import batches
from ivid.training.config import TrainingConfig
from ivid.training.loop import LOSS_SCALING, train
from ivid.training.networks import build_unet
from tests.support.tiny_renders import SIZE, UNET, Discs

pytestmark = pytest.mark.training

CONFIG = TrainingConfig(
    network="first_view",
    unet=UNET,
    scheduler={"beta_schedule": "linear", "prediction_type": "epsilon"},
    patch_size=2,
    batch_size=4,
    steps=4,
    ema_decay=0.9,
    log_every=1,
    sample_steps=1,
)
# network, side, channels in, batch of a GPU, its parts, precision, base channels, classes (method §9, §10)
PUBLISHED = {
    "imagenet128_uncond": ("first_view", 128, 4, 16, 1, "no", 256, 1000),
    "imagenet128_cond": ("novel_view", 128, 10, 16, 1, "fp16", 256, 1000),
    "imagenet256_upsampler": ("upsampler", 256, 8, 4, 2, "fp16", 128, 1000),
    "category128_uncond": ("first_view", 128, 4, 8, 1, "fp16", 128, 0),
    "category128_cond": ("novel_view", 128, 10, 8, 1, "fp16", 128, 0),
    "category256_upsampler": ("upsampler", 256, 8, 4, 2, "fp16", 128, 0),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_configs(name):
    network, size, channels, batch, parts, precision, base, classes = PUBLISHED[name]
    config = TrainingConfig.read(f"configs/{name}.json")
    assert (config.network, config.size, config.patch_size) == (network, size, 1)
    assert (config.batch_size, config.accumulation, config.mixed_precision) == (batch, parts, precision)
    assert (config.steps, config.learning_rate, config.ema_decay) == (1_000_000, 1e-4, 0.9999)
    assert (config.label_dropout, config.weighting, config.flip) == (0.1, "none", False)
    assert (config.warmup_steps, config.decay_steps, config.gradient_clip) == (0, 0, None)
    assert config.pairs == PairSettings(0.005, 0.8, 1.0, 4, 0.0, 0.02)
    betas = (config.scheduler["beta_schedule"], config.scheduler["beta_start"], config.scheduler["beta_end"])
    assert betas == ("linear", 1e-4, 0.02)
    assert (config.scheduler["num_train_timesteps"], config.scheduler["prediction_type"]) == (1000, "epsilon")
    with torch.device("meta"):
        unet = build_unet(replace(config, unet=config.unet | {"attention_head_dim": 64}), size, 0)
        told = UNet2DModel(**{**unet.config, "num_class_embeds": classes + 1 if classes else None})
    assert (told.config["in_channels"], told.config["out_channels"]) == (channels, 4)
    assert tuple(told.config["block_out_channels"]) == tuple(base * times for times in (1, 1, 2, 3, 4))
    attended = [size >> level for level, kind in enumerate(told.config["down_block_types"]) if kind.startswith("Attn")]
    assert attended == [size // 4, size // 8, size // 16]
    assert told.config["layers_per_block"] == 2
    assert all(attention.heads * 64 == attention.to_q.in_features for attention in attentions(told))
    assert all(attention.group_norm.num_groups == 32 for attention in attentions(told))


def attentions(unet: UNet2DModel):
    return [module for module in unet.modules() if type(module).__name__ == "Attention"]


def test_pictures_of_another_size_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"for 256x256 pixels, the images are 16x16; .* --size 256"):
        train(replace(CONFIG, size=256), Discs(), tmp_path / "run")
    with pytest.raises(ValueError, match="batch_size 4 does not divide into 3"):
        replace(CONFIG, accumulation=3)


def test_every_process_has_its_own_part_of_a_batch():
    """Two processes with accumulation see in two steps what one process with all of it sees."""
    config = replace(CONFIG, accumulation=2, steps=5)

    def seen(config: TrainingConfig, index: int, count: int) -> list[torch.Tensor]:
        process = SimpleNamespace(process_index=index, num_processes=count, device=torch.device("cpu"))
        return [batch["clean"] for batch in batches(config, Discs(), None, 3, process)]  # pyright: ignore[reportArgumentType]

    shares = [seen(config, index, 2) for index in range(2)]
    assert [len(batches) for batches in shares] == [4, 4]
    assert {len(batch) for batches in shares for batch in batches} == {2}
    together = torch.cat([torch.cat(parts) for parts in zip(*shares, strict=True)])
    alone = torch.cat(seen(replace(CONFIG, batch_size=8, steps=5), 0, 1))
    torch.testing.assert_close(together, alone)


def test_two_processes_train_one_network(tmp_path):
    discs = "import tests.support.tiny_renders as t, ivid.training.loop as i, ivid.training.config as c, sys, pathlib\n"
    script = tmp_path / "run.py"
    script.write_text(
        discs + "i.train(c.TrainingConfig.read(sys.argv[1]), t.Discs(), pathlib.Path(sys.argv[2]), max_seconds=600.0)\n"
    )
    (tmp_path / "config.json").write_text(json.dumps(asdict(replace(CONFIG, steps=2))))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", str(script)]
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*launch, str(tmp_path / "config.json"), str(tmp_path / "run")], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run" / "state" / "step.json").read_text()) == {"step": 2, "samples": 16}
    lines = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert [(line["step"], line["samples"]) for line in lines] == [(1, 8), (2, 16)]
    assert UNet2DModel.from_pretrained(tmp_path / "run" / "unet").config["in_channels"] == 16


def test_scaled_losses_resume_too(tmp_path, monkeypatch):
    """Half precision needs a GPU, its loss scaling does not: the loop is the same."""

    class Scaling(Accelerator):
        def __init__(self, **settings):
            super().__init__(**settings)
            self.scaler = torch.amp.GradScaler("cpu", **LOSS_SCALING.to_kwargs())

    monkeypatch.setattr(training, "Accelerator", Scaling)
    config = replace(CONFIG, accumulation=2)
    train(config, Discs(), tmp_path / "whole")
    train(replace(config, steps=2), Discs(), tmp_path / "parts")
    train(config, Discs(), tmp_path / "parts", override=["steps"])
    states = [torch.load(tmp_path / run / "state" / "scaler.pt") for run in ("whole", "parts")]
    assert states[0]["scale"] == pytest.approx(2**20.004, rel=1e-6)
    assert states[0] == states[1]
    one, other = (UNet2DModel.from_pretrained(tmp_path / run / "unet").state_dict() for run in ("whole", "parts"))
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=0, msg=name)


def test_averaged_weights_that_were_read_go_to_the_networks_device(tmp_path, monkeypatch):
    """A state is read onto the CPU, wherever the network is."""
    calls = []
    for name in ("load_state_dict", "to"):
        original = getattr(EMAModel, name)
        monkeypatch.setattr(
            EMAModel,
            name,
            lambda self, *a, name=name, original=original, **k: (calls.append(name), original(self, *a, **k))[1],
        )
    train(replace(CONFIG, steps=1), Discs(), tmp_path / "run")
    calls.clear()
    train(replace(CONFIG, steps=2), Discs(), tmp_path / "run", override=["steps"])
    assert calls == ["load_state_dict", "to"]


def test_the_log_forgets_what_a_killed_run_did_after_its_last_save(tmp_path):
    run = tmp_path / "run"
    train(replace(CONFIG, steps=2), Discs(), run)
    with (run / "log.jsonl").open("a") as log:
        log.write('{"step": 3, "samples": 12, "loss": 1.0}\n{"step": 4, "sam')
    train(CONFIG, Discs(), run, override=["steps"])
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 2, 3, 4]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_picture_is_named_in_one_sentence(tmp_path, capsys, workers):
    rng, data = np.random.default_rng(0), tmp_path / "data"
    for kind in ("images", "depths"):
        (data / kind).mkdir(parents=True)
    for name in range(2):
        Image.fromarray(rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)).save(data / "images" / f"{name}.png")
        np.savez(data / "depths" / f"{name}.npz", rng.uniform(1000, 9000, (SIZE, SIZE)).astype(np.float16))
    (data / "images" / "1.png").write_text("no")
    config = tmp_path / "config.json"
    config.write_text(json.dumps(asdict(replace(CONFIG, loader_workers=workers))))
    assert main(["train", str(config), "--data", str(data), "--out", str(tmp_path / "run"), "--size", str(SIZE)]) == 2
    progress, said = capsys.readouterr().err.split("ivid: ")
    assert said.startswith("images/1.png is no readable picture")
    assert "Traceback" not in progress + said
