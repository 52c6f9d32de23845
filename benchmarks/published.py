"""Scenes at the published size and defaults: 422 M parameters, 128², 1000 + 26·50 steps, guidance 3 (method §7, §9).

The weights are random; that costs the same time. On a GPU whole scenes are made; on a CPU, where one takes hours, its
time is that of one evaluation times their number. Networks are laid out in memory as `load_pipeline` does it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch
from diffusers import UNet2DModel  # pyright: ignore[reportPrivateImportUsage]
from torch import Tensor
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import Row, median_seconds
from ivid.pipeline.config import LabelConfig, ModelConfig
from ivid.pipeline.conversion import PUBLISHED_SCHEDULE
from ivid.pipeline.events import ViewDone
from ivid.pipeline.loading import fastest_precision, load_pipeline
from ivid.pipeline.models import model_folder
from ivid.pipeline.pipeline import IvidPipeline
from ivid.pipeline.sampling import Sampling
from ivid.published.class_names import imagenet_class_names
from ivid.published.network_config import PUBLISHED_CONFIGS, unet_arguments
from ivid.scene.cameras import view_set

FIRST_STEPS, NOVEL_STEPS, GUIDANCE, VIEWS = 1000, 50, 3.0, 27
EVALUATIONS = 2 * (FIRST_STEPS + (VIEWS - 1) * NOVEL_STEPS)  # guidance takes two for a step
NAMES = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}
MATRIX_SIDE = {"cuda": 8192, "cpu": 2048}
CARD_PEAKS = {  # bf16 operations a second with dense matrices, from data sheets; the first name that fits counts
    "B200": 2250e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "RTX 4090": 165e12,
}
KINDS = {  # of operations, by what their names contain
    "attention": ("attention",),
    "convolutions": ("conv",),
    "matrix products": ("mm", "linear"),
    "normalisation": ("norm",),
    "copies": ("copy", "cat"),
}
REST = "other operations"


def rows() -> Iterator[Row]:
    ours = load_pipeline(model_folder("lowpoly"), backend="torch")
    yield "evaluations per scene, bundled model", evaluations(ours), "", ""
    yield "evaluations per scene, published defaults", EVALUATIONS, "", ""

    device = "cuda" if torch.cuda.is_available() else "cpu"
    precision = fastest_precision(device)
    unet, most = _network("imagenet128_uncond", device), matrix_product_rate(device, precision)
    yield f"large {NAMES[precision]} matrix product", most / 1e12, "TF/s", ""
    steps: dict[int, float] = {}
    for scenes in (1, 16) if device == "cuda" else (1,):
        seconds = steps[scenes] = median_seconds(lambda n=2 * scenes: evaluate(unet, n), 5 if device == "cuda" else 3)
        what, speed = f"published size, batch {scenes}", operations(2 * scenes) / seconds
        yield f"{what}: one guided step, {NAMES[precision]}", seconds * 1000, "ms", ""
        yield f"{what}: of the matrix product's speed", 100 * speed / most, "%", ""
        peak = card_peak(torch.cuda.get_device_name()) if device == "cuda" else None
        if peak is not None:
            yield f"{what}: of the card's bf16 peak", 100 * speed / peak, "%", ""
        spent = seconds_by_kind(unet, 2 * scenes)
        for kind, part in spent.items():
            yield f"{what}: time in {kind}", 100 * part / seconds, "%", ""
        yield f"{what}: time in none of them", 100 * max(0.0, 1 - sum(spent.values()) / seconds), "%", ""
        yield f"{what}: all steps of a scene", EVALUATIONS / 2 * seconds / scenes, "s", ""
    if device == "cuda":
        yield from _whole_scenes(unet, steps)


def evaluations(pipeline: IvidPipeline) -> int:
    """Evaluations of any of its networks that a model's 3x9 scene takes at its defaults; counted on two views."""
    counted: list[int] = []
    networks: list[Any] = list(pipeline.networks.values())
    hooks = [unet.register_forward_pre_hook(lambda _, inputs: counted.append(len(inputs[0]))) for unet in networks]
    first = 0
    for event in pipeline.stream(0, 0, view_set("3x9")[:2]):
        if isinstance(event, ViewDone) and not event.view_index:
            first = sum(counted)
    for hook in hooks:
        hook.remove()
    return first + (VIEWS - 1) * (sum(counted) - first)


def card_peak(name: str) -> float | None:
    """Operations a second that a graphics card of this name is built for; None if it is not known, or a part of one."""
    return next((peak for card, peak in CARD_PEAKS.items() if card in name and "MIG" not in name), None)


def seconds_by_kind(unet: UNet2DModel, batch: int) -> dict[str, float]:
    """Where the time of one evaluation goes; on a GPU only while it computes."""
    on_gpu = unet.device.type == "cuda"
    with profile(activities=[ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]) as profiled:
        evaluate(unet, batch)
    seconds = dict.fromkeys([*KINDS, REST], 0.0)
    for each in profiled.key_averages():
        if each.device_type == DeviceType.CPU and each.key.startswith("aten::"):  # a kernel counts for its operation
            kind = next((kind for kind, marks in KINDS.items() if any(mark in each.key for mark in marks)), REST)
            seconds[kind] += (each.self_device_time_total if on_gpu else each.self_cpu_time_total) / 1e6
    return seconds


def _whole_scenes(unet: UNet2DModel, steps: dict[int, float]) -> Iterator[Row]:
    """Whole scenes on a GPU; `steps` is how long a guided step takes, by the number of scenes in a batch."""
    novel = _network("imagenet128_cond", "cuda")
    labels = LabelConfig(classes=tuple(imagenet_class_names()))
    pipeline = IvidPipeline(unet, novel, ModelConfig("published", PUBLISHED_SCHEDULE, labels=labels))
    for scenes, step in steps.items():
        torch.cuda.reset_peak_memory_stats()
        started, first = time.perf_counter(), 0.0
        for event in pipeline.stream_batch([0] * scenes, list(range(scenes)), "3x9"):
            if isinstance(event, ViewDone) and not event.view_index:
                first = time.perf_counter() - started
        whole = time.perf_counter() - started
        yield f"published size, batch {scenes}: first view", first / scenes, "s", ""
        yield f"published size, batch {scenes}: a whole scene", whole / scenes, "s", ""
        yield (
            f"published size, batch {scenes}: outside the networks",
            100 * (1 - EVALUATIONS / 2 * step / whole),
            "%",
            "",
        )
        yield f"published size, batch {scenes}: memory", torch.cuda.max_memory_allocated() / 2**30, "GiB", ""
    quick = Sampling(first_steps=1, novel_steps=1, guidance=0.0)
    views = [event.view for event in pipeline.stream(0, 0, "3x9", quick) if isinstance(event, ViewDone)]
    seconds = median_seconds(lambda: pipeline.condition(views[:26], views[26].camera))
    yield "condition for the 27th view, on the GPU", 1000 * seconds, "ms", ""


def _network(name: str, device: str) -> UNet2DModel:
    with torch.device("meta"):
        unet = UNet2DModel(**unet_arguments(PUBLISHED_CONFIGS[name]))
    unet.to(fastest_precision(device))  # pyright: ignore[reportArgumentType, reportCallIssue]
    unet = unet.to_empty(device=device)
    if device == "cpu":
        unet.to(memory_format=torch.channels_last)  # pyright: ignore[reportArgumentType, reportCallIssue]
    with torch.no_grad():
        for weights in unet.parameters():
            weights.normal_(std=0.02)
    return unet.eval()


def _inputs(unet: UNet2DModel, batch: int) -> Tensor:
    shape = (batch, unet.config["in_channels"], unet.config["sample_size"], unet.config["sample_size"])
    inputs = torch.ones(shape, dtype=unet.dtype, device=unet.device)
    return inputs.contiguous(memory_format=torch.channels_last) if unet.device.type == "cpu" else inputs


def evaluate(unet: UNet2DModel, batch: int) -> None:
    """Evaluate a network with classes once, and wait for it."""
    with torch.inference_mode():
        labels = torch.zeros(batch, dtype=torch.int64, device=unet.device)
        output = unet(_inputs(unet, batch), 500, class_labels=labels).sample
        output.flatten()[0].item()  # a GPU is done only then


def operations(batch: int) -> int:
    """Floating-point operations of matrix products and convolutions in one evaluation at the published size."""
    with torch.device("meta"):
        unet = UNet2DModel(**unet_arguments(PUBLISHED_CONFIGS["imagenet128_uncond"]))
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            unet(_inputs(unet, batch), torch.tensor(500), class_labels=torch.zeros(batch, dtype=torch.int64))
    return counter.get_total_flops()


def matrix_product_rate(device: str, precision: torch.dtype) -> float:
    """Floating-point operations a second of a large matrix product, which is as fast as this machine gets."""
    side = MATRIX_SIDE[device]
    matrix = torch.ones(side, side, dtype=precision, device=device)
    return 2 * side**3 / median_seconds(lambda: (matrix @ matrix)[0, 0].item(), 5)
