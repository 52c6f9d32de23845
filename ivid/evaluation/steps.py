"""How few network evaluations will do: samplers, numbers of steps and guidance, each beside the first of them."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ivid.data.renders import Renders
from ivid.diffusion.guidance import EVERYWHERE
from ivid.evaluation.classifier import ImageClassifier, features, predict
from ivid.evaluation.distances import mmd
from ivid.evaluation.scenes import Row, classifier_of, compared_renders, mean_consistency
from ivid.pipeline.batch import generate, plan
from ivid.pipeline.pipeline import IvidPipeline
from ivid.pipeline.sampling import Sampling
from ivid.scene.scene import Scene


@dataclass(frozen=True)
class Choice:
    """A way to sample: `ddim:50`; with guidance, `ddpm:40:1.5`; with guidance in an interval, `unipc:20:3:0.2-0.7`."""

    sampler: str
    steps: int
    guidance: float = 0.0
    interval: tuple[float, float] = EVERYWHERE

    @classmethod
    def parse(cls, text: str) -> Choice:
        """Read `SAMPLER:STEPS`, `SAMPLER:STEPS:GUIDANCE` or `SAMPLER:STEPS:GUIDANCE:LOW-HIGH`.

        Raises:
            ValueError: it is none of them.
        """
        number = r"\d+(?:\.\d+)?"
        match = re.fullmatch(rf"([a-z+]+):(\d+)(?::({number})(?::({number})-({number}))?)?", text.strip())
        if not match:
            raise ValueError(f"{text!r} is no choice of sampling; write SAMPLER:STEPS[:GUIDANCE[:LOW-HIGH]]")
        interval = (float(match[4]), float(match[5])) if match[4] else EVERYWHERE
        return cls(match[1], int(match[2]), float(match[3] or 0), interval)

    def first(self) -> Sampling:
        """First views sampled like this."""
        return Sampling(
            first_steps=self.steps,
            guidance=self.guidance,
            first_sampler=self.sampler,
            guidance_interval=self.interval,
        )

    def novel(self) -> Sampling:
        """Further views sampled like this."""
        return Sampling(
            novel_steps=self.steps,
            novel_guidance=self.guidance,
            novel_sampler=self.sampler,
            guidance_interval=self.interval,
        )

    def __str__(self) -> str:
        guided = f", guidance {self.guidance:g}" if self.guidance else ""
        inside = "" if self.interval == EVERYWHERE else " in {:g}-{:g}".format(*self.interval)
        return f"{self.sampler} in {self.steps} steps{guided}{inside}"


def compare_first_views(
    pipeline: IvidPipeline, choices: Sequence[Choice], per_class: int = 16, data: str | Path | None = None
) -> Iterator[Row]:
    """First views of the same classes and seeds, sampled in every way.

    Args:
        pipeline: the model.
        choices: the ways; pictures are compared with those of the first.
        per_class: how many are sampled of every class.
        data: folder of renders the model was trained on; without it nothing is recognised.

    Yields:
        for each way the network evaluations and seconds of a view, how near it is to that of the first way, and, with
        `data`, the share that the classifier recognises and MMD to training renders.
    """
    judge = None if data is None else _Judge.of(data)
    requests = plan(pipeline.config, ";".join(pipeline.class_names) or "mod", range(per_class))
    labels = np.array([request.class_index for request in requests])
    reference = None
    for choice in choices:
        started = time.perf_counter()
        made = generate(pipeline, requests, min(16, len(requests)), view_set="uncond", sampling=choice.first())
        pictures = np.stack([scene.views[0].rgb for _, scene, _ in made])
        seconds = (time.perf_counter() - started) / len(requests)
        cost = pipeline.sampling(choice.first()).evaluations(1, pipeline.config.timesteps)
        reference = pictures if reference is None else reference
        likeness = "" if reference is pictures else f", {_mean_psnr_db(pictures, reference):.1f} dB to the first"
        judged = "" if judge is None else f", {judge.verdict(pictures, labels)}"
        yield f"first view, {choice}", f"{cost} evaluations, {seconds:.2f} s{likeness}{judged}"


def compare_novel_views(
    pipeline: IvidPipeline,
    choices: Sequence[Choice],
    scenes: int = 6,
    assets: Sequence[Path] = (),
    poses: str = "around",
) -> Iterator[Row]:
    """3x9 scenes that begin with the same first views, their further views sampled in every way.

    Args:
        pipeline: the model.
        choices: the ways; pictures are compared with those of the first.
        scenes: how many, with first views that the model draws.
        assets: 3D files `CLASS/FILE.glb`; scenes that begin with a true view of each are compared with true ones.
        poses: from where assets are seen and lit, one of `ivid.data.staging.POSES`.

    Yields:
        for each way the network evaluations and seconds of a scene's further views, how near they are to those of the
        first way, how well neighbouring views agree, and, with `assets`, how near further views are to true ones.
    """
    requests = plan(pipeline.config, "uniform", range(scenes))
    firsts = [scene.views[0] for _, scene, _ in generate(pipeline, requests, view_set="uncond")]
    reference = None
    for choice in choices:
        started = time.perf_counter()
        made: list[Scene] = []
        for request, first in zip(requests, firsts, strict=True):
            made += [scene for _, scene, _ in generate(pipeline, [request], first_view=first, sampling=choice.novel())]
        seconds = (time.perf_counter() - started) / scenes
        pictures = np.stack([view.rgb for scene in made for view in scene.views[1:]])
        cost = pipeline.sampling(choice.novel()).evaluations(len(made[0].views), pipeline.config.timesteps, True)
        reference = pictures if reference is None else reference
        likeness = "" if reference is pictures else f", {_mean_psnr_db(pictures, reference):.1f} dB to the first"
        psnr, depth = mean_consistency(made)
        truth = _to_truth(pipeline, choice, assets, poses) if assets else ""
        yield (
            f"further views, {choice}",
            f"{cost} evaluations, {seconds:.1f} s{likeness}, neighbours {psnr:.2f} dB, depth {depth:.2%}{truth}",
        )


@dataclass(frozen=True, eq=False)
class _Judge:
    """What tells how good pictures are: the classifier of the renders, and its features of them."""

    classifier: ImageClassifier
    seen: np.ndarray

    @classmethod
    def of(cls, data: str | Path) -> _Judge:
        train = Renders.open(data)
        classifier = classifier_of(train, data)
        return cls(classifier, features(classifier, train.rgb[compared_renders(train)]))

    def verdict(self, pictures: np.ndarray, labels: np.ndarray) -> str:
        named = float((predict(self.classifier, pictures) == labels).mean())
        distance = 1000 * mmd(self.seen, features(self.classifier, pictures))[0]
        return f"{named:.1%} recognised, MMD x 1000 {distance:.1f}"


def _to_truth(pipeline: IvidPipeline, choice: Choice, assets: Sequence[Path], poses: str) -> str:
    from ivid.evaluation.truth import scene_metrics  # needs OpenGL

    scores = [scene_metrics(pipeline, asset, seed, poses, choice.novel()) for seed, asset in enumerate(assets)]
    psnr, ssim = (float(np.mean([score.mean(name) for score in scores])) for name in ("psnr_db", "ssim"))
    return f", to true views {psnr:.2f} dB, SSIM {ssim:.3f}"


def _mean_psnr_db(pictures: np.ndarray, reference: np.ndarray) -> float:
    """Mean PSNR in dB of pictures uint8 [N, S, S, 3] to others; infinite if they are equal."""
    errors = np.square(pictures.astype(np.float64) - reference).mean(axis=(1, 2, 3)) / 255**2
    return float(np.mean(-10 * np.log10(errors))) if errors.all() else math.inf
