"""The first-view network: a picture from noise."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ivid.data.images import RgbdImages
from ivid.diffusion.denoiser import patch_size_of
from ivid.diffusion.sampling import make_scheduler, sample
from ivid.diffusion.unet import UNet2DModel
from ivid.training import sample_sheet
from ivid.training.tasks.base import NoisyBatch, Task


class FirstView(Task):
    """It sees x_t alone."""

    input_channels = 4

    def inputs(self, batch: NoisyBatch) -> tuple[Tensor, Tensor]:
        return batch.x_t, self.plain_target(batch)

    def write_picture(self, path: Path, unet: UNet2DModel, images: RgbdImages) -> None:
        """One row per label (12 of them, if there are more): colour and depth of four seeds each."""
        classes, size = len(images.classes), unet.config["sample_size"] * patch_size_of(unet)
        rows, columns = min(classes, sample_sheet.ROWS) or 4, 4
        labels = torch.linspace(0, classes - 1, rows).long().repeat_interleave(columns) if classes else None
        samples = sample_sheet.drawn(
            sample(
                self.denoiser(unet),
                make_scheduler("ddim", self.schedule, self.config.sample_steps),
                (4, size, size),
                sample_sheet.generators(rows * columns),
                None if labels is None else labels.to(unet.device),
            )
        )
        sample_sheet.write(path, samples, columns)
