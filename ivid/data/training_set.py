"""The stream of training samples: the n-th sample is a function of the seed and n alone, so a run can stop anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from torch.utils.data import Dataset

from ivid.data.pairs import PairSettings, warped_condition
from ivid.scene.depth import DepthRange


class RgbdImages(Protocol):
    """Labelled RGBD images: rgb uint8 [S, S, 3], d float32 [S, S] in [0, 1], class index."""

    @property
    def depth_range(self) -> DepthRange: ...
    @property
    def classes(self) -> Sequence[str]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, int]: ...


@dataclass(frozen=True)
class Augmentation:
    """What is done to an image on its way to a network, and what is drawn for it.

    Attributes:
        seed: of the stream.
        flip: mirror every other image on average.
        label_dropout: how often the label is replaced by the null class (method §7).
        pairs: how conditions are made; None for the first-view network.
        pair_share: share of the samples that have a condition; nothing is known of the others.
        flip_first_views: whether those others, first views, are mirrored too.
    """

    seed: int = 0
    flip: bool = True
    label_dropout: float = 0.1
    pairs: PairSettings | None = None
    pair_share: float = 1.0
    flip_first_views: bool = True


class TrainingSamples(Dataset):
    """Sample n as a dict of arrays.

    `clean` float32 [4, S, S] in [-1, 1]; `label` int64, the null class being len(classes); for the novel-view network
    also `known` float32 [4, S, S], colour and d in [0, 1] and 0 outside their masks, and `masks` bool [2, S, S], the
    colour's first. Those with a condition are made of the images `further`, if there are such, labelled as `images`.
    """

    def __init__(self, images: RgbdImages, augmentation: Augmentation, further: RgbdImages | None = None) -> None:
        self.images = images
        self.augmentation = augmentation
        self.further = further

    def __getitem__(self, n: int) -> dict[str, np.ndarray]:
        augmentation = self.augmentation
        rng = np.random.default_rng((augmentation.seed, n))
        images, index = self.images, int(rng.integers(len(self.images)))
        mirrored = augmentation.flip and rng.random() < 0.5
        unlabelled = rng.random() < augmentation.label_dropout
        share = augmentation.pair_share
        paired = augmentation.pairs is not None and (share == 1 or rng.random() < share)
        if paired and self.further is not None:
            images, index = self.further, int(rng.integers(len(self.further)))
        rgb_bytes, d, label = images[index]
        if unlabelled:
            label = len(images.classes)
        if mirrored and (paired or augmentation.flip_first_views):
            rgb_bytes, d = rgb_bytes[:, ::-1], d[:, ::-1]
        rgb = np.ascontiguousarray(rgb_bytes, np.float32) / 255
        d = np.ascontiguousarray(d, np.float32)
        sample = {"clean": channels_first(rgb, d) * 2 - 1, "label": np.int64(label)}
        if augmentation.pairs is not None:
            sample["known"] = np.zeros_like(sample["clean"])
            sample["masks"] = np.zeros((2, *d.shape), bool)
            if paired:
                condition = warped_condition(rgb, d, self.images.depth_range, rng, augmentation.pairs)
                sample["known"] = channels_first(condition.rgb, condition.depth)
                sample["masks"] = np.stack([condition.mask_rgb, condition.mask])
        return sample


def channels_first(rgb: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """[4, S, S] of colour [S, S, 3] and depth [S, S]."""
    return np.concatenate([rgb.transpose(2, 0, 1), depth[None]])
