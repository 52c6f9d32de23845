"""Networks whose labels are kinds, finer than classes: which model of its training data each label stands for.

A folder with such a network holds `labels.json` beside the weights, a list of the `class/file` names of the models, so
that networks trained on different choices of models can be put together by name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import UNet2DModel
from torch import Tensor

from ivid.data.renders import Kinds

_FILE = "labels.json"
EMBEDDING = "class_embedding.weight"
"""The parameter of a UNet2DModel that holds the embeddings of its labels, [labels + 1, D], the null class last."""


def write_labels(unet: Path, kinds: Kinds) -> None:
    """Say in the folder of a network what its labels stand for."""
    (unet / _FILE).write_text(json.dumps(kinds.shown, indent=1))


def known_labels(unet: Path) -> list[str] | None:
    """The model that each label of the network in a folder stands for; None where labels are classes."""
    path = unet / _FILE
    return json.loads(path.read_text()) if path.exists() else None


def label_map(kinds: Kinds | None, known: Sequence[str] | None, null_class: int) -> Tensor:
    """What a network is told of data labelled with `kinds`, or with the network's own labels if None.

    Args:
        known: the models that the network's labels stand for; None if these are classes.
        null_class: of the network.

    Returns:
        int64 [labels + 1], the null class last.

    Raises:
        ValueError: the network does not know one of the models.
    """
    if kinds is None or kinds.shown == known:
        return torch.arange(null_class + 1)
    return torch.tensor([*(kinds.classes if known is None else _places(kinds.shown, known)), null_class])


def relabel(unet: UNet2DModel, known: Sequence[str], wanted: Sequence[str]) -> None:
    """Give a network whose labels are the models `known` the labels `wanted` in their place.

    Raises:
        ValueError: it does not know one of them.
    """
    rows = torch.tensor([*_places(wanted, known), len(known)])
    embedding = unet.get_submodule("class_embedding")
    embedding.weight = torch.nn.Parameter(unet.get_parameter(EMBEDDING)[rows])  # type: ignore[assignment]
    unet.register_to_config(num_class_embeds=len(rows))


def mean_embeddings(embeddings: Tensor, known: Sequence[str], wanted: Sequence[str]) -> Tensor:
    """Embeddings of the models `wanted` and the null class, each the mean of those a network has of it.

    Args:
        embeddings: [known + 1, D].

    Raises:
        ValueError: the network does not know one of the models.
    """
    _places(wanted, known)
    rows = [embeddings[:-1][torch.tensor([its == name for its in known])].mean(0) for name in wanted]
    return torch.stack([*rows, embeddings[-1]])


def _places(wanted: Sequence[str], known: Sequence[str]) -> list[int]:
    strange = sorted(set(wanted).difference(known))
    if strange:
        raise ValueError(f"the network does not know {strange[0]}")
    return [list(known).index(name) for name in wanted]
