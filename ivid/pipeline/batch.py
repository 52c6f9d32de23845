"""Making many scenes: which ones, and in what batches."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ivid.pipeline.config import ModelConfig
from ivid.pipeline.events import Preview, ViewDone
from ivid.pipeline.labels import find_class
from ivid.pipeline.sampling import Sampling
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene
from ivid.scene.view import View

if TYPE_CHECKING:
    from ivid.pipeline.pipeline import IvidPipeline

MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class SceneRequest:
    """One scene to make.

    Attributes:
        class_label: name of the class; None for models without classes.
        class_index: its index, 0 without classes.
        seed: of the scene.
        number: its place in the work, from 0.
        has_namesake: whether another class of the model begins with the same name.
    """

    class_label: str | None
    class_index: int
    seed: int
    number: int = 0
    has_namesake: bool = False

    @property
    def name(self) -> str:
        """File name without suffix: `house_seed00003`; `cardigan-474_seed00003` where the name alone is not enough."""
        label = label_in_files(self.class_label or "scene") + (f"-{self.class_index}" if self.has_namesake else "")
        return f"{label}_seed{self.seed:05d}"


def label_in_files(class_label: str) -> str:
    """The first of a class's names, as files are called by it: its letters and digits, in any script."""
    return re.sub(r"[\W_]+", "-", class_label.split(",")[0].casefold()).strip("-")


def parse_seeds(text: str) -> list[int]:
    """Seeds from a list of integers and ranges: `3`, `0-9`, `1,4,10-12`; each once, in the order of the list.

    Raises:
        ValueError: it is no such list.
    """
    seeds: dict[int, None] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,19})\s*(?:-\s*([0-9]{1,19})\s*)?", part)
        if not match:
            raise ValueError(f"seeds are integers and ranges such as 3 or 0-9,12; {part.strip()!r:.50} is neither")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first >= 10_000_000:
            raise ValueError(f"the range of seeds {part.strip()!r} runs backwards or is too long")
        if last > MAX_SEED:
            raise ValueError(f"a seed is at most 2^63 - 1, got {last}")
        seeds.update(dict.fromkeys(range(first, last + 1)))
    return list(seeds)


def plan(
    model: ModelConfig, classes: str, seeds: Sequence[int], classes_take_turns: bool = False
) -> list[SceneRequest]:
    """The scenes to make (method §12), each once.

    Args:
        model: whose classes they are of.
        classes: `mod` (class = seed mod N), `uniform` (class = running index mod N), `random` (drawn from the seed), or
            names and indices separated by semicolons or, where no name holds one, commas.
        seeds: of the scenes.
        classes_take_turns: one scene for every seed, of listed classes in turn; else each listed class is made with
            every seed.

    Raises:
        ValueError: the model has no such class.
    """
    names = model.labels.classes
    if not names:
        return [SceneRequest(None, 0, seed, number) for number, seed in enumerate(dict.fromkeys(seeds))]
    if classes == "mod":
        chosen = [(seed % len(names), seed) for seed in seeds]
    elif classes == "uniform":
        chosen = [(number % len(names), seed) for number, seed in enumerate(seeds)]
    elif classes == "random":  # a stream of its own: the seed alone draws the camera of the view set `random`
        chosen = [(int(np.random.default_rng((seed, 1)).integers(len(names))), seed) for seed in seeds]
    else:
        listed = _listed_classes(model, classes)
        if classes_take_turns:
            chosen = [(listed[number % len(listed)], seed) for number, seed in enumerate(seeds)]
        else:
            chosen = [(index, seed) for index in listed for seed in seeds]
    namesakes = Counter(map(label_in_files, names))
    return [
        SceneRequest(names[index], index, seed, number, namesakes[label_in_files(names[index])] > 1)
        for number, (index, seed) in enumerate(dict.fromkeys(chosen))
    ]


def _listed_classes(model: ModelConfig, text: str) -> list[int]:
    def index_of(part: str) -> int:
        label = int(part) if re.fullmatch(r"\s*[0-9]{1,9}\s*", part) else part
        index = find_class(label, model.labels.classes, model.name)
        assert index is not None
        return index

    try:
        return [index_of(text)]
    except ValueError:
        parts = [part for part in text.split(";" if ";" in text else ",") if part.strip()]
        if len(parts) < 2:
            raise
        return list(dict.fromkeys(index_of(part) for part in parts))


def generate(
    pipeline: IvidPipeline,
    requests: Sequence[SceneRequest],
    batch: int = 1,
    on_evaluation: Callable[[SceneRequest, Preview], None] | None = None,
    first_view: View | None = None,
    view_set: str | Sequence[Camera] = "3x9",
    sampling: Sampling | None = None,
    **shortcuts: Any,
) -> Iterator[tuple[SceneRequest, Scene, list[ViewDone]]]:
    """Make scenes, `batch` of them in one network call.

    Args:
        pipeline: the model.
        requests: from `plan`.
        batch: how many scenes share a network call.
        on_evaluation: called after every network evaluation, once per scene.
        first_view: every scene starts from it.
        view_set, sampling, shortcuts: as `IvidPipeline.stream` takes them.

    Yields:
        every finished scene with the events of its views.
    """
    asked = (sampling or Sampling()).changed(**shortcuts)
    resolved = pipeline.sampling(asked)
    for start in range(0, len(requests), batch):
        group = requests[start : start + batch]
        done: list[list[ViewDone]] = [[] for _ in group]
        labels = [request.class_label for request in group]
        seeds = [request.seed for request in group]
        first_views = [first_view] * len(group)
        for event in pipeline.stream_batch(labels, seeds, view_set, asked, first_views=first_views):
            if isinstance(event, ViewDone):
                done[event.scene_index].append(event)
            elif on_evaluation is not None:
                on_evaluation(group[event.scene_index], event)
        for request, events in zip(group, done, strict=True):
            views = [event.view for event in events]
            yield request, pipeline.scene(views, request.class_label, request.seed, view_set, resolved), events
