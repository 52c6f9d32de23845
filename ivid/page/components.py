"""The components of the page by name, for the handlers that read and write them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gradio as gr

from ivid.page.requests import FIELDS, PICTURE_FIELDS


@dataclass(frozen=True)
class Components:
    """Every component that some event reads or writes."""

    page: gr.Blocks
    masthead: gr.HTML
    model: gr.Dropdown
    class_label: gr.HTML
    seed: gr.Textbox
    dice: gr.Button
    generate: gr.Button
    stop: gr.Button
    view_set: gr.Radio
    fast: gr.Checkbox
    first_steps: gr.Number
    novel_steps: gr.Number
    guidance: gr.Slider
    sampler: gr.Dropdown
    upsample: gr.Checkbox
    picture: gr.File
    depth: gr.File
    depth_kind: gr.Radio
    chip: gr.Button
    file: gr.UploadButton
    status: gr.HTML
    viewer: Any
    grid: gr.HTML
    exports: gr.HTML
    library: gr.HTML

    @property
    def fields(self) -> list[Any]:
        """The fields of a request: `FIELDS` and `PICTURE_FIELDS` of `ivid.page.requests`, in this order."""
        return [getattr(self, name) for name in (*FIELDS, *PICTURE_FIELDS)]

    @property
    def outputs(self) -> list[Any]:
        """What shows a scene, and what is going on."""
        return [self.masthead, self.status, self.viewer, self.grid, self.exports, self.library, self.stop]

    @property
    def request_fields(self) -> list[Any]:
        """The fields that a scene fills when it is opened: all but those of a picture."""
        return [getattr(self, name) for name in FIELDS]
