"""What a person asks for: read from the page's fields and checked, and written as a link that asks for it again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from ivid.page.registry import ModelRegistry
from ivid.pipeline.sampling import Sampling
from ivid.scene.cameras import VIEW_SETS, Camera, view_set
from ivid.scene.depth import DepthRange

if TYPE_CHECKING:
    from ivid.scene.scene import View

Number = TypeVar("Number", int, float)

FIELDS = ("model", "class_label", "seed", "view_set", "first_steps", "novel_steps", "guidance", "sampler", "upsample")
NAMES_IN_LINKS = {"class_label": "class", "view_set": "views"}  # where they differ from the fields' names


@dataclass(frozen=True)
class InputPicture:
    """Files of a picture and its depth map, which become the first view of a scene (`ivid.scene.rgbd`)."""

    picture: Path
    depth: Path
    depth_kind: str = "metric"

    def view(self, size: int, depth_range: DepthRange) -> View:
        """The first view made of them.

        Raises:
            ValueError: the files are not usable, or do not belong together.
        """
        from ivid.scene.rgbd import load_rgbd

        return load_rgbd(self.picture, self.depth, depth_kind=self.depth_kind, size=size, depth_range=depth_range)


@dataclass(frozen=True)
class GenerationRequest:
    """A scene to generate; None stands for the model's default."""

    model: str
    class_label: str | None
    seed: int
    view_set: str = "3x9"
    first_steps: int | None = None
    novel_steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    upsample: bool | None = None
    picture: InputPicture | None = None

    @property
    def cameras(self) -> list[Camera]:
        return view_set(self.view_set, self.seed)

    @property
    def sampling(self) -> Sampling:
        """Steps, guidance and sampler, as the pipeline takes them."""
        return Sampling().changed(
            first_steps=self.first_steps, novel_steps=self.novel_steps, guidance=self.guidance, sampler=self.sampler
        )

    @property
    def title(self) -> str:
        """Class and seed, as the viewer shows them above the scene."""
        return " · ".join(part for part in (self.class_label, f"seed {self.seed}") if part)

    def check(self, models: ModelRegistry) -> None:
        """Refuse what the model would refuse; models that are not loaded yet are asked later.

        Raises:
            ValueError: the scene cannot be generated; the message says why.
        """
        view_set(self.view_set)
        if self.model not in models.cards or models.is_loaded(self.model):
            models.pipeline(self.model).check_inputs(self.class_label, self.seed, self.view_set, self.sampling)


def read_request(
    models: ModelRegistry,
    model: str | None,
    class_label: str | None,
    seed: str | int,
    view_set: str,
    first_steps: float | None = None,
    novel_steps: float | None = None,
    guidance: float | None = None,
    sampler: str | None = None,
    upsample: bool = False,
    picture: str | None = None,
    depth: str | None = None,
    depth_kind: str = "metric",
) -> GenerationRequest:
    """The request in the fields of the page, checked as far as it can be before the model is loaded.

    A picture and its depth map, both or neither, are the files of a first view.

    Raises:
        ValueError: a field is wrong; the message names it, and says what would be right.
    """
    text = str(seed if seed is not None else "").strip()
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) >= 2**63:
        raise ValueError(f"the seed must be an integer from 0 to 2^63 - 1, got {text[:40] or 'nothing'}")
    card = models.cards.get(model or models.first.name)
    if card is None:
        raise ValueError(f"this page has no model {model!r}; it has {', '.join(models.cards)}")
    if card.class_names and not class_label:
        raise ValueError("pick a class first")
    if upsample and not card.upsampler:
        raise ValueError(f"the model {card.name} has no upsampler")
    if bool(picture) != bool(depth):
        raise ValueError(f"to begin with a picture, give its {'depth map' if picture else 'colours'} too")
    request = GenerationRequest(
        model=card.name,
        class_label=class_label or None,
        seed=int(text),
        view_set=view_set,
        first_steps=_unless(card.sampling.first_steps, _steps("first view", first_steps, card.most_steps)),
        novel_steps=_unless(card.sampling.novel_steps, _steps("further views", novel_steps, card.most_steps)),
        guidance=_unless(card.sampling.guidance, guidance),
        sampler=sampler or None,
        upsample=upsample or None,
        picture=InputPicture(Path(picture), Path(depth), depth_kind) if picture and depth else None,
    )
    request.check(models)
    return request


def link_to(request: GenerationRequest) -> str:
    """The query of a link that fills the page's fields with this request, without defaults and pictures."""
    values = {NAMES_IN_LINKS.get(name, name): getattr(request, name) for name in FIELDS}
    return "?" + urlencode({name: _plain(value) for name, value in values.items() if value is not None})


def read_link(models: ModelRegistry, query: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Values for the page's fields from the query of a link.

    Returns:
        the values by field, none if the query asks for no scene; and one sentence that names what in it cannot be
        used here, "" if everything can.
    """
    texts = {name: str(query[key]) for name in FIELDS if (key := NAMES_IN_LINKS.get(name, name)) in query}
    if "seed" not in texts:
        return {}, ""
    bad: list[str] = []
    fields: dict[str, Any] = {}
    model = texts.pop("model", models.first.name)
    card = models.cards.get(model)
    if card is None:
        bad.append(f"the model {model}")
        card = models.first
    if texts.pop("upsample", "") == "True":
        fields["upsample"] = card.upsampler
        bad += [] if card.upsampler else ["larger views"]
    for name, text in texts.items():
        if name in ("first_steps", "novel_steps", "guidance"):
            try:
                fields[name] = float(text) if name == "guidance" else int(text)
            except ValueError:
                bad.append(f"{name} {text}")
        elif (name == "class_label" and text not in card.class_names) or (name == "view_set" and text not in VIEW_SETS):
            bad.append(f"the {'class' if name == 'class_label' else 'view set'} {text}")
        else:
            fields[name] = text
    fields["model"] = card.name
    return fields, f"The link asks for {' and '.join(bad)}, which this page does not have." if bad else ""


def _unless(default: Number, value: Number | None) -> Number | None:
    """None where the model's default is asked for, so that links stay short."""
    return None if value == default else value


def _steps(what: str, value: float | None, most: int) -> int | None:
    if value is None:
        return None
    if value != int(value) or not 1 <= value <= most:
        raise ValueError(f"the steps of the {what} must be an integer from 1 to {most}, got {value:g}")
    return int(value)


def _plain(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, float) else value
