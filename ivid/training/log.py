"""What is told of a training run while it goes on: plain files, and the same for TensorBoard."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tensorboardX import SummaryWriter
from torch import Tensor
from tqdm import tqdm

from ivid.scene.files import written_aside
from ivid.training.config import TrainingConfig
from ivid.training.record import Changes
from ivid.training.trackers import Trackers


class TrainingLog:
    """Appends the mean loss of every `log_every` steps to `log.jsonl`; curves and pictures go to `tensorboard/` and to
    other trackers too.

    Args:
        out: the run folder.
        config: of the run.
        batch_size: samples of a step, of all processes.
        first_step: the step the run goes on from; what an earlier process told of later ones is forgotten.
        enabled: false in all processes but one.
        trackers: of the run.
    """

    def __init__(
        self,
        out: Path,
        config: TrainingConfig,
        batch_size: int,
        first_step: int,
        enabled: bool,
        trackers: Trackers,
    ) -> None:
        self._trackers = trackers
        self._path, self._config, self._batch_size = out / "log.jsonl", config, batch_size
        if enabled:
            _forget_after(first_step, self._path)
        self._losses: list[Tensor] = []
        self._since = time.monotonic()
        self._curves = SummaryWriter(str(out / "tensorboard"), purge_step=first_step) if enabled else None

    def loss(self, step: int, loss: Tensor, progress: tqdm) -> None:
        """The loss of a step that was taken."""
        self._losses.append(loss)
        if len(self._losses) < self._config.log_every:
            return
        mean = float(torch.stack(self._losses).mean())
        seconds = time.monotonic() - self._since
        samples = len(self._losses) * self._batch_size
        self._losses, self._since = [], time.monotonic()
        if self._curves is None:
            return
        progress.set_postfix(loss=f"{mean:.4f}", samples=step * self._batch_size)
        curves = {
            "loss": mean,
            "learning_rate": self._config.learning_rate_at(step - 1),
            "samples_per_second": samples / seconds,
        }
        with self._path.open("a") as file:
            file.write(json.dumps({"step": step, "samples": step * self._batch_size, **curves}) + "\n")
        for name, value in curves.items():
            self._curves.add_scalar(name, value, step)
        self._trackers.curves(step, curves)

    def changed(self, step: int, changes: Changes) -> None:
        """What is not as it was when the run was begun, from a step on."""
        if self._curves is not None and changes:
            with self._path.open("a") as file:
                file.write(json.dumps({"step": step, "changed": changes}) + "\n")

    def picture(self, step: int, path: Path) -> None:
        """A sheet of samples that was drawn after a step."""
        if self._curves is not None:
            with Image.open(path) as sheet:
                picture = np.asarray(sheet.convert("RGB"))
            self._curves.add_image("samples", picture, step, dataformats="HWC")
            self._trackers.picture(step, "samples", path, picture)

    def close(self) -> None:
        """Write what is not written yet."""
        if self._curves is not None:
            self._curves.close()


def _forget_after(step: int, log: Path) -> None:
    """Leave the lines of a log up to a step: a run that was killed takes the later ones again."""
    if not log.exists():
        return
    lines = log.read_text().splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    if kept != lines:
        with written_aside(log) as aside:
            aside.write_text("".join(kept))
