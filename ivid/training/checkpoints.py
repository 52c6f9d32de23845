"""The state of a run on disk: saved whole, found again, and the averaged network beside it."""

from __future__ import annotations

import copy
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from safetensors import SafetensorError, safe_open

from ivid.data.renders import Instances
from ivid.diffusion.unet import UNet2DModel
from ivid.scene.files import read_json
from ivid.training.labels import write_labels

_DAMAGES = (
    SafetensorError,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    KeyError,
)
"""What reading a truncated or altered file of a state raises."""


@dataclass(frozen=True)
class RunFolder:
    """The part of a run folder that grows: `state/` with everything needed to go on, and `unet/`, the averaged network.

    Attributes:
        path: the folder.
        accelerator: with everything that belongs to the state prepared or registered.
        step_size: samples of a step of all processes.
        instances: of the labels, when they are finer than classes.
    """

    path: Path
    accelerator: Accelerator
    step_size: int
    instances: Instances | None = None

    def resume(self) -> int:
        """Read the newest state, and return its step; 0 for a new run.

        Raises:
            ValueError: the state is damaged.
        """
        state, replaced = self.path / "state", self.path / "state.replaced"
        if self.accelerator.is_main_process and not state.exists() and replaced.exists():
            replaced.rename(state)  # killed between the two renames of a save
        self.accelerator.wait_for_everyone()
        if not state.exists():
            return 0
        step = self._recorded_step(state / "step.json")
        try:
            self.accelerator.load_state(str(state))
        except _DAMAGES as error:
            path, reason = _damaged_file(state) or (state, error)
            raise self._damaged(path, reason) from None
        return step

    @property
    def saved_step(self) -> int | None:
        """The step of the newest state; None if there is none."""
        path = self.path / "state" / "step.json"
        return self._recorded_step(path) if path.exists() else None

    def _recorded_step(self, path: Path) -> int:
        try:
            step = read_json(path)["step"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(path, error) from None
        if not isinstance(step, int) or step < 0:
            raise self._damaged(path, f"{step!r} is no step")
        return step

    def _damaged(self, path: Path, reason: object) -> ValueError:
        start = self.path / "unet"
        onward = f"with --set init_from={start}" if start.exists() else "from the beginning"
        text = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason).strip()
        text = text.splitlines()[0] if text else type(reason).__name__
        return ValueError(f"{path} is damaged ({text}); train into another folder, {onward}")

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
        samples = step * self.step_size
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


def _damaged_file(state: Path) -> tuple[Path, Exception] | None:
    """The first file of a state that cannot be read, and why; None if each of them can."""
    for path in sorted(state.iterdir()):
        try:
            if path.suffix == ".safetensors":
                with safe_open(path, framework="pt") as file:
                    file.keys()
            elif path.suffix in (".bin", ".pt", ".pkl"):
                torch.load(path, map_location="cpu", weights_only=False)
        except Exception as error:  # whatever a library makes of damage: it is told by the caller
            return path, error
    return None
