"""What a scene shows: a class, one of its instances, and which way round; the seed decides the last two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ivid.pipeline.config import LabelConfig


@dataclass(frozen=True)
class SceneLabel:
    """What one scene shows.

    Attributes:
        class_index: None for models without classes.
        instance: an instance label of the class, for models that know instances; else None.
        flipped: whether the first view is mirrored when it is done.
    """

    class_index: int | None
    instance: int | None = None
    flipped: bool = False


def sample_label(
    class_index: int | None, seed: int, instances: Sequence[int] | None = None, horizontal_flip: bool = False
) -> SceneLabel:
    """What the scene of a seed shows, drawn without replacement: of consecutive seeds, no two show the same.

    Seeds 0 to n - 1 go through a random permutation of all n choices, seeds n to 2n - 1 through another one, and so on;
    every class has its own. The choices are the `instances`; with `horizontal_flip` then each of them once more, the
    other way round.

    Args:
        class_index: None for models without classes.
        seed: non-negative.
        instances: labels of the class; None for models that know no instances.
        horizontal_flip: whether half of the scenes are mirrored.
    """
    labels = list(instances) if instances else [None]
    block, place = divmod(seed, len(labels) * (2 if horizontal_flip else 1))
    rng = np.random.default_rng((0 if class_index is None else class_index, block))
    rounds = [rng.permutation(len(labels)) for _ in range(2)]
    flipped_first = rng.random(len(labels)) < 0.5
    second, place = divmod(place, len(labels))
    choice = rounds[second][place]
    return SceneLabel(class_index, labels[choice], bool(horizontal_flip and flipped_first[choice] != bool(second)))


def find_instance(name: str | None, class_index: int | None, labels: LabelConfig) -> int | None:
    """The instance label of an object given by name; None for None.

    Args:
        name: one of `labels.instance_names`.
        class_index: the class that the object must belong to.

    Raises:
        ValueError: the model knows no such object, or it belongs to another class.
    """
    if name is None:
        return None
    if name not in labels.instance_names:
        known = labels.instance_names
        has = f"it knows {known[0]} and {len(known) - 1} more" if known else "it knows no objects by name"
        raise ValueError(f"the model knows no object {name!r}; {has}")
    instance = labels.instance_names.index(name)
    if labels.instances and class_index is not None and instance not in labels.instances[class_index]:
        raise ValueError(f"{name} is not of the class {labels.classes[class_index]}")
    return instance


def label_of_asset(name: str, labels: LabelConfig) -> SceneLabel:
    """What a model is told of an asset `class/file`: its class and instance, as far as the model knows them."""
    class_name = name.split("/")[0]
    return SceneLabel(
        labels.classes.index(class_name) if class_name in labels.classes else None,
        labels.instance_names.index(name) if name in labels.instance_names else None,
    )


def find_class(class_label: str | int | None, names: Sequence[str], model: str) -> int | None:
    """The index of a class given by name or index; None for a `model` without classes.

    A name is one of `names`, in any case, or one of the synonyms that one lists: "tench, Tinca tinca".

    Raises:
        ValueError: there is no such class, or more than one.
    """
    if not names:
        return None
    if isinstance(class_label, str):
        wanted = class_label.strip().casefold()
        matches = [i for i, name in enumerate(names) if name.casefold() == wanted]
        if not matches:
            matches = [i for i, name in enumerate(names) if wanted in (s.strip().casefold() for s in name.split(","))]
        if len(matches) > 1:
            listed = "; ".join(f"{names[i]} ({i})" for i in matches)
            raise ValueError(f"{class_label!r} may be more than one class of {model}: {listed}")
        if matches:
            return matches[0]
        first = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        raise ValueError(f"the model {model} has no class {class_label!r}; it has {first}")
    if isinstance(class_label, int) and not isinstance(class_label, bool) and 0 <= class_label < len(names):
        return class_label
    raise ValueError(f"a class is a name or an index from 0 to {len(names) - 1}, got {class_label!r}")
