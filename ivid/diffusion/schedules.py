"""Noise schedules: a mapping as configs hold it in, the arguments of a library scheduler out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
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
    plain = np.cumprod(1 - _betas(**arguments).astype(np.float64))
    shifted = plain / (plain + shift**2 * (1 - plain))
    betas = np.minimum(1 - shifted / np.concatenate([[1.0], shifted[:-1]]), _LARGEST_BETA)
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
    """ᾱ_t, float32 [T], as any diffusers scheduler has it."""
    betas = _betas(**schedule_arguments(schedule)).astype(np.float32)
    return torch.from_numpy(np.cumprod(1 - betas, dtype=np.float64).astype(np.float32))


def _betas(
    num_train_timesteps: int = 1000,
    beta_schedule: str = "linear",
    beta_start: float = 1e-4,
    beta_end: float = 0.02,
    trained_betas: list[float] | None = None,
) -> np.ndarray:
    """β_t [T] of the arguments of a diffusers scheduler; importing that takes seconds."""
    if trained_betas is not None:
        return np.asarray(trained_betas)
    if beta_schedule == "linear":
        return np.linspace(beta_start, beta_end, num_train_timesteps)
    if beta_schedule == "squaredcos_cap_v2":  # Nichol & Dhariwal, 2021, eq. 17
        times = np.arange(num_train_timesteps + 1) / num_train_timesteps
        alpha_bar = np.cos((times + 0.008) / 1.008 * math.pi / 2) ** 2
        return np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], _LARGEST_BETA)
    from diffusers import DDPMScheduler

    library = DDPMScheduler(num_train_timesteps, beta_start, beta_end, beta_schedule)  # type: ignore[arg-type]
    return library.betas.numpy()
