"""Updates of the page's fields, so that they say what the scene on screen was made with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from ivid.page.components import Components
from ivid.page.registry import ModelCard, ModelRegistry
from ivid.page.requests import GenerationRequest
from ivid.page.status import duration
from ivid.pipeline.sampling import Sampling

Update = dict[Any, Any]

VIEWS = 27  # of the scenes whose evaluations are counted


def model_fields(components: Components, models: ModelRegistry, name: str, fast: bool = False) -> Update:
    """The fields for another model: its classes, and its own settings or its preset of few evaluations."""
    card = models.cards[name]
    names = list(card.class_names)
    return {
        components.model: gr.update(value=card.name),
        components.class_label: gr.update(value=names[0] if names else "", choices=names, visible=bool(names)),
        components.fast: gr.update(value=fast, label=fast_label(models, card), visible=card.fast is not None),
        **own_sampling(components, card, fast),
        components.guidance: gr.update(value=card.sampling.guidance),
        components.sampler: gr.update(value=""),
        components.upsample: gr.update(value=False, visible=card.upsampler),
    }


def own_sampling(components: Components, card: ModelCard, fast: bool) -> Update:
    """The fields of steps as a model has them by default, or in its preset of few evaluations."""
    own = ((card.fast if fast else None) or Sampling()).resolved(card.config.sampling, card.most_steps)
    return {
        components.first_steps: gr.update(value=own.first_steps),
        components.novel_steps: gr.update(value=own.novel_steps),
    }


def fast_label(models: ModelRegistry, card: ModelCard) -> str:
    """What the preset of few evaluations takes, and the defaults; in time too, once an evaluation has been timed."""
    taken = []
    for asked in (card.fast or Sampling(), Sampling()):
        sampling = asked.resolved(card.config.sampling, card.most_steps)
        count = sampling.evaluations(VIEWS, card.most_steps)
        step_s = models.evaluation_s.get((card.name, "sampling"))
        steps = sampling.first_steps + (VIEWS - 1) * sampling.novel_steps
        time = "" if step_s is None else f" ({duration(step_s * steps)})"
        taken.append((f"{round(count, -1):,}", time))
    (few, quick), (many, slow) = taken
    return f"Fast: about {few} evaluations{quick} in place of {many}{slow}"


def picture_chip(picture: str | None) -> dict[str, Any]:
    """The button that says which picture the next scene begins with, and takes it away."""
    name = Path(picture).name if picture else ""
    return gr.update(visible=bool(picture), value=f"Begins with {name}  ×")


def request_fields(components: Components, models: ModelRegistry, request: GenerationRequest) -> Update:
    """The fields that ask for a scene; those for a picture stay as they are."""
    update = model_fields(components, models, request.model, request.fast)
    values = {**request.fields, "class_label": request.class_label or "", "seed": str(request.seed)}
    for name, value in values.items():
        if value is not None:
            component = getattr(components, name)
            update[component] = {**update.get(component, gr.update()), "value": value}
    return update
