"""The stream of training samples: the n-th sample is a function of the seed and n alone, so a run can stop anywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch.utils.data import Dataset

from ivid.data.further_views import FurtherViews, as_floats
from ivid.data.images import RgbdImages


@dataclass(frozen=True)
class Augmentation:
    """What is done to an image on its way to a network, and what is drawn for it.

    Attributes:
        seed: of the stream.
        flip: mirror every other image; where there are further views, only those.
        label_dropout: how often the label is replaced by the null class (method §7).
        pair_share: share of the samples that are further views, where there are such.
    """

    seed: int = 0
    flip: bool = True
    label_dropout: float = 0.1
    pair_share: float = 1.0


class TrainingSamples(Dataset):
    """Sample n as a dict of arrays.

    `clean` float32 [4, S, S] in [-1, 1]; `label` int64, the null class being len(classes); where there are further
    views also `known` float32 [4, S, S], colour and d in [0, 1] and 0 outside their masks, and `masks` bool [2, S, S],
    the colour's first, and `depth_floor` float32 [1, S, S], 0 where that is no constraint. Nothing is known of first
    views.

    Args:
        images: first views.
        augmentation: what is drawn for a sample.
        further: views with a condition, labelled as `images`; None for networks that see none.
    """

    def __init__(self, images: RgbdImages, augmentation: Augmentation, further: FurtherViews | None = None) -> None:
        self.images = images
        self.augmentation = augmentation
        self.further = further

    def __getitem__(self, n: int) -> dict[str, np.ndarray]:
        augmentation, further = self.augmentation, self.further
        rng = np.random.default_rng((augmentation.seed, n))
        index = int(rng.integers(len(self.images)))
        mirrored = augmentation.flip and rng.random() < 0.5
        unlabelled = rng.random() < augmentation.label_dropout
        share = augmentation.pair_share
        if further is not None and (share == 1 or rng.random() < share):
            view = further.view(int(rng.integers(len(further))), rng, mirrored)
            rgb, d, label, condition = view.rgb, view.d, view.label, view.condition
        else:
            rgb, d, label = self.images[index]
            rgb, d = as_floats(rgb, d, mirrored and further is None)
            condition = None
        label = len(self.images.classes) if unlabelled else label
        sample = {"clean": channels_first(rgb, d) * 2 - 1, "label": np.int64(label)}
        if further is not None:
            sample["known"] = np.zeros_like(sample["clean"])
            sample["masks"] = np.zeros((2, *d.shape), bool)
            sample["depth_floor"] = np.zeros((1, *d.shape), np.float32)
            if condition is not None:
                sample["known"] = channels_first(condition.rgb, condition.depth)
                sample["masks"] = np.stack([condition.mask_rgb, condition.mask])
                sample["depth_floor"] = condition.depth_floor[None]
        return sample


def channels_first(rgb: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """[4, S, S] of colour [S, S, 3] and depth [S, S]."""
    return np.concatenate([rgb.transpose(2, 0, 1), depth[None]])
