"""How strongly a prediction is blended with what is known; without torch, so that a config is read at once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Blending:
    """Weights with which the predicted clean sample is blended with what is known, after each evaluation (method §6).

    Attributes:
        rgb: of the known colour inside its mask, before the last step.
        depth: of the known depth inside its mask.
        floor: of keeping unknown pixels from appearing in front of `Condition.depth_floor`.
        last_rgb: of the known colour on the last step; none in the published method.

    Raises:
        ValueError: a weight is outside [0, 1].
    """

    rgb: float = 0.1
    depth: float = 0.2
    floor: float = 0.5
    last_rgb: float = 0.0

    def __post_init__(self) -> None:
        for name, weight in vars(self).items():
            if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
                raise ValueError(f"the blending weight {name} must lie between 0 and 1, got {weight!r}")
