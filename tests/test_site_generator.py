"""The site's generator under node, held against the pipeline: networks, conditions and scenes from the same noise."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ivid.diffusion.denoiser import evaluate
from ivid.diffusion.onnx_unet import WEIGHTS_FILE
from ivid.export.points import without_outliers
from ivid.export.surface import PointCloud, contract
from ivid.pipeline.config import ModelIndex
from ivid.pipeline.labels import sample_label
from ivid.pipeline.loading import load_pipeline
from ivid.pipeline.locations import BUNDLED_MODELS
from ivid.pipeline.pipeline import IvidPipeline
from ivid.scene.cameras import Camera
from ivid.site.networks import PART_BYTES, site_networks, weight_bytes
from tests.support.site_scene import ORT, Made, agreements, make, recorded_noise
from tests.support.tiny_model import save_tiny_model

LOWPOLY = BUNDLED_MODELS / "lowpoly"
ROOT = Path(__file__).parents[1]

needs_node = pytest.mark.skipif(shutil.which("node") is None or not ORT.is_dir(), reason="npm ci was not run")


def written(model: Path, out: Path) -> dict[str, Any]:
    manifest = site_networks(model, out)
    (out / "model" / "model.json").write_text(json.dumps(manifest))
    return manifest


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("site")
    written(LOWPOLY, out)
    return out


def test_parts_are_the_weights_and_named_by_their_content(site):
    manifest = json.loads((site / "model" / "model.json").read_text())
    assert set(manifest["networks"]) == set(ModelIndex.read(LOWPOLY).networks)
    assert manifest["size"] == 128
    total = fetched = 0
    for name, entry in manifest["networks"].items():
        for part in (entry["graph"], *entry["weights"]["parts"]):
            sent = (site / "model" / part["file"]).read_bytes()
            assert len(sent) == part["bytes"] <= PART_BYTES
            fetched += len(sent)
            assert hashlib.sha256(unpacked(sent)).hexdigest() == part["sha256"]
            assert part["file"].startswith(part["sha256"][:16])
        whole = b"".join(unpacked((site / "model" / part["file"]).read_bytes()) for part in entry["weights"]["parts"])
        assert whole == (LOWPOLY / name / WEIGHTS_FILE).read_bytes()
        assert len(whole) == entry["weights"]["bytes"]
        total += len(whole)
    assert 0 <= total - weight_bytes(LOWPOLY) < 100_000  # but for the files' headers
    assert fetched < 60e6


def unpacked(sent: bytes) -> bytes:
    shuffled = zlib.decompress(sent)
    content = bytearray(len(shuffled))
    half = (len(shuffled) + 1) // 2
    content[::2], content[1::2] = shuffled[:half], shuffled[half:]
    return bytes(content)


def test_a_model_with_another_sampler_is_refused_before_anything_is_written(tmp_path):
    index = ModelIndex.read(LOWPOLY)
    sampling = replace(index.config.sampling, first_sampler="unipc")
    model = tmp_path / "model"
    model.mkdir()
    ModelIndex(replace(index.config, sampling=sampling), index.networks).write(model)
    with pytest.raises(ValueError, match="a site samples with ddpm or ddim; the default of the model lowpoly is unipc"):
        site_networks(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@needs_node
def test_points_that_stand_alone_are_those_of_the_python_export():
    random = np.random.default_rng(0)
    sheet = np.column_stack([random.random((3000, 2)), np.zeros(3000)]) * 0.3
    loose = random.random((40, 3))
    contracted = np.concatenate([sheet, loose])
    points = contracted / (1 - np.linalg.norm(contracted, axis=1, keepdims=True) / 2) / 2
    contracted = contract(points)
    program = """
      import { readFileSync } from "node:fs";
      const { notAlone } = await import(process.argv[1]);
      const [voxel, ...points] = JSON.parse(readFileSync(0, "utf-8"));
      console.log(JSON.stringify([...notAlone(Float64Array.from(points), voxel)]));
    """
    module = ROOT / "ivid" / "site" / "web" / "outliers.js"
    ones = np.ones(len(points))
    cloud = PointCloud(points, points, points, ones, ones, points)
    expected = without_outliers(cloud).points
    for voxel in (0.01, 0.2):
        given = json.dumps([voxel, *contracted.ravel().tolist()])
        command = ["node", "--input-type=module", "-e", program, str(module)]
        run = subprocess.run(command, input=given, capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        kept = np.array(json.loads(run.stdout), bool)
        assert np.array_equal(points[kept], expected)
    assert len(sheet) * 0.98 < len(expected) < len(points) - 10


def assert_same_scene(made: Made, pipeline: IvidPipeline, label: str, seed: int, cameras: list[Camera]) -> None:
    for view in agreements(made, pipeline, label, seed, cameras):
        assert view.colour >= 35
        assert view.depth < 1e-4
        assert view.floor < 1e-3
        assert view.masks >= 0.99


@needs_node
@pytest.mark.slow
def test_networks_and_a_scene_are_those_of_the_pipeline(site, tmp_path):
    pipeline = IvidPipeline.from_pretrained(LOWPOLY, torch.float32)
    generator = torch.Generator().manual_seed(0)
    expected, evaluations = {}, []
    for name, unet in pipeline.networks.items():
        inputs = torch.randn(
            (2, {"first_view_unet": 4, "novel_view_unet": 10}.get(name, 14), 128, 128), generator=generator
        )
        with torch.inference_mode():
            expected[name] = evaluate(unet, inputs, torch.tensor([300, 300]), torch.tensor([7, 48])).numpy()
        files = [f"{name}.in{k}.bin" for k in range(2)]
        for file, values in zip(files, inputs, strict=True):
            values.numpy().tofile(tmp_path / file)
        evaluations.append({"network": name, "inputs": files, "timestep": 300, "labels": [7, None]})
    pipeline = load_pipeline(LOWPOLY, "cpu", "onnx")
    seed, index, labels = 5, pipeline.class_index("house"), pipeline.config.labels
    cameras = pipeline.config.cameras("3x9", seed)[:4]
    assert labels.instances is not None
    label = sample_label(index, seed, labels.instances[index], labels.horizontal_flip)  # type: ignore[index]
    with recorded_noise() as drawn:
        next(pipeline.stream("house", seed, cameras))
    told = {"classIndex": index, "instance": label.instance, "flipped": label.flipped}
    make(tmp_path, site / "model", drawn, cameras, label=told, evaluations=evaluations)
    made = Made(tmp_path, 128)
    for name, outputs in expected.items():
        for k, output in enumerate(outputs):
            assert np.abs(made.array(f"{name}.{k}") - output.ravel()).max() < 1e-3
    assert made.report["drawn"] == sum(each.size for each in drawn)
    assert_same_scene(made, pipeline, "house", seed, cameras)


@needs_node
@pytest.mark.slow
def test_a_model_as_published_is_converted_and_sampled(tmp_path):
    """Noise where nothing is known, blending, ancestral steps, guidance, masks without depth edges."""
    model = save_tiny_model(tmp_path / "tiny", first_steps=3, novel_steps=2)
    index = ModelIndex.read(model)
    sampling = replace(index.config.sampling, guidance=1.5, first_sampler="ddpm")
    ModelIndex(replace(index.config, sampling=sampling), index.networks).write(model)
    manifest = written(model, tmp_path / "site")
    assert all(part["bytes"] < 2_000_000 for each in manifest["networks"].values() for part in each["weights"]["parts"])
    pipeline = IvidPipeline.from_pretrained(model, torch.float16).to("cpu", torch.float32)  # as the browser gets them
    cameras = [Camera.orbit(yaw, 0.0) for yaw in (0.0, 0.15, -0.1)]
    for prediction_type in ("sample", "epsilon"):
        pipeline.config = replace(pipeline.config, prediction_type=prediction_type)
        manifest["config"] = pipeline.config.to_dict()
        folder = tmp_path / prediction_type
        folder.mkdir()
        shutil.copytree(tmp_path / "site" / "model", folder / "model")
        (folder / "model" / "model.json").write_text(json.dumps(manifest))
        with recorded_noise() as drawn:
            assert len(list(pipeline.stream("tree", 3, cameras))) > 3
        label = {"classIndex": 1, "instance": None, "flipped": False}
        make(folder, folder / "model", drawn, cameras, label=label)
        made = Made(folder, manifest["size"])
        assert made.report["drawn"] == sum(each.size for each in drawn)
        assert prediction_type != "sample" or made.mask("condition.mask.1").any()
        assert_same_scene(made, pipeline, "tree", 3, cameras)
