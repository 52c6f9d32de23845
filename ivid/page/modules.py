"""The page's own components: one HTML element each, drawn by a JavaScript module in `web/` from a JSON value.

The HTML template never changes, so Gradio never touches what the module has drawn.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from viewer.component import FILES_JS

WEB = Path(__file__).resolve().parent / "web"


def module_component(module: str, value: Any = None, events: Sequence[str] = (), **options: Any) -> gr.HTML:
    """A component drawn by `web/<module>.js`.

    Args:
        module: its `mount` is called once, with a `Component` (`web/component.js`).
        value: JSON, the first value.
        events: names of the events the module triggers; each is a listener of the component.
        options: of `gr.HTML`.
    """
    names = ", ".join(json.dumps(each) for each in events)  # Gradio looks for a listener's name in the code
    return gr.HTML(
        value=value,
        html_template=f'<div class="ivid-{module}"></div>',
        js_on_load=f"""
            const events = [{names}];
            {FILES_JS}
            import(files + {json.dumps((WEB / module).as_posix() + ".js")})
              .then((module) => {{
                module.mount({{ element: element.firstElementChild, files, props, watch, trigger, upload, events }});
              }})
              .catch((error) => {{
                console.error(error);
                element.textContent = "This part of the page could not be loaded; please reload it.";
              }});
        """,
        apply_default_css=False,
        **options,
    )
