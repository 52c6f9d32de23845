"""The refiner of details: it corrects what the first-view and the novel-view network guess."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ivid.data.images import RgbdImages
from ivid.data.renders import Instances
from ivid.diffusion import refining
from ivid.diffusion.conditioning import ConditionBatch, randn
from ivid.diffusion.denoiser import labels_for, signal_and_noise
from ivid.diffusion.unet import UNet2DModel
from ivid.training import sample_sheet
from ivid.training.config import TrainingConfig
from ivid.training.tasks.base import NoisyBatch, Task
from ivid.training.tasks.guessing import Guessing


class Refiner(Task):
    """It sees x_t, the guess of the network it refines, and the condition; its output corrects their blend.

    First views are guessed by the first of `TrainingConfig.refines`, further ones by the second. It is told
    instances, but no classes: where it begins, those are settled.
    """

    input_channels = 14
    sees_further_views = True

    def __init__(self, config: TrainingConfig, alphas_cumprod: Tensor, instances: Instances | None = None) -> None:
        super().__init__(config, alphas_cumprod, instances)
        assert config.refines is not None
        first, novel = config.refines  # the config sees to it that there are two
        self.first_view, self.novel_view = (
            Guessing.read(folder, config, alphas_cumprod, instances) for folder in (first, novel)
        )

    @classmethod
    def label_count(cls, class_count: int, instances: Instances | None) -> int:
        return class_count if instances is not None else 0

    @classmethod
    def pair_share(cls, config: TrainingConfig) -> float:
        return config.pair_share

    def inputs(self, batch: NoisyBatch) -> tuple[Tensor, Tensor]:
        guess = self._guess(batch, batch.random_normal())
        condition = ConditionBatch.of_training(batch.samples).quiet_channels()
        target = batch.clean - refining.combined_estimate(batch.x_t, guess, batch.alpha_cumprod)
        return torch.cat([batch.x_t, guess, condition], dim=1), target

    def _guess(self, batch: NoisyBatch, outside: Tensor) -> Tensor:
        """What the refined networks make of x_t, [B, 4, S, S]; `outside` [B, 4, S, S] stands where nothing is known."""
        guess, further = torch.empty_like(batch.x_t), batch.samples["masks"].flatten(1).any(dim=1)
        for network, chosen in ((self.first_view, ~further), (self.novel_view, further)):
            if chosen.any():
                part = {name: value[chosen] for name, value in batch.samples.items()}
                known = ConditionBatch.of_training(part).channels(outside[chosen])
                condition = known if network is self.novel_view else None
                guess[chosen] = network(batch.x_t[chosen], batch.timesteps[chosen], part["label"], condition)
        return guess

    def write_picture(self, path: Path, unet: UNet2DModel, images: RgbdImages) -> None:
        """Per row two first views, each as it is guessed where the refiner begins, that refined, and truth."""
        batch = sample_sheet.fixed_samples(images, None, unet.device)
        clean, below = batch["clean"], self.timesteps[1]
        timesteps = torch.full((len(clean),), below - 1, device=clean.device)
        alpha, sigma = signal_and_noise(self.alphas_cumprod[timesteps], clean.ndim)
        x_t = alpha * clean + sigma * randn(clean.shape[1:], sample_sheet.generators(len(clean)), clean.device)
        with torch.inference_mode():
            guess = self.first_view(x_t, timesteps, batch["label"])
            told = ConditionBatch.unknown(clean.shape, clean.device).quiet_channels()
            refiner = refining.Refiner(unet, self.alphas_cumprod, below, told, labels_for(unet, batch["label"]))
            refined = refiner(x_t, timesteps, guess)
        sample_sheet.write_triples(path, guess, refined, clean)
