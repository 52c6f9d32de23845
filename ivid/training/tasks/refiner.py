"""The refiner of details: it corrects what the first-view and the novel-view network guess."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import UNet2DModel
from torch import Tensor

from ivid.data.images import RgbdImages
from ivid.data.renders import Instances
from ivid.diffusion import refining
from ivid.diffusion.conditioning import ConditionBatch, randn
from ivid.diffusion.denoiser import Denoiser, labels_for, signal_and_noise
from ivid.training import sample_sheet
from ivid.training.config import TrainingConfig
from ivid.training.labels import known_labels, label_map
from ivid.training.tasks.base import NoisyBatch, Task

_PRECISIONS = {"bf16": torch.bfloat16, "fp16": torch.float16}


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
        first, novel = config.refines
        self.first_view, self.first_labels = self._guessing(first)
        self.novel_view, self.novel_labels = self._guessing(novel)

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

    def _guessing(self, folder: str) -> tuple[Denoiser, Tensor]:
        """A network to refine, and its own label [labels + 1] for every label of the data, the null class last."""
        device = self.alphas_cumprod.device
        precision = _PRECISIONS.get(self.config.mixed_precision, torch.float32)
        unet = UNet2DModel.from_pretrained(folder, dtype=precision).eval().to(device)  # type: ignore[arg-type]
        if device.type == "cpu":
            unet = unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        null_class = (unet.config["num_class_embeds"] or 1) - 1
        return self.denoiser(unet), label_map(self.instances, known_labels(Path(folder)), null_class).to(device)

    def _guess(self, batch: NoisyBatch, outside: Tensor) -> Tensor:
        """What the refined networks make of x_t, [B, 4, S, S]; `outside` [B, 4, S, S] stands where nothing is known."""
        guess, further = torch.empty_like(batch.x_t), batch.samples["masks"].flatten(1).any(dim=1)
        for denoiser, own_labels, chosen in (
            (self.first_view, self.first_labels, ~further),
            (self.novel_view, self.novel_labels, further),
        ):
            if chosen.any():
                part = {name: value[chosen] for name, value in batch.samples.items()}
                known = ConditionBatch.of_training(part).channels(outside[chosen])
                condition = known if denoiser is self.novel_view else None
                labels = labels_for(denoiser.unet, own_labels[part["label"]])
                with torch.no_grad():
                    guess[chosen] = denoiser(batch.x_t[chosen], batch.timesteps[chosen], labels, condition=condition)
        return guess

    def write_picture(self, path: Path, unet: UNet2DModel, images: RgbdImages) -> None:
        """Per row two first views, each as it is guessed where the refiner begins, that refined, and truth."""
        batch = sample_sheet.fixed_samples(images, None, unet.device)
        clean, below = batch["clean"], self.timesteps[1]
        timesteps = torch.full((len(clean),), below - 1, device=clean.device)
        alpha, sigma = signal_and_noise(self.alphas_cumprod[timesteps], clean.ndim)
        x_t = alpha * clean + sigma * randn(clean.shape[1:], sample_sheet.generators(len(clean)), clean.device)
        with torch.inference_mode():
            guess = self.first_view(x_t, timesteps, labels_for(self.first_view.unet, self.first_labels[batch["label"]]))
            told = ConditionBatch.unknown(clean.shape, clean.device).quiet_channels()
            refiner = refining.Refiner(unet, self.alphas_cumprod, below, told, labels_for(unet, batch["label"]))
            refined = refiner(x_t, timesteps, guess)
        sample_sheet.write_triples(path, guess, refined, clean)
