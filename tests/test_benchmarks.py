"""The parts of the benchmarks that are more than a clock."""

import pytest
import torch
from diffusers import UNet2DModel

from benchmarks import published
from benchmarks.fusion import OnePicture
from benchmarks.timing import median_seconds
from ivid.data.further_views import WarpedPairs
from ivid.data.pairs import PairSettings
from ivid.data.training_set import Augmentation, TrainingSamples
from ivid.pipeline.config import ModelConfig
from ivid.scene.depth import encode
from tests.support.synthetic import synthetic_scene
from tests.support.tiny_model import tiny_pipeline


def test_evaluations_of_a_scene():
    assert published.evaluations(tiny_pipeline(first_steps=4, novel_steps=2)) == 4 + 26 * 2
    assert published.EVALUATIONS == 2 * (1000 + 26 * 50)


def test_guided_evaluations_count_twice():
    pipeline = tiny_pipeline(first_steps=3, novel_steps=1)
    pipeline.config = ModelConfig.from_dict({"sampling": {"guidance": 3.0}}, pipeline.config)
    assert published.evaluations(pipeline) == 2 * (3 + 26)


def test_the_time_of_an_evaluation_goes_into_its_operations():
    torch.manual_seed(0)
    unet = UNet2DModel(
        sample_size=32,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 64),
        layers_per_block=1,
        norm_num_groups=8,
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"),
        num_class_embeds=3,
    ).eval()
    published.evaluate(unet, 4)
    spent = published.seconds_by_kind(unet, 4)
    assert set(spent) == {*published.KINDS, published.REST}
    assert all(seconds > 0 for seconds in spent.values())
    assert max(spent, key=lambda kind: spent[kind]) == "convolutions"
    assert sum(spent.values()) < 5 * median_seconds(lambda: published.evaluate(unet, 4), 3)


def test_the_published_network_takes_as_many_operations_as_it_has_products():
    one = published.operations(1)
    assert one == pytest.approx(2 * 300e9, rel=0.3)  # some 300 thousand million multiplications
    assert published.operations(2) == 2 * one


@pytest.mark.parametrize(
    ("name", "peak"),
    [
        ("NVIDIA H100 80GB HBM3", 989e12),
        ("NVIDIA H100 PCIe", 756e12),
        ("NVIDIA L40S", 362e12),
        ("NVIDIA L4", 121e12),
        ("NVIDIA H200 MIG 3g.71gb", None),
        ("a card of tomorrow", None),
    ],
)
def test_the_peak_of_a_card(name, peak):
    assert published.card_peak(name) == peak


def test_the_pairs_that_are_timed_are_whole_training_samples():
    view = synthetic_scene(size=32, view_set="uncond").views[0]
    picture = OnePicture(view.rgb, encode(view.depth, (0.6, 5.0)), (0.6, 5.0))
    sample = TrainingSamples(picture, Augmentation(), WarpedPairs(picture, PairSettings()))[0]
    assert sample["masks"].any()
    assert sample["known"].shape == sample["clean"].shape == (4, 32, 32)
