"""Pipelines at work: the functions that run networks, on a GPU that is lent by the call where GPUs are shared."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ivid.pipeline.events import Event
    from ivid.pipeline.pipeline import IvidPipeline
    from ivid.scene.scene import Scene

GPU_SECONDS = 120  # what one scene may take of a shared GPU

Function = TypeVar("Function", bound=Callable[..., Any])

LOADED: dict[str, IvidPipeline] = {}  # the pipelines in memory, by source; `ModelRegistry` fills it


def on_gpu(function: Function) -> Function:
    """The function with a GPU for as long as it runs, where GPUs are lent by the call (the package `spaces`)."""
    if importlib.util.find_spec("spaces") is None:
        return function
    return importlib.import_module("spaces").GPU(duration=GPU_SECONDS)(function)


def gpu_is_lent() -> bool:
    """Whether this is a Space whose GPU is there only inside `on_gpu`: `spaces` is installed on all of them."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def stream(source: str, arguments: dict[str, Any]) -> Generator[Event, None, None]:
    """The events of `IvidPipeline.stream`, from a model that is loaded.

    On a Space with a shared GPU this runs in a process that has the GPU and inherits the loaded model, so neither the
    arguments nor the events may hold it.
    """
    yield from _pipeline(source).stream(**arguments)


def upsample(source: str, scene: Scene, settings: dict[str, Any]) -> Generator[Event, None, None]:
    """The events of `ivid.pipeline.upsampling.stream_upsampling`, from a model that is loaded; see `stream`."""
    from ivid.pipeline.upsampling import stream_upsampling

    yield from stream_upsampling(_pipeline(source), scene, **settings)


def _pipeline(source: str) -> IvidPipeline:
    """A pipeline where it is to run. Outside `on_gpu` a lent GPU is pretended, and only to the main thread."""
    if source not in LOADED:  # this process is older than the model
        from ivid.pipeline.loading import load_pipeline
        from ivid.pipeline.models import model_folder

        LOADED[source] = load_pipeline(model_folder(source), "cpu", "torch")
    pipeline = LOADED[source]
    if gpu_is_lent():
        import torch

        from ivid.pipeline.loading import fastest_precision

        if torch.cuda.is_available():
            pipeline.to("cuda", fastest_precision("cuda"))
    return pipeline


stream_on_gpu, upsample_on_gpu = on_gpu(stream), on_gpu(upsample)
