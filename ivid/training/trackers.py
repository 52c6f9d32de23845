"""Experiment trackers that follow a run beside TensorBoard, through accelerate."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from accelerate import Accelerator

    from ivid.training.config import TrainingConfig

TRACKERS = ("wandb", "trackio", "mlflow")
"""Names of those there are, which are those of their packages."""
PROJECT = "ivid"
"""What their projects, or experiments, are called."""


def check_trackers(names: Collection[str]) -> None:
    """Refuse trackers that cannot be reported to.

    Raises:
        ValueError: there is no such tracker, or its package is not installed.
    """
    for name in names:
        if name not in TRACKERS:
            raise ValueError(f"there is no tracker {name!r:.40}; there are {', '.join(TRACKERS)}")
        if importlib.util.find_spec(name) is None:
            raise ValueError(f"reporting to {name} needs its package, which is not installed; try: pip install {name}")


class Trackers:
    """Those of a run that was begun; nothing is told where there are none.

    Args:
        accelerator: made with `log_with` of these trackers.
        out: the run folder; its name is the run's.
        config: of the run, which they are told.
    """

    def __init__(self, accelerator: Accelerator, out: Path, config: TrainingConfig) -> None:
        self._accelerator = accelerator
        if accelerator.log_with:
            name = out.resolve().name
            accelerator.init_trackers(
                PROJECT,
                config=_flat(asdict(config)),
                init_kwargs={
                    "wandb": {"name": name, "id": name, "resume": "allow", "dir": str(out)},
                    "trackio": {"name": name, "resume": "allow"},
                    "mlflow": {"run_name": name},
                },
            )

    def curves(self, step: int, values: Mapping[str, float]) -> None:
        """Values after a step."""
        if self._accelerator.log_with:
            self._accelerator.log(dict(values), step=step)

    def picture(self, step: int, name: str, path: Path, picture: np.ndarray) -> None:
        """A picture that was drawn after a step: its file, and its colours, uint8 [H, W, 3]."""
        for tracker in self._accelerator.trackers:
            if tracker.name == "mlflow":
                tracker.log_artifact(str(path), name)  # type: ignore[attr-defined]
            elif tracker.name == "trackio":
                import trackio

                tracker.log({name: trackio.Image(picture)}, step=step)
            else:
                tracker.log_images({name: [picture]}, step=step)  # type: ignore[attr-defined]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A config as trackers take it: numbers, texts and truth values under dotted names."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value if isinstance(value, bool | int | float | str) else str(value)
    return flat
