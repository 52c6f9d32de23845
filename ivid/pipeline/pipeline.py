"""From a class and a seed to a scene: the first view, then each further one given those so far (method §1, §6, §7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import torch
from diffusers import DiffusionPipeline, UNet2DModel
from torch import Tensor

from ivid.diffusion.conditioning import Blending, ConditionBatch, blend_with_known
from ivid.diffusion.denoiser import Denoiser, fold_of
from ivid.diffusion.refining import Refiner
from ivid.diffusion.sampling import Step, make_scheduler, sample
from ivid.fusion import aggregate_conditions
from ivid.fusion.conditions import shared_renderer
from ivid.pipeline.events import Event, Preview, ViewDone
from ivid.pipeline.labels import Subject, dealt, find_class
from ivid.pipeline.sampling import SamplingSettings
from ivid.scene.cameras import Camera, view_set
from ivid.scene.condition import Condition
from ivid.scene.depth import DepthRange, decode, snapped_to_far, without_ramps
from ivid.scene.scene import EDGE_THRESHOLD, MIN_TRUST, Scene, View


class IvidPipeline(DiffusionPipeline):
    """Scenes from a model folder in diffusers' layout.

    Everything that belongs to a model is in its config (`model_index.json`): class names, depth range, schedule,
    default steps, guidance and samplers, and the constants of the pull. A first-view network may know several kinds of
    each class, as labels of their own: `kinds` holds those of every class, and the seed deals one. With `novel_kinds`
    the novel-view network is told the same; a first view that is given is of no kind. With `mirror` the seed also says
    which way round the first view is. Further views count for `novel_view_trust` (`View.trust`) where views are fused.
    A model may have a refiner of details (`ivid.diffusion.refining`), and an upsampler (`ivid.pipeline.upsampling`).
    """

    _optional_components: ClassVar[list[str]] = ["refiner_unet", "upsampler_unet"]

    def __init__(
        self,
        first_view_unet: UNet2DModel,
        novel_view_unet: UNet2DModel,
        name: str = "",
        class_names: Sequence[str] | None = None,
        depth_range: DepthRange | list[float] = (0.6, 5.0),
        schedule: Mapping[str, Any] | None = None,
        prediction_type: str = "epsilon",
        first_steps: int = 1000,
        novel_steps: int = 50,
        guidance: float = 3.0,
        novel_guidance: float | None = None,
        first_sampler: str = "auto",
        novel_sampler: str = "ddim",
        pull: Mapping[str, float] | None = None,
        edge_threshold: float = EDGE_THRESHOLD,
        mask_edges: bool = True,
        far_margin: float = 0.0,
        ramp_step: float | None = None,
        mirror: bool = False,
        novel_view_trust: float = 1.0,
        refine_below: int = 0,
        kinds: Sequence[Sequence[int]] | None = None,
        novel_kinds: bool = False,
        refiner_unet: UNet2DModel | None = None,
        upsampler_unet: UNet2DModel | None = None,
    ) -> None:
        if not MIN_TRUST <= novel_view_trust <= 1:
            raise ValueError(f"novel_view_trust must be from {MIN_TRUST:g} to 1, got {novel_view_trust}")
        super().__init__()
        self.register_modules(
            first_view_unet=first_view_unet,
            novel_view_unet=novel_view_unet,
            refiner_unet=refiner_unet,
            upsampler_unet=upsampler_unet,
        )
        self.register_to_config(
            name=name,
            class_names=list(class_names or ()),
            depth_range=list(depth_range),
            schedule=dict(schedule or {"num_train_timesteps": 1000, "beta_schedule": "linear"}),
            prediction_type=prediction_type,
            first_steps=first_steps,
            novel_steps=novel_steps,
            guidance=guidance,
            novel_guidance=novel_guidance,
            first_sampler=first_sampler,
            novel_sampler=novel_sampler,
            pull=dict(pull or {}),
            edge_threshold=edge_threshold,
            mask_edges=mask_edges,
            far_margin=far_margin,
            ramp_step=ramp_step,
            mirror=mirror,
            novel_view_trust=novel_view_trust,
            refine_below=refine_below,
            kinds=None if kinds is None else [list(labels) for labels in kinds],
            novel_kinds=novel_kinds,
        )

    @property
    def class_names(self) -> list[str]:
        return list(self.config["class_names"])

    @property
    def depth_range(self) -> DepthRange:
        near, far = self.config["depth_range"]
        return float(near), float(far)

    @property
    def size(self) -> int:
        """Side of the views in pixels."""
        return self.first_view_unet.config["sample_size"] * fold_of(self.first_view_unet)

    def class_index(self, class_label: str | int | None) -> int | None:
        """The index of a class given by name or index; None for models without classes.

        Raises:
            ValueError: the model has no such class.
        """
        return find_class(class_label, self.class_names, self.config["name"])

    def settings(
        self,
        first_steps: int | None = None,
        novel_steps: int | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
    ) -> SamplingSettings:
        """The model's defaults, with what is given in their place.

        Guidance that is given is that of all views; a model may have one of its own for further views.
        The published rule for the first view is `auto`: ancestral DDPM at all the steps, DDIM at fewer (method §7).

        Raises:
            ValueError: steps or guidance out of range, or an unknown sampler.
        """
        return SamplingSettings.chosen(self.config, first_steps, novel_steps, guidance, sampler)

    def __call__(
        self,
        class_label: str | int | None,
        seed: int,
        view_set: str | Sequence[Camera] = "3x9",
        first_steps: int | None = None,
        novel_steps: int | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
        first_view: View | None = None,
    ) -> Scene:
        """Make a scene; the arguments are those of `stream`."""
        views = [
            event.view
            for event in self.stream(
                class_label, seed, view_set, first_steps, novel_steps, guidance, sampler, first_view
            )
            if isinstance(event, ViewDone)
        ]
        chosen = self.settings(first_steps, novel_steps, guidance, sampler)
        return self.scene(views, class_label, seed, view_set, chosen)

    def scene(
        self,
        views: Sequence[View],
        class_label: str | int | None,
        seed: int,
        view_set: str | Sequence[Camera],
        settings: SamplingSettings,
    ) -> Scene:
        """The scene of the views that `stream` yielded, with a record of how it was made."""
        index = self.class_index(class_label)
        return Scene(
            views=views,
            depth_range=self.depth_range,
            model=self.config["name"],
            class_name="" if index is None else self.class_names[index],
            seed=seed,
            view_set=view_set if isinstance(view_set, str) else "custom",
            settings=vars(settings),
        )

    def stream(
        self,
        class_label: str | int | None,
        seed: int,
        view_set: str | Sequence[Camera] = "3x9",
        first_steps: int | None = None,
        novel_steps: int | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
        first_view: View | None = None,
    ) -> Iterator[Event]:
        """Make a scene, step by step. Closing the generator stops it between two network evaluations.

        Args:
            class_label: a class of the model, by name or index; anything for a model without classes.
            seed: a non-negative integer; the same arguments give the same scene.
            view_set: a name of method §8, or cameras, the first of them orbit(0, 0).
            first_steps, novel_steps: network evaluations per view; the model's defaults when None.
            guidance: s of classifier-free guidance (method §7); the model's default when None.
            sampler: for all views; the model's when None.
            first_view: start from this view in place of sampling one; its size is the model's.

        Yields:
            `Preview` after every evaluation, `ViewDone` for every finished view.

        Raises:
            ValueError: an argument is out of range; raised by the call itself, before the first event.
        """
        return self.stream_batch(
            [class_label], [seed], view_set, first_steps, novel_steps, guidance, sampler, [first_view]
        )

    def stream_batch(
        self,
        class_labels: Sequence[str | int | None],
        seeds: Sequence[int],
        view_set: str | Sequence[Camera] = "3x9",
        first_steps: int | None = None,
        novel_steps: int | None = None,
        guidance: float | None = None,
        sampler: str | None = None,
        first_views: Sequence[View | None] | None = None,
    ) -> Iterator[Event]:
        """`stream` for several scenes at once; no scene depends on what else is in the batch."""
        chosen = self.settings(first_steps, novel_steps, guidance, sampler)
        indices = [self.class_index(label) for label in class_labels]
        if len(seeds) != len(indices) or not seeds:
            raise ValueError(f"a batch needs one seed per class, got {len(indices)} classes and {len(seeds)} seeds")
        for seed in seeds:
            if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
                raise ValueError(f"a seed must be an integer from 0 to 2^63 - 1, got {seed!r}")
        cameras = [_cameras(view_set, seed) for seed in seeds]
        if len({len(path) for path in cameras}) != 1:
            raise ValueError("the scenes of a batch need view sets of one length")
        given = list(first_views or [None] * len(seeds))
        for view in given:
            if view is not None and view.size != self.size:
                raise ValueError(f"the first view must be {self.size}x{self.size}, got {view.size}x{view.size}")
        if len({view is None for view in given}) != 1:
            raise ValueError("either every scene of a batch starts from a given first view, or none does")
        return self._stream(indices, seeds, cameras, chosen, given)

    def _stream(
        self,
        class_indices: Sequence[int | None],
        seeds: Sequence[int],
        cameras: Sequence[Sequence[Camera]],
        settings: SamplingSettings,
        given: Sequence[View | None],
    ) -> Iterator[Event]:
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        shown = [
            Subject(index) if given[0] is not None else self._subject(index, seed)
            for index, seed in zip(class_indices, seeds, strict=True)
        ]
        scenes: list[list[View]] = [[] for _ in seeds]
        for view_index in range(len(cameras[0])):
            targets = [path[view_index] for path in cameras]
            conditions: list[Condition | None] = [None] * len(seeds)
            if view_index == 0 and given[0] is not None:
                threshold = self.config["edge_threshold"]
                views = [replace(view, edge_threshold=threshold) for view in given if view is not None]
            else:
                if view_index > 0:
                    conditions = [self.condition(views, camera) for views, camera in zip(scenes, targets, strict=True)]
                turned = [index for index, its in enumerate(shown) if its.mirrored and view_index == 0]
                rgb = depth = np.empty(0)
                for step in self._sample_view(conditions, shown, generators, settings):
                    clean = step.clean
                    if turned:
                        clean = clean.clone()
                        clean[turned] = clean[turned].flip(-1)
                    rgb, depth = self.to_pictures(clean)
                    quantised = np.rint(rgb * 255).astype(np.uint8)
                    for index in range(len(seeds)):
                        yield Preview(view_index, step.number, step.steps, quantised[index], depth[index], index)
                edge_threshold = self.config["edge_threshold"]
                trust = self.config["novel_view_trust"] if view_index > 0 else 1.0
                views = [View(rgb[i], depth[i], camera, edge_threshold, trust) for i, camera in enumerate(targets)]
            for index, view in enumerate(views):
                scenes[index].append(view)
                yield ViewDone(view_index, view, conditions[index], index)

    def _subject(self, class_index: int | None, seed: int) -> Subject:
        kinds = self.config["kinds"][class_index] if self.config["kinds"] and class_index is not None else None
        return dealt(class_index, seed, kinds, self.config["mirror"])

    def _labels(self, unet: UNet2DModel, shown: Sequence[Subject]) -> Tensor | None:
        """What a network is told of scenes: their kinds if it knows kinds, else their classes, if those."""
        if not unet.config["num_class_embeds"]:
            return None
        null = unet.config["num_class_embeds"] - 1
        knows_kinds = self.config["kinds"] and (unet is not self.novel_view_unet or self.config["novel_kinds"])
        told = [its.kind if knows_kinds else its.class_index for its in shown]
        return torch.tensor([null if label is None else label for label in told], dtype=torch.int64, device=unet.device)

    def _sample_view(
        self,
        conditions: Sequence[Condition | None],
        shown: Sequence[Subject],
        generators: Sequence[torch.Generator],
        settings: SamplingSettings,
    ) -> Iterator[Step]:
        present = [condition for condition in conditions if condition is not None]
        shape = (4, self.size, self.size)
        if not present:
            scheduler = make_scheduler(settings.first_sampler, self.config["schedule"], settings.first_steps)
            denoiser = self.denoiser(self.first_view_unet, scheduler)
            labels = self._labels(self.first_view_unet, shown)
            unknown = ConditionBatch.unknown((len(generators), *shape), self.first_view_unet.device)
            refiner = self._refiner(scheduler, unknown, shown)
            return sample(denoiser, scheduler, shape, generators, labels, settings.guidance, refiner=refiner)
        scheduler = make_scheduler(settings.novel_sampler, self.config["schedule"], settings.novel_steps)
        denoiser = self.denoiser(self.novel_view_unet, scheduler)
        known = ConditionBatch.stack(present, self.novel_view_unet.device)
        blending = Blending(**self.config["pull"])
        return sample(
            denoiser,
            scheduler,
            shape,
            generators,
            self._labels(self.novel_view_unet, shown),
            settings.novel_guidance,
            condition=lambda: known.noisy_channels(generators),
            adjust=lambda clean, last: blend_with_known(clean, known, blending, last),
            refiner=self._refiner(scheduler, known, shown),
        )

    def _refiner(self, scheduler: Any, known: ConditionBatch, shown: Sequence[Subject]) -> Refiner | None:
        if self.refiner_unet is None:
            return None
        alphas_cumprod = scheduler.alphas_cumprod.to(self.refiner_unet.device)
        return Refiner(
            self.refiner_unet,
            alphas_cumprod,
            self.config["refine_below"],
            known.quiet_channels(),
            self._labels(self.refiner_unet, shown),
        )

    def condition(self, views: Sequence[View], camera: Camera) -> Condition:
        """What `views` tell the novel-view network of a new camera, with the model's constants (method §6).

        Computed on the model's GPU, if it is on one.
        """
        device = self.novel_view_unet.device
        return aggregate_conditions(
            views,
            camera,
            self.depth_range,
            mask_edges=self.config["mask_edges"],
            renderer=shared_renderer(str(device) if device.type == "cuda" else "cpu"),
        )

    def denoiser(self, unet: UNet2DModel, scheduler: Any) -> Denoiser:
        """One of the model's networks as a denoiser for a scheduler of `make_scheduler`."""
        alphas_cumprod = scheduler.alphas_cumprod.to(unet.device)
        return Denoiser(unet, alphas_cumprod, self.config["prediction_type"])

    def to_pictures(self, clean: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Colour [B, S, S, 3] in [0, 1] and metric depth [B, S, S], float32, of clean samples [B, 4, S, S]."""
        values = (clean.float().clamp(-1, 1) + 1) / 2
        rgb = values[:, :3].permute(0, 2, 3, 1).cpu().numpy()
        d = snapped_to_far(values[:, 3], self.config["far_margin"]).cpu().numpy()
        if self.config["ramp_step"] is not None:
            d = without_ramps(d, self.config["ramp_step"])
        return np.ascontiguousarray(rgb), decode(d, self.depth_range)


def _cameras(name_or_cameras: str | Sequence[Camera], seed: int) -> list[Camera]:
    if isinstance(name_or_cameras, str):
        return view_set(name_or_cameras, seed)
    cameras = list(name_or_cameras)
    if not cameras:
        raise ValueError("a view set needs at least one camera")
    return cameras
