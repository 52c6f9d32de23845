"""The models the page offers: what it must know to be built, and their pipelines, loaded in the background.

A model's card is read from its index alone, so that the page is served before torch is imported.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from ivid.pipeline.pipeline import Event, IvidPipeline
    from ivid.scene.scene import Scene

ROOT = Path(__file__).resolve().parents[2]
GPU_SECONDS = 120  # what one scene may take of a shared GPU
PUBLISHED_DEFAULTS = {"first_steps": 1000, "novel_steps": 50, "guidance": 3.0}

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class ModelCard:
    """What the page shows of a model before it is loaded.

    Attributes:
        name: what the page and its links call it: the last part of what `--model` said.
        source: what `--model` said.
        class_names: as the model has them; empty for models without classes.
        first_steps, novel_steps, guidance, first_sampler, novel_sampler: the model's defaults.
        upsampler: whether it can enlarge its views.
        most_steps: upper bound of both step counts.
    """

    name: str
    source: str
    class_names: tuple[str, ...]
    first_steps: int
    novel_steps: int
    guidance: float
    first_sampler: str = "auto"
    novel_sampler: str = "ddim"
    upsampler: bool = False
    most_steps: int = 1000

    @classmethod
    def read(cls, source: str) -> ModelCard:
        """The card of a bundled model, of a model folder, or of a model that is fetched on first use.

        Raises:
            ValueError: there is no such model.
        """
        for folder in (ROOT / "ckpts" / source, Path(source).expanduser()):
            index = folder / "model_index.json"
            if index.is_file():
                return cls._from_index(source, index)
        from ivid.pipeline.models import HUB_FILES, imagenet_class_names, model_folder

        if source not in HUB_FILES:
            model_folder(source)  # says what is wrong with it
        return cls(source, source, tuple(imagenet_class_names()), **PUBLISHED_DEFAULTS)

    @classmethod
    def _from_index(cls, source: str, path: Path) -> ModelCard:
        try:
            index = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                name=path.resolve().parent.name,
                source=source,
                class_names=tuple(str(each) for each in index["class_names"]),
                first_steps=int(index["first_steps"]),
                novel_steps=int(index["novel_steps"]),
                guidance=float(index["guidance"]),
                first_sampler=str(index["first_sampler"]),
                novel_sampler=str(index["novel_sampler"]),
                upsampler=(index.get("upsampler_unet") or [None])[0] is not None,
                most_steps=int(index["schedule"]["num_train_timesteps"]),
            )
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{path} does not describe a model of this program ({error})") from None


class Shelf:
    """The models of a page. One pipeline is in memory at a time: the one used last."""

    def __init__(self, names: Sequence[str], device: str | None = None) -> None:
        cards = [ModelCard.read(name) for name in names]
        self.cards = {card.name: card for card in cards}
        if len(self.cards) < len(cards):
            raise ValueError(f"two models of one name cannot be told apart: {', '.join(card.name for card in cards)}")
        self.pace_s: dict[tuple[str, str], float] = {}  # seconds a network evaluation took, by model and phase
        self.told: dict[str, str] = {}  # how far the download of a model is
        self._device = device
        self._lock = threading.Lock()

    @property
    def first(self) -> ModelCard:
        return next(iter(self.cards.values()))

    def is_loaded(self, name: str) -> bool:
        return name in self.cards and self.cards[name].source in _PIPELINES

    def load_in_background(self) -> None:
        """Load the first model on a thread of its own; who asks for it meanwhile waits."""
        threading.Thread(target=self._load_first, name="load-model", daemon=True).start()

    def pipeline(self, name: str) -> IvidPipeline:
        """The pipeline of a model of this shelf, loaded (which takes seconds, or a download) if it is not.

        Raises:
            ValueError: no such model here, or its files are not usable.
        """
        if name not in self.cards:
            raise ValueError(f"this page has no model {name!r}; it has {', '.join(self.cards)}")
        source = self.cards[name].source
        with self._lock:
            if source not in _PIPELINES:
                from ivid.pipeline.loading import load_pipeline
                from ivid.pipeline.models import model_folder

                _PIPELINES.clear()
                try:
                    folder = model_folder(source, partial(self.told.__setitem__, name))
                finally:
                    self.told.pop(name, None)
                pipeline = load_pipeline(folder, "cpu" if _lent_gpu() else self._device)
                if not _lent_gpu():
                    _warm_up(pipeline)
                _PIPELINES[source] = pipeline
            return _PIPELINES[source]

    def _load_first(self) -> None:
        try:
            self.pipeline(self.first.name)
        except (ValueError, OSError, RuntimeError, ImportError) as error:
            print(f"the model {self.first.name} cannot be used: {error}", flush=True)


def stream(source: str, arguments: dict[str, Any]) -> Generator[Event, None, None]:
    """The events of `IvidPipeline.stream`, from a model that is loaded.

    On a Space with a shared GPU this runs in a process that has the GPU and inherits the loaded model, so neither the
    arguments nor the events may hold it.
    """
    yield from _at_work(source).stream(**arguments)


def enlarge(source: str, scene: Scene, settings: dict[str, Any]) -> Generator[Event, None, None]:
    """The events of `ivid.pipeline.upsampling.stream_upsampling`, from a model that is loaded; see `stream`."""
    from ivid.pipeline.upsampling import stream_upsampling

    yield from stream_upsampling(_at_work(source), scene, **settings)


def on_gpu(function: Function) -> Function:
    """The function with a GPU for as long as it runs, where GPUs are lent by the call (the package `spaces`)."""
    if importlib.util.find_spec("spaces") is None:
        return function
    return importlib.import_module("spaces").GPU(duration=GPU_SECONDS)(function)


def _lent_gpu() -> bool:
    """Whether this is a Space whose GPU is there only inside `on_gpu`: `spaces` is installed on all of them."""
    return os.environ.get("SPACES_ZERO_GPU", "").lower() in ("1", "t", "true")


def _at_work(source: str) -> IvidPipeline:
    """A model where it is to run. Outside `on_gpu` a lent GPU is pretended, and only to the main thread."""
    if source not in _PIPELINES:  # this process is older than the model
        from ivid.pipeline.loading import load_pipeline
        from ivid.pipeline.models import model_folder

        _PIPELINES[source] = load_pipeline(model_folder(source), "cpu")
    pipeline = _PIPELINES[source]
    if _lent_gpu():
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


_PIPELINES: dict[str, IvidPipeline] = {}  # by source
sampled, enlarged = on_gpu(stream), on_gpu(enlarge)
