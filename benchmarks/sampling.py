"""The bundled model: one evaluation, the first view, all 27 views, where their time goes, and the memory they take."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterator

import torch

from benchmarks.stages import measured_stages
from benchmarks.timing import Row, median_seconds
from ivid.pipeline.events import Preview, ViewDone
from ivid.pipeline.loading import load_pipeline
from ivid.pipeline.models import model_folder


def rows() -> Iterator[Row]:
    started = time.perf_counter()
    pipeline = load_pipeline(model_folder("lowpoly"))
    yield "loading the bundled model", time.perf_counter() - started, "s", ""
    unet = pipeline.novel_view_unet
    side = unet.config["sample_size"]
    channels = torch.randn(1, unet.config["in_channels"], side, side, dtype=unet.dtype, device=unet.device)
    channels = channels.contiguous(memory_format=torch.channels_last)

    def evaluate() -> None:
        with torch.inference_mode():
            unet(channels, 500, class_labels=torch.zeros(1, dtype=torch.int64, device=unet.device))

    yield "one evaluation of the novel-view network", median_seconds(evaluate, 20, 3) * 1000, "ms", "<= 60"
    name = pipeline.class_names[0]
    firsts, view_times, scene_times, stages = [], [], [], []
    for seed in range(4):
        started = time.perf_counter()
        waiting = True
        with measured_stages() as seconds:
            for event in pipeline.stream(name, seed):
                elapsed = time.perf_counter() - started
                if isinstance(event, Preview) and waiting:
                    firsts.append(elapsed)
                    waiting = False
                if isinstance(event, ViewDone) and event.view_index == 0:
                    view_times.append(elapsed)
        scene_times.append(time.perf_counter() - started)
        stages.append(seconds)
    for what, times, goal in (
        ("first picture of the first view", firsts, "<= 1"),
        ("first view", view_times, "<= 2"),
        ("27 views", scene_times, "<= 20"),
    ):
        yield what, sorted(times[1:])[1], "s", goal
    middle = sorted(zip(scene_times[1:], stages[1:], strict=True), key=lambda scene: scene[0])[1]
    for stage, seconds in middle[1].items():
        yield f"  of 27 views: {stage}", 1000 * seconds, "ms", ""
        yield "    share", 100 * seconds / middle[0], "%", ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "darwin" else 1024)
    yield "peak memory of the process", peak, "MiB", "<= 2000"
