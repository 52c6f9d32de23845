"""What is done with networks, wherever that is (`ivid.page.networks`); on some Spaces a GPU is lent to it by the call.

Each of `TASKS` is a function of `send`, which takes whatever there is to tell on the way, and of its arguments. What
`send` raises ends it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ivid.pipeline.description import ModelDescription
from ivid.scene.depth import DepthRange
from ivid.scene.scene import Scene
from ivid.scene.view import View

if TYPE_CHECKING:
    from ivid.data.photos import DisparityEstimator
    from ivid.pipeline.events import Event
    from ivid.pipeline.pipeline import IvidPipeline

Function = TypeVar("Function", bound=Callable[..., Any])
Send = Callable[[Any], object]

GPU_SECONDS = 120  # what one scene may take of a shared GPU

LOADED: dict[str, IvidPipeline] = {}  # the pipeline in the memory of this process, by source
ESTIMATORS: dict[tuple[str, str | None], DisparityEstimator] = {}  # by name and device


def on_gpu(function: Function) -> Function:
    """The function with a GPU for as long as it runs, where GPUs are lent by the call (the package `spaces`)."""
    if importlib.util.find_spec("spaces") is None:
        return function
    return importlib.import_module("spaces").GPU(duration=GPU_SECONDS)(function)


def gpu_is_lent() -> bool:
    """Whether this is a Space whose GPU is there only inside `on_gpu`: `spaces` is installed on all of them."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def load(send: Send, source: str, device: str | None, backend: str | None) -> ModelDescription:
    """Load a model in the place of the one before, and warm it up; tells how far its download is.

    Raises:
        ValueError: its files are not usable.
    """
    from ivid.pipeline.loading import load_pipeline
    from ivid.pipeline.models import model_folder

    LOADED.clear()
    pipeline = load_pipeline(model_folder(source, send), *(("cpu", "torch") if gpu_is_lent() else (device, backend)))
    if not gpu_is_lent():
        _warm_up(pipeline)
    LOADED[source] = pipeline
    return ModelDescription(pipeline.config, pipeline.size, pipeline.fingerprint)


def guided_step_s(send: Send, source: str) -> float:
    """Seconds of one step of the first view, guided as the model does it by default."""
    pipeline = _pipeline(source)
    label = 0 if pipeline.class_names else None
    started = time.perf_counter()
    for _ in pipeline.stream(label, 0, "uncond", first_steps=1, sampler="ddim"):
        pass
    return time.perf_counter() - started


def photo_view(
    send: Send, photo: Path, size: int, depth_range: DepthRange, estimator: str | None, device: str | None
) -> View:
    """A photograph as a first view, with the depth that an estimator sees; tells what is being waited for.

    Args:
        estimator: see `ModelRegistry`.

    Raises:
        ValueError: the estimator cannot be fetched, or the photograph is not usable.
    """
    from ivid.data import photos

    name, place = estimator or photos.QUICK_ESTIMATOR, "cpu" if gpu_is_lent() else device
    if (name, place) not in ESTIMATORS:
        from ivid.pipeline.hub import estimator_folder

        folder = estimator_folder(name, send)
        send("Loading the depth estimator")
        ESTIMATORS[name, place] = photos.DisparityEstimator(str(folder), place)
    send("Estimating the depth of your picture")
    return photos.photo_view(photo, ESTIMATORS[name, place], size=size, depth_range=depth_range)


def sample(send: Send, source: str, arguments: dict[str, Any]) -> None:
    """Tells the events of `IvidPipeline.stream`, from the model that is loaded."""
    _send_each(send, stream_on_gpu(source, arguments))


def upsample(send: Send, source: str, scene: Scene, settings: dict[str, Any]) -> None:
    """Tells the events of `ivid.pipeline.upsampling.stream_upsampling`, from the model that is loaded."""
    _send_each(send, upsampling_on_gpu(source, scene, settings))


TASKS: dict[str, Callable[..., Any]] = {
    "load": load,
    "guided_step_s": guided_step_s,
    "photo_view": photo_view,
    "sample": sample,
    "upsample": upsample,
}


def stream(source: str, arguments: dict[str, Any]) -> Generator[Event, None, None]:
    """The events of a scene.

    On a Space with a shared GPU this runs in a process that has the GPU and inherits the loaded model, so neither the
    arguments nor the events may hold it.
    """
    yield from _pipeline(source).stream(**arguments)


def stream_upsampling(source: str, scene: Scene, settings: dict[str, Any]) -> Generator[Event, None, None]:
    """The events of a scene's upsampling; see `stream`."""
    from ivid.pipeline.upsampling import stream_upsampling

    yield from stream_upsampling(_pipeline(source), scene, **settings)


def _send_each(send: Send, events: Generator[Event, None, None]) -> None:
    from ivid.pipeline.events import ViewDone

    with contextlib.closing(events):
        for event in events:
            # The page shows no conditions, which are larger than views.
            send(ViewDone(event.view_index, event.view, None) if isinstance(event, ViewDone) else event)


def _pipeline(source: str) -> IvidPipeline:
    """A pipeline where it is to run. Outside `on_gpu` a lent GPU is pretended, and only to the main thread."""
    if source not in LOADED:
        if not gpu_is_lent():
            raise RuntimeError("the model is not loaded any more; please try again")
        load(str, source, None, None)  # this process is older than the model
    pipeline = LOADED[source]
    if gpu_is_lent():
        import torch

        from ivid.pipeline.loading import fastest_precision

        if torch.cuda.is_available():
            pipeline.to("cuda", fastest_precision("cuda"))
    return pipeline


def _warm_up(pipeline: IvidPipeline) -> None:
    """One evaluation of each network and one condition: compiles kernels, and fills caches of the libraries."""
    label = 0 if pipeline.class_names else None
    for _ in pipeline.stream(label, 0, "random", first_steps=1, novel_steps=1, guidance=0.0, sampler="ddim"):
        pass


stream_on_gpu, upsampling_on_gpu = on_gpu(stream), on_gpu(stream_upsampling)
