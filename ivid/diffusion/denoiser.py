"""A network together with what is needed to read a clean sample off its output.

Convention: samples are x [B, 4, S, S], colour and depth channel in [-1, 1]; x_t = sqrt(ᾱ_t) x + sqrt(1 - ᾱ_t) ε. A
network may work on patches: every k x k block of pixels becomes k² channels of one pixel (pixel-unshuffle).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ivid.diffusion.onnx_unet import OnnxUNet

if TYPE_CHECKING:
    from diffusers import UNet2DModel

    from ivid.diffusion.graphed_unet import GraphedUNet

    UNet = UNet2DModel | OnnxUNet | GraphedUNet

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")


@dataclass(frozen=True)
class Denoiser:
    """x_t -> clean sample.

    Attributes:
        unet: in and out channels are those of the samples times the square of the patch size. Its last class embedding
            is the null class.
        alphas_cumprod: [T] float32, ᾱ_t of the schedule the network was trained with.
        prediction_type: what the network's output means, one of `PREDICTION_TYPES`.
    """

    unet: UNet
    alphas_cumprod: Tensor
    prediction_type: str

    def __call__(
        self,
        x_t: Tensor,
        timesteps: Tensor,
        class_labels: Tensor | None = None,
        guidance: float = 0.0,
        condition: Tensor | None = None,
    ) -> Tensor:
        """The predicted clean sample [B, 4, S, S] float32.

        Args:
            x_t: [B, 4, S, S] float32, noisy samples.
            timesteps: [B] int64 in [0, T).
            class_labels: [B] int64; None for networks without classes.
            guidance: s of (1 + s)·f(class) - s·f(null) (method §7); unless 0, every sample costs two evaluations.
            condition: [B, C, S, S] further input channels, the same for both halves of guidance.
        """
        inputs = x_t if condition is None else torch.cat([x_t, condition], dim=1)
        if guidance and class_labels is not None:
            null = torch.full_like(class_labels, self.null_class)
            doubled = self._forward(
                torch.cat([inputs, inputs]), torch.cat([timesteps, timesteps]), torch.cat([class_labels, null])
            )
            given, free = doubled.chunk(2)
            output = torch.lerp(free, given, 1.0 + guidance)
        else:
            output = self._forward(inputs, timesteps, class_labels)
        return clean_sample(output, x_t, self.alphas_cumprod[timesteps], self.prediction_type)

    @property
    def null_class(self) -> int:
        """Index of the class embedding that means no class."""
        return self.unet.config["num_class_embeds"] - 1

    def _forward(self, inputs: Tensor, timesteps: Tensor, class_labels: Tensor | None) -> Tensor:
        return evaluate(self.unet, inputs, timesteps, class_labels)


@dataclass(frozen=True)
class MirroredDenoiser:
    """The mean of two predictions of a further view: the denoiser's, and that for the mirror image, mirrored back.

    Of what a network predicts, this averages out what depends on the side (test-time augmentation). The mirror image is
    predicted from what views of full trust show alone, so that it does not repeat what was guessed before.

    Attributes:
        denoiser: the network.
        trusted: [B, 6, S, S], what views of full trust show, as the network takes it
            (`ConditionBatch.trusted_alone`).
    """

    denoiser: Denoiser
    trusted: Tensor

    @property
    def unet(self) -> UNet:
        """The network."""
        return self.denoiser.unet

    def __call__(
        self,
        x_t: Tensor,
        timesteps: Tensor,
        class_labels: Tensor | None = None,
        guidance: float = 0.0,
        condition: Tensor | None = None,
    ) -> Tensor:
        """The clean sample [B, 4, S, S], of one evaluation of both; the arguments are those of `Denoiser`."""
        assert condition is not None
        labels = None if class_labels is None else torch.cat([class_labels, class_labels])
        both = self.denoiser(
            torch.cat([x_t, x_t.flip(-1)]),
            torch.cat([timesteps, timesteps]),
            labels,
            guidance,
            torch.cat([condition, self.trusted.flip(-1)]),
        )
        plain, mirrored = both.chunk(2)
        return (plain + mirrored.flip(-1)) / 2


def evaluate(unet: UNet, inputs: Tensor, timesteps: Tensor, class_labels: Tensor | None) -> Tensor:
    """The output [B, 4, S, S] float32 of a network for inputs [B, C, S, S], cut into patches as it takes them."""
    patch_size = patch_size_of(unet)
    if isinstance(unet, OnnxUNet):
        output = unet(into_patches(inputs, patch_size), timesteps, class_labels=class_labels, return_dict=False)[0]
        return from_patches(output, patch_size)
    patches = functional.pixel_unshuffle(inputs, patch_size).to(unet.dtype)
    patches = patches.contiguous(memory_format=torch.channels_last)  # what oneDNN and cuDNN are written for
    output = unet(patches, timesteps, class_labels=class_labels, return_dict=False)[0]
    return functional.pixel_shuffle(output.float(), patch_size)


def into_patches(x: Tensor, size: int) -> Tensor:
    """`pixel_unshuffle` of x [B, C, H, W] on the CPU by numpy, on one thread.

    torch splits it over threads, which takes longer, and much longer where another process wants a core.
    """
    batch, channels, height, width = x.shape
    blocks = x.numpy().reshape(batch, channels, height // size, size, width // size, size)
    patches = np.ascontiguousarray(blocks.transpose(0, 1, 3, 5, 2, 4))
    return torch.from_numpy(patches.reshape(batch, channels * size**2, height // size, width // size))


def from_patches(x: Tensor, size: int) -> Tensor:
    """`pixel_shuffle` of x [B, C, h, w], likewise."""
    batch, channels, height, width = x.shape
    blocks = x.numpy().reshape(batch, channels // size**2, size, size, height, width)
    pixels = np.ascontiguousarray(blocks.transpose(0, 1, 4, 2, 5, 3))
    return torch.from_numpy(pixels.reshape(batch, channels // size**2, height * size, width * size))


def patch_size_of(unet: UNet) -> int:
    """Side in pixels of the patches that a network takes as channels; 1 if it takes pixels as they are."""
    return math.isqrt(unet.config["out_channels"] // 4)


def labels_for(unet: UNet, labels: Tensor) -> Tensor | None:
    """Class labels [B] as a network takes them: None if it knows no classes."""
    return labels if unet.config["num_class_embeds"] else None


def clean_sample(output: Tensor, x_t: Tensor, alpha_cumprod: Tensor, prediction_type: str) -> Tensor:
    """The clean sample [B, ...] that a network output [B, ...] stands for, at ᾱ [B].

    Raises:
        ValueError: unknown prediction type.
    """
    alpha, sigma = signal_and_noise(alpha_cumprod, x_t.ndim)
    if prediction_type == "epsilon":
        return (x_t - sigma * output) / alpha
    if prediction_type == "v_prediction":
        return alpha * x_t - sigma * output
    if prediction_type == "sample":
        return output
    raise ValueError(f"unknown prediction type {prediction_type!r}; choose one of {', '.join(PREDICTION_TYPES)}")


def training_target(clean: Tensor, noise: Tensor, alpha_cumprod: Tensor, prediction_type: str) -> Tensor:
    """What the network should put out for x_t made of `clean` and `noise` [B, ...], at ᾱ [B].

    Raises:
        ValueError: unknown prediction type.
    """
    alpha, sigma = signal_and_noise(alpha_cumprod, clean.ndim)
    if prediction_type == "epsilon":
        return noise
    if prediction_type == "v_prediction":
        return alpha * noise - sigma * clean
    if prediction_type == "sample":
        return clean
    raise ValueError(f"unknown prediction type {prediction_type!r}; choose one of {', '.join(PREDICTION_TYPES)}")


def signal_and_noise(alpha_cumprod: Tensor, ndim: int) -> tuple[Tensor, Tensor]:
    """sqrt(ᾱ) and sqrt(1 - ᾱ) of ᾱ [B], shaped [B, 1, ...] with `ndim` dimensions."""
    alpha_cumprod = alpha_cumprod.reshape(-1, *[1] * (ndim - 1))
    return alpha_cumprod.sqrt(), (1 - alpha_cumprod).sqrt()
