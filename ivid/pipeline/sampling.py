"""How a scene is sampled: what a caller asked for, and the model's defaults for the rest (method §7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ivid.diffusion.sampling import SAMPLERS


@dataclass(frozen=True)
class SamplingSettings:
    """How a scene is sampled, all defaults filled in.

    Attributes:
        first_steps, novel_steps: network evaluations of the first and of every further view.
        guidance, novel_guidance: s of method §7 for the first and for every further view; 0 is none.
        first_sampler, novel_sampler: names in `ivid.diffusion.sampling.SAMPLERS`.
    """

    first_steps: int
    novel_steps: int
    guidance: float
    first_sampler: str
    novel_sampler: str
    novel_guidance: float

    @classmethod
    def chosen(
        cls,
        config: Mapping[str, Any],
        first_steps: int | None,
        novel_steps: int | None,
        guidance: float | None,
        sampler: str | None,
    ) -> SamplingSettings:
        """The defaults in the config of an `IvidPipeline`, with what is not None in their place.

        Raises:
            ValueError: steps or guidance out of range, or an unknown sampler.
        """
        total = int(config["schedule"]["num_train_timesteps"])
        first = config["first_steps"] if first_steps is None else first_steps
        novel = config["novel_steps"] if novel_steps is None else novel_steps
        for what, steps in (("first_steps", first), ("novel_steps", novel)):
            if not isinstance(steps, int) or isinstance(steps, bool) or not 1 <= steps <= total:
                raise ValueError(f"{what} must be an integer from 1 to {total}, got {steps!r}")
        scale = float(config["guidance"] if guidance is None else guidance)
        if not 0 <= scale <= 20:
            raise ValueError(f"guidance must lie between 0 and 20, got {scale}")
        first_sampler, novel_sampler = sampler or config["first_sampler"], sampler or config["novel_sampler"]
        if first_sampler == "auto":
            first_sampler = "ddpm" if first == total else "ddim"
        for name in (first_sampler, novel_sampler):
            if name not in SAMPLERS:
                raise ValueError(f"there is no sampler {name!r}; choose one of {', '.join(SAMPLERS)}")
        novel_scale = config["novel_guidance"] if guidance is None else None
        return cls(
            first, novel, scale, first_sampler, novel_sampler, scale if novel_scale is None else float(novel_scale)
        )
