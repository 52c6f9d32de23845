"""The refiner of further views: it corrects what is known of a view and what the novel-view network guesses."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ivid.data.images import RgbdImages
from ivid.data.renders import Instances
from ivid.diffusion import refining
from ivid.diffusion.conditioning import ConditionBatch, randn
from ivid.diffusion.denoiser import labels_for
from ivid.diffusion.unet import UNet2DModel
from ivid.training import sample_sheet
from ivid.training.config import TrainingConfig
from ivid.training.tasks.base import NoisyBatch, Task
from ivid.training.tasks.guessing import Guessing


class NovelRefiner(Task):
    """It sees what is known or else guessed, the guess, and the condition; its output corrects the first of these.

    The guess is that of the last step of the novel-view network `TrainingConfig.refines` when it takes one step: no
    noisy truth is shown to it, as none is in sampling.
    """

    input_channels = 14
    sees_further_views = True
    begins_at_zero = True

    def __init__(self, config: TrainingConfig, alphas_cumprod: Tensor, instances: Instances | None = None) -> None:
        super().__init__(config, alphas_cumprod, instances)
        assert config.refines is not None
        self.novel_view = Guessing.read(config.refines[0], config, alphas_cumprod, instances)

    @classmethod
    def label_count(cls, class_count: int, instances: Instances | None) -> int:
        return class_count if instances is not None else 0

    @property
    def timesteps(self) -> tuple[int, int]:
        return refining.ALMOST_CLEAN, refining.ALMOST_CLEAN + 1

    def inputs(self, batch: NoisyBatch) -> tuple[Tensor, Tensor]:
        known = ConditionBatch.of_training(batch.samples)
        noise = batch.random_normal() if self.config.novel_view_noise else torch.zeros_like(batch.clean)
        outside = batch.random_normal() if self.config.novel_view_noise else torch.zeros_like(batch.clean)
        guess = self.guess(noise, known, outside, batch.samples["label"])
        inputs = refining.novel_refiner_inputs(guess, known)
        return inputs, batch.clean - inputs[:, :4]

    def guess(self, x_t: Tensor, known: ConditionBatch, outside: Tensor, labels: Tensor) -> Tensor:
        """What the novel-view network makes of x_t [B, 4, S, S] at the last timestep of the schedule."""
        timesteps = torch.full((len(x_t),), len(self.alphas_cumprod) - 1, dtype=torch.int64, device=x_t.device)
        return self.novel_view(x_t, timesteps, labels, known.channels(outside))

    def write_picture(self, path: Path, unet: UNet2DModel, images: RgbdImages) -> None:
        """Per row two views, each as it is known or guessed, that refined, and truth."""
        batch = sample_sheet.fixed_samples(images, self.config.pairs, unet.device)
        clean, known = batch["clean"], ConditionBatch.of_training(batch)
        generators = sample_sheet.generators(len(clean))
        noise = torch.zeros_like(clean)
        if self.config.novel_view_noise:
            noise = randn(clean.shape[1:], generators, clean.device)
        with torch.inference_mode():
            guess = self.guess(noise, known, noise, batch["label"])
            refined = refining.NovelViewRefiner(unet, known, labels_for(unet, batch["label"]))(guess)
        sample_sheet.write_triples(path, refining.known_or_guessed(guess, known), refined, clean)
