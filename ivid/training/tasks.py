"""What a network is asked in training, and how well it answers (method §7, §10)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator
from diffusers import UNet2DModel
from torch import Tensor
from torch.nn import functional

from ivid.data.renders import Kinds
from ivid.data.training_set import RgbdImages
from ivid.diffusion.conditioning import batch_condition
from ivid.diffusion.denoiser import Denoiser, labels_for, signal_and_noise, training_target
from ivid.diffusion.enlarging import training_condition
from ivid.diffusion.refining import blend
from ivid.diffusion.schedules import alphas_cumprod as schedule_alphas
from ivid.diffusion.schedules import recorded_schedule
from ivid.training.config import TrainingConfig
from ivid.training.labels import known_labels, label_map
from ivid.training.sample_sheet import (
    write_first_view_sheet,
    write_novel_view_sheet,
    write_refiner_sheet,
    write_upsampler_sheet,
)


@dataclass(frozen=True)
class Objective:
    """The task of one network.

    Attributes:
        unet: as the accelerator prepared it.
        alphas_cumprod: of the schedule, on the accelerator's device.
        refined: the first-view and the novel-view network whose guesses a refiner corrects.
        label_maps: of each of them, its own label [labels + 1] int64 for every label of the data, the null class last.
    """

    config: TrainingConfig
    unet: torch.nn.Module
    accelerator: Accelerator
    alphas_cumprod: Tensor
    refined: tuple[Denoiser, ...] = ()
    label_maps: tuple[Tensor, ...] = ()

    @classmethod
    def of(
        cls, config: TrainingConfig, unet: torch.nn.Module, accelerator: Accelerator, kinds: Kinds | None = None
    ) -> Objective:
        """The task that a config sets a network, which the accelerator has prepared."""
        alphas_cumprod = schedule_alphas(config.scheduler).to(accelerator.device)
        precision = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.mixed_precision, torch.float32)
        refined, maps = [], []
        for folder in config.refines or ():
            guessing = UNet2DModel.from_pretrained(folder, dtype=precision).eval().to(accelerator.device)
            if accelerator.device.type == "cpu":
                guessing = guessing.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            refined.append(Denoiser(guessing, alphas_cumprod, config.scheduler["prediction_type"]))
            null_class = (guessing.config["num_class_embeds"] or 1) - 1
            maps.append(label_map(kinds, known_labels(Path(folder)), null_class).to(accelerator.device))
        return cls(config, unet, accelerator, alphas_cumprod, tuple(refined), tuple(maps))

    @property
    def timesteps(self) -> tuple[int, int]:
        """The first timestep that is trained on, and the one after the last."""
        return self.config.timesteps or (0, len(self.alphas_cumprod))

    def draw_timesteps(self, count: int, generator: torch.Generator) -> Tensor:
        """[count] int64, those of a batch; uniform unless the config has a bias."""
        first, end = self.timesteps
        if self.config.noise_bias == 1:
            return torch.randint(first, end, (count,), generator=generator)
        share = torch.rand(count, generator=generator).pow(1 / self.config.noise_bias)
        return (first + share * (end - first)).long().clamp_max(end - 1)

    def loss(self, batch: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        """Of a batch of `ivid.data.training_set.TrainingSamples`; noise and timesteps come from the generator."""
        config, clean = self.config, batch["clean"]
        count, device = clean.shape[0], clean.device
        timesteps = self.draw_timesteps(count, generator).to(device)
        noise = torch.randn(clean.shape, generator=generator).to(device)
        alpha_cumprod = self.alphas_cumprod[timesteps]
        alpha, sigma = signal_and_noise(alpha_cumprod, clean.ndim)
        inputs = x_t = alpha * clean + sigma * noise
        target = training_target(clean, noise, alpha_cumprod, config.scheduler["prediction_type"])
        if config.network == "novel_view":
            outside = torch.randn(clean.shape, generator=generator).to(device)
            inputs = torch.cat([x_t, batch_condition(batch, outside)], dim=1)
        elif config.network == "upsampler":
            blur_sigma = torch.rand(count, generator=generator).to(device)
            inputs = torch.cat([x_t, training_condition(clean, blur_sigma)], dim=1)
        elif self.refined:
            outside = torch.randn(clean.shape, generator=generator).to(device)
            guess = self._guess(x_t, timesteps, batch, outside)
            condition = batch_condition(batch, torch.zeros_like(clean))
            inputs = torch.cat([x_t, guess, condition], dim=1)
            target = clean - blend(x_t, guess, alpha_cumprod)
        folded = functional.pixel_unshuffle(inputs, config.fold)
        if device.type == "cpu":
            folded = folded.contiguous(memory_format=torch.channels_last)
        labels = labels_for(self.accelerator.unwrap_model(self.unet), batch["label"])
        with self.accelerator.autocast():
            output = self.unet(folded, timesteps, class_labels=labels, return_dict=False)[0]
        error = functional.pixel_shuffle(output.float(), config.fold) - target
        if config.weighting == "v":
            error = error / sigma.square().clamp_min(config.weighting_floor).sqrt()
        return error.square().mean() if config.loss == "l2" else error.abs().mean()

    def _guess(self, x_t: Tensor, timesteps: Tensor, batch: dict[str, Tensor], outside: Tensor) -> Tensor:
        """What the refined networks make of x_t: the second one of further views, the first one of the others."""
        guess, further = torch.empty_like(x_t), batch["masks"].flatten(1).any(dim=1)
        for denoiser, own_labels, chosen in zip(self.refined, self.label_maps, (~further, further), strict=True):
            if chosen.any():
                part = {name: value[chosen] for name, value in batch.items()}
                condition = batch_condition(part, outside[chosen]) if denoiser is self.refined[1] else None
                labels = labels_for(denoiser.unet, own_labels[part["label"]])
                with torch.no_grad():
                    guess[chosen] = denoiser(x_t[chosen], timesteps[chosen], labels, condition=condition)
        return guess

    def draw(self, images: RgbdImages, path: Path) -> None:
        """Write a picture of what the network does now."""
        config, unet = self.config, self.accelerator.unwrap_model(self.unet)
        denoiser = Denoiser(unet, self.alphas_cumprod, config.scheduler["prediction_type"])
        schedule = recorded_schedule(config.scheduler)
        if self.refined:
            write_refiner_sheet(path, unet, self.refined[0], images, self.timesteps[1])
        elif config.network == "upsampler":
            write_upsampler_sheet(path, denoiser, images, schedule, config.sample_steps)
        elif config.network == "novel_view":
            write_novel_view_sheet(path, denoiser, images, config.pairs, schedule, config.sample_steps)
        else:
            size = unet.config["sample_size"] * config.fold
            write_first_view_sheet(path, denoiser, size, len(images.classes), schedule, config.sample_steps)
