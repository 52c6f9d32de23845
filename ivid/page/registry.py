"""The models the page offers: what it must know to be built, and where their networks run.

A model's card is read from its index alone, and networks are in another process, so the page needs no torch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ivid.page.inference import gpu_is_lent
from ivid.page.networks import InOwnProcess, InThisProcess, Networks
from ivid.pipeline.config import INDEX_FILE, LabelConfig, ModelConfig, ModelIndex
from ivid.pipeline.description import ModelDescription
from ivid.pipeline.locations import BUNDLED_MODELS
from ivid.pipeline.model_files import model_fingerprint
from ivid.pipeline.sampling import ResolvedSampling, Sampling, fast_sampling
from ivid.scene.depth import DepthRange
from ivid.scene.view import View


@dataclass(frozen=True)
class ModelCard:
    """What the page shows of a model before it is loaded.

    Attributes:
        name: what the page and its links call it: the last part of what `--model` said.
        source: what `--model` said.
        config: the model's own.
        upsampler: whether it can enlarge its views.
        fingerprint: of its files (`ivid.pipeline.model_files`); "" for one that is fetched on first use.
    """

    name: str
    source: str
    config: ModelConfig
    upsampler: bool = False
    fingerprint: str = ""

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
                enlarges = "upsampler_unet" in index.networks
                return cls(folder.resolve().name, source, index.config, enlarges, model_fingerprint(folder))
        from ivid.pipeline.models import HUB_FILES, model_folder
        from ivid.published.class_names import imagenet_class_names

        if source not in HUB_FILES:
            model_folder(source)  # says what is wrong with it
        return cls(source, source, ModelConfig(labels=LabelConfig(tuple(imagenet_class_names()))))


class ModelRegistry:
    """The models of a page. One is in memory at a time: the one used last.

    Args:
        names: of models, or their folders.
        device: where networks run; the best there is when None.
        estimator: repository on the hub or folder of the depth estimator for photographs; a small one when None.
        backend: what evaluates the networks, one of `ivid.pipeline.devices.BACKENDS`; the faster one when None.
        networks: where they run; in a process of their own when None, unless a GPU is lent to this one.
    """

    def __init__(
        self,
        names: Sequence[str],
        device: str | None = None,
        estimator: str | None = None,
        backend: str | None = None,
        networks: Networks | None = None,
    ) -> None:
        cards = [ModelCard.read(name) for name in names]
        self.cards = {card.name: card for card in cards}
        if len(self.cards) < len(cards):
            raise ValueError(f"two models of one name cannot be told apart: {', '.join(card.name for card in cards)}")
        self.evaluation_s: dict[tuple[str, str], float] = {}  # seconds a network evaluation took, by model and phase
        self.download_messages: dict[str, str] = {}  # how far the download of a model is, by name
        self.networks: Networks = networks or (InThisProcess() if gpu_is_lent() else InOwnProcess())
        self._device, self._backend, self._estimator = device, backend, estimator
        self._lock = threading.Lock()

    @property
    def first(self) -> ModelCard:
        return next(iter(self.cards.values()))

    def is_loaded(self, name: str) -> bool:
        return name in self.cards and self.cards[name].source in self.networks.loaded

    def load_in_background(self) -> None:
        """Load the first model on a thread of its own; who asks for it meanwhile waits."""
        threading.Thread(target=self._load_first, name="load-model", daemon=True).start()

    def load(self, name: str) -> ModelDescription:
        """A model of this page, once it is loaded, which takes seconds, or a download, unless it is.

        Raises:
            ValueError: no such model here, or its files are not usable.
        """
        if name not in self.cards:
            raise ValueError(f"this page has no model {name!r}; it has {', '.join(self.cards)}")
        source = self.cards[name].source
        with self._lock:
            loaded = self.networks.loaded
            if source not in loaded:
                loaded.clear()
                tell = partial(self.download_messages.__setitem__, name)
                try:
                    model = self.networks.run("load", tell, source, self._device, self._backend)
                finally:
                    self.download_messages.pop(name, None)
                # The page says how long the preset and the defaults take.
                if self.cards[name].fast and not gpu_is_lent():
                    self.evaluation_s[name, "sampling"] = self.networks.run("guided_step_s", tell, source)
                loaded[source] = model
            return loaded[source]

    def photo_view(self, photo: Path, size: int, depth_range: DepthRange, tell: Callable[[str], object]) -> View:
        """A photograph as a first view, with a depth map by the estimator, which is fetched on first use.

        Args:
            photo: its file.
            size: of the view, in pixels.
            depth_range: (near, far) in metres.
            tell: called with a few words on what is being waited for.

        Raises:
            ValueError: the photograph is not usable, or the estimator cannot be fetched.
        """
        return self.networks.run("photo_view", tell, photo, size, depth_range, self._estimator, self._device)

    def _load_first(self) -> None:
        try:
            self.load(self.first.name)
        except (ValueError, OSError, RuntimeError, ImportError) as error:
            print(f"the model {self.first.name} cannot be used: {error}", flush=True)
