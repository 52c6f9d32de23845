"""Sampling loops: plain generators over library schedulers, one evaluation of the network between two yields.

The network's output becomes a clean sample first (`Denoiser`), an `adjust` function may change it (the blending of
method §6), and the scheduler then steps from it as a "sample" prediction. Every sample of a batch has its own random
generator.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ivid.diffusion import SAMPLERS
from ivid.diffusion.conditioning import randn
from ivid.diffusion.denoiser import Denoiser, MirroredDenoiser
from ivid.diffusion.guidance import EVERYWHERE, is_guided
from ivid.diffusion.refining import Refiner
from ivid.diffusion.schedulers import SINGLE_STEP, SingleStepScheduler
from ivid.diffusion.schedules import alphas_cumprod, schedule_arguments


@dataclass(frozen=True)
class Step:
    """One evaluation: its number from 1, how many there are, and the clean samples [B, 4, S, S] it arrived at."""

    number: int
    steps: int
    clean: Tensor


def make_scheduler(sampler: str, schedule: Mapping[str, Any], steps: int):
    """A scheduler that steps from clean samples, with its timesteps set.

    DDPM and DDIM visit j·i - 1 for i = steps ... 1 with j = T // steps (method §7); the multistep solvers the library's
    "trailing" spacing.

    Args:
        sampler: one of `SAMPLERS`.
        schedule: the noise schedule, as `schedule_arguments` takes it.
        steps: network evaluations, 1 to T.

    Raises:
        ValueError: unknown sampler, or steps out of range.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"there is no sampler {sampler!r}; choose one of {', '.join(SAMPLERS)}")
    total = schedule["num_train_timesteps"]
    if not 1 <= steps <= total:
        raise ValueError(f"the number of steps must lie between 1 and {total}, got {steps}")
    if sampler in SINGLE_STEP:
        return SingleStepScheduler(alphas_cumprod(schedule), steps, ancestral=sampler == "ddpm")
    import diffusers  # takes seconds

    multistep = {"dpm++": diffusers.DPMSolverMultistepScheduler, "unipc": diffusers.UniPCMultistepScheduler}
    scheduler = multistep[sampler](
        **schedule_arguments(schedule), prediction_type="sample", timestep_spacing="trailing"
    )
    scheduler.set_timesteps(steps)
    return scheduler


def sample(
    denoiser: Denoiser | MirroredDenoiser,
    scheduler,
    shape: Sequence[int],
    generators: Sequence[torch.Generator],
    class_labels: Tensor | None = None,
    guidance: float = 0.0,
    guidance_interval: tuple[float, float] = EVERYWHERE,
    condition: Callable[[], Tensor] | None = None,
    adjust: Callable[[Tensor, bool], Tensor] | None = None,
    refiner: Refiner | None = None,
    start: Tensor | None = None,
) -> Iterator[Step]:
    """Denoise one sample per generator.

    Args:
        denoiser: the network.
        scheduler: from `make_scheduler`; used for one run only.
        shape: (4, S, S).
        generators: CPU generators; start noise, then whatever `condition` and the scheduler draw, come from them.
        class_labels: [B] int64 on the network's device; None without classes.
        guidance: see `Denoiser`.
        guidance_interval: (low, high), the shares of the T timesteps between which evaluations are guided.
        condition: called before every evaluation for the network's further channels [B, C, S, S].
        adjust: (clean [B, 4, S, S], whether this is the last step) -> clean, before the scheduler's step.
        refiner: corrects what `denoiser` says in the last steps, which are not guided then: guidance decides what
            is drawn, and harms details (Kynkäänniemi et al., NeurIPS 2024).
        start: x_t [B, 4, S, S] at the scheduler's first timestep; noise unless given.

    Yields:
        a `Step` after every evaluation; the last one's clean samples are the result.
    """
    device = denoiser.unet.device
    x_t = randn(shape, generators, device) * scheduler.init_noise_sigma if start is None else start.to(device)
    steps = len(scheduler.timesteps)
    for number, timestep in enumerate(scheduler.timesteps, start=1):
        with torch.inference_mode():
            timesteps = torch.full((len(generators),), int(timestep), dtype=torch.int64, device=device)
            channels = condition() if condition is not None else None
            if refiner is not None and timestep < refiner.start:
                clean = refiner(x_t, timesteps, denoiser(x_t, timesteps, class_labels, condition=channels))
            else:
                guided = is_guided(int(timestep), len(scheduler.alphas_cumprod), guidance_interval)
                clean = denoiser(x_t, timesteps, class_labels, guidance if guided else 0.0, channels)
            if adjust is not None:
                clean = adjust(clean, number == steps)
            if number < steps:
                x_t = _step(scheduler, clean, timestep, x_t, generators)
        yield Step(number, steps, clean)


def _step(scheduler, clean: Tensor, timestep: Tensor, x_t: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    if isinstance(scheduler, SingleStepScheduler):
        return scheduler.step(clean, int(timestep), x_t, generators)
    return scheduler.step(clean, timestep, x_t, return_dict=False)[0]
