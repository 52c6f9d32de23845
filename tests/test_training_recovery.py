"""Runs that cannot go on: another config or other data, damaged states, losses that are not finite."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace

import pytest
import torch

from ivid.cli import main
from ivid.data.pairs import PairSettings
from ivid.training.loop import train
from ivid.training.loss_watch import LossWatch, TrainingDiverged
from ivid.training.objective import Objective
from ivid.training.record import HARMLESS, checked_changes, facts_of_data, write_record
from tests.support.tiny_renders import Discs, write_renders
from tests.support.tiny_training import CONFIG

pytestmark = pytest.mark.training

DATA = facts_of_data(Discs(), None)


def test_a_run_is_not_continued_with_another_config(tmp_path):
    run = tmp_path / "run"
    novel = replace(CONFIG, network="novel_view")
    write_record(run, novel, DATA)
    assert checked_changes(run, novel, DATA) == {}
    other = replace(novel, learning_rate=1e-5, pairs=PairSettings(erode_rgb=2), loader_workers=3)
    with pytest.raises(ValueError, match=r"differs in learning_rate \(0.002, now 1e-05\), pairs.erode_rgb") as refused:
        checked_changes(run, other, DATA)
    assert str(refused.value).endswith("--override learning_rate pairs")
    with pytest.raises(ValueError, match=r"pairs\.erode_rgb \(4, now 2\)"):
        checked_changes(run, other, DATA, ["learning_rate"])
    expected = {"learning_rate": (2e-3, 1e-5), "pairs.erode_rgb": (4, 2)}
    assert checked_changes(run, other, DATA, ["learning_rate", "pairs"]) == expected
    assert checked_changes(run, other, DATA, ["learning_rate", "pairs.erode_rgb"]) == expected
    for name in ("patch_size", "labels"):
        value = {"patch_size": 4, "labels": "instance"}[name]
        with pytest.raises(ValueError, match=f"holds a run with another {name}"):
            checked_changes(run, replace(novel, **{name: value}), DATA, [name])


def test_what_changes_no_weight_may_change(tmp_path):
    write_record(tmp_path, CONFIG, DATA)
    assert checked_changes(tmp_path, replace(CONFIG, **dict.fromkeys(HARMLESS, 7)), DATA) == {}


def test_a_run_is_not_continued_with_other_data(tmp_path):
    images = write_renders(tmp_path / "data")
    write_record(tmp_path / "run", CONFIG, facts_of_data(images, None))
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    moved = type(images).open(tmp_path / "elsewhere")
    assert checked_changes(tmp_path / "run", CONFIG, facts_of_data(moved, None)) == {}
    manifest = json.loads((moved.folder / "renders.json").read_text())
    (moved.folder / "renders.json").write_text(json.dumps({**manifest, "seed": 1}))
    other = facts_of_data(type(images).open(moved.folder), None)
    with pytest.raises(ValueError, match=r"differs in data \(20 pictures .*--override data"):
        checked_changes(tmp_path / "run", CONFIG, other)
    assert set(checked_changes(tmp_path / "run", CONFIG, other, ["data"])) == {"data"}
    with pytest.raises(ValueError, match=r"differs in further \(null, now 20 pictures"):
        checked_changes(tmp_path / "run", CONFIG, facts_of_data(images=moved, further=moved), ["data"])


def test_what_is_overridden_is_in_the_log_with_its_step(tmp_path, capsys):
    run, data, config = tmp_path / "run", write_renders(tmp_path / "data"), tmp_path / "config.json"
    config.write_text(json.dumps(asdict(replace(CONFIG, steps=2))))
    arguments = ["train", str(config), "--data", str(data.folder), "--out", str(run)]
    assert main(arguments) == 0
    assert main([*arguments, "--set", "steps=4", "--set", "learning_rate=0.001"]) == 2
    assert "differs in steps (2, now 4), learning_rate (0.002, now 0.001); train into" in capsys.readouterr().err
    changed = [*arguments, "--set", "steps=4", "--set", "learning_rate=0.001", "--override", "steps", "learning_rate"]
    assert main(changed) == 0
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert {"step": 2, "changed": {"steps": [2, 4], "learning_rate": [0.002, 0.001]}} in lines
    assert [line["step"] for line in lines if "loss" in line] == [2, 4]


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.bin", "step.json"])
def test_a_damaged_state_is_named(tmp_path, name):
    run = tmp_path / "run"
    train(replace(CONFIG, steps=1), Discs(), run)
    path = run / "state" / name
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b""):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=f"{name} is damaged .*--set init_from={run}/unet") as refused:
            train(replace(CONFIG, steps=1), Discs(), run)
        assert "\n" not in str(refused.value)
    path.unlink()
    with pytest.raises(ValueError, match="is damaged"):
        train(replace(CONFIG, steps=1), Discs(), run)
    path.write_bytes(whole)
    train(replace(CONFIG, steps=1), Discs(), run)


def test_a_loss_that_is_not_finite_stops_the_run_before_it_is_saved(tmp_path, monkeypatch):
    original, run = Objective.loss, tmp_path / "run"
    steps = iter(range(1, 100))

    def failing(self, samples, generator):
        return original(self, samples, generator) * (math.nan if next(steps) == 5 else 1)

    monkeypatch.setattr(Objective, "loss", failing)
    with pytest.raises(TrainingDiverged, match=r"at step 5, and the state of step 3 is kept") as stopped:
        train(CONFIG, Discs(), run)
    assert isinstance(stopped.value, RuntimeError)  # the command ends with one sentence and exit code 2
    assert json.loads((run / "state" / "step.json").read_text())["step"] == 3
    assert all(math.isfinite(json.loads(line)["loss"]) for line in (run / "log.jsonl").read_text().splitlines())
    train(CONFIG, Discs(), run)  # it goes on from there
    assert json.loads((run / "state" / "step.json").read_text())["step"] == 6


def test_a_single_loss_is_nothing_where_losses_are_scaled():
    strict, tolerant = LossWatch(tolerant=False), LossWatch(tolerant=True)
    for watch in (strict, tolerant):
        watch.see(1, torch.tensor(1.0))
        watch.see(2, torch.tensor(math.inf))
    assert (strict.failed(), strict.first_failure, tolerant.failed()) == (True, 2, False)
    assert not strict.failed()
    tolerant.see(3, torch.tensor(math.nan))
    assert tolerant.failed()
