"""The upsampler: a picture at twice the size, given the smaller one."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ivid.data.images import RgbdImages
from ivid.diffusion.enlarging import training_condition
from ivid.diffusion.unet import UNet2DModel
from ivid.training import sample_sheet
from ivid.training.tasks.base import NoisyBatch, Task


class Upsampler(Task):
    """It sees x_t and the low-resolution picture, enlarged (method §9)."""

    input_channels = 8

    def inputs(self, batch: NoisyBatch) -> tuple[Tensor, Tensor]:
        blur_sigma = torch.rand(len(batch.clean), generator=batch.generator).to(batch.clean.device)
        condition = training_condition(batch.clean, blur_sigma)
        return torch.cat([batch.x_t, condition], dim=1), self.plain_target(batch)

    def write_picture(self, path: Path, unet: UNet2DModel, images: RgbdImages) -> None:
        """Per row two images, each as enlarged low resolution, prediction and truth, colour and depth."""
        batch = sample_sheet.fixed_samples(images, None, unet.device)
        condition = training_condition(batch["clean"], torch.full((sample_sheet.ROWS,), 0.5, device=unet.device))
        drawn = sample_sheet.conditioned(
            self.denoiser(unet),
            self.schedule,
            self.config.sample_steps,
            batch,
            lambda: condition,
            sample_sheet.generators(sample_sheet.ROWS),
        )
        sample_sheet.write_triples(path, condition, drawn, batch["clean"])
