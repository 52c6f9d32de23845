"""The models the page offers: what it must know to be built, and their pipelines, loaded in the background.

A model's card is read from its index alone, so that the page is served before torch is imported.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ivid.page.inference import LOADED, gpu_is_lent
from ivid.pipeline.config import INDEX_FILE, LabelConfig, ModelConfig, ModelIndex
from ivid.pipeline.locations import BUNDLED_MODELS
from ivid.pipeline.sampling import ResolvedSampling, Sampling, fast_sampling

if TYPE_CHECKING:
    from ivid.data.photos import DisparityEstimator
    from ivid.pipeline.pipeline import IvidPipeline


@dataclass(frozen=True)
class ModelCard:
    """What the page shows of a model before it is loaded.

    Attributes:
        name: what the page and its links call it: the last part of what `--model` said.
        source: what `--model` said.
        config: the model's own.
        upsampler: whether it can enlarge its views.
    """

    name: str
    source: str
    config: ModelConfig
    upsampler: bool = False

    @property
    def class_names(self) -> tuple[str, ...]:
        """As the model has them; empty for models without classes."""
        return self.config.labels.classes

    @property
    def sampling(self) -> ResolvedSampling:
        """The model's defaults."""
        return Sampling().resolved(self.config.sampling, self.most_steps)

    @property
    def fast(self) -> Sampling | None:
        """The preset of few evaluations; None where the defaults are few."""
        return fast_sampling(self.config.sampling, self.most_steps)

    @property
    def most_steps(self) -> int:
        """Upper bound of the steps of a view."""
        return self.config.timesteps

    @classmethod
    def read(cls, source: str) -> ModelCard:
        """The card of a bundled model, of a model folder, or of a model that is fetched on first use.

        Raises:
            ValueError: there is no such model.
        """
        for folder in (BUNDLED_MODELS / source, Path(source).expanduser()):
            if (folder / INDEX_FILE).is_file():
                index = ModelIndex.read(folder)
                return cls(folder.resolve().name, source, index.config, "upsampler_unet" in index.networks)
        from ivid.pipeline.models import HUB_FILES, model_folder
        from ivid.published.class_names import imagenet_class_names

        if source not in HUB_FILES:
            model_folder(source)  # says what is wrong with it
        return cls(source, source, ModelConfig(labels=LabelConfig(tuple(imagenet_class_names()))))


class ModelRegistry:
    """The models of a page. One pipeline is in memory at a time: the one used last.

    Args:
        names: of models, or their folders.
        device: where networks run; the best there is when None.
        estimator: repository on the hub or folder of the depth estimator for photographs; a small one when None.
        backend: what evaluates the networks, one of `ivid.pipeline.devices.BACKENDS`; the faster one when None.
    """

    def __init__(
        self,
        names: Sequence[str],
        device: str | None = None,
        estimator: str | None = None,
        backend: str | None = None,
    ) -> None:
        cards = [ModelCard.read(name) for name in names]
        self.cards = {card.name: card for card in cards}
        if len(self.cards) < len(cards):
            raise ValueError(f"two models of one name cannot be told apart: {', '.join(card.name for card in cards)}")
        self.evaluation_s: dict[tuple[str, str], float] = {}  # seconds a network evaluation took, by model and phase
        self.download_messages: dict[str, str] = {}  # how far the download of a model is, by name
        self._device, self._backend = device, backend
        self._estimator_name = estimator
        self._estimator: DisparityEstimator | None = None
        self._lock = threading.Lock()

    @property
    def first(self) -> ModelCard:
        return next(iter(self.cards.values()))

    def is_loaded(self, name: str) -> bool:
        return name in self.cards and self.cards[name].source in LOADED

    def load_in_background(self) -> None:
        """Load the first model on a thread of its own; who asks for it meanwhile waits."""
        threading.Thread(target=self._load_first, name="load-model", daemon=True).start()

    def pipeline(self, name: str) -> IvidPipeline:
        """The pipeline of a model of this page, loaded (which takes seconds, or a download) if it is not.

        Raises:
            ValueError: no such model here, or its files are not usable.
        """
        if name not in self.cards:
            raise ValueError(f"this page has no model {name!r}; it has {', '.join(self.cards)}")
        source = self.cards[name].source
        with self._lock:
            if source not in LOADED:
                from ivid.pipeline.loading import load_pipeline
                from ivid.pipeline.models import model_folder

                LOADED.clear()
                try:
                    folder = model_folder(source, partial(self.download_messages.__setitem__, name))
                finally:
                    self.download_messages.pop(name, None)
                placed = ("cpu", "torch") if gpu_is_lent() else (self._device, self._backend)
                pipeline = load_pipeline(folder, *placed)
                if not gpu_is_lent():
                    _warm_up(pipeline)
                    if self.cards[name].fast:  # the page says how long the preset and the defaults take
                        self.evaluation_s[name, "sampling"] = _guided_step_s(pipeline)
                LOADED[source] = pipeline
            return LOADED[source]

    def depth_estimator(self, tell: Callable[[str], object]) -> DisparityEstimator:
        """The estimator of the depths of photographs, fetched on first use.

        Args:
            tell: called with a few words on what is being waited for.

        Raises:
            ValueError: it cannot be fetched.
        """
        with self._lock:
            if self._estimator is None:
                from ivid.data import photos
                from ivid.pipeline.hub import estimator_folder

                folder = estimator_folder(self._estimator_name or photos.QUICK_ESTIMATOR, tell)
                tell("Loading the depth estimator")
                self._estimator = photos.DisparityEstimator(str(folder), "cpu" if gpu_is_lent() else self._device)
        tell("Estimating the depth of your picture")
        return self._estimator

    def _load_first(self) -> None:
        try:
            self.pipeline(self.first.name)
        except (ValueError, OSError, RuntimeError, ImportError) as error:
            print(f"the model {self.first.name} cannot be used: {error}", flush=True)


def _guided_step_s(pipeline: IvidPipeline) -> float:
    """Seconds of one step of the first view, guided as the model does it by default."""
    label = 0 if pipeline.class_names else None
    started = time.perf_counter()
    for _ in pipeline.stream(label, 0, "uncond", first_steps=1, sampler="ddim"):
        pass
    return time.perf_counter() - started


def _warm_up(pipeline: IvidPipeline) -> None:
    """One evaluation of each network and one condition: compiles kernels, and fills caches of the libraries."""
    label = 0 if pipeline.class_names else None
    for _ in pipeline.stream(label, 0, "random", first_steps=1, novel_steps=1, guidance=0.0, sampler="ddim"):
        pass
