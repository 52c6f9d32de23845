"""What someone asks for: as the fields of the page hold it, and as a link that asks for it again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from ivid.page.making import Photograph, Wish
from ivid.page.models import Shelf
from ivid.scene.cameras import VIEW_SETS

Number = TypeVar("Number", int, float)

FIELDS = ("model", "class_label", "seed", "view_set", "first_steps", "novel_steps", "guidance", "sampler", "upsample")
IN_LINKS = {"class_label": "class", "view_set": "views"}  # shorter there than in code


def read_wish(
    shelf: Shelf,
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
) -> Wish:
    """A wish from the fields of the page, all of them checked as far as they can be yet.

    A picture and its depth map, both or neither, are the files of a first view.

    Raises:
        ValueError: a field is wrong; the message names it, and says what would be right.
    """
    text = str(seed if seed is not None else "").strip()
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) >= 2**63:
        raise ValueError(f"the seed must be an integer from 0 to 2^63 - 1, got {text[:40] or 'nothing'}")
    card = shelf.cards.get(model or shelf.first.name)
    if card is None:
        raise ValueError(f"this page has no model {model!r}; it has {', '.join(shelf.cards)}")
    if card.class_names and not class_label:
        raise ValueError("pick a class first")
    if upsample and not card.upsampler:
        raise ValueError(f"the model {card.name} has no upsampler")
    if bool(picture) != bool(depth):
        raise ValueError(f"to begin with a picture, give its {'depth map' if picture else 'colours'} too")
    wish = Wish(
        model=card.name,
        class_label=class_label or None,
        seed=int(text),
        view_set=view_set,
        first_steps=_unless(card.first_steps, _steps("first view", first_steps, card.most_steps)),
        novel_steps=_unless(card.novel_steps, _steps("further views", novel_steps, card.most_steps)),
        guidance=_unless(card.guidance, guidance),
        sampler=sampler or None,
        upsample=upsample or None,
        photograph=Photograph(Path(picture), Path(depth), depth_kind) if picture and depth else None,
    )
    wish.check(shelf)
    return wish


def link_to(wish: Wish) -> str:
    """The query of a link that fills the page's fields with this wish; defaults are left out, and so are pictures."""
    values = {IN_LINKS.get(name, name): getattr(wish, name) for name in FIELDS}
    return "?" + urlencode({name: _plain(value) for name, value in values.items() if value is not None})


def from_link(query: Mapping[str, Any]) -> dict[str, str]:
    """The fields that a link's query holds, as they are written there; empty when it is no link to a scene."""
    found = {name: str(query[IN_LINKS.get(name, name)]) for name in FIELDS if IN_LINKS.get(name, name) in query}
    return found if "seed" in found else {}


def linked_fields(shelf: Shelf, query: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Values for the page's fields from a link, and one sentence about what in it was of no use ("" if all was)."""
    found, bad = from_link(query), []
    fields: dict[str, Any] = {}
    model = found.pop("model", shelf.first.name)
    card = shelf.cards.get(model)
    if card is None:
        bad.append(f"the model {model}")
        card = shelf.first
    if found.pop("upsample", "") == "True":
        fields["upsample"] = card.upsampler
        bad += [] if card.upsampler else ["larger views"]
    for name, text in found.items():
        if name in ("first_steps", "novel_steps", "guidance"):
            try:
                fields[name] = float(text) if name == "guidance" else int(text)
            except ValueError:
                bad.append(f"{name} {text}")
        elif (name == "class_label" and text not in card.class_names) or (name == "view_set" and text not in VIEW_SETS):
            bad.append(f"the {'class' if name == 'class_label' else 'view set'} {text}")
        else:
            fields[name] = text
    if found:
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
