"""Scenes drawn while their true views are known, and what was known of every view recorded (DAgger).

A novel-view network that has only been shown true views drifts: what it draws of one view is what it is told of the
next. So scenes are drawn by the networks as they are, in some order of views, each view given those before it, and what
was known of each is kept together with its true picture (Ross, Gordon and Bagnell, "A reduction of imitation learning
and structured prediction to no-regret online learning", AISTATS 2011). Some views are replaced by the true ones, so
that conditions of all qualities are there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from ivid.data.recorded_views import Recorder
from ivid.data.renders import Renders
from ivid.pipeline.labels import SceneLabel, label_of_asset
from ivid.pipeline.sampling import ResolvedSampling
from ivid.pipeline.streaming import further_views, redrawn_views
from ivid.scene.cameras import Camera
from ivid.scene.view import View

if TYPE_CHECKING:
    from ivid.pipeline.pipeline import IvidPipeline


@dataclass(frozen=True)
class RolloutSettings:
    """How scenes are drawn.

    Attributes:
        seed: of everything that is drawn by chance; a scene depends on it and on its number alone.
        views: recorded of every scene, beside the first view.
        all_true: share of the scenes whose views are all true ones.
        half_true: share of the scenes of whose views every other one is true, on average.
        any_order: share of the scenes with views in any order; the others go outwards or inwards.
        unlabelled: share of the scenes that are drawn without their instance.
        trust: (least, most) of the views beside the first; a scene has one, drawn evenly in its logarithm.
        redrawn: share of the scenes whose first view is noised and denoised by the model (`redrawn_views`), so that it
            has the faults of first views that the model draws.
        redrawn_steps: (fewest, most) of the steps of sampling a first view that it is denoised in.
    """

    seed: int = 0
    views: int = 8
    all_true: float = 0.2
    half_true: float = 0.25
    any_order: float = 0.3
    unlabelled: float = 0.12
    trust: tuple[float, float] = (0.01, 0.04)
    redrawn: float = 0.0
    redrawn_steps: tuple[int, int] = (2, 5)


@dataclass(frozen=True)
class Rollout:
    """One scene that is to be drawn.

    Attributes:
        scene: its number in the renders.
        views: numbers of its true views, in the order in which they are drawn.
        true: of each of those, whether the next ones are given the true view in place of the drawn one.
        trust: of these views.
        label: its instance label in the renders; None if it is drawn without one.
        redrawn_steps: in how many steps its first view is denoised; 0 if it is the true one.
    """

    scene: int
    views: tuple[int, ...]
    true: tuple[bool, ...]
    trust: float
    label: int | None
    redrawn_steps: int = 0

    @classmethod
    def draw(cls, number: int, renders: Renders, settings: RolloutSettings) -> Rollout:
        """The rollout of a number, which takes the scenes of the renders in turn."""
        rng = np.random.default_rng((settings.seed, number))
        scene = number % len(renders)
        chosen = 1 + rng.permutation(renders.view_count - 1)[: settings.views]
        if rng.random() >= settings.any_order:
            yaws = np.array([abs(_yaw(renders.scene_camera(scene, int(view)))) for view in chosen])
            chosen = chosen[np.argsort(yaws if rng.random() < 0.5 else -yaws, kind="stable")]
        kind, true = rng.random(), rng.random(len(chosen)) < 0.5
        if kind < settings.all_true:
            true = np.ones_like(true)
        elif kind >= settings.all_true + settings.half_true:
            true = np.zeros_like(true)
        trust = math.exp(rng.uniform(*np.log(settings.trust)))
        label = None if rng.random() < settings.unlabelled else int(renders.labels[scene])
        redrawn = int(rng.integers(*settings.redrawn_steps, endpoint=True)) if rng.random() < settings.redrawn else 0
        return cls(scene, tuple(map(int, chosen)), tuple(map(bool, true)), trust, label, redrawn)


def record_rollouts(
    pipeline: IvidPipeline,
    renders: Renders,
    out: str | Path,
    scenes: int,
    settings: RolloutSettings = RolloutSettings(),
    batch: int = 8,
    progress: bool = True,
) -> None:
    """Draw scenes and record what was known of their views, to be opened with `ivid.data.recorded_views`.

    A run that was stopped goes on where it was.

    Args:
        pipeline: draws the views; an instance that it does not know, without a label.
        renders: with more than one true view of every scene.
        out: folder for the records.
        scenes: how many; if there are more than in the renders, these are gone through again.
        batch: scenes that are drawn together.

    Raises:
        ValueError: the renders have too few views or another size, or `out` holds something else.
    """
    if renders.view_count <= settings.views:
        raise ValueError(
            f"scenes of {settings.views + 1} views are to be drawn, but {renders.folder} holds {renders.view_count} "
            "of each; render more with: prepare models --views N"
        )
    if renders.size != pipeline.size:
        raise ValueError(f"the model draws {pipeline.size} pixels, the renders have {renders.size}")
    renders = renders.by_instance()
    origin = {"renders": str(renders.folder), "split": renders.split, "scenes": scenes, **asdict(settings)}
    recorder = Recorder(out, renders.size, scenes * settings.views, origin)
    first = recorder.done // settings.views
    with tqdm(total=scenes, initial=first, unit="scene", disable=not progress, smoothing=0.05) as bar:
        for start in range(first, scenes, batch):
            rollouts = [Rollout.draw(n, renders, settings) for n in range(start, min(start + batch, scenes))]
            _record(pipeline, renders, rollouts, settings, start, recorder)
            recorder.commit()
            bar.update(len(rollouts))


def _record(
    pipeline: IvidPipeline,
    renders: Renders,
    rollouts: Sequence[Rollout],
    settings: RolloutSettings,
    first_number: int,
    recorder: Recorder,
) -> None:
    known_labels = pipeline.config.labels
    labels = [
        SceneLabel(None) if each.label is None else label_of_asset(renders.asset_names[each.label], known_labels)
        for each in rollouts
    ]
    seeds = [np.random.SeedSequence((settings.seed, first_number + k, 1)) for k in range(len(rollouts))]
    generators = [torch.Generator().manual_seed(int(seed.generate_state(1, np.uint64)[0] >> 1)) for seed in seeds]
    sampling: ResolvedSampling = pipeline.sampling()
    edge_threshold = pipeline.config.depth.edge_threshold

    def true_view(rollout: Rollout, view: int, trust: float) -> View:
        return renders.scene_view(rollout.scene, view, trust, edge_threshold)

    known = [[true_view(each, 0, 1.0)] for each in rollouts]
    for steps in sorted({each.redrawn_steps for each in rollouts} - {0}):
        of = [n for n, each in enumerate(rollouts) if each.redrawn_steps == steps]
        first = [known[n][0] for n in of]
        told = [labels[n] for n in of]
        drawn = redrawn_views(pipeline, first, told, [generators[n] for n in of], sampling, steps)
        for n, view in zip(of, drawn, strict=True):
            known[n] = [view]
    conditions: list[list] = [[] for _ in rollouts]
    for turn in range(settings.views):
        cameras = [renders.scene_camera(each.scene, each.views[turn]) for each in rollouts]
        told = [pipeline.condition(views, camera) for views, camera in zip(known, cameras, strict=True)]
        for record, condition in zip(conditions, told, strict=True):
            record.append(condition)
        if turn == settings.views - 1:
            break
        drawn = further_views(pipeline, told, cameras, labels, generators, sampling, [each.trust for each in rollouts])
        for each, views, view in zip(rollouts, known, drawn, strict=True):
            views.append(true_view(each, each.views[turn], each.trust) if each.true[turn] else view)
    for each, record in zip(rollouts, conditions, strict=True):
        for view, condition in zip(each.views, record, strict=True):
            recorder.append(condition, each.scene, view)


def _yaw(camera: Camera) -> float:
    x, _, z = camera.position
    return math.atan2(x, z)
