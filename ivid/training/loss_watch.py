"""Losses that are not finite: the sign that a run is lost, to be seen before its state is saved."""

from __future__ import annotations

import torch
from torch import Tensor


class TrainingDiverged(RuntimeError):
    """A loss was not finite.

    Args:
        step: the first such step; None if it was another process's.
        saved: the step of the newest state on disk; None if there is none.
    """

    def __init__(self, step: int | None, saved: int | None) -> None:
        where = "" if step is None else f" at step {step}"
        kept = "nothing was saved before" if saved is None else f"the state of step {saved} is kept"
        super().__init__(
            f"the loss is not finite any more{where}, and {kept}; a lower learning_rate or a gradient_clip may help"
        )


class LossWatch:
    """Notes the losses since it was asked last, without waiting for a GPU to know them.

    Args:
        tolerant: a single loss that is not finite is nothing, all of them are; of training with loss scaling, which
            leaves such steps out.
    """

    def __init__(self, tolerant: bool) -> None:
        self._tolerant = tolerant
        self._losses: list[tuple[int, Tensor]] = []
        self.first_failure: int | None = None
        """The first step whose loss was not finite, of the last time that it was asked."""

    def see(self, step: int, loss: Tensor) -> None:
        """The loss of a step that was taken."""
        self._losses.append((step, loss))

    def failed(self) -> bool:
        """Whether the run is lost; forgets what it saw."""
        finite = torch.isfinite(torch.stack([loss for _, loss in self._losses])).tolist() if self._losses else []
        bad = [step for (step, _), good in zip(self._losses, finite, strict=True) if not good]
        self._losses = []
        self.first_failure = bad[0] if bad else None
        return bool(bad) and (not self._tolerant or len(bad) == len(finite))
