"""The views of a scene at twice their size, by the upsampler network of a model that has one (method §9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from ivid.diffusion.enlarging import enlarged
from ivid.diffusion.sampling import make_scheduler, sample
from ivid.pipeline.description import upsampled_scene
from ivid.pipeline.events import Preview, ViewDone
from ivid.pipeline.pictures import Shown, to_sample
from ivid.pipeline.pipeline import IvidPipeline
from ivid.pipeline.sampling import ResolvedSampling, Sampling
from ivid.scene.scene import Scene

WHICH = ("all", "first")


def stream_upsampling(
    pipeline: IvidPipeline,
    scene: Scene,
    which: str = "all",
    sampling: Sampling | None = None,
    batch: int = 1,
    **shortcuts: Any,
) -> Iterator[Preview | ViewDone]:
    """Enlarge views in their order; closing the generator stops it between two network evaluations.

    Args:
        pipeline: a model with an upsampler.
        scene: made by that model; its seed is the seed of the upsampling too.
        which: `all` views, or the `first` only.
        sampling: steps, guidance and sampler are those of novel views; the model's where None.
        batch: how many views share a network call; no view depends on the others.
        shortcuts: single fields of `Sampling`.

    Yields:
        `Preview` after every evaluation, `ViewDone` for every enlarged view.

    Raises:
        ValueError: the model has no upsampler, or an argument is out of range; raised by the call itself.
    """
    check_upsampler(pipeline)
    if which not in WHICH:
        raise ValueError(f"views to enlarge are {' or '.join(WHICH)}, got {which!r}")
    if scene.size != pipeline.size:
        raise ValueError(f"the upsampler takes views of {pipeline.size}x{pipeline.size}, got {scene.size}x{scene.size}")
    resolved = pipeline.sampling(sampling, **shortcuts)
    index = pipeline.class_index(scene.class_name)
    return _stream(pipeline, scene, len(scene.views) if which == "all" else 1, resolved, index, batch)


def check_upsampler(pipeline: IvidPipeline) -> None:
    """Refuse a model that cannot enlarge its views.

    Raises:
        ValueError: the model has no upsampler.
    """
    if pipeline.upsampler_unet is None:
        raise ValueError(f"the model {pipeline.config.name} has no upsampler")


def upsampled(
    pipeline: IvidPipeline,
    scene: Scene,
    which: str = "all",
    sampling: Sampling | None = None,
    batch: int = 1,
    on_evaluation: Callable[[Preview], None] | None = None,
    **shortcuts: Any,
) -> Scene:
    """The scene with its views enlarged; of the first view alone when `which` is `first`. See `stream_upsampling`."""
    views = []
    for event in stream_upsampling(pipeline, scene, which, sampling, batch, **shortcuts):
        if isinstance(event, ViewDone):
            views.append(event.view)
        elif on_evaluation is not None:
            on_evaluation(event)
    return upsampled_scene(scene, views, which)


def _stream(
    pipeline: IvidPipeline,
    scene: Scene,
    count: int,
    sampling: ResolvedSampling,
    class_index: int | None,
    batch: int,
) -> Iterator[Preview | ViewDone]:
    unet = pipeline.upsampler_unet
    assert unet is not None
    for first in range(0, count, batch):
        views = scene.views[first : min(first + batch, count)]
        labels = None if class_index is None else torch.full((len(views),), class_index, device=unet.device)
        condition = enlarged(torch.stack([to_sample(view, pipeline.depth_range) for view in views]).to(unet.device))
        scheduler = make_scheduler(sampling.novel_sampler, pipeline.config.schedule, sampling.novel_steps)
        steps = sample(
            pipeline.denoiser(unet, scheduler),
            scheduler,
            condition.shape[1:],
            [_generator(scene.seed or 0, first + index) for index in range(len(views))],
            labels,
            sampling.novel_guidance,
            sampling.guidance_interval,
            condition=lambda condition=condition: condition,
        )
        shown, factor = None, condition.shape[-1] // scene.size
        for step in steps:
            shown = Shown(step.clean, pipeline.config.depth)
            for index in range(len(views)):
                yield Preview(first + index, step.number, step.steps, partial(shown.preview, index))
        assert shown is not None
        rgb, depth = shown.pictures
        for index, view in enumerate(views):
            mask = None if view.mask is None else view.mask.repeat(factor, axis=0).repeat(factor, axis=1)
            yield ViewDone(first + index, replace(view, rgb=rgb[index], depth=depth[index], mask=mask), None)


def _generator(seed: int, view_index: int) -> torch.Generator:
    """Of one view's noise, whatever else is enlarged with it."""
    state = np.random.SeedSequence((seed, view_index)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state >> np.uint64(1)))
