"""Where the time of a scene goes: the networks, the conditions, the other work with views, and the rest of Python."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import ivid.diffusion.denoiser
import ivid.diffusion.refining
import ivid.fusion
import ivid.pipeline.pictures
from ivid.pipeline.pipeline import IvidPipeline

STAGES: Mapping[str, tuple[tuple[Any, str], ...]] = {
    "networks": ((ivid.diffusion.denoiser, "evaluate"), (ivid.diffusion.refining, "evaluate")),
    "conditions": ((IvidPipeline, "condition"),),
    "fusion: specks": ((ivid.fusion, "without_specks"),),
    "pictures of samples": ((ivid.pipeline.pictures, "to_pictures"),),
}
"""The functions that make up each stage, none of which calls another; each as where it is looked up, and its name."""
REST = "rest of Python"


@contextmanager
def measured_stages() -> Iterator[dict[str, float]]:
    """Seconds by stage of what is done inside; REST and so the whole are filled in at the end."""
    seconds = dict.fromkeys([*STAGES, REST], 0.0)
    with ExitStack() as patches:
        for stage, functions in STAGES.items():
            for owner, name in functions:
                patches.enter_context(patch.object(owner, name, _timed(getattr(owner, name), seconds, stage)))
        started = time.perf_counter()
        yield seconds
        whole = time.perf_counter() - started
    seconds[REST] = whole - sum(seconds.values())


def _timed(function: Callable[..., Any], seconds: dict[str, float], stage: str) -> Callable[..., Any]:
    def timed(*arguments: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return function(*arguments, **options)
        finally:
            seconds[stage] += time.perf_counter() - started

    return timed
