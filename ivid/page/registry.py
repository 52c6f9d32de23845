"""The models the page offers: what it must know to be built, and their pipelines, loaded in the background.

A model's card is read from its index alone, so that the page is served before torch is imported.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ivid.page.inference import LOADED, gpu_is_lent

if TYPE_CHECKING:
    from ivid.pipeline.pipeline import IvidPipeline

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED_DEFAULTS = {"first_steps": 1000, "novel_steps": 50, "guidance": 3.0}


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


class ModelRegistry:
    """The models of a page. One pipeline is in memory at a time: the one used last."""

    def __init__(self, names: Sequence[str], device: str | None = None) -> None:
        cards = [ModelCard.read(name) for name in names]
        self.cards = {card.name: card for card in cards}
        if len(self.cards) < len(cards):
            raise ValueError(f"two models of one name cannot be told apart: {', '.join(card.name for card in cards)}")
        self.evaluation_s: dict[tuple[str, str], float] = {}  # seconds a network evaluation took, by model and phase
        self.download_messages: dict[str, str] = {}  # how far the download of a model is, by name
        self._device = device
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
                pipeline = load_pipeline(folder, "cpu" if gpu_is_lent() else self._device)
                if not gpu_is_lent():
                    _warm_up(pipeline)
                LOADED[source] = pipeline
            return LOADED[source]

    def _load_first(self) -> None:
        try:
            self.pipeline(self.first.name)
        except (ValueError, OSError, RuntimeError, ImportError) as error:
            print(f"the model {self.first.name} cannot be used: {error}", flush=True)


def _warm_up(pipeline: IvidPipeline) -> None:
    """One evaluation of each network and one condition: compiles kernels, and fills caches of the libraries."""
    label = 0 if pipeline.class_names else None
    for _ in pipeline.stream(label, 0, "random", first_steps=1, novel_steps=1, guidance=0.0, sampler="ddim"):
        pass
