"""What a run folder says of the run it holds, and whether one that is to go on there is the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ivid.data.images import RgbdImages
from ivid.data.photo_dataset import PhotoDataset
from ivid.data.recorded_views import MANIFEST, RecordedViews
from ivid.data.renders import Renders, read_manifest
from ivid.scene.files import read_json, written_aside
from ivid.training.config import TrainingConfig

CONFIG_FILE, DATA_FILE = "config.json", "data.json"
FIXED = ("network", "unet", "scheduler", "patch_size", "labels")
"""Fields of the config that belong to the network: another value is another run."""
HARMLESS = ("loader_workers", "log_every", "save_every", "sample_every", "sample_steps")
"""Fields that change no weight."""

Changes = dict[str, tuple[Any, Any]]
"""Values before and now, by the path of the field, such as `pairs.erode_rgb`."""


def checked_changes(
    folder: Path, config: TrainingConfig, data: dict[str, Any], override: Collection[str] = ()
) -> Changes:
    """How the config and the data of a run that goes on in a folder differ from what it was begun with.

    Args:
        folder: of the run; there need be none.
        data: from `facts_of_data`.
        override: fields that may differ; a group such as `pairs` stands for all of its fields.

    Raises:
        ValueError: something else differs; the message names it.
    """
    recorded, recorded_data = folder / CONFIG_FILE, folder / DATA_FILE
    if not recorded.exists():
        return {}
    before, now = (_flat(asdict(each)) for each in (TrainingConfig.read(recorded), config))
    if recorded_data.exists():
        before, now = before | _named(read_json(recorded_data)), now | _named(data)
    changed = {name: (before.get(name), now.get(name)) for name in now if before.get(name) != now.get(name)}
    fixed = sorted({name.split(".")[0] for name in changed} & set(FIXED))
    if fixed:
        raise ValueError(f"{folder} holds a run with another {', '.join(fixed)}; train into another folder")
    refused = [name for name in changed if not {name, name.split(".")[0]} & {*override, *HARMLESS}]
    if refused:
        told = ", ".join(f"{name} ({_short(changed[name][0])}, now {_short(changed[name][1])})" for name in refused)
        raise ValueError(
            f"{folder} holds a run that differs in {told}; train into another folder, or go on with "
            f"--override {' '.join(sorted({name.split('.')[0] for name in refused}))}"
        )
    return {name: both for name, both in changed.items() if name not in HARMLESS}


def write_record(folder: Path, config: TrainingConfig, data: dict[str, Any]) -> None:
    """Say in a folder which run it holds."""
    with written_aside(folder / CONFIG_FILE) as aside:
        aside.write_text(config.to_json())
    with written_aside(folder / DATA_FILE) as aside:
        aside.write_text(json.dumps(data, indent=1))


def facts_of_data(images: RgbdImages, further: RgbdImages | RecordedViews | None) -> dict[str, Any]:
    """What tells the data of one run from that of another, wherever it lies: JSON values."""
    return {"data": _facts(images), "further": None if further is None else _facts(further)}


def _facts(images: RgbdImages | RecordedViews) -> dict[str, Any]:
    origin: Any = None
    if isinstance(images, RecordedViews):
        origin, size = read_json(images.folder / MANIFEST), images.renders.size
    else:
        size = images[0][1].shape[0]
    if isinstance(images, Renders):
        origin = read_manifest(images.folder)
    elif isinstance(images, PhotoDataset):
        origin = list(images.index.images)
    digest = hashlib.sha256(json.dumps([list(images.classes), origin]).encode()).hexdigest()[:16]
    return {"pictures": len(images), "size": size, "depth_range": list(images.depth_range), "digest": digest}


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a config by their paths; the fields of `pairs` singly."""
    pairs = {f"pairs.{name}": value for name, value in values["pairs"].items()}
    return {name: value for name, value in values.items() if name != "pairs"} | pairs


def _named(data: dict[str, Any]) -> dict[str, Any]:
    return {name: data.get(name) for name in ("data", "further")}


def _short(value: object) -> str:
    if isinstance(value, dict) and "pictures" in value:
        return f"{value['pictures']} pictures of {value['size']} pixels, {value['digest']}"
    return json.dumps(value)
