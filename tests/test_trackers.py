"""Runs told to trackers beside TensorBoard."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, replace

import pytest

from ivid.cli import main
from ivid.training.trackers import TRACKERS, check_trackers
from tests.support.tiny_renders import write_renders
from tests.support.tiny_training import CONFIG


@pytest.mark.training
def test_every_tracker_is_told_what_the_log_is_told(tmp_path, monkeypatch):
    store = f"file:{tmp_path / 'mlflow'}"
    for name, value in {
        "WANDB_MODE": "offline",
        "WANDB_SILENT": "true",
        "TRACKIO_DIR": str(tmp_path / "trackio"),
        "MLFLOW_TRACKING_URI": store,
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "HF_HUB_OFFLINE": "1",
    }.items():
        monkeypatch.setenv(name, value)  # before the packages are imported: some read it once
    for package in TRACKERS:
        pytest.importorskip(package)
    import mlflow

    images = write_renders(tmp_path / "data")
    config = tmp_path / "config.json"
    config.write_text(json.dumps(asdict(replace(CONFIG, steps=4, sample_every=4))))
    out = tmp_path / "discs"
    arguments = ["train", str(config), "--data", str(images.folder), "--out", str(out), "--report-to", *TRACKERS]
    assert main(arguments) == 0
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    told = {line["step"]: line["loss"] for line in lines}
    assert list(told) == [2, 4]

    client = mlflow.MlflowClient(store)
    (run,) = client.search_runs([client.get_experiment_by_name("ivid").experiment_id])
    assert run.info.run_name == "discs"
    assert {each.step: each.value for each in client.get_metric_history(run.info.run_id, "loss")} == told
    assert run.data.params["unet.norm_num_groups"] == str(CONFIG.unet["norm_num_groups"])
    assert [each.path for each in client.list_artifacts(run.info.run_id, "samples")] == ["samples/00000004.png"]

    (database,) = (tmp_path / "trackio").glob("*.db")
    with sqlite3.connect(database) as trackio:
        rows = trackio.execute("SELECT step, metrics FROM metrics WHERE run_name = 'discs'").fetchall()
    assert {step: json.loads(values)["loss"] for step, values in rows if "loss" in json.loads(values)} == told

    (record,) = out.glob("wandb/offline-run-*/*.wandb")
    assert b"samples_per_second" in record.read_bytes()
    assert list(out.glob("wandb/offline-run-*/files/media/images/samples_*.png"))
    assert list((out / "tensorboard").iterdir())


def test_a_tracker_that_is_not_there_is_refused_before_anything_else(tmp_path, monkeypatch, capsys):
    arguments = ["train", str(tmp_path / "none.json"), "--data", str(tmp_path), "--out", str(tmp_path / "run")]
    assert main([*arguments, "--report-to", "comet"]) == 2
    assert "invalid choice: 'comet' (choose from 'wandb', 'trackio', 'mlflow')" in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main([*arguments, "--report-to", "wandb"]) == 2
    assert capsys.readouterr().err == (
        "ivid: reporting to wandb needs its package, which is not installed; try: pip install wandb\n"
    )
    with pytest.raises(ValueError, match="no tracker 'comet'; there are wandb"):
        check_trackers(["comet"])
    assert not (tmp_path / "run").exists()
