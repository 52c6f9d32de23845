"""The views of scenes in their order, each sampled given those before it (method §1, §6, §7)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ivid.diffusion.conditioning import ConditionBatch, blend_with_known, randn
from ivid.diffusion.denoiser import Denoiser, MirroredDenoiser
from ivid.diffusion.refining import NovelViewRefiner, Refiner
from ivid.diffusion.sampling import Step, make_scheduler, sample
from ivid.pipeline.config import LabelConfig
from ivid.pipeline.events import Event, Preview, ViewDone
from ivid.pipeline.inputs import SceneBatch
from ivid.pipeline.labels import SceneLabel, sample_label
from ivid.pipeline.pictures import Shown, source_of_conditions, to_pictures, to_sample
from ivid.pipeline.sampling import ResolvedSampling
from ivid.scene.cameras import Camera
from ivid.scene.condition import Condition
from ivid.scene.view import View

if TYPE_CHECKING:
    from ivid.diffusion.denoiser import UNet
    from ivid.pipeline.pipeline import IvidPipeline


def stream_views(pipeline: IvidPipeline, batch: SceneBatch) -> Iterator[Event]:
    """Sample all views of a batch of scenes; closing the generator stops it between two network evaluations."""
    generators = [torch.Generator().manual_seed(seed) for seed in batch.seeds]
    labels = [
        _label(pipeline.config.labels, index, seed, instance, given=bool(batch.first_views))
        for index, seed, instance in zip(batch.class_indices, batch.seeds, batch.instances, strict=True)
    ]
    edge_threshold = pipeline.config.depth.edge_threshold
    scenes: list[list[View]] = [[] for _ in batch.seeds]  # as conditions see them
    for view_index in range(len(batch.cameras[0])):
        if view_index < len(batch.known_views):
            if view_index > 0 or not batch.first_views:
                _draw_noise(pipeline, view_index, generators, batch.sampling)
            known = replace(batch.known_views[view_index], edge_threshold=edge_threshold)
            scenes[0].append(source_of_conditions(known, pipeline.config.depth))
            continue
        cameras = [path[view_index] for path in batch.cameras]
        conditions: list[Condition | None] = [None] * len(scenes)
        if view_index == 0 and batch.first_views:
            views = [replace(view, edge_threshold=edge_threshold) for view in batch.first_views]
        else:
            if view_index > 0:
                conditions = [pipeline.condition(views, camera) for views, camera in zip(scenes, cameras, strict=True)]
            flipped = [index for index, label in enumerate(labels) if label.flipped and view_index == 0]
            shown = None
            for step in _sample_view(pipeline, conditions, labels, generators, batch.sampling):
                shown = Shown(step.clean, pipeline.config.depth, view_index > 0, flipped)
                for index in range(len(scenes)):
                    yield Preview(view_index, step.number, step.steps, partial(shown.preview, index), index)
            assert shown is not None
            rgb, depth = shown.pictures
            trust = pipeline.config.novel_view_trust if view_index > 0 else 1.0
            views = [View(rgb[i], depth[i], camera, edge_threshold, trust) for i, camera in enumerate(cameras)]
            if pipeline.config.consistency:
                from ivid.fusion import without_specks

                views = [without_specks(view, earlier) for view, earlier in zip(views, scenes, strict=True)]
        for index, view in enumerate(views):
            scenes[index].append(source_of_conditions(view, pipeline.config.depth))
            yield ViewDone(view_index, view, conditions[index], index)


def further_views(
    pipeline: IvidPipeline,
    conditions: Sequence[Condition],
    cameras: Sequence[Camera],
    labels: Sequence[SceneLabel],
    generators: Sequence[torch.Generator],
    sampling: ResolvedSampling,
    trusts: Sequence[float],
) -> list[View]:
    """One further view of each of several scenes, given its condition; the arguments have one entry per scene."""
    clean = deque(_sample_view(pipeline, conditions, labels, generators, sampling), maxlen=1)[0].clean
    rgb, depth = to_pictures(clean, pipeline.config.depth, pipeline.config.depth.further_smoothing)
    threshold = pipeline.config.depth.edge_threshold
    return [View(rgb[n], depth[n], cameras[n], threshold, trusts[n]) for n in range(len(cameras))]


def redrawn_views(
    pipeline: IvidPipeline,
    views: Sequence[View],
    labels: Sequence[SceneLabel],
    generators: Sequence[torch.Generator],
    sampling: ResolvedSampling,
    steps: int,
) -> list[View]:
    """First views noised, and denoised in the last `steps` steps of sampling one (SDEdit: Meng et al., ICLR 2022).

    They show what the views show, with the faults of views that the model draws itself. The arguments have one entry
    per scene.
    """
    scheduler = make_scheduler(sampling.first_sampler, pipeline.config.schedule, sampling.first_steps)
    scheduler.timesteps = scheduler.timesteps[-steps:]
    clean = torch.stack([to_sample(view, pipeline.config.depth.range) for view in views])
    noise = randn(clean.shape[1:], generators, torch.device("cpu"))
    start = scheduler.add_noise(clean, noise, scheduler.timesteps[:1].expand(len(views)))  # type: ignore[arg-type]
    made = deque(_sample_first_view(pipeline, scheduler, labels, generators, sampling, start), maxlen=1)
    rgb, depth = to_pictures(made[0].clean, pipeline.config.depth, pipeline.config.depth.first_smoothing)
    return [replace(view, rgb=rgb[n], depth=depth[n]) for n, view in enumerate(views)]


def _sample_first_view(
    pipeline: IvidPipeline,
    scheduler: Any,
    labels: Sequence[SceneLabel],
    generators: Sequence[torch.Generator],
    sampling: ResolvedSampling,
    start: Tensor | None = None,
) -> Iterator[Step]:
    unet, shape = pipeline.first_view_unet, (4, pipeline.size, pipeline.size)
    refiner = _refiner(pipeline, scheduler, ConditionBatch.unknown((len(generators), *shape), unet.device), labels)
    own_labels, denoiser = _network_labels(pipeline, unet, labels), pipeline.denoiser(unet, scheduler)
    return sample(
        denoiser,
        scheduler,
        shape,
        generators,
        own_labels,
        sampling.guidance,
        sampling.guidance_interval,
        refiner=refiner,
        start=start,
    )


def _sample_view(
    pipeline: IvidPipeline,
    conditions: Sequence[Condition | None],
    labels: Sequence[SceneLabel],
    generators: Sequence[torch.Generator],
    sampling: ResolvedSampling,
) -> Iterator[Step]:
    present = [condition for condition in conditions if condition is not None]
    shape = (4, pipeline.size, pipeline.size)
    if not present:
        scheduler = make_scheduler(sampling.first_sampler, pipeline.config.schedule, sampling.first_steps)
        return _sample_first_view(pipeline, scheduler, labels, generators, sampling)
    unet = pipeline.novel_view_unet
    scheduler = make_scheduler(sampling.novel_sampler, pipeline.config.schedule, sampling.novel_steps)
    known, noise = ConditionBatch.stack(present, unet.device), pipeline.config.novel_view_noise
    final = _novel_refiner(pipeline, known, labels)

    def adjust(clean: Tensor, last: bool) -> Tensor:
        if last and final is not None:
            clean = final(clean)
        return blend_with_known(clean, known, pipeline.config.blending, last)

    denoiser: Denoiser | MirroredDenoiser = pipeline.denoiser(unet, scheduler)
    if pipeline.config.novel_view_mirroring:
        denoiser = MirroredDenoiser(denoiser, known.trusted_alone().quiet_channels())
    return sample(
        denoiser,
        scheduler,
        shape,
        generators,
        _network_labels(pipeline, unet, labels),
        sampling.novel_guidance,
        sampling.guidance_interval,
        condition=lambda: known.noisy_channels(generators) if noise else known.quiet_channels(),
        adjust=adjust,
        refiner=_refiner(pipeline, scheduler, known, labels) if final is None else None,
        start=None if noise else torch.zeros((len(generators), *shape)),
    )


class _NoDenoiser:
    """Stands where a `Denoiser` stands, and says nothing."""

    unet = SimpleNamespace(device=torch.device("cpu"))

    def __call__(self, x_t: Tensor, *_: Any, **__: Any) -> Tensor:
        return torch.zeros_like(x_t)


def _draw_noise(
    pipeline: IvidPipeline, view_index: int, generators: Sequence[torch.Generator], sampling: ResolvedSampling
) -> None:
    """Draw what sampling a view draws, without its network: the views after it then get the noise they would get."""
    shape, device = (4, pipeline.size, pipeline.size), torch.device("cpu")
    unknown = ConditionBatch.unknown((len(generators), *shape), device)
    sampler, steps = (
        (sampling.novel_sampler, sampling.novel_steps) if view_index else (sampling.first_sampler, sampling.first_steps)
    )
    scheduler = make_scheduler(sampler, pipeline.config.schedule, steps)
    noise = view_index == 0 or pipeline.config.novel_view_noise
    condition = (lambda: unknown.noisy_channels(generators)) if view_index and noise else None
    nothing: Any = _NoDenoiser()
    start = None if noise else torch.zeros((len(generators), *shape))
    for _ in sample(nothing, scheduler, shape, generators, condition=condition, start=start):
        pass


def _refiner(
    pipeline: IvidPipeline, scheduler: Any, known: ConditionBatch, labels: Sequence[SceneLabel]
) -> Refiner | None:
    unet = pipeline.refiner_unet
    if unet is None:
        return None
    alphas_cumprod, own_labels = scheduler.alphas_cumprod.to(unet.device), _network_labels(pipeline, unet, labels)
    return Refiner(unet, alphas_cumprod, pipeline.config.refiner.start, known.quiet_channels(), own_labels)


def _novel_refiner(
    pipeline: IvidPipeline, known: ConditionBatch, labels: Sequence[SceneLabel]
) -> NovelViewRefiner | None:
    unet = pipeline.novel_refiner_unet
    if unet is None:
        return None
    own_labels = _network_labels(pipeline, unet, labels)
    return NovelViewRefiner(unet, known, own_labels, pipeline.config.refiner.guess_weight)


def _label(known: LabelConfig, class_index: int | None, seed: int, instance: int | None, given: bool) -> SceneLabel:
    """What a scene shows; `given` says whether its first view is."""
    if given:
        return SceneLabel(class_index, instance)
    instances = known.instances[class_index] if known.instances and class_index is not None else None
    label = sample_label(class_index, seed, instances, known.horizontal_flip)
    return label if instance is None else replace(label, instance=instance)


def _network_labels(pipeline: IvidPipeline, unet: UNet, labels: Sequence[SceneLabel]) -> Tensor | None:
    """Class labels [B] of scenes for a network: their instances, if it knows those, or their classes, or None."""
    if not unet.config["num_class_embeds"]:
        return None
    null = unet.config["num_class_embeds"] - 1
    known = pipeline.config.labels
    by_instance = known.instances and (unet is not pipeline.novel_view_unet or known.novel_instances)
    chosen = [label.instance if by_instance else label.class_index for label in labels]
    return torch.tensor([null if label is None else label for label in chosen], dtype=torch.int64, device=unet.device)
