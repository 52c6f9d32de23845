"""What a person asks for: read from the page's fields, from a link or from a scene, and written as a link again."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from ivid.page.registry import ModelRegistry
from ivid.pipeline.sampling import FAST_SAMPLING, ResolvedSampling, Sampling
from ivid.scene.cameras import VIEW_SETS, Camera, in_order, view_set
from ivid.scene.depth import DepthRange
from ivid.scene.fingerprint import FIRST_VIEW, MODEL
from ivid.scene.rgbd import load_rgbd, read_picture
from ivid.scene.scene import Scene
from ivid.scene.view import View

Number = TypeVar("Number", int, float)

FIELDS = (
    "model",
    "class_label",
    "seed",
    "view_set",
    "fast",
    "first_steps",
    "novel_steps",
    "guidance",
    "sampler",
    "upsample",
)
NAMES_IN_LINKS = {"class_label": "class", "view_set": "views"}  # where they differ from the fields' names
PICTURE_FIELDS = ("picture", "depth", "depth_kind")


@dataclass(frozen=True)
class InputPicture:
    """Files of a picture and, unless its depth is to be estimated, of its depth map: the first view of a scene."""

    picture: Path
    depth: Path | None = None
    depth_kind: str = "metric"

    def view(self, size: int, depth_range: DepthRange, estimated: Callable[[Path, int, DepthRange], View]) -> View:
        """The first view made of them; `estimated` makes it of a picture without a depth map.

        Raises:
            ValueError: the files are not usable, or do not belong together, or there is no estimator.
        """
        if self.depth is None:
            read_picture(self.picture)  # before an estimator is fetched for it
            return estimated(self.picture, size, depth_range)
        return load_rgbd(self.picture, self.depth, depth_kind=self.depth_kind, size=size, depth_range=depth_range)


@dataclass(frozen=True)
class GenerationRequest:
    """A scene to generate.

    Attributes:
        sampling: None in it stands for the model's default.
        fast: whether `sampling` is the model's preset of few evaluations, but for what was asked for besides.
        upsample: whether views are made twice as large.
        picture: what it begins with, in place of a first view that the model imagines.
        first_view: fingerprint of the view made of the picture; "" without one, and before it is made.
        so_far: this scene as far as it was generated earlier; only its missing views are generated.
        view_orders: of the model, see `ivid.pipeline.config.ModelConfig`.
    """

    model: str
    class_label: str | None
    seed: int
    view_set: str = "3x9"
    sampling: Sampling = field(default_factory=Sampling)
    fast: bool = False
    upsample: bool = False
    picture: InputPicture | None = None
    first_view: str = ""
    so_far: Scene | None = None
    view_orders: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @cached_property
    def cameras(self) -> list[Camera]:
        """Of all views, in the order in which they are sampled."""
        return in_order(view_set(self.view_set, self.seed), self.view_orders.get(self.view_set))

    @property
    def title(self) -> str:
        """Class and seed, as the viewer shows them above the scene."""
        return " · ".join(part for part in (self.class_label, f"seed {self.seed}") if part)

    @property
    def fields(self) -> dict[str, Any]:
        """Values of the page's fields that ask for this scene; None where the model's default is asked for."""
        asked, preset = self.sampling, FAST_SAMPLING if self.fast else Sampling()

        def beside(name: str) -> Any:
            return _unless(getattr(preset, name), getattr(asked, name))

        return {
            "model": self.model,
            "class_label": self.class_label,
            "seed": self.seed,
            "view_set": self.view_set,
            "fast": self.fast or None,
            "first_steps": beside("first_steps"),
            "novel_steps": beside("novel_steps"),
            "guidance": beside("guidance"),
            "sampler": beside("novel_sampler"),  # the field is for both
            "upsample": self.upsample or None,
        }

    @property
    def no_link(self) -> str:
        """Why no link can make the scene again; "" if one can."""
        with_picture = self.picture is not None or self.first_view
        return "this scene began with your picture, which a link does not hold" if with_picture else ""

    @property
    def key(self) -> str:
        """The same for the same scene, finished or not, and for no other."""
        return link_to(self) + (f"&{FIRST_VIEW}={self.first_view}" if self.first_view else "")

    def check(self, models: ModelRegistry) -> None:
        """Refuse what the model would refuse; models that are not loaded yet are asked later.

        Raises:
            ValueError: the scene cannot be generated; the message says why.
        """
        view_set(self.view_set)
        if self.model not in models.cards or models.is_loaded(self.model):
            models.load(self.model).check_inputs(self.class_label, self.seed, self.view_set, self.sampling)


def read_request(models: ModelRegistry, fields: Mapping[str, Any]) -> GenerationRequest:
    """The request in the fields of the page, checked as far as it can be before the model is loaded.

    Args:
        fields: values by name, `FIELDS` and `PICTURE_FIELDS`; those that are missing have their defaults. A picture
            without a depth map has its depth estimated.

    Raises:
        ValueError: a field is wrong; the message names it, and says what would be right.
    """
    seed, model, picture, depth = (fields.get(name) for name in ("seed", "model", "picture", "depth"))
    text = str(seed if seed is not None else "").strip()
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) >= 2**63:
        raise ValueError(f"the seed must be an integer from 0 to 2^63 - 1, got {text[:40] or 'nothing'}")
    card = models.cards.get(model or models.first.name)
    if card is None:
        raise ValueError(f"this page has no model {model!r}; it has {', '.join(models.cards)}")
    if card.class_names and not fields.get("class_label"):
        raise ValueError("pick a class first")
    if fields.get("upsample") and not card.upsampler:
        raise ValueError(f"the model {card.name} has no upsampler")
    if depth and not picture:
        raise ValueError("to begin with a picture, give its colours too")
    fast = bool(fields.get("fast")) and card.fast is not None  # elsewhere the model's own evaluations are few
    preset = card.fast if fast and card.fast else Sampling()
    own = preset.resolved(card.config.sampling, card.most_steps)
    sampling = preset.changed(
        first_steps=_unless(own.first_steps, _steps("first view", fields.get("first_steps"), card.most_steps)),
        novel_steps=_unless(own.novel_steps, _steps("further views", fields.get("novel_steps"), card.most_steps)),
        guidance=_unless(own.guidance, fields.get("guidance")),
        sampler=fields.get("sampler") or None,
    )
    request = GenerationRequest(
        model=card.name,
        class_label=fields.get("class_label") or None,
        seed=int(text),
        view_set=fields.get("view_set", "3x9"),
        sampling=sampling,
        fast=fast,
        upsample=bool(fields.get("upsample")),
        picture=InputPicture(Path(picture), Path(depth) if depth else None, fields.get("depth_kind", "metric"))
        if picture
        else None,
        view_orders=card.config.view_orders,
    )
    request.check(models)
    return request


def link_to(request: GenerationRequest) -> str:
    """The query of a link that fills the page's fields with this request, without defaults and pictures."""
    values = {NAMES_IN_LINKS.get(name, name): value for name, value in request.fields.items() if value is not None}
    return "?" + urlencode({name: _plain(value) for name, value in values.items()})


def request_of(models: ModelRegistry, scene: Scene) -> GenerationRequest:
    """The request that makes a scene again, or, if it is unfinished, the rest of it.

    Raises:
        ValueError: there is none on this page; the message says why.
    """
    card = models.cards.get(scene.model)
    if card is None:
        raise ValueError(f"this page does not have the scene's model{f' {scene.model}' if scene.model else ''}")
    if card.fingerprint and scene.settings.get(MODEL, card.fingerprint) != card.fingerprint:
        raise ValueError(f"the scene was made with another model of the name {card.name}")
    if card.class_names and scene.class_name not in card.class_names:
        raise ValueError(f"the model {card.name} has no class {scene.class_name!r}")
    if scene.seed is None or scene.view_set not in VIEW_SETS:
        raise ValueError("the file does not say how the scene was made")
    try:
        sampled = ResolvedSampling.of_settings(scene.settings)
    except (KeyError, ValueError):
        raise ValueError("the file does not say how the scene was made") from None
    presets = [Sampling(), *([card.fast] if card.fast else [])]
    for preset, guidance, sampler in itertools.product(
        presets, (None, sampled.guidance), (None, sampled.first_sampler)
    ):
        own = preset.resolved(card.config.sampling, card.most_steps)
        sampling = preset.changed(
            first_steps=_unless(own.first_steps, sampled.first_steps),
            novel_steps=_unless(own.novel_steps, sampled.novel_steps),
            guidance=guidance,
            sampler=sampler,
        )
        if sampling.resolved(card.config.sampling, card.most_steps) == sampled:
            return GenerationRequest(
                model=card.name,
                class_label=scene.class_name or None,
                seed=scene.seed,
                view_set=scene.view_set,
                sampling=sampling,
                fast=preset is card.fast,
                upsample=bool(scene.settings.get("upsampled")),
                first_view=str(scene.settings.get(FIRST_VIEW, "")),
                so_far=scene,
                view_orders=card.config.view_orders,
            )
    raise ValueError("the fields of this page cannot say how the scene was sampled")


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
    if texts.pop("fast", "") == "True":
        fields["fast"] = card.fast is not None
        bad += [] if card.fast else ["fewer evaluations"]
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
