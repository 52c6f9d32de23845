"""The novel-view network: a further view, given what is known of it by warping."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import UNet2DModel
from torch import Tensor

from ivid.data.images import RgbdImages
from ivid.diffusion.conditioning import ConditionBatch, randn
from ivid.training import sample_sheet
from ivid.training.tasks.base import NoisyBatch, Task


class NovelView(Task):
    """It sees x_t and the six channels of the condition, noise where nothing is known (method §6)."""

    input_channels = 10
    sees_further_views = True

    def inputs(self, batch: NoisyBatch) -> tuple[Tensor, Tensor]:
        condition = ConditionBatch.of_training(batch.samples).channels(batch.random_normal())
        return torch.cat([batch.x_t, condition], dim=1), self.plain_target(batch)

    def write_picture(self, path: Path, unet: UNet2DModel, images: RgbdImages) -> None:
        """Per row two images, each as condition, prediction and truth, colour and depth."""
        batch = sample_sheet.fixed_samples(images, self.config.pairs, unet.device)
        known, generators = batch["known"], sample_sheet.generators(sample_sheet.ROWS)

        def condition() -> Tensor:
            return ConditionBatch.of_training(batch).channels(randn(known.shape[1:], generators, known.device))

        steps = self.config.sample_steps
        drawn = sample_sheet.conditioned(self.denoiser(unet), self.schedule, steps, batch, condition, generators)
        sample_sheet.write_triples(path, known * 2 - 1, drawn, batch["clean"])
