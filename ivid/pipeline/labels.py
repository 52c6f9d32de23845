"""What a scene shows: a class, one of the kinds of that class, and which way round; the seed deals the last two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Subject:
    """What one scene shows.

    Attributes:
        class_index: None for models without classes.
        kind: a label of the first-view network, for models that know several kinds of each class.
        mirrored: whether the first view is turned round when it is done.
    """

    class_index: int | None
    kind: int | None = None
    mirrored: bool = False


def dealt(class_index: int | None, seed: int, kinds: Sequence[int] | None = None, mirror: bool = False) -> Subject:
    """The subject of a seed; subjects are dealt like cards, so that of the seeds of one deck no two show the same.

    A deck holds each of `kinds` once; with `mirror` then each of them once more, the other way round. Seeds 0 to
    (length of a deck) - 1 go through one deck, the next ones through another; every class has decks of its own.

    Args:
        class_index: None for models without classes.
        seed: non-negative.
        kinds: labels of the class; None for models that know no kinds.
        mirror: whether half of the scenes are mirrored.
    """
    labels = list(kinds) if kinds else [None]
    deck, place = divmod(seed, len(labels) * (2 if mirror else 1))
    rng = np.random.default_rng((0 if class_index is None else class_index, deck))
    rounds = [rng.permutation(len(labels)) for _ in range(2)]
    turned_first = rng.random(len(labels)) < 0.5
    again, place = divmod(place, len(labels))
    card = rounds[again][place]
    return Subject(class_index, labels[card], bool(mirror and turned_first[card] != bool(again)))


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
            told = "; ".join(f"{names[i]} ({i})" for i in matches)
            raise ValueError(f"{class_label!r} may be more than one class of {model}: {told}")
        if matches:
            return matches[0]
        shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        raise ValueError(f"the model {model} has no class {class_label!r}; it has {shown}")
    if isinstance(class_label, int) and not isinstance(class_label, bool) and 0 <= class_label < len(names):
        return class_label
    raise ValueError(f"a class is a name or an index from 0 to {len(names) - 1}, got {class_label!r}")
