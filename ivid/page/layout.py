"""The page put together: what stands where, and which handler answers to what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from ivid.diffusion import SAMPLERS
from ivid.page.api import add_endpoints
from ivid.page.components import Components
from ivid.page.examples import Examples
from ivid.page.exports import exports_value
from ivid.page.fields import fast_label, model_fields, own_sampling, picture_chip
from ivid.page.handlers import Handlers
from ivid.page.jobs import PLACES
from ivid.page.modules import WEB, module_component
from ivid.page.registry import ModelCard, ModelRegistry
from ivid.page.resting import SlowClock
from ivid.page.sessions import Sessions
from ivid.page.status import status
from ivid.page.theme import theme
from ivid.pipeline.locations import bundled
from ivid.scene.rgbd import DEPTH_KINDS
from viewer.component import COMING, SceneViewer

ASSETS = bundled("assets")
VIEW_SET_LABELS = {
    "3x9": "3 × 9 grid",
    "360": "All around",
    "random": "Two views",
    "uncond": "First view only",
}
MAX_UPLOAD = "64mb"
KEEP_UPLOADS_S = 6 * 3600
REMEMBERED_SESSIONS = 2 * PLACES  # by Gradio, which holds 160 kB of each
OTHER_EVENTS = 100  # that are worked on at once, beside scenes that wait or are made
IDLE_POLL_S = 0.05  # between looks for new events; at its 1 ms Gradio takes 7 % of a core of a server nobody visits
PROGRESS_POLL_S = 0.1  # between looks for progress to tell, whether anything runs or not
HEAD = f"""
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
@font-face {{
  font-family: "Figtree Variable"; font-weight: 300 900; font-display: swap;
  src: url("gradio_api/file={(WEB / "font" / "figtree.woff2").as_posix()}") format("woff2");
}}
#ivid-masthead, #ivid-body {{ visibility: hidden; }}  /* until page.css is there */
</style>
"""
DICE = "() => String(Math.floor(Math.random() * 100000))"


def build_page(models: ModelRegistry, assets: Path = ASSETS, sessions: Sessions | None = None) -> gr.Blocks:
    """The page for the models of a registry; launch it with `launch_options`.

    Args:
        models: what it offers.
        assets: a folder of example scenes, `*.ivid`, and of pictures to begin with (`_example_pictures`).
        sessions: new ones unless given.
    """
    examples = Examples(assets)
    gr.set_static_paths([WEB])
    page = gr.Blocks(
        title="ivid", analytics_enabled=False, fill_width=True, delete_cache=(KEEP_UPLOADS_S, KEEP_UPLOADS_S)
    )
    with page:
        masthead = module_component("masthead", elem_id="ivid-masthead")
        with gr.Row(elem_id="ivid-body"):
            with gr.Column(elem_id="ivid-controls", min_width=240):
                controls = _controls(models, assets)
            with gr.Column(elem_id="ivid-scene"):
                scene = _scene(examples)
        examples.prepare_first()
        components = Components(page=page, masthead=masthead, **controls, **scene)
        handlers = Handlers(components, models, examples, sessions or Sessions())
        add_endpoints(handlers)  # first, for handlers are named after their functions and the first keeps the name
        _connect(components, handlers)
    page.queue(max_size=200)
    queue = page._queue  # Gradio has no public settings for these
    queue.sleep_when_free, queue.progress_update_sleep_when_free = IDLE_POLL_S, PROGRESS_POLL_S
    queue.ANAYLTICS_CACHE_FREQUENCY = sys.maxsize  # a table of statistics that nobody reads, made after every event
    return page


def launch_options() -> dict[str, Any]:
    """Arguments of `Blocks.launch` that belong to the look of the page and to its limits."""
    return {
        "theme": theme(),
        "css_paths": [WEB / "page.css"],
        "head": HEAD,
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "max_file_size": MAX_UPLOAD,
        "max_threads": PLACES + OTHER_EVENTS,
        "state_session_capacity": REMEMBERED_SESSIONS,
        "show_error": True,
        "app_kwargs": {"middleware": [Middleware(SlowClock)]},
    }


def _controls(models: ModelRegistry, examples: Path) -> dict[str, Any]:
    card = models.first
    model = gr.Dropdown(list(models.cards), value=card.name, label="Model", visible=len(models.cards) > 1)
    class_label = module_component(
        "class_search",
        card.class_names[0] if card.class_names else "",
        choices=list(card.class_names),
        visible=bool(card.class_names),
        elem_id="ivid-class",
    )
    with gr.Row(elem_id="ivid-seed-row", equal_height=True):
        seed = gr.Textbox("0", label="Seed", max_lines=1, elem_id="ivid-seed", min_width=80)
        dice = gr.Button("Roll the dice", elem_id="ivid-dice", min_width=40)
    with gr.Column(elem_id="ivid-action"):
        with gr.Row(elem_id="ivid-run"):
            generate = gr.Button("Generate", variant="primary", elem_id="ivid-generate", min_width=80)
            stop = gr.Button("Stop", interactive=False, elem_id="ivid-stop", min_width=60)
        chip = gr.Button("", visible=False, size="sm", elem_id="ivid-chip")
        line = module_component("status", status("Pick a class and a seed, and press Generate."), elem_id="ivid-status")
    with gr.Accordion("Advanced", open=False, elem_id="ivid-advanced"):
        view_set = gr.Radio([(label, name) for name, label in VIEW_SET_LABELS.items()], value="3x9", label="Views")
        fast = gr.Checkbox(False, label=fast_label(models, card), visible=card.fast is not None, elem_id="ivid-fast")
        with gr.Row():
            first_steps = gr.Number(card.sampling.first_steps, label="Steps, first view", min_width=80)
            novel_steps = gr.Number(card.sampling.novel_steps, label="Steps, others", min_width=80)
        guidance = gr.Slider(0, 10, card.sampling.guidance, step=0.1, label="Guidance", elem_id="ivid-guidance")
        sampler = gr.Dropdown([("the model's own", ""), *SAMPLERS], value="", label="Sampler")
        upsample = gr.Checkbox(
            False,
            label="Views twice as large",
            info="All of them, or the first view only if that is chosen above.",
            visible=card.upsampler,
            elem_id="ivid-upsample",
        )
    with gr.Accordion("Begin with a picture", open=False, elem_id="ivid-picture"):
        picture = gr.File(label="Picture", file_types=["image"], height=72, type="filepath")
        depth = gr.File(
            label="Depth map, if you have one (16-bit .png, .npy, .exr)",
            file_types=[".png", ".npy", ".exr"],
            height=72,
        )
        depth_kind = gr.Radio(list(DEPTH_KINDS), value="metric", label="Its values are", elem_id="ivid-depth-kind")
        _example_pictures(examples, card, [picture, depth, class_label])
    exports = module_component(
        "exports",
        exports_value(enabled=False),
        events=["export"],
        elem_id="ivid-exports",
    )
    file = gr.UploadButton(
        "Open a scene file", file_types=[".ivid", ".npz"], size="md", elem_id="ivid-open", type="filepath"
    )
    return {
        "model": model,
        "class_label": class_label,
        "seed": seed,
        "dice": dice,
        "generate": generate,
        "stop": stop,
        "view_set": view_set,
        "fast": fast,
        "first_steps": first_steps,
        "novel_steps": novel_steps,
        "guidance": guidance,
        "sampler": sampler,
        "upsample": upsample,
        "picture": picture,
        "depth": depth,
        "depth_kind": depth_kind,
        "chip": chip,
        "file": file,
        "status": line,
        "exports": exports,
    }


def _example_pictures(folder: Path, card: ModelCard, inputs: list[gr.components.Component]) -> None:
    """Pictures with depth maps to begin with, `rgbd_CLASS.png` and `rgbd_CLASS_depth.png`, of classes the model has."""
    names = [path.stem.removeprefix("rgbd_").removesuffix("_depth") for path in sorted(folder.glob("rgbd_*_depth.png"))]
    names = [name for name in names if name in card.class_names]
    if names:
        gr.Examples(
            [[str(folder / f"rgbd_{name}.png"), str(folder / f"rgbd_{name}_depth.png"), name] for name in names],
            inputs=inputs,
            label="Or take one of these",
            example_labels=[name.capitalize() for name in names],
            api_visibility="private",
        )


def _scene(examples: Examples) -> dict[str, Any]:
    viewer = SceneViewer(COMING, height="100%", elem_id="ivid-viewer")
    with gr.Row(elem_id="ivid-below"):
        grid = module_component("grid", elem_id="ivid-grid")
        library = module_component(
            "library",
            {"examples": examples.tiles(), "finished": None, "begin": None},
            events=["example", "begin", "resume"],
            elem_id="ivid-library",
        )
    return {"viewer": viewer, "grid": grid, "library": library}


def _connect(components: Components, handlers: Handlers) -> None:
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    # `JobQueue` lets one job run at a time, and tells the place in it. A new request replaces the one that runs.
    generating: dict[str, Any] = {**quiet, "concurrency_limit": None, "trigger_mode": "multiple"}
    opening: dict[str, Any] = {**quiet, "concurrency_limit": 2, "trigger_mode": "multiple"}
    opened = [*components.request_fields, *components.outputs]
    for trigger in (components.generate.click, components.seed.submit, components.library.begin):
        trigger(handlers.generate, components.fields, components.outputs, **generating)
    components.library.resume(handlers.resume, None, opened, **generating)
    components.stop.click(handlers.stop, None, None, queue=False, **quiet)
    components.picture.change(picture_chip, components.picture, components.chip, queue=False, **quiet)
    components.chip.click(None, None, [components.picture, components.depth], js="() => [null, null]", **quiet)
    components.dice.click(None, None, components.seed, js=DICE, **quiet)
    components.model.input(
        lambda name: model_fields(components, handlers.models, name),
        components.model,
        components.request_fields,
        **quiet,
    )
    components.fast.input(
        lambda name, fast: own_sampling(components, handlers.models.cards[name], fast),
        [components.model, components.fast],
        [components.first_steps, components.novel_steps],
        **quiet,
    )
    components.file.upload(handlers.open_file, components.file, opened, **opening)
    components.library.example(handlers.open_example, None, opened, **opening)
    # A scene that the server has forgotten is sent back while the event that asked for it has not ended yet.
    components.exports.export(handlers.export, None, [components.exports, components.status], **opening)
    components.viewer.change_path(handlers.remember_path, None, None, queue=False, trigger_mode="always_last", **quiet)
    components.page.load(handlers.greet, None, opened, concurrency_limit=None, **quiet)
    components.page.unload(handlers.leave)
