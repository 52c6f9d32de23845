"""FID, MMD and the Inception score of features that are at hand (torchmetrics does the arithmetic)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


def fid(features_a: np.ndarray, features_b: np.ndarray) -> float:
    """Fréchet distance between the normal distributions fitted to features [N, D] and [M, D] (Heusel et al., 2017).

    Biased upwards by few samples: only figures from equal numbers can be compared.

    Raises:
        ValueError: fewer than two samples, other shapes, or values that are not finite.
    """
    first, second = _checked(features_a, features_b)
    from torch import from_numpy
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(feature=_handing_on(first.shape[1]))
    metric.update(from_numpy(first), real=True)
    metric.update(from_numpy(second), real=False)
    return float(metric.compute())


def mmd(
    features_a: np.ndarray, features_b: np.ndarray, subsets: int = 100, subset_size: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """Squared maximum mean discrepancy of features [N, D] and [M, D]: mean and deviation over subsets.

    The unbiased estimate under the kernel (x·y/D + 1)³; of Inception features it is the KID (Bińkowski et al., 2018).
    With fewer samples than `subset_size` in either set, its size is taken; if both have that size, there is one subset,
    and no deviation.

    Raises:
        ValueError: fewer than two samples, other shapes, or values that are not finite.
    """
    first, second = _checked(features_a, features_b)
    size = min(subset_size, len(first), len(second))
    if len(first) == len(second) == size:
        subsets = 1
    from torch import from_numpy
    from torchmetrics.image.kid import KernelInceptionDistance

    with _seeded(seed):
        metric = KernelInceptionDistance(_handing_on(first.shape[1]), subsets=subsets, subset_size=size)
        metric.update(from_numpy(first), real=True)
        metric.update(from_numpy(second), real=False)
        mean, deviation = metric.compute()
        return float(mean), float(deviation)


def inception_score(probabilities: np.ndarray, splits: int = 10, seed: int = 0) -> tuple[float, float]:
    """exp of the mean divergence of class probabilities [N, K] from their mean (Salimans et al., 2016).

    Returns:
        mean and standard deviation over `splits` random parts; the deviation of one part is 0.

    Raises:
        ValueError: fewer samples than parts, or rows that are not probabilities.
    """
    values = np.asarray(probabilities, np.float64)
    if values.ndim != 2 or len(values) < splits:
        raise ValueError(f"an Inception score over {splits} parts needs as many samples, got shape {values.shape}")
    if not (values.min() >= 0 and np.allclose(values.sum(axis=1), 1, atol=1e-3)):
        raise ValueError("an Inception score needs rows of probabilities that sum to 1")
    from torch import from_numpy
    from torchmetrics.image.inception import InceptionScore

    with _seeded(seed):
        metric = InceptionScore(_handing_on(values.shape[1]), splits=splits)
        metric.update(from_numpy(values).clamp_min(1e-30).log())  # it takes logits
        mean, deviation = metric.compute()
        return float(mean), float(deviation) if splits > 1 else 0.0


def nearest_neighbours(queries: np.ndarray, references: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest of references [M, D] to each of queries [N, D]: indices int64 [N], and distances float64 [N].

    Raises:
        ValueError: other shapes, or values that are not finite.
    """
    from scipy.spatial.distance import cdist

    first, second = _checked(queries, references, least=1)
    indices, distances = np.empty(len(first), np.int64), np.empty(len(first))
    for start in range(0, len(first), 64):  # bounds the memory
        part = slice(start, start + 64)
        table = cdist(first[part], second)
        indices[part], distances[part] = table.argmin(axis=1), table.min(axis=1)
    return indices, distances


def _checked(first: Any, second: Any, least: int = 2) -> tuple[np.ndarray, np.ndarray]:
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ValueError(f"two sets of features [N, D] and [M, D] are needed, got {first.shape} and {second.shape}")
    if min(len(first), len(second)) < least:
        raise ValueError(f"at least {least} samples of each kind are needed, got {len(first)} and {len(second)}")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("the features must be finite")
    return first, second


def _handing_on(width: int) -> Any:
    """A feature network that hands on features it is given."""
    from torch import nn, tensor

    network = nn.Identity()
    network.register_buffer("num_features", tensor(width))
    return network


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Random choices inside follow the seed, those outside are as if there had been none."""
    from torch import manual_seed
    from torch.random import fork_rng

    with warnings.catch_warnings(), fork_rng(devices=[]):
        warnings.filterwarnings("ignore", message="Metric .* will save all extracted features")
        warnings.filterwarnings("ignore", message=r"std\(\): degrees of freedom")  # of a single part
        manual_seed(seed)
        yield
