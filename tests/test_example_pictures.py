"""The pictures with depth maps that come along: the command line takes them, and the page offers them."""

from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from PIL import Image

from ivid.cli import main
from ivid.export.surface import edge_pixels
from ivid.page.layout import build_page
from ivid.page.registry import ModelRegistry
from ivid.scene.rgbd import load_rgbd
from ivid.scene.scene import Scene
from tests.support.tiny_model import SIZE, save_tiny_model

ASSETS = Path(__file__).parent.parent / "assets"
NAMES = ("house", "tree", "vehicle")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return save_tiny_model(tmp_path_factory.mktemp("model") / "tiny", classes=(*NAMES, "rock"))


def files(name):
    return [str(ASSETS / f"rgbd_{name}.png"), str(ASSETS / f"rgbd_{name}_depth.png")]


@pytest.mark.parametrize("name", NAMES)
def test_an_object_stands_before_the_ground(name):
    view = load_rgbd(*files(name), size=64, depth_range=(0.5, 4.0))
    middle = view.depth[24:40, 24:40]
    assert np.median(middle) < 1.2 < np.percentile(view.depth, 90)
    assert edge_pixels(view).mean() < 0.3
    with Image.open(files(name)[1]) as depth:
        assert depth.mode.startswith("I")


def test_generate_goes_on_from_each(model, tmp_path):
    for name in NAMES:
        command = ["generate", "--model", str(model), "--class", name, "--views", "random", "--out", str(tmp_path)]
        assert main([*command, "--from-rgbd", *files(name)]) == 0
        scene = Scene.load(tmp_path / f"{name}_seed00000.ivid")
        with Image.open(files(name)[0]) as picture:
            expected = np.asarray(picture.resize((SIZE, SIZE), Image.Resampling.LANCZOS), int)
        assert len(scene.views) == 2
        assert np.abs(scene.views[0].rgb - expected).max() <= 1


def test_the_page_offers_those_of_classes_the_model_has(model, tmp_path):
    def offered(shelf_model):
        page = build_page(ModelRegistry([str(shelf_model)]), ASSETS)
        return [block.samples for block in page.blocks.values() if isinstance(block, gr.Dataset)]

    (samples,) = offered(model)
    assert [sample[-1] for sample in samples] == list(NAMES)
    assert offered(save_tiny_model(tmp_path / "other", classes=("chair",))) == []
