"""Details: a small network at the scale of pixels corrects what a coarser one predicts, where little noise is left.

A network that works on large blocks of pixels is cheap and sees the whole picture, but it cannot place an edge. What
it guesses is right in the large, the noisy sample in the small; the refiner is shown both, and what is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ivid.diffusion.denoiser import Denoiser, signal_and_noise

if TYPE_CHECKING:
    from diffusers import UNet2DModel

GUESS_VARIANCE = 0.0025
"""About the mean squared error of a coarse network's guess, in the range [-1, 1]."""


@dataclass(frozen=True)
class Refiner:
    """(x_t, guess) -> clean sample, for the last steps.

    Attributes:
        unet: 14 input channels: x_t, the guess and the condition. Its output is a correction of `combined_estimate`.
        alphas_cumprod: [T] float32, ᾱ_t of the schedule.
        start: it is asked at timesteps below this one.
        condition: [B, 6, S, S], what is known of the views (`ConditionBatch.quiet_channels`).
        labels: [B] int64, instance labels of what is shown; None for a network that is told none.
    """

    unet: UNet2DModel
    alphas_cumprod: Tensor
    start: int
    condition: Tensor
    labels: Tensor | None = None

    def __call__(self, x_t: Tensor, timesteps: Tensor, guess: Tensor) -> Tensor:
        """The clean sample [B, 4, S, S] that a coarser network guessed from x_t [B, 4, S, S], corrected."""
        told = torch.cat([guess, self.condition], dim=1)
        denoiser = Denoiser(self.unet, self.alphas_cumprod, "sample")
        correction = denoiser(x_t, timesteps, self.labels, condition=told)
        return combined_estimate(x_t, guess, self.alphas_cumprod[timesteps]) + correction


def combined_estimate(x_t: Tensor, guess: Tensor, alpha_cumprod: Tensor) -> Tensor:
    """The clean sample from the guess [B, ...] and from x_t [B, ...] at ᾱ [B], weighted by their inverse variances."""
    alpha, sigma = signal_and_noise(alpha_cumprod, x_t.ndim)
    trust = GUESS_VARIANCE / (GUESS_VARIANCE + (sigma / alpha).square())
    return torch.lerp(guess, x_t / alpha, trust)
