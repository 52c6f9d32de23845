"""The novel-view network: a further view, given what is known of it by warping."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ivid.data.images import RgbdImages
from ivid.diffusion.conditioning import ConditionBatch, randn
from ivid.diffusion.denoiser import labels_for
from ivid.diffusion.unet import UNet2DModel
from ivid.training import sample_sheet
from ivid.training.tasks.base import NoisyBatch, Task


class NovelView(Task):
    """It sees x_t and the six channels of the condition, noise where nothing is known (method §6).

    Without `novel_view_noise` it sees zeros in place of both noises, at the last timestep.
    """

    input_channels = 10
    sees_further_views = True

    def inputs(self, batch: NoisyBatch) -> tuple[Tensor, Tensor]:
        known = ConditionBatch.of_training(batch.samples)
        if self.config.novel_view_noise:
            return torch.cat([batch.x_t, known.channels(batch.random_normal())], dim=1), self.plain_target(batch)
        return torch.cat([torch.zeros_like(batch.x_t), known.quiet_channels()], dim=1), batch.clean

    @property
    def timesteps(self) -> tuple[int, int]:
        last = len(self.alphas_cumprod) - 1
        return super().timesteps if self.config.novel_view_noise else (last, last + 1)

    def weights(self, batch: NoisyBatch) -> Tensor | None:
        """Colour and depth that are known, which something else may keep, count for `known_weight`."""
        if self.config.known_weight == 1:
            return None
        known = ConditionBatch.of_training(batch.samples)
        masks = torch.cat([known.mask_rgb.expand(-1, 3, -1, -1), known.mask], dim=1)
        return torch.where(masks, self.config.known_weight, 1.0)

    def write_picture(self, path: Path, unet: UNet2DModel, images: RgbdImages) -> None:
        """Per row two images, each as condition, prediction and truth, colour and depth."""
        batch = sample_sheet.fixed_samples(images, self.config.pairs, unet.device)
        if not self.config.novel_view_noise:
            told = ConditionBatch.of_training(batch).quiet_channels()
            timesteps = torch.full((len(told),), self.timesteps[0], dtype=torch.int64, device=told.device)
            with torch.inference_mode():
                x_t, labels = torch.zeros_like(batch["clean"]), labels_for(unet, batch["label"])
                drawn = self.denoiser(unet)(x_t, timesteps, labels, condition=told)
            return sample_sheet.write_triples(path, batch["known"] * 2 - 1, drawn, batch["clean"])
        known, generators = batch["known"], sample_sheet.generators(sample_sheet.ROWS)

        def condition() -> Tensor:
            return ConditionBatch.of_training(batch).channels(randn(known.shape[1:], generators, known.device))

        steps = self.config.sample_steps
        drawn = sample_sheet.conditioned(self.denoiser(unet), self.schedule, steps, batch, condition, generators)
        sample_sheet.write_triples(path, known * 2 - 1, drawn, batch["clean"])
