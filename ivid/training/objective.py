"""The loss of a task: noise at random timesteps, and how far an output is from its target (method §7, §10)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import Tensor
from torch.nn import functional

from ivid.diffusion.denoiser import labels_for
from ivid.training.tasks import NoisyBatch, Task

SMOOTH_BELOW = 0.05
"""Errors under this are squared in the loss `smooth_l1`; pictures lie in [-1, 1]."""


@dataclass(frozen=True)
class Objective:
    """The loss that is minimised.

    Attributes:
        task: what the network is to do.
        unet: as the accelerator prepared it.
    """

    task: Task
    unet: torch.nn.Module
    accelerator: Accelerator

    def draw_timesteps(self, count: int, generator: torch.Generator) -> Tensor:
        """[count] int64, those of a batch; uniform unless the config says otherwise."""
        first, end = self.task.timesteps
        density = self.task.config.timestep_density
        if density == 1:
            return torch.randint(first, end, (count,), generator=generator)
        share = torch.rand(count, generator=generator).pow(1 / density)
        return (first + share * (end - first)).long().clamp_max(end - 1)

    def loss(self, samples: dict[str, Tensor], generator: torch.Generator) -> Tensor:
        """Of a batch of `ivid.data.training_set.TrainingSamples`; all random numbers come from the generator."""
        config, clean = self.task.config, samples["clean"]
        timesteps = self.draw_timesteps(len(clean), generator).to(clean.device)
        batch = NoisyBatch.of(samples, timesteps, self.task.alphas_cumprod, generator)
        inputs, target = self.task.inputs(batch)
        folded = functional.pixel_unshuffle(inputs, config.patch_size)
        if clean.device.type == "cpu":
            folded = folded.contiguous(memory_format=torch.channels_last)
        labels = labels_for(self.accelerator.unwrap_model(self.unet), samples["label"])
        with self.accelerator.autocast():
            output = self.unet(folded, timesteps, class_labels=labels, return_dict=False)[0]
        error = functional.pixel_shuffle(output.float(), config.patch_size) - target
        if config.weighting == "v":
            error = error / batch.sigma.square().clamp_min(config.weighting_floor).sqrt()
        losses = error.square() if config.loss == "l2" else error.abs()
        if config.loss == "smooth_l1":
            losses = functional.smooth_l1_loss(error, torch.zeros_like(error), reduction="none", beta=SMOOTH_BELOW)
        weights = self.task.weights(batch)
        return losses.mean() if weights is None else (weights * losses).sum() / weights.sum()
