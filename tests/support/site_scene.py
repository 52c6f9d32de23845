"""Scenes that the site's generator makes under node from given noise, and how far the pipeline's agree with them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch

from ivid.pipeline.events import ViewDone
from ivid.pipeline.pipeline import IvidPipeline
from ivid.scene.cameras import Camera

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).with_name("site_generator.mjs")
ORT = ROOT / "node_modules" / "onnxruntime-web" / "dist"


@contextmanager
def recorded_noise() -> Iterator[list[np.ndarray]]:
    """What `torch.randn` gives meanwhile, in order."""
    drawn: list[np.ndarray] = []
    original = torch.randn

    def record(*args: Any, **options: Any) -> torch.Tensor:
        values = original(*args, **options)
        drawn.append(values.numpy().ravel())
        return values

    with patch.object(torch, "randn", record):
        yield drawn


class Made:
    """What the generator wrote down of a scene."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size
        self.report = json.loads((folder / "report.json").read_text())

    def array(self, name: str, dtype: type = np.float32) -> np.ndarray:
        return np.fromfile(self.folder / f"{name}.bin", dtype)

    def picture(self, name: str) -> np.ndarray:
        return self.array(name).reshape(self.size, self.size, -1).squeeze()

    def mask(self, name: str) -> np.ndarray:
        if not (self.folder / f"{name}.bin").exists():
            return np.ones((self.size, self.size), bool)
        return self.array(name, np.uint8).reshape(self.size, self.size) > 0


def make(folder: Path, model: Path, noise: list[np.ndarray], cameras: list[Camera], **job: Any) -> None:
    """Run the generator under node."""
    np.concatenate(noise).astype(np.float32).tofile(folder / "noise.bin")
    entries = [{"world_to_view": each.world_to_view.ravel().tolist(), "fov_y_deg": each.fov_y_deg} for each in cameras]
    job = {"model": str(model), "folder": str(folder), "ort": str(ORT), "cameras": entries, "sampling": {}, **job}
    (folder / "job.json").write_text(json.dumps(job))
    run = subprocess.run(["node", PROGRAM, folder / "job.json"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@dataclass(frozen=True)
class Agreement:
    """How far the generator and the pipeline agree on a view.

    Attributes:
        colour: of its picture and of its condition's, in decibels; the lower of the two.
        depth: median difference of its depth in metres.
        floor: mean difference of its condition's depth floor.
        masks: intersection over union of its masks and of its condition's; the lowest.
    """

    colour: float
    depth: float
    floor: float
    masks: float


def agreements(made: Made, pipeline: IvidPipeline, label: str, seed: int, cameras: list[Camera]) -> list[Agreement]:
    """Compare the views of a scene that was made with those of the pipeline from the same noise."""
    events = [each for each in pipeline.stream(label, seed, cameras) if isinstance(each, ViewDone)]
    final = pipeline.scene([event.view for event in events], label, seed, "3x9", pipeline.sampling()).views
    compared = []
    for event, finished in zip(events, final, strict=True):
        index, view, condition = event.view_index, event.view, event.condition
        colour, floor = [_decibels(made.picture(f"rgb.{index}"), view.rgb)], 0.0
        masks = [
            _overlap(made.mask(f"mask.{index}"), _whole(view.mask, made.size)),
            _overlap(made.mask(f"final_mask.{index}"), _whole(finished.mask, made.size)),
        ]
        if condition is not None:
            rgb = made.array(f"condition.rgb.{index}").reshape(3, made.size, made.size).transpose(1, 2, 0)
            colour.append(_decibels(rgb, condition.rgb))
            masks.append(_overlap(made.mask(f"condition.mask.{index}"), condition.mask))
            masks.append(_overlap(made.mask(f"condition.maskRgb.{index}"), condition.mask_rgb))
            masks.append(_overlap(made.picture(f"condition.trusted.{index}") > 0.5, condition.trusted > 0.5))
            floor = np.abs(made.picture(f"condition.depthFloor.{index}") - condition.depth_floor).mean()
        depth = np.median(np.abs(made.picture(f"depth.{index}") - view.depth))
        compared.append(Agreement(min(colour), float(depth), float(floor), min(masks)))
    return compared


def _decibels(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((ours - theirs) ** 2) + 1e-12))


def _overlap(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float((ours & theirs).sum() / (ours | theirs).sum()) if (ours | theirs).any() else 1.0


def _whole(mask: np.ndarray | None, size: int) -> np.ndarray:
    return np.ones((size, size), bool) if mask is None else mask
