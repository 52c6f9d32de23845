"""What the novel-view network sees of the known, and the blending of its prediction with it (method §6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ivid.diffusion.blending import Blending
from ivid.scene.condition import Condition


@dataclass(frozen=True, eq=False)
class ConditionBatch:
    """A batch of `Condition`s as tensors on one device.

    Attributes:
        rgb: float32 [B, 3, S, S] in [0, 1], 0 outside `mask_rgb`.
        depth: float32 [B, 1, S, S], z-buffer values d in [0, 1], 0 outside `mask`.
        mask: bool [B, 1, S, S], where depth is known.
        mask_rgb: bool [B, 1, S, S], where colour is known.
        depth_floor: float32 [B, 1, S, S], d in front of which nothing may appear.
        trusted: float32 [B, 1, S, S], how much of each pixel views of full trust show, from 0 to 1; None where all are
            trusted alike.
    """

    rgb: Tensor
    depth: Tensor
    mask: Tensor
    mask_rgb: Tensor
    depth_floor: Tensor
    trusted: Tensor | None = None

    @classmethod
    def stack(cls, conditions: Sequence[Condition], device: torch.device | str = "cpu") -> ConditionBatch:
        """The batch of conditions that are all of one size."""

        def stacked(name: str) -> Tensor:
            values = torch.from_numpy(np.stack([getattr(each, name) for each in conditions]))
            return (values[:, None] if values.ndim == 3 else values.permute(0, 3, 1, 2).contiguous()).to(device)

        names = ["rgb", "depth", "mask", "mask_rgb", "depth_floor"]
        if all(each.trusted is not None for each in conditions):
            names.append("trusted")
        return cls(**{name: stacked(name) for name in names})

    @classmethod
    def unknown(cls, shape: Sequence[int], device: torch.device | str) -> ConditionBatch:
        """The batch for samples [B, 4, S, S] of which nothing is known: first views."""
        batch, _, *square = shape
        empty = torch.zeros((batch, 1, *square), device=device)
        nowhere = empty.bool()
        return cls(empty.expand(-1, 3, -1, -1), empty, nowhere, nowhere, depth_floor=empty)

    @classmethod
    def of_training(cls, batch: Mapping[str, Tensor]) -> ConditionBatch:
        """The batch in collated samples of `ivid.data.training_set`: their `known`, `masks` and `depth_floor`."""
        known, masks = batch["known"], batch["masks"]
        depth = known[:, 3:]
        return cls(known[:, :3], depth, mask=masks[:, 1:], mask_rgb=masks[:, :1], depth_floor=batch["depth_floor"])

    def trusted_alone(self) -> ConditionBatch:
        """What is known of the pixels of which views of full trust show more than half; all where none is untrusted."""
        if self.trusted is None:
            return self
        shown = self.trusted > 0.5
        mask, mask_rgb = self.mask & shown, self.mask_rgb & shown
        return replace(self, rgb=self.rgb * mask_rgb, depth=self.depth * mask, mask=mask, mask_rgb=mask_rgb)

    def channels(self, noise: Tensor) -> Tensor:
        """[B, 6, S, S], the network's channels beside x_t: mask_rgb, rgb, depth, mask, in [-1, 1] (method §6).

        Args:
            noise: [B, 4, S, S], what stands for colour and depth where they are unknown.
        """
        return torch.cat(
            [
                self.mask_rgb.float(),
                torch.where(self.mask_rgb, self.rgb * 2 - 1, noise[:, :3]),
                torch.where(self.mask, self.depth * 2 - 1, noise[:, 3:]),
                self.mask.float(),
            ],
            dim=1,
        )

    def noisy_channels(self, generators: Sequence[torch.Generator]) -> Tensor:
        """`channels` with noise drawn from one generator per sample: colour first, then depth (method §6)."""
        device = self.rgb.device
        noise = [randn(known.shape[1:], generators, device) for known in (self.rgb, self.depth)]
        return self.channels(torch.cat(noise, dim=1))

    def quiet_channels(self) -> Tensor:
        """`channels` with 0, which is grey, where nothing is known: what a refiner is given."""
        return self.channels(torch.zeros_like(self.depth).expand(-1, 4, -1, -1))


def randn(shape: Sequence[int], generators: Sequence[torch.Generator], device: torch.device | str) -> Tensor:
    """Standard normal [B, *shape], each sample from its own generator, so that none depends on its batch."""
    noise = torch.stack([torch.randn(tuple(shape), generator=generator) for generator in generators])
    if torch.device(device).type == "cuda":  # from pinned memory, so that nobody waits for the GPU
        return noise.pin_memory().to(device, non_blocking=True)
    return noise.to(device)


def blend_with_known(clean: Tensor, known: ConditionBatch, blending: Blending, last_step: bool) -> Tensor:
    """The predicted clean sample [B, 4, S, S], blended with what is known (method §6)."""
    rgb, depth = clean[:, :3], clean[:, 3:]
    weight = blending.last_rgb if last_step else blending.rgb
    rgb = torch.where(known.mask_rgb, torch.lerp(rgb, known.rgb * 2 - 1, weight), rgb)
    inside = torch.lerp(depth, known.depth * 2 - 1, blending.depth)
    outside = torch.lerp(depth, torch.maximum(depth, known.depth_floor * 2 - 1), blending.floor)
    return torch.cat([rgb, torch.where(known.mask, inside, outside)], dim=1)
