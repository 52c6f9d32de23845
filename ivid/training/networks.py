"""The network of a run: built as its config says, and the weights it begins with."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import UNet2DModel
from torch import Tensor

from ivid.data.renders import Kinds
from ivid.diffusion.denoiser import patch_size_of
from ivid.training.config import TrainingConfig
from ivid.training.labels import EMBEDDING, known_labels, mean_embeddings
from ivid.training.tasks import TASKS

_MARK = 0.4
"""Standard deviation of the marks that tell labels of one class apart; embeddings have about 1."""


def build_unet(config: TrainingConfig, size: int, class_count: int, kinds: Kinds | None = None) -> UNet2DModel:
    """The network of a config for images of `size` pixels; 0 classes makes it unconditional (method §9).

    `kinds` are those of the labels.
    """
    task, folded = TASKS[config.network], config.fold**2
    labels = task.label_count(class_count, kinds)
    unet = UNet2DModel(
        sample_size=size // config.fold,
        in_channels=task.input_channels * folded,
        out_channels=4 * folded,
        num_class_embeds=labels + 1 if labels else None,
        **config.unet,
    )
    if labels:
        with torch.no_grad():
            embedding_weight(unet)[-1] = 0
    if config.init_from:
        start = Path(config.init_from)
        start_from(unet, UNet2DModel.from_pretrained(start), kinds if labels else None, known_labels(start))
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
    unet: UNet2DModel, source: UNet2DModel, kinds: Kinds | None = None, known: list[str] | None = None
) -> None:
    """Copy weights; input channels that `source` lacks start at zero (method §10).

    With folding, the k² channels of one image channel lie together, and x_t comes first, so the new ones are the last.
    A network that folds m times larger blocks begins with pictures reduced by m, and enlarges by m what it draws.
    One that is told labels, which `source` is not, begins with embeddings of zero.
    One whose labels are kinds of the classes that `source` knows begins with the embedding of each one's class, and
    marks at random, one of the model and one of the side, that tell it from its like. Where the labels of `source` are
    kinds too, of the models `known`, each label begins with the mean of the embeddings of its model.

    Raises:
        ValueError: the networks differ in more than their input channels, folding and labels, or a model is not known.
    """
    weights = source.state_dict()
    own = unet.state_dict()
    fold = patch_size_of(source)
    times = patch_size_of(unet) // fold
    narrow = _refolded(weights["conv_in.weight"], 1, fold, times) / times**2
    wide = torch.zeros_like(own["conv_in.weight"])
    wide[:, : narrow.shape[1]] = narrow
    weights["conv_in.weight"] = wide
    for name in ("conv_out.weight", "conv_out.bias"):
        weights[name] = _refolded(weights[name], 0, fold, times)
    if EMBEDDING in own and EMBEDDING not in weights:
        weights[EMBEDDING] = torch.zeros_like(own[EMBEDDING])
    elif kinds is not None and known is not None:
        if kinds.shown != known:
            weights[EMBEDDING] = mean_embeddings(weights[EMBEDDING], known, kinds.shown)
    elif kinds is not None and len(weights[EMBEDDING]) == max(kinds.classes) + 2:
        weights[EMBEDDING] = _told_apart(weights[EMBEDDING], kinds)
    differing = own.keys() ^ weights.keys()
    differing |= {name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape}
    if differing:
        raise ValueError(f"the network to start from differs in {len(differing)} tensors, {sorted(differing)[0]} first")
    unet.load_state_dict(weights)


def _told_apart(embeddings: Tensor, kinds: Kinds) -> Tensor:
    """Embeddings of kinds and of the null class, made of those of classes and of the null class."""
    rows = embeddings[list(kinds.classes)]
    for trait in (kinds.models, kinds.sides):
        rows = rows + _MARK * torch.randn(max(trait) + 1, rows.shape[1])[list(trait)]
    return torch.cat([rows, embeddings[-1:]])


def _refolded(weight: Tensor, dim: int, fold: int, times: int) -> Tensor:
    """The channels of blocks of `fold`² pixels along `dim`, each in the places of all it becomes in larger blocks."""
    blocks = weight.unflatten(dim, (-1, fold, fold))
    enlarged = blocks.repeat_interleave(times, dim + 1).repeat_interleave(times, dim + 2)
    return enlarged.flatten(dim, dim + 2)
