"""The parts of the benchmarks that are more than a clock."""

import re
import time
from dataclasses import replace
from functools import partial

import pytest
import torch
from diffusers import UNet2DModel

from benchmarks import gpu, growth, published
from benchmarks.__main__ import main as benchmarks
from benchmarks.fusion import OnePicture
from benchmarks.stages import REST, STAGES, measured_stages
from benchmarks.timing import median_seconds
from ivid.data.further_views import WarpedPairs
from ivid.data.pairs import PairSettings
from ivid.data.training_set import Augmentation, TrainingSamples
from ivid.fusion import FusionRenderer
from ivid.pipeline.config import ModelConfig
from ivid.scene.depth import encode
from tests.support.synthetic import synthetic_scene
from tests.support.tiny_model import tiny_pipeline


def test_evaluations_of_a_scene():
    assert published.evaluations(tiny_pipeline(first_steps=4, novel_steps=2)) == 4 + 26 * 2
    assert published.EVALUATIONS == 2 * (1000 + 26 * 50)


def test_the_stages_of_a_scene_add_up_to_its_time():
    pipeline = tiny_pipeline(first_steps=2, novel_steps=1)
    started = time.perf_counter()
    with measured_stages() as seconds:
        pipeline("house", 3, "random")
    whole = time.perf_counter() - started
    assert list(seconds) == [*STAGES, REST]
    assert all(seconds[stage] > 0 for stage in ("networks", "conditions", REST))
    assert sum(seconds.values()) == pytest.approx(whole, rel=0.05)


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


def test_the_benchmark_of_a_card_runs_at_toy_size_without_one(capsys):
    assert benchmarks(["gpu", "--device", "cpu"]) == 0
    table = capsys.readouterr().out
    measured = {cells[1].strip(): cells[2] for line in table.splitlines() if len(cells := line.split("|")) == 5}
    assert float(measured["against the CPU: overlap of masks, 3 pictures"].split()[0]) == 1
    assert float(measured["against the CPU: mean difference of colours"].split()[0]) == 0
    for batch in (1, 2):
        what = f"published layout, batch {batch}"
        assert float(measured[f"{what}: speed, kernel by kernel"].split()[0]) > 0
        assert float(measured[f"{what}, --fast: 2 views, a scene"].split()[0]) > 0
    assert "all of this" in measured


def test_a_benchmark_of_a_card_that_is_not_there_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert benchmarks(["gpu"]) == 2
    assert "there is no CUDA device here; --device cpu" in capsys.readouterr().err


def test_differences_between_devices_are_found(monkeypatch):
    scene = synthetic_scene(size=32)
    assert gpu.differences(scene, "cpu", 32) == (1.0, 0.0)

    class Wrong(FusionRenderer):
        def __init__(self, device):
            super().__init__("cpu")
            self.wrong = device == "other"

        def render(self, *arguments, **options):
            drawn = super().render(*arguments, **options)
            return replace(drawn, rgb=drawn.rgb + 0.1, mask=drawn.mask & (drawn.depth < 1)) if self.wrong else drawn

    monkeypatch.setattr(gpu, "FusionRenderer", Wrong)
    overlap, colour = gpu.differences(scene, "other", 32)
    assert overlap < 0.9
    assert colour == pytest.approx(0.1, abs=1e-3)


def test_operations_are_those_of_the_network():
    pipeline = gpu.published_pipeline("cpu", toy=True)
    one = gpu.network_operations(pipeline.first_view_unet, 1)
    assert gpu.network_operations(pipeline.first_view_unet, 3) == 3 * one
    convolutions = [m for m in pipeline.first_view_unet.modules() if isinstance(m, torch.nn.Conv2d)]
    least = sum(2 * conv.weight.numel() * 8 * 8 for conv in convolutions)  # every one sees 8x8 pixels or more
    assert one > least


def test_growth_is_told_and_drawn_with_its_slopes(tmp_path, monkeypatch, capsys):
    pieces = [
        ("views", (2, 8), "meshes", growth.meshes_of_views),
        ("pixels", (32**2, 64**2), "fused picture", growth.picture_of_pixels),
    ]
    monkeypatch.setattr(growth, "rows", partial(growth.rows, pieces=pieces))
    assert benchmarks(["growth", "--out", str(tmp_path / "growth.svg")]) == 0
    cells = [[cell.strip() for cell in line.split("|")] for line in capsys.readouterr().out.splitlines()]
    table = {row[1]: row[2] for row in cells if len(row) == 5}
    assert {"meshes, 2 views", "meshes, 8 views", "fused picture, 1024 pixels", "memory"} <= set(table)
    slopes = [float(value) for what, value in table.items() if "steepest slope" in what]
    assert len(slopes) == 2
    assert all(-1 < slope < 2 for slope in slopes)
    drawing = (tmp_path / "growth.svg").read_text()
    assert drawing.startswith("<?xml")
    told = re.findall(r"(?:meshes|fused picture) \((-?[\d.]+)\)", drawing)
    assert [float(slope) for slope in told] == pytest.approx(slopes, abs=0.006)
    with pytest.raises(ValueError, match=r"the plot is a \.png or \.svg file, not growth\.txt"):
        next(growth.rows("growth.txt"))


def test_the_slope_of_a_line_is_its_steepest():
    points = [growth.Point(x, seconds, 0) for x, seconds in ((1, 1.0), (10, 10.0), (100, 1000.0))]
    assert growth.Line("views", "some work", tuple(points)).slope == pytest.approx(2)
