"""The schedulers of method §7, DDPM and DDIM, that step from clean samples; twins of those of diffusers.

Importing diffusers takes longer than a scene.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ivid.diffusion.conditioning import randn
from ivid.diffusion.denoiser import signal_and_noise

SINGLE_STEP = ("ddpm", "ddim")


class SingleStepScheduler:
    """From x_t and the clean sample predicted at t to x at the next timestep, j·i - 1 for i = steps ... 1 (method §7).

    Args:
        alphas_cumprod: [T] float32, ᾱ_t of the noise schedule.
        steps: how many timesteps are visited, 1 to T; j = T // steps.
        ancestral: whether the posterior of DDPM is sampled (Ho et al., 2020, eq. 6-7), or DDIM steps without noise
            (Song et al., 2021, eq. 12, η = 0).

    Attributes:
        timesteps: [steps] int64, falling.
    """

    init_noise_sigma = 1.0

    def __init__(self, alphas_cumprod: Tensor, steps: int, ancestral: bool) -> None:
        self.alphas_cumprod = alphas_cumprod
        self.ancestral = ancestral
        self._stride = len(alphas_cumprod) // steps
        self.timesteps = torch.arange(steps, 0, -1) * self._stride - 1

    def add_noise(self, clean: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """x_t of clean samples and noise [B, ...], at timesteps [B]."""
        alpha, sigma = signal_and_noise(self.alphas_cumprod.to(clean.device)[timesteps], clean.ndim)
        return alpha * clean + sigma * noise

    def step(self, clean: Tensor, timestep: int, x_t: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
        """x at the next timestep, from the clean samples and x_t, both [B, ...]; DDPM draws from one generator each."""
        t = int(timestep)
        now, following = float(self.alphas_cumprod[t]), self._alpha_cumprod(t - self._stride)
        if not self.ancestral:
            kept = math.sqrt((1 - following) / (1 - now))
            return (math.sqrt(following) - kept * math.sqrt(now)) * clean + kept * x_t
        beta = 1 - now / following
        mean = math.sqrt(following) * beta * clean + math.sqrt(1 - beta) * (1 - following) * x_t
        noise = randn(clean.shape[1:], generators, clean.device) if t > 0 else 0.0
        return mean / (1 - now) + math.sqrt(max((1 - following) / (1 - now) * beta, 1e-20)) * noise

    def _alpha_cumprod(self, timestep: int) -> float:
        return float(self.alphas_cumprod[timestep]) if timestep >= 0 else 1.0
