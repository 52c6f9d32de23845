"""Fusing views without any network: conditions, pictures, training pairs."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from torch.utils.data import DataLoader

from benchmarks.scenes import example_scene
from benchmarks.timing import Row, median_seconds
from ivid.data.further_views import WarpedPairs
from ivid.data.pairs import PairSettings, warped_condition
from ivid.data.training_set import Augmentation, TrainingSamples
from ivid.fusion import FusionRenderer, aggregate_conditions
from ivid.scene.cameras import Camera
from ivid.scene.depth import DepthRange, encode


def rows() -> Iterator[Row]:
    scene = example_scene()
    views, last = list(scene.views[:26]), scene.views[26].camera
    renderer = FusionRenderer()
    # A fresh copy of the newest view each time: in the making of a scene, its mesh is the only one not built yet.
    yield (
        "condition for the 27th view, 26 meshes at 128², 3x",
        1000 * median_seconds(lambda: aggregate_conditions(views, last, scene.depth_range, renderer=renderer), 9),
        "ms",
        "<= 60",
    )

    def all_conditions() -> None:
        fresh = [replace(view) for view in scene.views]  # no mesh is built yet
        for index in range(1, len(fresh)):
            aggregate_conditions(fresh[:index], fresh[index].camera, scene.depth_range, renderer=renderer)

    yield "conditions of a whole scene at 128², 3x", len(views) / median_seconds(all_conditions, 3), "/s", ""
    camera = Camera.orbit(0.2, 0.05)
    for supersample, goal in ((1, "<= 200"), (3, ""), (5, "")):
        yield (
            f"fused 512² picture from 27 views, {supersample}x",
            1000 * median_seconds(lambda s=supersample: renderer.render(scene.views, camera, 512, s)),
            "ms",
            goal,
        )
    for supersample, goal in ((1, "<= 60"), (3, ""), (5, "")):
        yield (
            f"the same, fast, {supersample}x",
            1000 * median_seconds(lambda s=supersample: renderer.render(scene.views, camera, 512, s, shading="fast")),
            "ms",
            goal,
        )
    rgb = scene.views[0].rgb.astype(np.float32) / 255
    d = encode(scene.views[0].depth, scene.depth_range)

    def make_pairs() -> None:
        for seed in range(20):
            warped_condition(rgb, d, scene.depth_range, np.random.default_rng(seed))

    yield "training pairs at 128², one thread", 20 / median_seconds(make_pairs, 5), "/s", ">= 25"
    images = OnePicture(scene.views[0].rgb, d, scene.depth_range)
    yield "training pairs at 128², two processes of the data loader", _loaded_pairs_per_second(images), "/s", ">= 50"


@dataclass(frozen=True, eq=False)
class OnePicture:
    """The same RGBD image a thousand times (`ivid.data.images.RgbdImages`)."""

    rgb: np.ndarray
    d: np.ndarray
    depth_range: DepthRange
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, int]:
        return self.rgb, self.d, 0


def _loaded_pairs_per_second(images: OnePicture, batch: int = 16, batches: int = 16) -> float:
    """Whole training samples as a training run gets them, once the processes have started."""
    first = 4  # what the processes make ahead
    loader = DataLoader(
        TrainingSamples(images, Augmentation(), WarpedPairs(images, PairSettings())),
        batch_sampler=[list(range(n * batch, (n + 1) * batch)) for n in range(first + batches)],
        num_workers=2,
        multiprocessing_context="spawn",
    )
    arrivals = [time.perf_counter() for _ in loader]
    return batch * batches / (arrivals[-1] - arrivals[first - 1])
