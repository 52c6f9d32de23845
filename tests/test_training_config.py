"""Training configs: what is refused, in which words, and before what is loaded; old names of fields."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from ivid.data.pairs import PairSettings
from ivid.training.config import TrainingConfig
from ivid.training.old_names import DROPPED, RENAMED, RENAMED_VALUES
from tests.support.tiny_renders import UNET
from tests.support.tiny_training import CONFIG

VALID = {"network": "first_view", "unet": UNET, "scheduler": {"prediction_type": "sample"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ("[]", "JSON object"),
        ('{"network": "first_view"}', "not a training config"),
    ],
)
def test_files_that_are_no_configs_are_refused(tmp_path, text, message):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        TrainingConfig.read(path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"timestep_density": 0}, "timestep_density must be positive, got 0"),
        ({"labels": "colour"}, "labels must be class or instance, got 'colour'"),
        ({"loss": "l3"}, "loss must be one of l2, l1, smooth_l1, got 'l3'"),
        ({"optimiser": "sgd"}, "optimiser must be adamw or muon, got 'sgd'"),
        ({"weighting": "w"}, "weighting must be none or v, got 'w'"),
        ({"mixed_precision": "fp8"}, "mixed_precision must be one of no, fp16, bf16, got 'fp8'"),
        (
            {"network": "third_view"},
            "network must be one of first_view, novel_view, refiner, novel_refiner, upsampler, got",
        ),
        ({"network": "refiner"}, "a refiner network needs 2 folders of networks it refines (refines)"),
        ({"refines": ["a", "b"]}, "network needs 0 folders of networks it refines (refines)"),
        ({"depht": 1}, "depht is no field of a training config"),
        ({"batchsize": 1}, "batchsize is no field of a training config; did you mean batch_size?"),
        ({"accumulation": 0}, "accumulation must be positive, got 0"),
        ({"accumulation": 3}, "batch_size 32 does not divide into 3 accumulations"),
        ({"save_every": 0}, "save_every must be positive, got 0"),
        ({"log_every": -1}, "log_every must be positive, got -1"),
        ({"patch_size": 0}, "patch_size must be at least 1, got 0"),
        ({"patch_size": 10**6}, "patch_size must be at most 64, got 1000000"),
        ({"size": 100, "patch_size": 8}, "size 100 does not divide into patches of patch_size 8"),
        ({"batch_size": 0}, "batch_size must be positive, got 0"),
        ({"batch_size": "8"}, "batch_size must be a valid integer, got '8'"),
        ({"batch_size": 8.0}, "batch_size must be a valid integer, got 8.0"),
        ({"batch_size": True}, "batch_size must be a valid integer, got True"),
        ({"steps": 0}, "steps must be positive, got 0"),
        ({"steps": 10**400}, "steps must be at most 1e+09, got a number of many digits"),
        ({"learning_rate": 0}, "learning_rate must be positive, got 0"),
        ({"learning_rate": 10**400}, "learning_rate must be a finite number, got a number of many digits"),
        ({"learning_rate": "fast"}, "learning_rate must be a valid number, got 'fast'"),
        ({"learning_rate": None}, "learning_rate must be a valid number, got None"),
        ({"betas": [0.9]}, "betas.1 is missing"),
        ({"betas": [0.9, 1]}, "betas.1 must be less than 1, got 1"),
        ({"ema_decay": 1.5}, "ema_decay must be less than 1, got 1.5"),
        ({"label_dropout": 1.1}, "label_dropout must be at most 1, got 1.1"),
        ({"flip": "no"}, "flip must be a valid boolean, got 'no'"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"timesteps": [5, 5]}, "timesteps must be (first, end) with first < end <= 1000, got (5, 5)"),
        ({"timesteps": [0, 1001]}, "timesteps must be (first, end) with first < end <= 1000, got (0, 1001)"),
        ({"timesteps": 5}, "timesteps must be a valid array, got 5"),
        ({"sample_steps": 2000}, "sample_steps must be at most 1000, got 2000"),
        ({"pairs": []}, "pairs must be an object, got []"),
        ({"pairs": {"erode_rgb": -1}}, "pairs.erode_rgb must be at least 0, got -1"),
        ({"pairs": {"blur": 1}}, "pairs.blur is no field of a training config"),
        ({"unet": {}}, "unet.block_out_channels is missing"),
        ({"unet": {**UNET, "layers": 2}}, "unet.layers is no field of a training config"),
        ({"unet": {**UNET, "block_out_channels": []}}, "unet.block_out_channels must have at least 1 item"),
        ({"unet": {**UNET, "block_out_channels": [16, 0]}}, "unet.block_out_channels.1 must be positive, got 0"),
        ({"unet": {**UNET, "block_out_channels": [16, 20]}}, "unet.block_out_channels must divide into 8 groups"),
        ({"unet": {**UNET, "block_out_channels": [16]}}, "unet.down_block_types must be as many as"),
        (
            {"unet": {**UNET, "down_block_types": ["Block", "Block"]}},
            "unet.down_block_types.0 must be one of DownBlock2D",
        ),
        ({"scheduler": {}}, "scheduler.prediction_type is missing"),
        (
            {"scheduler": {"prediction_type": "sample", "num_train_timesteps": 0}},
            "num_train_timesteps must be positive",
        ),
        ({"scheduler": {"prediction_type": "sample", "beta_schedule": "l"}}, "scheduler.beta_schedule must be one of"),
        ({"scheduler": 5}, "scheduler must be an object, got 5"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_every_fault_is_one_sentence_with_the_path_of_the_field(changes, sentence):
    with pytest.raises(ValueError, match=r"a\.json is not a training config") as refused:
        TrainingConfig.parse({**VALID, **changes}, "a.json")
    title, *faults = str(refused.value).splitlines()
    assert title == "a.json is not a training config:"
    assert faults[0].strip().startswith(sentence) or sentence in faults[0]
    if len(changes) == 1 and "unet" not in changes:
        assert len(faults) == 1


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "1" + 400 * "0", "1" + 5000 * "0"])
def test_numbers_that_no_float_can_hold_are_refused_in_files_too(tmp_path, number):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(VALID)[:-1] + f', "learning_rate": {number}}}')
    with pytest.raises(ValueError, match=r"too large|must be a finite number|not valid JSON"):
        TrainingConfig.read(path)


def test_all_faults_are_told_at_once_before_torch_is_loaded(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({**VALID, "steps": 0, "batch_size": "many"}))
    run = (
        "import sys\nfrom ivid.cli import main\n"
        "code = main(['train', sys.argv[1], '--data', 'nowhere', '--out', sys.argv[2]])\n"
        "print(code, 'torch' in sys.modules, 'diffusers' in sys.modules)"
    )
    arguments = [sys.executable, "-c", run, str(tmp_path / "config.json"), str(tmp_path / "run")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "False", "False"]
    assert "steps must be positive, got 0" in done.stderr
    assert "batch_size must be a valid integer, got 'many'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("path", sorted(Path("configs").rglob("*_*.json")), ids=lambda p: p.stem)
def test_the_configs_here_can_be_read(path):
    config = TrainingConfig.read(path)
    assert config.steps > 0
    assert TrainingConfig.parse(json.loads(config.to_json())) == config


def test_fields_are_read_under_their_old_names_too(tmp_path):
    present = replace(
        CONFIG,
        network="novel_view",
        patch_size=4,
        labels="instance",
        timestep_density=1.5,
        pairs=PairSettings(mask_discontinuities=False, erode_rgb=1),
    )
    old = asdict(present)
    for before, now in RENAMED.items():
        *groups, name = now.split(".")
        part = old[groups[0]] if groups else old
        part[before.split(".")[-1]] = part.pop(name)
    for (name, before), now in RENAMED_VALUES.items():
        assert old[name] == now
        old[name] = before
    old |= {name: harmless[0] for name, harmless in DROPPED.items()}
    assert {"fold", "noise_bias", "sides", "flip_first_views"} < old.keys()
    assert (old["labels"], old["pairs"]["mask_edges"]) == ("kind", False)
    path = tmp_path / "config.json"
    path.write_text(json.dumps(old))
    assert TrainingConfig.read(path) == present
    path.write_text(json.dumps({**old, "patch_size": 4}))
    with pytest.raises(ValueError, match="fold is the old name of patch_size; keep one"):
        TrainingConfig.read(path)
    path.write_text(json.dumps({**old, "sides": 5}))
    with pytest.raises(ValueError, match="sides is gone"):
        TrainingConfig.read(path)


def test_fields_can_be_set_on_the_command_line(tmp_path):
    path = tmp_path / "config.json"
    path.write_text(json.dumps(VALID))
    changes = TrainingConfig.changes(["steps=7", "flip=false", "timesteps=[0, 5]", "init_from=runs/a = b/unet"])
    config = TrainingConfig.read(path, changes)
    assert (config.steps, config.flip, config.timesteps, config.init_from) == (7, False, (0, 5), "runs/a = b/unet")
    with pytest.raises(ValueError, match="write FIELD=VALUE"):
        TrainingConfig.changes(["steps"])
    with pytest.raises(ValueError, match="steps must be positive"):
        TrainingConfig.read(path, TrainingConfig.changes(["steps=0"]))
