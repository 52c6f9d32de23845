"""The stream of training samples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ivid.data.further_views import WarpedPairs
from ivid.data.pairs import PairSettings
from ivid.data.training_set import Augmentation, TrainingSamples
from ivid.training.loop import train
from tests.support.tiny_renders import SIZE, Discs
from tests.support.tiny_training import CONFIG


def test_sample_n_is_always_the_same_and_labels_drop_out():
    samples = TrainingSamples(Discs(), Augmentation(seed=5, label_dropout=0.25))
    for n in (0, 17):
        np.testing.assert_array_equal(samples[n]["clean"], samples[n]["clean"])
    drawn = [samples[n] for n in range(400)]
    assert np.mean([s["label"] == 2 for s in drawn]) == pytest.approx(0.25, abs=0.08)
    assert drawn[0]["clean"].shape == (4, SIZE, SIZE)
    assert drawn[0]["clean"].dtype == np.float32
    assert all(np.abs(s["clean"]).max() <= 1 for s in drawn)


def test_first_views_stay_as_they_are_where_further_views_are_mirrored():
    mirrored = TrainingSamples(Discs(), Augmentation(seed=3, pair_share=0.5), WarpedPairs(Discs(), PairSettings()))
    turned = {True: 0, False: 0}
    for n in range(24):
        sample, rng = mirrored[n], np.random.default_rng((3, n))
        rgb, _, _ = mirrored.images[int(rng.integers(len(mirrored.images)))]
        same = np.array_equal(sample["clean"][:3].transpose(1, 2, 0), np.float32(rgb) / 255 * 2 - 1)
        turned[bool(sample["masks"].any())] += not same
    assert turned[True] > 0
    assert turned[False] == 0


def test_samples_with_a_condition_can_be_made_of_other_images(tmp_path):
    settings = Augmentation(seed=3, flip=False, label_dropout=0.0, pair_share=0.5)

    class Black(Discs):
        def __getitem__(self, index):
            rgb, d, label = super().__getitem__(index)
            return rgb * 0, d, label

    samples, alone = (
        TrainingSamples(Discs(), settings, WarpedPairs(its, PairSettings())) for its in (Black(), Discs())
    )
    for n in range(16):
        if samples[n]["masks"].any():
            assert samples[n]["clean"][:3].max() == -1
        else:
            np.testing.assert_array_equal(samples[n]["clean"], alone[n]["clean"])
    with pytest.raises(ValueError, match="of another size"):
        train(replace(CONFIG, network="novel_view"), Discs(), tmp_path, further=Discs(SIZE * 2))
    with pytest.raises(ValueError, match="no use for images"):
        train(CONFIG, Discs(), tmp_path, further=Discs())
