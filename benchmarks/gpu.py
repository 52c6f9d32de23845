"""One card in five minutes, without a network: speed, share of its peak, whole scenes, and whether it is right.

    python -m benchmarks gpu

Beside what is in `requirements.txt` it needs a CUDA build of torch and pytest. Weights are random, laid out as the
published ones. `--device cpu` runs all of it at toy size, to see that it runs.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.published import card_peak, matrix_product_rate
from benchmarks.scenes import example_scene
from benchmarks.timing import Row, median_seconds
from ivid.diffusion.graphed_unet import EAGER_CALLS, GraphedUNet
from ivid.export import export_scene
from ivid.fusion import FusionRenderer, aggregate_conditions
from ivid.pipeline.config import LabelConfig, ModelConfig
from ivid.pipeline.conversion import PUBLISHED_SCHEDULE
from ivid.pipeline.events import ViewDone
from ivid.pipeline.loading import fastest_precision, with_cuda_graphs
from ivid.pipeline.pipeline import IvidPipeline
from ivid.pipeline.sampling import Sampling
from ivid.published.network_config import PUBLISHED_CONFIGS, unet_arguments
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene

BUDGET_S = 290.0
LAST_STAGE_S = 20.0  # no stage begins with less than this left
TESTS = ("tests/test_fusion.py", "tests/test_consistency.py", "tests/test_pipeline.py")
CLASSES = 1000
CAMERAS = [Camera.orbit(yaw, pitch) for yaw, pitch in ((0.2, 0.05), (-0.35, -0.1), (0.5, 0.1))]


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    Attributes:
        batches: scenes that share the networks' evaluations.
        views: of the scenes that are made whole.
        size: of fused pictures and of the video, in pixels.
        frames: of the video.
        runs, warm_up: of every timed piece; networks are recorded in the latter.
        sampling: of the scenes that are made whole, beside the fast preset.
        tests: whether those of `TESTS` are run.
    """

    batches: tuple[int, ...] = (1, 16)
    views: int = 27
    size: int = 512
    frames: int = 60
    runs: int = 10
    warm_up: int = EAGER_CALLS + 2
    sampling: Sampling = field(default_factory=Sampling)
    tests: bool = True


TOY = Extent((1, 2), 2, 32, 2, 1, 1, Sampling(first_steps=3, novel_steps=2), tests=False)


def rows(device: str = "cuda", extent: Extent | None = None) -> Iterator[Row]:
    """Measure a card, or the CPU at toy size.

    Raises:
        ValueError: there is no such device.
    """
    on_gpu = device.startswith("cuda")
    if on_gpu and not torch.cuda.is_available():
        raise ValueError("there is no CUDA device here; --device cpu runs this benchmark at toy size")
    extent = extent or (Extent() if on_gpu else TOY)
    began = time.perf_counter()
    yield from _card(device)
    stages: list[Callable[[], Iterator[Row]]] = [
        lambda: _correctness(device, extent),
        lambda: _fusion(device, extent),
        lambda: _networks(device, extent),
        lambda: _video(device, extent),
        lambda: _tests(device, began + BUDGET_S - time.perf_counter()) if extent.tests else iter(()),
    ]
    for number, stage in enumerate(stages):
        if time.perf_counter() - began > BUDGET_S - LAST_STAGE_S:
            yield "parts left out, for time was up", float(len(stages) - number), "", "<= 0"
            return
        yield from stage()
    yield "all of this", time.perf_counter() - began, "s", f"<= {BUDGET_S:g}"


def _card(device: str) -> Iterator[Row]:
    """Its peak by its data sheet, and what a large matrix product reaches."""
    if not device.startswith("cuda"):
        return
    name = torch.cuda.get_device_name()
    print(f"{name}, torch {torch.__version__}, CUDA {torch.version.cuda}", file=sys.stderr)
    peak = card_peak(name)
    if peak is not None:
        yield f"{name}: bf16 peak", peak / 1e12, "TF/s", ""
    yield "large matrix product", matrix_product_rate(device, fastest_precision(device)) / 1e12, "TF/s", ""


def _networks(device: str, extent: Extent) -> Iterator[Row]:
    pipeline = published_pipeline(device, toy=not device.startswith("cuda"))
    on_gpu = device.startswith("cuda")
    peak = card_peak(torch.cuda.get_device_name()) if on_gpu else None
    recorded = with_cuda_graphs(pipeline) if on_gpu else pipeline
    for batch in extent.batches:
        what = f"published layout, batch {batch}"
        operations = network_operations(pipeline.first_view_unet, 2 * batch)
        step_s = 0.0
        ways: dict[str, Any] = {"kernel by kernel": pipeline.first_view_unet}
        if isinstance(recorded.first_view_unet, GraphedUNet):
            ways["as a CUDA graph"] = recorded.first_view_unet
        for way, unet in ways.items():
            step_s = median_seconds(_evaluation(unet, 2 * batch), extent.runs, extent.warm_up)
            yield f"{what}: one guided step, {way}", 1000 * step_s, "ms", ""
            yield f"{what}: speed, {way}", operations / step_s / 1e12, "TF/s", ""
            if peak is not None:
                goal = ">= 45" if batch == 16 else ""
                yield f"{what}: of the card's bf16 peak, {way}", 100 * operations / step_s / peak, "%", goal
        default = Sampling().resolved(pipeline.config.sampling, pipeline.config.timesteps)
        steps = default.evaluations(27, pipeline.config.timesteps) / 2
        yield f"{what}: 1000 + 26 x 50 steps, extrapolated, a scene", steps * step_s / batch, "s", ""
        yield from _whole_scenes(recorded, batch, extent, step_s)
    if on_gpu:
        yield "most memory in use", torch.cuda.max_memory_allocated() / 2**30, "GiB", ""


def _whole_scenes(pipeline: IvidPipeline, batch: int, extent: Extent, step_s: float) -> Iterator[Row]:
    """Scenes in the fast preset; the second round is timed, after kernels are compiled and graphs recorded."""
    what = f"published layout, batch {batch}, --fast"
    asked = pipeline.fast_sampling.changed(**vars(extent.sampling))
    cameras = pipeline.config.cameras("3x9", 0)[: extent.views]
    taken = {"networks and schedulers": 0.0, "conditions": 0.0}
    whole = 0.0
    condition = pipeline.condition

    def timed_condition(*arguments: Any) -> Any:
        _wait(pipeline)
        started = time.perf_counter()
        made = condition(*arguments)
        taken["conditions"] += time.perf_counter() - started
        return made

    pipeline.condition = timed_condition  # type: ignore[method-assign]
    try:
        for _ in range(2):
            taken["conditions"], started = 0.0, time.perf_counter()
            labels, seeds = [0] * batch, list(range(batch))
            done = 0
            for event in pipeline.stream_batch(labels, seeds, cameras, asked):
                done += isinstance(event, ViewDone)
            assert done == batch * len(cameras)
            whole = time.perf_counter() - started
    finally:
        del pipeline.condition
    sampling = pipeline.sampling(asked)
    count = sampling.evaluations(len(cameras), pipeline.config.timesteps)
    goal = {1: "<= 4", 16: "<= 1"}.get(batch, "") if extent.views == 27 else ""
    yield f"{what}: {len(cameras)} views, a scene", whole / batch, "s", goal
    yield f"{what}: conditions, a scene", taken["conditions"] / batch, "s", ""
    yield f"{what}: {count} evaluations, a scene", count / 2 * step_s / batch, "s", ""
    rest = whole - taken["conditions"] - count / 2 * step_s
    yield f"{what}: schedulers, pictures and the rest, a scene", max(rest, 0.0) / batch, "s", ""


def _fusion(device: str, extent: Extent) -> Iterator[Row]:
    scene, renderer = example_scene(), FusionRenderer(device)
    camera, views = CAMERAS[0], list(scene.views)
    for supersample, goal in ((1, ">= 200" if extent.size == 512 else ""), (3, "")):
        seconds = median_seconds(lambda k=supersample: renderer.render(views, camera, extent.size, k), extent.runs)
        yield f"fused {extent.size}² pictures from 27 views, {supersample}x", 1 / seconds, "/s", goal
    last = scene.views[26].camera

    def condition() -> None:
        newest = replace(views[25])  # its mesh is the only one that is not built yet
        aggregate_conditions([*views[:25], newest], last, scene.depth_range, renderer=renderer)

    yield "condition for the 27th view, a new mesh and 25 kept", 1000 * median_seconds(condition, extent.runs), "ms", ""
    fresh = [replace(view) for view in views]
    started = time.perf_counter()
    renderer.render(fresh, camera, 1)
    yield "27 views meshed", 1000 * (time.perf_counter() - started), "ms", ""


def _video(device: str, extent: Extent) -> Iterator[Row]:
    scene = example_scene()
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        options: dict[str, Any] = {"size": extent.size, "frames": extent.frames}
        export_scene(scene, Path(folder) / "swing.mp4", "video", **options)  # on the fastest device there is
        yield f"video, {extent.frames} frames of {extent.size}²", time.perf_counter() - started, "s", ""
    renderer = FusionRenderer(device)
    started = time.perf_counter()
    for yaw in np.linspace(-0.4, 0.4, extent.frames):
        renderer.render(scene.views, Camera.orbit(float(yaw), 0.0), extent.size, 3)
    yield "  its pictures alone, at 3x", time.perf_counter() - started, "s", ""


def _correctness(device: str, extent: Extent) -> Iterator[Row]:
    """The same pictures and conditions on the device and on the CPU, each fused from views that are meshed there."""
    scene = example_scene()
    overlap, colour = differences(scene, device, extent.size)
    yield f"against the CPU: overlap of masks, {len(CAMERAS)} pictures", overlap, "IoU", ">= 0.999"
    yield "against the CPU: mean difference of colours", 255 * colour, "/255", "<= 1"
    network, twin = (cast(Any, published_pipeline(where, toy=True).first_view_unet) for where in (device, "cpu"))
    twin.load_state_dict({name: value.cpu() for name, value in network.float().state_dict().items()})
    given = torch.randn(2, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours, theirs = (
            unet.float()(given.to(unet.device), 500, class_labels=torch.zeros(2, dtype=torch.int64).to(unet.device))[0]
            for unet in (network, twin)
        )
    worst = float((ours.cpu() - theirs).abs().max() / theirs.abs().max())
    yield "against the CPU: largest difference of a network, relative", worst, "", "<= 1e-3"


def differences(scene: Scene, device: str, size: int) -> tuple[float, float]:
    """Smallest overlap (IoU) of masks and largest mean difference of colours in [0, 1], to those of the CPU."""
    overlaps, colours = [], []
    there, here = FusionRenderer(device), FusionRenderer("cpu")
    for camera in CAMERAS:
        one, other = (renderer.render(scene.views, camera, size, 3) for renderer in (there, here))
        colours.append(float(np.abs(one.rgb - other.rgb).mean()))
        pairs = [(one.mask, other.mask)]
        made = [
            aggregate_conditions(scene.views[:9], camera, scene.depth_range, renderer=renderer)
            for renderer in (there, here)
        ]
        pairs += [(made[0].mask, made[1].mask), (made[0].mask_rgb, made[1].mask_rgb)]
        colours.append(float(np.abs(made[0].rgb - made[1].rgb).mean()))
        overlaps += [float((a & b).sum() / max(1, (a | b).sum())) for a, b in pairs]
    return min(overlaps), max(colours)


def _tests(device: str, seconds: float) -> Iterator[Row]:
    """The test files of fusion and of pipelines, with everything on the device."""
    command = [sys.executable, "-m", "pytest", "-q", "--maxfail=20", "--device", device]
    try:
        run = subprocess.run([*command, *TESTS], capture_output=True, text=True, timeout=max(5.0, seconds), check=False)
    except subprocess.TimeoutExpired:
        yield f"tests with --device {device} were not over in", seconds, "s", ""
        return
    sys.stderr.write(run.stdout[-3000:] + run.stderr[-1000:])
    counted = {what: int(number) for number, what in re.findall(r"(\d+) (passed|failed|error)", run.stdout)}
    yield f"tests passed with --device {device}", counted.get("passed", 0), "", ""
    yield f"tests failed with --device {device}", counted.get("failed", 0) + counted.get("error", 0), "", "<= 0"


def published_pipeline(device: str, toy: bool) -> IvidPipeline:
    """A model in the published layout with random weights, made where it runs; narrow and of 16² at toy size."""
    from diffusers import UNet2DModel  # pyright: ignore[reportPrivateImportUsage]

    networks = []
    for name in ("imagenet128_uncond", "imagenet128_cond"):
        arguments = unet_arguments(PUBLISHED_CONFIGS[name])
        if toy:
            ends = {
                name: arguments[name][:: len(arguments[name]) - 1] for name in ("down_block_types", "up_block_types")
            }
            arguments |= {**ends, "block_out_channels": (64, 64), "sample_size": 16, "layers_per_block": 1}
        with torch.device("meta"):
            unet = UNet2DModel(**arguments)
        torch.nn.Module.to(unet, fastest_precision(device))  # pyright: ignore[reportCallIssue]
        unet = cast(Any, unet.to_empty(device=device)).to(memory_format=torch.channels_last)
        generator = torch.Generator(device).manual_seed(0)
        with torch.no_grad():
            for weights in unet.parameters():
                weights.normal_(std=0.02, generator=generator)
        networks.append(unet.eval())
    labels = LabelConfig(classes=tuple(f"class {number}" for number in range(CLASSES)))
    return IvidPipeline(networks[0], networks[1], ModelConfig("published", PUBLISHED_SCHEDULE, labels=labels))


def network_operations(unet: Any, batch: int) -> int:
    """Floating-point operations of matrix products and convolutions in one evaluation, counted without computing."""
    from diffusers import UNet2DModel  # pyright: ignore[reportPrivateImportUsage]

    with torch.device("meta"):
        shapes = cast(UNet2DModel, UNet2DModel.from_config(unet.config))
        given = torch.empty(batch, unet.config["in_channels"], unet.config["sample_size"], unet.config["sample_size"])
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            shapes(given, torch.tensor(500), class_labels=torch.zeros(batch, dtype=torch.int64))
    return counter.get_total_flops()


def _evaluation(unet: Any, batch: int) -> Callable[[], None]:
    side = unet.config["sample_size"]
    given = torch.randn(batch, unet.config["in_channels"], side, side, dtype=unet.dtype, device=unet.device)
    given = given.contiguous(memory_format=torch.channels_last)
    timesteps = torch.full((batch,), 500, dtype=torch.int64, device=unet.device)
    labels = torch.zeros(batch, dtype=torch.int64, device=unet.device)

    def evaluate() -> None:
        with torch.inference_mode():
            unet(given, timesteps, class_labels=labels, return_dict=False)[0].flatten()[0].item()

    return evaluate


def _wait(pipeline: IvidPipeline) -> None:
    if pipeline.novel_view_unet.device.type == "cuda":
        torch.cuda.synchronize()
