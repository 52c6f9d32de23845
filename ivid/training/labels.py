"""Networks whose labels are instances, finer than classes: which 3D asset of its training data each label stands for.

A folder with such a network holds `labels.json` beside the weights, a list of the `class/file` names of the assets, so
that networks trained on different choices of assets can be put together by name.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ivid.data.renders import Instances, class_of_asset
from ivid.diffusion.unet import UNet2DModel
from ivid.pipeline.config import INDEX_FILE, ModelIndex
from ivid.scene.files import read_json

_FILE = "labels.json"
EMBEDDING = "class_embedding.weight"
"""The parameter of a UNet2DModel that holds the embeddings of its labels, [labels + 1, D], the null class last."""


def write_labels(unet: Path, instances: Instances) -> None:
    """Say in the folder of a network what its labels stand for."""
    (unet / _FILE).write_text(json.dumps(instances.names, indent=1))


def known_labels(unet: Path) -> list[str] | None:
    """The asset that each label of the network in a folder stands for; None where labels are classes.

    A run says so beside its network, a model folder in its index.
    """
    path, index = unet / _FILE, unet.parent / INDEX_FILE
    if path.exists():
        return read_json(path)
    if not index.exists():
        return None
    labels = ModelIndex.read(unet.parent).config.labels
    told = unet.name != "novel_view_unet" or labels.novel_instances
    return list(labels.instance_names) if labels.instance_names and told else None


def label_map(instances: Instances | None, known: Sequence[str] | None, null_class: int) -> Tensor:
    """The labels of a network for those of the data.

    Args:
        instances: what the labels of the data stand for; None if they are the network's own.
        known: the assets that the network's labels stand for; None if these are classes.
        null_class: of the network.

    Returns:
        int64 [labels + 1], the null class last.

    Raises:
        ValueError: the network does not know one of the assets.
    """
    if instances is None:
        return torch.arange(null_class + 1)
    own = instances.class_indices if known is None else _places(instances.names, known)
    return torch.tensor([*own, null_class])


def label_embeddings(rows: Tensor, instances: Instances, known: Sequence[str] | None) -> Tensor:
    """Embeddings of the labels of the data, the null class last, from those of a network.

    Args:
        rows: [labels + 1, D] of the network, the null class last.
        instances: what the labels of the data stand for.
        known: the assets that the network's labels stand for; None if these are classes.

    Returns:
        [labels + 1, D]. An asset that the network does not know has the mean of those that it knows of its class, or
        the null class's if there are none.
    """
    if known is None:
        return rows[label_map(instances, known, len(rows) - 1)]

    def embedding(name: str) -> Tensor:
        if name in known:
            return rows[list(known).index(name)]
        related = [k for k, other in enumerate(known) if class_of_asset(other) == class_of_asset(name)]
        return rows[related].mean(0) if related else rows[-1]

    return torch.stack([*map(embedding, instances.names), rows[-1]])


def relabel(unet: UNet2DModel, known: Sequence[str], wanted: Sequence[str]) -> None:
    """Give a network whose labels are the assets `known` the labels `wanted` in their place.

    Raises:
        ValueError: it does not know one of them.
    """
    rows = torch.tensor([*_places(wanted, known), len(known)])
    embedding = unet.get_submodule("class_embedding")
    embedding.weight = torch.nn.Parameter(unet.get_parameter(EMBEDDING)[rows])  # type: ignore[assignment]
    unet.register_to_config(num_class_embeds=len(rows))


def _places(wanted: Sequence[str], known: Sequence[str]) -> list[int]:
    strange = sorted(set(wanted).difference(known))
    if strange:
        raise ValueError(f"the network does not know {strange[0]}")
    return [list(known).index(name) for name in wanted]
