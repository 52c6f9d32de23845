"""Noise schedules: a mapping as configs hold it in, the arguments of a library scheduler out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

_NAMED = ("num_train_timesteps", "beta_schedule", "beta_start", "beta_end", "trained_betas")
_LARGEST_BETA = 0.999


def schedule_arguments(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of any diffusers scheduler for a noise schedule.

    Args:
        schedule: diffusers' own fields (`num_train_timesteps`, `beta_schedule`, ...), others being ignored; and
            `noise_shift` s, which makes the noise of every timestep s times as strong beside the image: neighbouring
            pixels of a larger picture say the same, so that it takes more noise to hide as much (Hoogeboom et al.,
            simple diffusion, ICML 2023). s = 2 does to 128² pictures what s = 1 does to 64² ones.
    """
    arguments = {name: schedule[name] for name in _NAMED if name in schedule}
    shift = float(schedule.get("noise_shift", 1.0))
    if shift == 1.0:
        return arguments
    from diffusers import DDPMScheduler  # takes seconds to import

    alphas_cumprod = DDPMScheduler(**arguments).alphas_cumprod.double()
    shifted = alphas_cumprod / (alphas_cumprod + shift**2 * (1 - alphas_cumprod))
    before = torch.cat([torch.ones(1, dtype=torch.float64), shifted[:-1]])
    betas = (1 - shifted / before).clamp(max=_LARGEST_BETA)
    return {"num_train_timesteps": len(betas), "trained_betas": betas.tolist()}


def recorded_schedule(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """What a model's config keeps of a training config's scheduler: the schedule in full, defaults filled in."""
    from diffusers import DDPMScheduler

    library = DDPMScheduler(**{name: schedule[name] for name in _NAMED if name in schedule}).config
    kept = {name: library[name] for name in _NAMED[:-1]}
    if "noise_shift" in schedule:
        kept["noise_shift"] = schedule["noise_shift"]
    return kept


def alphas_cumprod(schedule: Mapping[str, Any]) -> torch.Tensor:
    """ᾱ_t, float32 [T]."""
    from diffusers import DDPMScheduler

    return DDPMScheduler(**schedule_arguments(schedule)).alphas_cumprod
