"""What the tasks have in common, and what a batch looks like to them (method §7, §10)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from ivid.data.images import RgbdImages
from ivid.data.renders import Instances
from ivid.diffusion.denoiser import Denoiser, signal_and_noise, training_target
from ivid.diffusion.schedules import recorded_schedule
from ivid.diffusion.unet import UNet2DModel
from ivid.training.config import TrainingConfig


@dataclass(frozen=True)
class NoisyBatch:
    """A batch of training samples at random timesteps.

    Attributes:
        samples: of `ivid.data.training_set.TrainingSamples`; `clean` [B, 4, S, S] in [-1, 1], `label` [B], ...
        x_t: [B, 4, S, S], the clean samples with noise.
        noise: [B, 4, S, S] of unit variance.
        timesteps: [B] int64.
        alpha_cumprod: [B], ᾱ at the timesteps.
        generator: of further random numbers, on the CPU.
    """

    samples: Mapping[str, Tensor]
    x_t: Tensor
    noise: Tensor
    timesteps: Tensor
    alpha_cumprod: Tensor
    generator: torch.Generator

    @classmethod
    def of(
        cls, samples: Mapping[str, Tensor], timesteps: Tensor, alphas_cumprod: Tensor, generator: torch.Generator
    ) -> NoisyBatch:
        """The clean samples with noise from the generator, as the schedule ᾱ [T] has it at `timesteps` [B]."""
        clean = samples["clean"]
        noise = torch.randn(clean.shape, generator=generator).to(clean.device)
        alpha, sigma = signal_and_noise(alphas_cumprod[timesteps], clean.ndim)
        return cls(samples, alpha * clean + sigma * noise, noise, timesteps, alphas_cumprod[timesteps], generator)

    @property
    def clean(self) -> Tensor:
        """[B, 4, S, S] in [-1, 1], colour and depth."""
        return self.samples["clean"]

    @property
    def sigma(self) -> Tensor:
        """[B, 1, 1, 1], standard deviation of the noise in x_t."""
        return signal_and_noise(self.alpha_cumprod, self.clean.ndim)[1]

    def random_normal(self) -> Tensor:
        """Standard normal [B, 4, S, S], the next of the generator."""
        return torch.randn(self.clean.shape, generator=self.generator).to(self.clean.device)


class Task(ABC):
    """What one of the networks of a model learns.

    Args:
        config: of the run.
        alphas_cumprod: [T], ᾱ of the schedule, on the device of the network.
        instances: of the labels, when they are finer than classes.

    Class attributes:
        input_channels: of the network, without folding: x_t and what stands beside it (method §9).
        sees_further_views: whether its samples have a condition.
        begins_at_zero: whether what the network puts out is 0 at first, also when it starts from another one.
    """

    input_channels: ClassVar[int]
    sees_further_views: ClassVar[bool] = False
    begins_at_zero: ClassVar[bool] = False

    def __init__(self, config: TrainingConfig, alphas_cumprod: Tensor, instances: Instances | None = None) -> None:
        self.config, self.alphas_cumprod, self.instances = config, alphas_cumprod, instances

    @classmethod
    def label_count(cls, class_count: int, instances: Instances | None) -> int:
        """How many labels the network is told, of data with so many; 0 for a network that is told none."""
        return class_count

    @classmethod
    def pair_share(cls, config: TrainingConfig) -> float:
        """Share of the samples that have a condition."""
        return 1.0 if cls.sees_further_views else 0.0

    @abstractmethod
    def inputs(self, batch: NoisyBatch) -> tuple[Tensor, Tensor]:
        """What the network is given [B, input_channels, S, S], and what it should put out [B, 4, S, S]."""

    def weights(self, batch: NoisyBatch) -> Tensor | None:
        """What the error of each value counts for, [B, 4, S, S]; None where all count alike."""
        return None

    @abstractmethod
    def write_picture(self, path: Path, unet: UNet2DModel, images: RgbdImages) -> None:
        """Write a sheet of what the network does now."""

    @property
    def prediction_type(self) -> str:
        """What the network's output means, one of `ivid.diffusion.denoiser.PREDICTION_TYPES`."""
        return self.config.scheduler["prediction_type"]

    @property
    def schedule(self) -> dict:
        """The noise schedule in full, as a model records it."""
        return recorded_schedule(self.config.scheduler)

    @property
    def timesteps(self) -> tuple[int, int]:
        """The first timestep that is trained on, and the one after the last."""
        return self.config.timesteps or (0, len(self.alphas_cumprod))

    def plain_target(self, batch: NoisyBatch) -> Tensor:
        """What a network of the config's prediction type should put out, [B, 4, S, S]."""
        return training_target(batch.clean, batch.noise, batch.alpha_cumprod, self.prediction_type)

    def denoiser(self, unet: UNet2DModel) -> Denoiser:
        """The network as a denoiser on the run's schedule."""
        return Denoiser(unet, self.alphas_cumprod, self.prediction_type)
