"""Models on the Hugging Face hub: uploaded, found by diffusers, and described by their cards."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from diffusers import DiffusionPipeline
from huggingface_hub import ModelCard

from ivid.pipeline.config import NETWORKS, ModelConfig, ModelIndex
from ivid.pipeline.pipeline import IvidPipeline
from ivid.pipeline.publishing import model_card
from tests.support.hub import serving_hub
from tests.support.tiny_model import save_tiny_model

ROOT = Path(__file__).parent.parent
ROUND_TRIP = """
import sys

import torch
from diffusers import DiffusionPipeline

from ivid.pipeline.pipeline import IvidPipeline
from ivid.pipeline.publishing import push_folder

folder, out = sys.argv[1:]
pipeline = IvidPipeline.from_pretrained(folder)
print(pipeline.push_to_hub("someone/tiny", private=True, license="mit"))
print(push_folder(folder, "someone/carded"))
loaded = DiffusionPipeline.from_pretrained("someone/tiny", trust_remote_code=True)
loaded("tree", seed=3, view_set="random").scene.save(out)
loaded.push_to_hub("someone/again")
try:
    push_folder(folder, "not a name")
except ValueError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = save_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
    (folder / "README.md").write_text("my own card")
    return folder


@pytest.mark.slow
def test_a_model_goes_to_the_hub_and_comes_back(model, tmp_path):
    out = tmp_path / "tree.ivid"
    with serving_hub() as hub:
        environment = os.environ | {
            "HF_ENDPOINT": hub.url,
            "HF_HUB_DISABLE_XET": "1",
            "HF_TOKEN": "hf_secret",
            "HF_HOME": str(tmp_path / "home"),
            "PYTHONPATH": str(ROOT),
        }
        done = subprocess.run(
            [sys.executable, "-c", ROUND_TRIP, model, out], env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        tiny, refused = hub.repositories["someone/tiny"], done.stdout.splitlines()[-1]
    assert "someone/tiny" in done.stdout.splitlines()[0]
    assert "could not be uploaded to not a name" in refused
    assert hub.tokens == {"hf_secret"}
    files = {path.relative_to(model).as_posix(): path.read_bytes() for path in model.rglob("*") if path.is_file()}
    del files["README.md"]
    assert tiny.keys() == {*files, "README.md"}
    configs = {f"{name}/config.json" for name in NETWORKS}  # diffusers notes in them where they came from
    assert {name: tiny[name] for name in files.keys() - configs} == {
        name: files[name] for name in files.keys() - configs
    }
    assert hub.repositories["someone/again"].keys() == tiny.keys()
    assert hub.repositories["someone/carded"]["README.md"] == b"my own card"
    assert ModelCard(tiny["README.md"].decode()).data.license == "mit"
    IvidPipeline.from_pretrained(model)("tree", 3, "random").save(tmp_path / "direct.ivid")
    assert out.read_bytes() == (tmp_path / "direct.ivid").read_bytes()


def test_diffusers_loads_a_model_folder(model):
    pipeline = DiffusionPipeline.from_pretrained(model, trust_remote_code=True, dtype=torch.float16)
    assert {name: unet.dtype for name, unet in pipeline.components.items() if unet is not None} == dict.fromkeys(
        NETWORKS[:2], torch.float16
    )
    assert pipeline.ivid.config == ModelIndex.read(model).config
    output = pipeline.to(dtype=torch.float32)("house", seed=1, view_set="random")
    assert [image.size for image in output.images] == [(32, 32)] * 2
    with pytest.raises(ValueError, match="no class 'spaceship'"):
        pipeline("spaceship")


def test_it_knows_every_setting_of_a_model():
    from ivid.pipeline.diffusers_pipeline import IvidDiffusionPipeline

    known = inspect.signature(IvidDiffusionPipeline.__init__).parameters.keys() - {"self"}
    assert known == {*NETWORKS, *ModelConfig().to_dict()}


def test_model_folders_of_before_are_read(model, tmp_path):
    index = json.loads((model / "model_index.json").read_text())
    (tmp_path / "model_index.json").write_text(json.dumps(index | {"_class_name": "IvidPipeline"}))
    assert ModelIndex.read(tmp_path) == ModelIndex.read(model)


def test_the_bundled_model_is_as_it_would_be_written(model):
    bundled = ROOT / "ckpts" / "lowpoly"
    assert (bundled / "pipeline.py").read_bytes() == (model / "pipeline.py").read_bytes()
    assert ModelIndex.read(bundled).config.name == "lowpoly"


def test_the_card_of_the_bundled_model_says_what_its_text_says():
    card = ModelCard.load(ROOT / "ckpts" / "lowpoly" / "README.md")
    facts = card.data
    assert (facts.license, facts.library_name, facts.pipeline_tag) == ("cc0-1.0", "diffusers", "text-to-3d")
    assert facts.eval_results
    for result in facts.eval_results:
        value = {"psnr": f"{result.metric_value:.2f}", "ssim": f"{result.metric_value:.3f}"}[result.metric_type]
        assert value in card.text
    models = len((ROOT / "configs" / "lowpoly" / "models.txt").read_text().splitlines())
    assert facts.eval_results[0].dataset_name.startswith(f"{models} CC0 ")


def test_a_card_that_is_written_here_is_a_card(model):
    card = ModelCard(model_card(ModelIndex.read(model), "someone/tiny"))
    assert card.data.pipeline_tag == "text-to-3d"
    assert 'from_pretrained("someone/tiny", trust_remote_code=True)' in card.text
