"""What the novel-view network sees of the known, and the pull of its prediction towards it (method §6).

Convention: `known` [B, 4, S, S] is colour and encoded depth in [0, 1], 0 outside its mask; masks are bool [B, 1, S, S].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Pull:
    """How strongly the predicted clean sample is drawn towards what is known after each evaluation (method §6).

    Attributes:
        rgb: weight of the known colour inside its mask, before the last step.
        last_rgb: the same on the last step; none in the published method.
        depth: weight of the known depth inside its mask.
        floor: weight of keeping unknown pixels from appearing in front of the skirts.
    """

    rgb: float = 0.1
    depth: float = 0.2
    floor: float = 0.5
    last_rgb: float = 0.0


@dataclass(frozen=True)
class Known:
    """A batch of conditions as tensors.

    Attributes:
        rgb: [B, 3, S, S] in [0, 1].
        depth: [B, 1, S, S], encoded.
        mask_rgb, mask: bool [B, 1, S, S].
        depth_floor: [B, 1, S, S], encoded.
    """

    rgb: Tensor
    depth: Tensor
    mask_rgb: Tensor
    mask: Tensor
    depth_floor: Tensor


def nothing_known(shape: Sequence[int], device: torch.device | str) -> Known:
    """What is known of first views [B, 4, S, S]."""
    batch, _, *square = shape
    empty = torch.zeros((batch, 1, *square), device=device)
    nowhere = empty.bool()
    return Known(empty.expand(-1, 3, -1, -1), empty, nowhere, nowhere, depth_floor=empty)


def network_condition(
    rgb: Tensor, depth: Tensor, mask_rgb: Tensor, mask: Tensor, rgb_noise: Tensor, depth_noise: Tensor
) -> Tensor:
    """[B, 6, S, S], the channels beside x_t: mask_rgb, rgb, depth, mask; noise where nothing is known (method §6)."""
    return torch.cat(
        [
            mask_rgb.float(),
            torch.where(mask_rgb, rgb * 2 - 1, rgb_noise),
            torch.where(mask, depth * 2 - 1, depth_noise),
            mask.float(),
        ],
        dim=1,
    )


def batch_condition(batch: Mapping[str, Tensor], noise: Tensor) -> Tensor:
    """The condition channels [B, 6, S, S] of a batch of training samples, `noise` [B, 4, S, S] outside the masks."""
    known, masks = batch["known"], batch["masks"]
    return network_condition(known[:, :3], known[:, 3:], masks[:, :1], masks[:, 1:], noise[:, :3], noise[:, 3:])


def quiet_condition(known: Known) -> Tensor:
    """`network_condition` with nothing, grey, where nothing is known."""
    nothing = torch.zeros_like(known.depth)
    return network_condition(known.rgb, known.depth, known.mask_rgb, known.mask, nothing, nothing)


def fresh_condition(known: Known, generators: Sequence[torch.Generator]) -> Tensor:
    """`network_condition` with noise drawn from one generator per sample: colour first, then depth (method §6)."""
    device = known.rgb.device
    rgb_noise = randn(known.rgb.shape[1:], generators, device)
    depth_noise = randn(known.depth.shape[1:], generators, device)
    return network_condition(known.rgb, known.depth, known.mask_rgb, known.mask, rgb_noise, depth_noise)


def randn(shape: Sequence[int], generators: Sequence[torch.Generator], device: torch.device | str) -> Tensor:
    """Standard normal [B, *shape], each sample from its own generator, so that none depends on its batch."""
    return torch.stack([torch.randn(tuple(shape), generator=generator) for generator in generators]).to(device)


def pull_towards_known(clean: Tensor, known: Known, pull: Pull, last_step: bool) -> Tensor:
    """The predicted clean sample [B, 4, S, S], drawn towards what is known (method §6)."""
    rgb, depth = clean[:, :3], clean[:, 3:]
    weight = pull.last_rgb if last_step else pull.rgb
    rgb = torch.where(known.mask_rgb, torch.lerp(rgb, known.rgb * 2 - 1, weight), rgb)
    inside = torch.lerp(depth, known.depth * 2 - 1, pull.depth)
    outside = torch.lerp(depth, torch.maximum(depth, known.depth_floor * 2 - 1), pull.floor)
    return torch.cat([rgb, torch.where(known.mask, inside, outside)], dim=1)
