"""A network whose guesses another one learns to refine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ivid.data.renders import Instances
from ivid.diffusion.denoiser import Denoiser, labels_for
from ivid.diffusion.unet import UNet2DModel
from ivid.training.config import TrainingConfig
from ivid.training.labels import known_labels, label_map

_PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Guessing:
    """A finished network, told the labels of the data.

    Attributes:
        denoiser: on the schedule of the run.
        labels: [labels + 1] int64, its own label for every label of the data, the null class last.
    """

    denoiser: Denoiser
    labels: Tensor

    @classmethod
    def read(cls, folder: str, config: TrainingConfig, alphas_cumprod: Tensor, instances: Instances | None) -> Guessing:
        """The network of a folder, on the device of `alphas_cumprod` and in the precision of the run."""
        device = alphas_cumprod.device
        precision = _PRECISIONS.get(config.mixed_precision, torch.float32)
        unet = UNet2DModel.from_pretrained(folder, dtype=precision).eval().to(device)  # type: ignore[arg-type]
        if device.type == "cpu":
            unet = unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        null_class = (unet.config["num_class_embeds"] or 1) - 1
        labels = label_map(instances, known_labels(Path(folder)), null_class).to(device)
        return cls(Denoiser(unet, alphas_cumprod, config.scheduler["prediction_type"]), labels)

    def __call__(self, x_t: Tensor, timesteps: Tensor, labels: Tensor, condition: Tensor | None = None) -> Tensor:
        """Its clean samples [B, 4, S, S] for `labels` [B] of the data, without gradients (see `Denoiser`)."""
        told = labels_for(self.denoiser.unet, self.labels[labels])
        with torch.no_grad():
            return self.denoiser(x_t, timesteps, told, condition=condition)
