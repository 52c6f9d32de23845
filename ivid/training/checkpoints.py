"""The state of a run on disk: saved whole, found again, and the averaged network beside it."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers import UNet2DModel
from diffusers.training_utils import EMAModel

from ivid.data.renders import Instances
from ivid.scene.files import written_aside
from ivid.training.batches import samples_per_step
from ivid.training.config import TrainingConfig
from ivid.training.labels import write_labels

_FIXED = ("network", "unet", "scheduler", "patch_size")
"""Fields that cannot change while a run goes on."""


@dataclass(frozen=True)
class RunFolder:
    """A run folder: `config.json`, `state/` with everything needed to go on, and `unet/`, the averaged network.

    Attributes:
        path: the folder.
        config: of the run.
        accelerator: with everything that belongs to the state prepared or registered.
        instances: of the labels, when they are finer than classes.
    """

    path: Path
    config: TrainingConfig
    accelerator: Accelerator
    instances: Instances | None = None

    def resume(self) -> int:
        """Read the newest state, and return its step; 0 for a new run.

        Raises:
            ValueError: the folder holds a run with another network.
        """
        recorded = self.path / "config.json"
        if recorded.exists():
            before = TrainingConfig.read(recorded)
            changed = [name for name in _FIXED if getattr(before, name) != getattr(self.config, name)]
            if changed:
                raise ValueError(
                    f"{self.path} holds a run with another {', '.join(changed)}; train into another folder"
                )
        if self.accelerator.is_main_process:
            self.path.mkdir(parents=True, exist_ok=True)
            with written_aside(recorded) as aside:
                aside.write_text(self.config.to_json())
        self.accelerator.wait_for_everyone()
        state, replaced = self.path / "state", self.path / "state.replaced"
        if not state.exists() and replaced.exists():  # killed between the two renames of a save
            replaced.rename(state)
        if not state.exists():
            return 0
        self.accelerator.load_state(str(state))
        return json.loads((state / "step.json").read_text())["step"]

    def save(self, unet: torch.nn.Module, ema: EMAModel, step: int) -> None:
        """Write the state and the averaged network aside, then rename."""
        aside, state, replaced = (self.path / name for name in ("state.aside", "state", "state.replaced"))
        if self.accelerator.is_main_process:
            shutil.rmtree(aside, ignore_errors=True)
        self.accelerator.wait_for_everyone()
        self.accelerator.save_state(str(aside))
        self.accelerator.wait_for_everyone()
        if not self.accelerator.is_main_process:
            return
        samples = step * samples_per_step(self.config, self.accelerator)
        (aside / "step.json").write_text(json.dumps({"step": step, "samples": samples}))
        shutil.rmtree(replaced, ignore_errors=True)
        if state.exists():
            state.rename(replaced)
        aside.rename(state)
        shutil.rmtree(replaced, ignore_errors=True)
        self._save_averaged(self.accelerator.unwrap_model(unet), ema)

    def _save_averaged(self, unet: UNet2DModel, ema: EMAModel) -> None:
        aside = self.path / "unet.aside"
        with averaged(ema, unet):
            copy.deepcopy(unet).half().save_pretrained(str(aside))
        if self.instances is not None and unet.config["num_class_embeds"]:
            write_labels(aside, self.instances)
        shutil.rmtree(self.path / "unet", ignore_errors=True)
        os.replace(aside, self.path / "unet")


@contextmanager
def averaged(ema: EMAModel, unet: torch.nn.Module) -> Iterator[None]:
    """The averaged weights in the network, for the length of a with block."""
    ema.store(unet.parameters())
    ema.copy_to(unet.parameters())
    unet.eval()
    try:
        yield
    finally:
        ema.restore(unet.parameters())
        unet.train()
