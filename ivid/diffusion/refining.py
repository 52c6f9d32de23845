"""Details: a small network at the scale of pixels corrects what a coarser one predicts, where little noise is left.

A network that works on large patches is cheap and sees the whole picture, but it cannot place an edge. Its guess is
right in the large, the noisy sample in the small; the refiner sees both, and the condition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ivid.diffusion.blending import Blending
from ivid.diffusion.conditioning import ConditionBatch, blend_with_known
from ivid.diffusion.denoiser import Denoiser, evaluate, signal_and_noise

if TYPE_CHECKING:
    from ivid.diffusion.denoiser import UNet

GUESS_VARIANCE = 0.0025
"""About the mean squared error of a coarse network's guess, in the range [-1, 1]."""

ALL_KNOWN = Blending(rgb=1.0, depth=1.0, floor=1.0, last_rgb=1.0)
"""What is known stands as it is, and nothing appears in front of the depth floor."""

ALMOST_CLEAN = 20
"""The timestep that a `NovelViewRefiner` is told, that of a sample with hardly any noise."""


@dataclass(frozen=True)
class Refiner:
    """(x_t, guess) -> clean sample, for the last steps.

    Attributes:
        unet: 14 input channels: x_t, the guess and the condition. Its output is a correction of `combined_estimate`.
        alphas_cumprod: [T] float32, ᾱ_t of the schedule.
        start: it is asked at timesteps below this one.
        condition: [B, 6, S, S], what is known of the views (`ConditionBatch.quiet_channels`).
        labels: [B] int64, instance labels; None for a network without labels.
    """

    unet: UNet
    alphas_cumprod: Tensor
    start: int
    condition: Tensor
    labels: Tensor | None = None

    def __call__(self, x_t: Tensor, timesteps: Tensor, guess: Tensor) -> Tensor:
        """The clean sample [B, 4, S, S] that a coarser network guessed from x_t [B, 4, S, S], corrected."""
        further_channels = torch.cat([guess, self.condition], dim=1)
        denoiser = Denoiser(self.unet, self.alphas_cumprod, "sample")
        correction = denoiser(x_t, timesteps, self.labels, condition=further_channels)
        return combined_estimate(x_t, guess, self.alphas_cumprod[timesteps]) + correction


@dataclass(frozen=True)
class NovelViewRefiner:
    """guess -> clean sample, for further views: the guess where nothing is known, what is known elsewhere, corrected.

    What is known has been warped: its edges fray, and specks of other surfaces stand beside them. This network mends
    that, draws what the guess says in detail, and joins the two.

    Attributes:
        unet: 14 input channels: `known_or_guessed`, the guess and the condition. Its output is a correction of the
            former.
        known: what is known of the views.
        labels: [B] int64, instance labels of what is shown; None for a network that is told none.
        guess_weight: of the guess's colours where only views of less than full trust show any (`known_or_guessed`).
    """

    unet: UNet
    known: ConditionBatch
    labels: Tensor | None = None
    guess_weight: float = 0.0

    def __call__(self, guess: Tensor) -> Tensor:
        """The clean sample [B, 4, S, S] that the novel-view network guessed, refined."""
        inputs = novel_refiner_inputs(guess, self.known, self.guess_weight)
        timesteps = torch.full((len(guess),), ALMOST_CLEAN, dtype=torch.int64, device=guess.device)
        return inputs[:, :4] + evaluate(self.unet, inputs, timesteps, self.labels)


def novel_refiner_inputs(guess: Tensor, known: ConditionBatch, guess_weight: float = 0.0) -> Tensor:
    """The 14 channels [B, 14, S, S] of a `NovelViewRefiner`, for guesses [B, 4, S, S]."""
    return torch.cat([known_or_guessed(guess, known, guess_weight), guess, known.quiet_channels()], dim=1)


def known_or_guessed(guess: Tensor, known: ConditionBatch, guess_weight: float = 0.0) -> Tensor:
    """What is known, and guesses [B, 4, S, S] in [-1, 1] elsewhere, nowhere in front of the depth floor.

    What only views of less than full trust show has been guessed before: its colour is averaged with the guess's, whose
    weight, from 0 to 1, is `guess_weight` times the share of the pixel that no view of full trust shows.
    """
    guess = guess.clamp(-1, 1)
    combined = blend_with_known(guess, known, ALL_KNOWN, last_step=True)
    if not guess_weight or known.trusted is None:
        return combined
    weight = guess_weight * known.mask_rgb * (1 - known.trusted)
    return torch.cat([torch.lerp(combined[:, :3], guess[:, :3], weight), combined[:, 3:]], dim=1)


def combined_estimate(x_t: Tensor, guess: Tensor, alpha_cumprod: Tensor) -> Tensor:
    """The clean sample from the guess [B, ...] and from x_t [B, ...] at ᾱ [B], weighted by their inverse variances."""
    alpha, sigma = signal_and_noise(alpha_cumprod, x_t.ndim)
    trust = GUESS_VARIANCE / (GUESS_VARIANCE + (sigma / alpha).square())
    return torch.lerp(guess, x_t / alpha, trust)
