"""Scenes at the published size and defaults: 422 M parameters, 128², 1000 + 26·50 steps, guidance 3 (method §7, §9).

The weights are random; that costs the same time. On a GPU whole scenes are made; on a CPU, where one takes hours, its
time is that of one evaluation times their number.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from diffusers import UNet2DModel  # pyright: ignore[reportPrivateImportUsage]
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import Row, median_seconds
from ivid.cameras import view_set
from ivid.checkpoints import PUBLISHED_CONFIGS, PUBLISHED_SCHEDULE, imagenet_class_names, model_folder
from ivid.pipeline import IvidPipeline, ViewDone, load_pipeline
from ivid.published_unet import unet_arguments

FIRST_STEPS, NOVEL_STEPS, GUIDANCE, VIEWS = 1000, 50, 3.0, 27
EVALUATIONS = 2 * (FIRST_STEPS + (VIEWS - 1) * NOVEL_STEPS)  # guidance takes two for a step
MATRIX_SIDE = {"cuda": 8192, "cpu": 2048}


def rows() -> Iterator[Row]:
    ours = load_pipeline(model_folder("lowpoly"))
    yield "evaluations per scene, bundled model", _evaluations(ours), "", ""
    yield "evaluations per scene, published defaults", EVALUATIONS, "", ""

    device = "cuda" if torch.cuda.is_available() else "cpu"
    unet, most = _network("imagenet128_uncond", device), _matrix_product_rate(device)
    yield "large bf16 matrix product", most / 1e12, "TF/s", ""
    for scenes in (1, 16) if device == "cuda" else (1,):
        seconds = median_seconds(lambda n=2 * scenes: _evaluate(unet, n), 5 if device == "cuda" else 3)
        what = f"published size, batch {scenes}"
        yield f"{what}: one guided step, bf16", seconds * 1000, "ms", ""
        yield f"{what}: of the matrix product's speed", 100 * _flops(2 * scenes) / seconds / most, "%", ""
        yield f"{what}: all steps of a scene", EVALUATIONS / 2 * seconds / scenes, "s", ""
    if device == "cuda":
        yield from _whole_scenes(unet)


def _evaluations(pipeline: IvidPipeline) -> int:
    """Evaluations of any of its networks that a model's 3x9 scene takes at its defaults; counted on two views."""
    counted: list[int] = []
    networks = [network for network in pipeline.components.values() if network is not None]
    hooks = [unet.register_forward_pre_hook(lambda _, inputs: counted.append(len(inputs[0]))) for unet in networks]
    first = 0
    for event in pipeline.stream(0, 0, view_set("3x9")[:2]):
        if isinstance(event, ViewDone) and not event.view_index:
            first = sum(counted)
    for hook in hooks:
        hook.remove()
    return first + (VIEWS - 1) * (sum(counted) - first)


def _whole_scenes(unet: UNet2DModel) -> Iterator[Row]:
    novel = _network("imagenet128_cond", "cuda")
    pipeline = IvidPipeline(unet, novel, "published", imagenet_class_names(), schedule=PUBLISHED_SCHEDULE)
    for scenes in (1, 16):
        started, first = time.perf_counter(), 0.0
        for event in pipeline.stream_batch([0] * scenes, list(range(scenes)), "3x9"):
            if isinstance(event, ViewDone) and not event.view_index:
                first = time.perf_counter() - started
        whole = time.perf_counter() - started
        yield f"published size, batch {scenes}: first view", first / scenes, "s", ""
        yield f"published size, batch {scenes}: a whole scene", whole / scenes, "s", ""
    views = [event.view for event in pipeline.stream(0, 0, "3x9", 1, 1, 0.0) if isinstance(event, ViewDone)]
    seconds = median_seconds(lambda: pipeline.condition(views[:26], views[26].camera))
    yield "condition for the 27th view, on the GPU", 1000 * seconds, "ms", ""


def _network(name: str, device: str) -> UNet2DModel:
    with torch.device("meta"):
        unet = UNet2DModel(**unet_arguments(PUBLISHED_CONFIGS[name]))
    unet = unet.bfloat16().to_empty(device=device)
    unet.to(memory_format=torch.channels_last)  # pyright: ignore[reportArgumentType, reportCallIssue]
    with torch.no_grad():
        for weights in unet.parameters():
            weights.normal_(std=0.02)
    return unet.eval()


def _inputs(unet: UNet2DModel, batch: int) -> Tensor:
    shape = (batch, unet.config["in_channels"], unet.config["sample_size"], unet.config["sample_size"])
    return torch.ones(shape, dtype=torch.bfloat16, device=unet.device).contiguous(memory_format=torch.channels_last)


def _evaluate(unet: UNet2DModel, batch: int) -> None:
    with torch.inference_mode():
        labels = torch.zeros(batch, dtype=torch.int64, device=unet.device)
        output = unet(_inputs(unet, batch), 500, class_labels=labels).sample
        output.flatten()[0].item()  # a GPU is done only then


def _flops(batch: int) -> int:
    """Floating-point operations of matrix products and convolutions in one evaluation."""
    with torch.device("meta"):
        unet = UNet2DModel(**unet_arguments(PUBLISHED_CONFIGS["imagenet128_uncond"])).bfloat16()
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            unet(_inputs(unet, batch), torch.tensor(500), class_labels=torch.zeros(batch, dtype=torch.int64))
    return counter.get_total_flops()


def _matrix_product_rate(device: str) -> float:
    """Floating-point operations a second of a large matrix product, which is as fast as this machine gets."""
    side = MATRIX_SIDE[device]
    matrix = torch.ones(side, side, dtype=torch.bfloat16, device=device)
    return 2 * side**3 / median_seconds(lambda: (matrix @ matrix)[0, 0].item(), 5)
