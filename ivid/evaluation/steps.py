"""How few network evaluations will do: samplers and numbers of steps, beside the first of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ivid.data.renders import Renders
from ivid.evaluation.classifier import features, predict
from ivid.evaluation.distances import mmd
from ivid.evaluation.scenes import Row, classifier_of, compared_renders, mean_consistency
from ivid.pipeline.batch import generate, plan
from ivid.pipeline.pipeline import IvidPipeline


@dataclass(frozen=True)
class Choice:
    """A way to sample: `ddim:50` or, with guidance, `ddpm:40:1.5`."""

    sampler: str
    steps: int
    guidance: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Choice:
        """Read `SAMPLER:STEPS` or `SAMPLER:STEPS:GUIDANCE`.

        Raises:
            ValueError: it is neither.
        """
        match = re.fullmatch(r"([a-z+]+):(\d+)(?::(\d+(?:\.\d+)?))?", text.strip())
        if not match:
            raise ValueError(f"{text!r} is no choice of sampling; write SAMPLER:STEPS or SAMPLER:STEPS:GUIDANCE")
        return cls(match[1], int(match[2]), float(match[3] or 0))

    def __str__(self) -> str:
        guided = f", guidance {self.guidance:g}" if self.guidance else ""
        return f"{self.sampler} in {self.steps} steps{guided}"


def compare_first_views(
    pipeline: IvidPipeline, data: str | Path, choices: Sequence[Choice], per_class: int = 16
) -> Iterator[Row]:
    """First views of the same classes and seeds, sampled in every way.

    Yields:
        for each way the share that the classifier recognises, MMD to training renders, and seconds per view.
    """
    train = Renders.open(data)
    classifier = classifier_of(train, data)
    seen = features(classifier, train.rgb[compared_renders(train)])
    requests = plan(pipeline.config, ";".join(pipeline.class_names), range(per_class))
    labels = np.array([request.class_index for request in requests])
    for choice in choices:
        started = time.perf_counter()
        made = generate(
            pipeline,
            requests,
            min(16, per_class),
            view_set="uncond",
            sampler=choice.sampler,
            first_steps=choice.steps,
            guidance=choice.guidance,
        )
        pictures = np.stack([scene.views[0].rgb for _, scene, _ in made])
        seconds = (time.perf_counter() - started) / len(requests)
        named = float((predict(classifier, pictures) == labels).mean())
        distance = 1000 * mmd(seen, features(classifier, pictures))[0]
        yield f"first view, {choice}", f"{named:.1%} recognised, MMD x 1000 {distance:.1f}, {seconds:.2f} s"


def compare_novel_views(pipeline: IvidPipeline, choices: Sequence[Choice], scenes: int = 6) -> Iterator[Row]:
    """3x9 scenes that begin with the same first views, their further views sampled in every way.

    Yields:
        for each way, how well neighbouring views agree, and seconds per scene.
    """
    requests = plan(pipeline.config, "uniform", range(scenes))
    firsts = [scene.views[0] for _, scene, _ in generate(pipeline, requests, view_set="uncond")]
    for choice in choices:
        started = time.perf_counter()
        made = []
        for request, first in zip(requests, firsts, strict=True):
            made += generate(
                pipeline,
                [request],
                first_view=first,
                sampler=choice.sampler,
                novel_steps=choice.steps,
                guidance=choice.guidance,
            )
        seconds = (time.perf_counter() - started) / scenes
        psnr, depth = mean_consistency([scene for _, scene, _ in made])
        yield f"further views, {choice}", f"{psnr:.2f} dB, depth error {depth:.2%}, {seconds:.1f} s"
