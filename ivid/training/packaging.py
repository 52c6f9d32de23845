"""Trained networks into one model folder that `IvidPipeline.from_pretrained` reads."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ivid.data.renders import class_of_asset
from ivid.diffusion.schedules import recorded_schedule
from ivid.diffusion.unet import UNet2DModel
from ivid.pipeline.config import DepthConfig, LabelConfig, ModelConfig
from ivid.pipeline.graphs import write_graphs
from ivid.pipeline.pipeline import IvidPipeline
from ivid.scene.depth import DepthRange
from ivid.scene.files import read_json
from ivid.training.config import TrainingConfig
from ivid.training.labels import known_labels, relabel

DECIDED_BY_RUNS = ("name", "schedule", "prediction_type")
"""Fields of `ModelConfig` that the runs and the model's folder decide."""


def read_model_config(path: str | Path) -> dict[str, Any]:
    """What a model's config says beside what its runs decide: JSON values for `ModelConfig.from_dict`.

    Raises:
        ValueError: the file is no JSON object, or has other fields; the message names them.
    """
    values = read_json(path)
    if not isinstance(values, dict):
        raise ValueError(f"{path} must hold a JSON object")
    decided = [name for name in DECIDED_BY_RUNS if name in values]
    if decided:
        raise ValueError(f"{path} must not say {', '.join(decided)}: the runs do")
    try:
        ModelConfig.from_dict(values)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return values


def bundle(
    first_view: str | Path,
    novel_view: str | Path,
    out: str | Path,
    settings: Mapping[str, Any],
    class_names: Sequence[str],
    depth_range: DepthRange,
    refiner: str | Path | None = None,
    novel_refiner: str | Path | None = None,
    upsampler: str | Path | None = None,
    graphs: bool = False,
) -> None:
    """Write the averaged networks of two to five runs, in half precision, and the model's config.

    Args:
        first_view, novel_view, refiner, novel_refiner, upsampler: run folders (`ivid.training.loop`).
        out: the model folder; what was there is replaced once the new one is whole.
        settings: of the model's config, from `read_model_config`.
        class_names: in the order of the labels.
        depth_range: (near, far) of the data, in metres; `settings` may have another (method §3).
        graphs: whether the networks get graphs for ONNX Runtime (`ivid.pipeline.graphs`), half a minute each.

    Raises:
        ValueError: the runs do not belong together.
    """
    runs: dict[str, str | Path] = {"first_view": first_view, "novel_view": novel_view}
    further = {"refiner": refiner, "novel_refiner": novel_refiner, "upsampler": upsampler}
    runs |= {role: run for role, run in further.items() if run is not None}
    configs = [TrainingConfig.read(Path(run) / "config.json") for run in runs.values()]
    if [config.network for config in configs] != list(runs):
        raise ValueError(f"expected runs of {', '.join(runs)}, got {', '.join(config.network for config in configs)}")
    first = configs[0]
    if any(config.scheduler != first.scheduler for config in configs):
        raise ValueError("the runs have different noise schedules or predictions")
    labels = {role: known_labels(Path(run) / "unet") for role, run in runs.items()}
    instances, drawn = None, labels["first_view"]
    if drawn is not None:
        instances = tuple(
            tuple(label for label, asset in enumerate(drawn) if class_of_asset(asset) == name) for name in class_names
        )
    unets = {
        f"{role}_unet": UNet2DModel.from_pretrained(Path(run) / "unet", dtype=torch.float16)
        for role, run in runs.items()
    }
    for role, known in labels.items():
        if known is not None and known != drawn:
            if drawn is None:
                raise ValueError(f"the {role} network is told instances, the first-view network is not")
            relabel(unets[f"{role}_unet"], known, drawn)
    out = Path(out)
    config = ModelConfig(
        name=out.name,
        schedule=recorded_schedule(first.scheduler),
        prediction_type=first.scheduler["prediction_type"],
        depth=DepthConfig(range=depth_range),
        labels=LabelConfig(tuple(class_names), instances, tuple(drawn or ()), labels["novel_view"] is not None),
    )
    pipeline = IvidPipeline(**unets, config=ModelConfig.from_dict(settings, config))
    aside = out.with_name(f".{out.name}.aside")
    shutil.rmtree(aside, ignore_errors=True)
    pipeline.save_pretrained(aside)
    if graphs:
        write_graphs(aside)
    for kept in out.glob("*.md"):
        shutil.copy(kept, aside)
    shutil.rmtree(out, ignore_errors=True)
    os.replace(aside, out)
