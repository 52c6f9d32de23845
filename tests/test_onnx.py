"""Networks in ONNX Runtime, held against the same networks in torch."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from diffusers import UNet2DModel
from onnx import TensorProto

from ivid.cli import main
from ivid.diffusion.denoiser import from_patches, into_patches
from ivid.diffusion.onnx_unet import GRAPH_FILE, LAYOUT, GraphError, OnnxUNet
from ivid.diffusion.weights_file import WEIGHTS_FILE, WeightsFile
from ivid.pipeline.config import NETWORKS, ModelIndex
from ivid.pipeline.graphs import write_graphs
from ivid.pipeline.loading import load_pipeline
from ivid.pipeline.locations import BUNDLED_MODELS
from ivid.pipeline.pipeline import IvidPipeline
from tests.support.tiny_model import save_tiny_model

LOWPOLY = BUNDLED_MODELS / "lowpoly"
BUNDLED = ModelIndex.read(LOWPOLY).networks


def inputs_of(config, count: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(count)
    side = config["sample_size"]
    return {
        "sample": torch.randn((count, config["in_channels"], side, side), generator=generator),
        "timestep": torch.randint(0, 1000, (count,), generator=generator),
        "class_labels": torch.randint(0, config["num_class_embeds"], (count,), generator=generator),
    }


def assert_twins(ours: OnnxUNet, theirs: UNet2DModel, counts: tuple[int, ...]) -> None:
    for count in counts:
        inputs = inputs_of(ours.config, count)
        with torch.inference_mode():
            expected = theirs(**inputs).sample
        torch.testing.assert_close(ours(**inputs)[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_graph_belongs_to_its_weights_and_holds_none(name):
    graph, weights = LOWPOLY / name / GRAPH_FILE, WeightsFile.read(LOWPOLY / name / WEIGHTS_FILE)
    assert graph.stat().st_size < 1_000_000
    model = onnx.load(graph, load_external_data=False)
    assert {each.key: each.value for each in model.metadata_props}[LAYOUT] == weights.layout
    stored = {each.name: each for each in model.graph.initializer if each.data_location == TensorProto.EXTERNAL}
    assert stored.keys() == weights.tensors.keys()
    for each, tensor in zip(stored.values(), map(weights.tensors.get, stored), strict=True):
        place = {entry.key: entry.value for entry in each.external_data}
        assert place["location"] == WEIGHTS_FILE
        assert (int(place["offset"]), int(place["length"])) == (tensor.offset, tensor.length)
        assert tuple(each.dims) == tensor.shape
    within = [each for each in model.graph.initializer if each.data_location != TensorProto.EXTERNAL]
    assert sum(np.prod(each.dims) for each in within) < 200


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_networks_say_the_same_in_both_backends(name):
    theirs = UNet2DModel.from_pretrained(LOWPOLY / name, dtype=torch.float32)
    assert_twins(OnnxUNet(LOWPOLY / name), theirs, (1,))


def test_a_scene_is_the_same_in_both_backends(monkeypatch):
    monkeypatch.setattr("ivid.pipeline.loading.fastest_precision", lambda device: torch.float32)  # as ONNX Runtime's
    scenes = [load_pipeline(LOWPOLY, "cpu", backend)("house", 5, "random") for backend in ("onnx", "torch")]
    for ours, theirs in zip(*(scene.views for scene in scenes), strict=True):
        apart = np.abs(ours.quantised().rgb.astype(int) - theirs.quantised().rgb)
        assert (apart <= 1).mean() > 0.9995  # beside an edge of the depth, rounding decides which surface is seen
        assert apart.mean() < 0.05
        assert np.median(np.abs(ours.depth - theirs.depth)) < 1e-4


@pytest.mark.parametrize("size", [1, 2, 4])
def test_patches_are_those_of_torch(size):
    x = torch.randn(2, 3, 8, 12)
    patches = into_patches(x, size)
    torch.testing.assert_close(patches, torch.nn.functional.pixel_unshuffle(x, size), rtol=0, atol=0)
    torch.testing.assert_close(from_patches(patches, size), x, rtol=0, atol=0)


@pytest.mark.parametrize(("amx", "expected"), [(False, OnnxUNet), (True, UNet2DModel)])
def test_onnx_runtime_is_the_choice_unless_the_processor_has_amx(monkeypatch, amx, expected):
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: amx)
    assert isinstance(load_pipeline(LOWPOLY, "cpu").novel_view_unet, expected)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """The tiny model, its first-view network with a graph."""
    folder = save_tiny_model(tmp_path_factory.mktemp("graphs") / "tiny")
    only_first = ModelIndex(ModelIndex.read(folder).config, NETWORKS[:1])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ModelIndex, "read", lambda _: only_first)  # an export takes ten seconds
        assert write_graphs(folder) == [folder / NETWORKS[0] / GRAPH_FILE]
    return folder


def test_an_exported_network_says_the_same_at_any_batch_size(tiny):
    theirs = IvidPipeline.from_pretrained(tiny).first_view_unet
    assert_twins(OnnxUNet(tiny / NETWORKS[0], threads=1), theirs, (1, 2, 5))


def test_a_graph_serves_other_weights_of_its_architecture(tiny, tmp_path):
    pipeline = IvidPipeline.from_pretrained(tiny)
    for parameter in pipeline.first_view_unet.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    pipeline.save_pretrained(tmp_path)
    folder = tmp_path / NETWORKS[0]
    (folder / GRAPH_FILE).write_bytes((tiny / NETWORKS[0] / GRAPH_FILE).read_bytes())
    assert_twins(OnnxUNet(folder), pipeline.first_view_unet, (2,))
    again = tmp_path / "again"
    OnnxUNet(folder).save_pretrained(again)
    assert_twins(OnnxUNet(again), UNet2DModel.from_pretrained(again), (1,))


def test_a_graph_of_other_weights_is_refused_and_torch_takes_over(tiny, tmp_path, caplog):
    folder = save_tiny_model(tmp_path / "more", ("one", "two"))
    graph = (tiny / NETWORKS[0] / GRAPH_FILE).read_bytes()
    for name in NETWORKS[:2]:
        (folder / name / GRAPH_FILE).write_bytes(graph)
    with pytest.raises(GraphError, match="no graph of the weights beside it"):
        OnnxUNet(folder / NETWORKS[0])
    with caplog.at_level(logging.WARNING):
        pipeline = load_pipeline(folder, "cpu", "onnx")
    assert isinstance(pipeline.first_view_unet, UNet2DModel)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["the networks run in torch"]
    layout = WeightsFile.read(folder / NETWORKS[0] / WEIGHTS_FILE).layout
    (folder / NETWORKS[0] / GRAPH_FILE).write_bytes(layout.encode())
    with pytest.raises(GraphError, match="cannot be loaded"):
        OnnxUNet(folder / NETWORKS[0])


def test_a_model_without_graphs_runs_in_torch(tmp_path, caplog):
    folder = save_tiny_model(tmp_path / "tiny")
    with caplog.at_level(logging.WARNING):
        assert isinstance(load_pipeline(folder).novel_view_unet, UNet2DModel)
        assert not caplog.records
        load_pipeline(folder, backend="onnx")
    assert "has no unet.onnx; `ivid graphs` writes it" in caplog.text


def test_onnx_runtime_is_for_the_cpu(tiny, tmp_path, capsys):
    network = OnnxUNet(tiny / NETWORKS[0])
    assert network.to("cpu") is network
    with pytest.raises(ValueError, match="run on the CPU in single precision"):
        network.to("cuda")
    with pytest.raises(ValueError, match="run on the CPU in single precision"):
        network.to("cpu", torch.bfloat16)
    with pytest.raises(ValueError, match="there is no backend 'tensorflow'; choose onnx or torch"):
        load_pipeline(tiny, backend="tensorflow")
    assert main(["generate", "--device", "cuda", "--backend", "onnx", "--out", str(tmp_path / "out")]) == 2
    assert "onnx runs on the CPU, not on cuda" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"\x05\0\0\0\0\0\0\0[1,2]", b"\xff" * 16, b"\x02\0\0\0\0\0\0\0{}"[:9]])
def test_what_is_no_weights_file_is_refused(tmp_path, content):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(ValueError, match="no safetensors file"):
        WeightsFile.read(tmp_path / "file")
