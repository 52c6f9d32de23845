"""Updates of the page's fields, so that they say what the scene on screen was made with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from ivid.page.components import Components
from ivid.page.registry import ModelCard, ModelRegistry
from ivid.page.requests import GenerationRequest

Update = dict[Any, Any]


def model_fields(components: Components, card: ModelCard) -> Update:
    """The fields for another model: its classes, and its own settings."""
    names = list(card.class_names)
    return {
        components.model: gr.update(value=card.name),
        components.class_label: gr.update(value=names[0] if names else "", choices=names, visible=bool(names)),
        components.first_steps: gr.update(value=card.sampling.first_steps),
        components.novel_steps: gr.update(value=card.sampling.novel_steps),
        components.guidance: gr.update(value=card.sampling.guidance),
        components.sampler: gr.update(value=""),
        components.upsample: gr.update(value=False, visible=card.upsampler),
    }


def picture_chip(picture: str | None) -> dict[str, Any]:
    """The button that says which picture the next scene begins with, and takes it away."""
    name = Path(picture).name if picture else ""
    return gr.update(visible=bool(picture), value=f"Begins with {name}  ×")


def request_fields(components: Components, models: ModelRegistry, request: GenerationRequest) -> Update:
    """The fields that ask for a scene; those for a picture stay as they are."""
    update = model_fields(components, models.cards[request.model])
    values = {**request.fields, "class_label": request.class_label or "", "seed": str(request.seed)}
    for name, value in values.items():
        if value is not None:
            component = getattr(components, name)
            update[component] = {**update.get(component, gr.update()), "value": value}
    return update
