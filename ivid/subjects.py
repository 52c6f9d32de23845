"""What a scene shows: its class, one of the kinds of that class, and which way round; the seed deals it."""

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
