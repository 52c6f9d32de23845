"""The network of a run: built as its config says, and the weights it begins with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ivid.data.renders import Instances
from ivid.diffusion.unet import UNet2DModel
from ivid.training.config import TrainingConfig
from ivid.training.labels import EMBEDDING, known_labels, label_embeddings
from ivid.training.tasks import TASKS


def build_unet(config: TrainingConfig, size: int, class_count: int, instances: Instances | None = None) -> UNet2DModel:
    """The network of a config for images of `size` pixels; 0 classes makes it unconditional (method §9).

    Args:
        class_count: labels of the data.
        instances: what those stand for, if they are finer than classes.

    Raises:
        ValueError: pictures of that size cannot be halved as often as the network does, or it cannot start from
            `init_from`.
    """
    task, patch = TASKS[config.network], config.patch_size**2
    times = config.patch_size * 2 ** (len(config.unet["block_out_channels"]) - 1)
    if size % times:
        raise ValueError(f"the network takes pictures whose side is a multiple of {times} pixels, these have {size}")
    arguments: dict[str, Any] = dict(config.unet)
    labels = task.label_count(class_count, instances)
    unet = UNet2DModel(
        sample_size=size // config.patch_size,
        in_channels=task.input_channels * patch,
        out_channels=4 * patch,
        num_class_embeds=labels + 1 if labels else None,
        **arguments,
    )
    if labels:
        with torch.no_grad():
            embedding_weight(unet)[-1] = 0
    if config.init_from:
        start = Path(config.init_from)
        start_from(unet, UNet2DModel.from_pretrained(start), instances if labels else None, known_labels(start))
    if task.begins_at_zero:
        for weight in unet.get_submodule("conv_out").parameters():
            torch.nn.init.zeros_(weight)
    return unet


def embedding_weight(unet: UNet2DModel) -> torch.nn.Parameter:
    """The class embeddings [classes + 1, D], the null class last."""
    return unet.get_parameter(EMBEDDING)


def keep_null_class_zero(unet: UNet2DModel) -> None:
    """Let the null class stay a zero embedding throughout training (method §9)."""

    def without_last_row(gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        gradient[-1] = 0
        return gradient

    if unet.config["num_class_embeds"]:
        embedding_weight(unet).register_hook(without_last_row)


def start_from(
    unet: UNet2DModel, source: UNet2DModel, instances: Instances | None = None, known: list[str] | None = None
) -> None:
    """Copy weights; input channels that `source` lacks start at zero (method §10).

    With patches, the channels of one image channel lie together, and x_t comes first, so the new ones are the last.
    A network that is told labels, which `source` is not, begins with embeddings of zero. One that is told instances
    begins with the embeddings that `source` has of them or, if that is told classes, of their classes.

    Args:
        instances: what the labels of `unet` stand for, if they are finer than classes.
        known: the assets that the labels of `source` stand for; None if they are classes.

    Raises:
        ValueError: the networks differ in more than their input channels and labels.
    """
    weights = source.state_dict()
    own = unet.state_dict()
    narrow, wide = weights["conv_in.weight"], torch.zeros_like(own["conv_in.weight"])
    if narrow.shape[1] <= wide.shape[1] and narrow.shape[0] == wide.shape[0]:
        wide[:, : narrow.shape[1]] = narrow
        weights["conv_in.weight"] = wide
    if EMBEDDING in own and EMBEDDING not in weights:
        weights[EMBEDDING] = torch.zeros_like(own[EMBEDDING])
    elif instances is not None and (known is not None or len(weights[EMBEDDING]) == len(instances.class_names) + 1):
        weights[EMBEDDING] = label_embeddings(weights[EMBEDDING], instances, known)
    differing = own.keys() ^ weights.keys()
    differing |= {name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape}
    if differing:
        raise ValueError(f"the network to start from differs in {len(differing)} tensors, {sorted(differing)[0]} first")
    unet.load_state_dict(weights)
