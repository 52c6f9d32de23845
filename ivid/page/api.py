"""The page's API for programs: the named endpoints `generate`, `render` and `export` of the Gradio API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import gradio as gr

from ivid.export import KINDS, kind_for
from ivid.page import exports
from ivid.page.examples import open_for_page
from ivid.page.handlers import Handlers
from ivid.page.requests import read_request
from ivid.page.sessions import Session
from ivid.page.status import progress_status, sentence
from ivid.scene.cameras import TRAJECTORIES
from ivid.scene.scene import Scene

POLL_S = 0.2
WAITING_POLL_S = 1.0  # of scenes that wait for their turn; there may be many


def add_endpoints(handlers: Handlers) -> None:
    """Declare the endpoints; what they take and give back is in the functions' docstrings."""

    async def generate(
        request: gr.Request,
        class_label: str,
        seed: float,
        view_set: str,
        sampler: str,
        model: str,
        first_steps: float | None = None,
        novel_steps: float | None = None,
        guidance: float | None = None,
        upsample: bool = False,
        picture: str | None = None,
        depth: str | None = None,
        depth_kind: str = "metric",
        progress: Any = gr.Progress(),  # noqa: B008  Gradio recognises it by its default
    ) -> str:
        """Generate a scene; returns its .ivid file. Steps, guidance and sampler are the model's own when left out;
        upsample makes the views twice as large, where the model can. A picture becomes the first view, its depth
        estimated unless a depth map (metric or disparity) is given."""
        session = handlers.sessions.of(request.session_hash)
        fields = {
            "model": model,
            "class_label": class_label,
            "seed": int(seed) if float(seed).is_integer() else str(seed),
            "view_set": view_set,
            "first_steps": first_steps,
            "novel_steps": novel_steps,
            "guidance": guidance,
            "sampler": sampler,
            "upsample": upsample,
            "picture": picture,
            "depth": depth,
            "depth_kind": depth_kind,
        }
        try:
            generation_request = read_request(handlers.models, fields)
        except ValueError as error:
            raise gr.Error(sentence(str(error)), print_exception=False) from None
        job = session.start_beside(generation_request, handlers.models, handlers.queue)
        try:
            while not (now := job.progress()).over:
                status = progress_status(generation_request, now, 0.0)
                progress(status["share"] or 0.0, desc=status["text"])
                handlers.sessions.of(request.session_hash)  # still in use
                await asyncio.sleep(WAITING_POLL_S if now.phase == "waiting" else POLL_S)
        finally:
            job.stop()
        scene = job.scene()
        if now.phase != "done" or scene is None:
            raise gr.Error(sentence(now.message or "the scene was stopped"), print_exception=False)
        path = session.folder("api") / f"{exports.file_stem(scene)}.ivid"
        await asyncio.to_thread(scene.save, path)
        return str(path)

    async def render(scene: str, trajectory: str, size: float, frames: float, fps: float, request: gr.Request) -> str:
        """A video (.mp4) of a scene file along a trajectory."""
        session = handlers.sessions.of(request.session_hash)
        options = {"trajectory": trajectory, "size": int(size), "frames": int(frames), "fps": fps}
        return await _exported(session, scene, "video", ".mp4", options)

    async def export(scene: str, kind: str, suffix: str, request: gr.Request) -> str:
        """A scene file as another kind of file: points, mesh, splats, video, page, ...; suffix says which, if any."""
        session = handlers.sessions.of(request.session_hash)
        if kind not in KINDS:
            kind = kind_for(f"scene{kind}") if kind.startswith(".") else kind
        known = KINDS.get(kind)
        if known is None:
            raise gr.Error(f"There is no kind {kind!r}; there are {', '.join(KINDS)}.", print_exception=False)
        return await _exported(session, scene, kind, suffix or known.suffixes[0], {})

    with gr.Column(visible=False):
        card = handlers.models.first
        scene_in, file_out = gr.File(label="scene"), gr.File(label="file")
        public: dict[str, Any] = {"api_visibility": "public", "concurrency_limit": 8}
        gr.Button().click(
            generate,
            [
                gr.Textbox(card.class_names[0] if card.class_names else "", label="class_label"),
                gr.Number(0, label="seed"),
                gr.Textbox("3x9", label="view_set"),
                gr.Textbox("", label="sampler"),
                gr.Textbox(card.name, label="model"),
                gr.Number(None, label="first_steps"),
                gr.Number(None, label="novel_steps"),
                gr.Number(None, label="guidance"),
                gr.Checkbox(False, label="upsample"),
                gr.File(label="picture", type="filepath"),
                gr.File(label="depth", type="filepath"),
                gr.Textbox("metric", label="depth_kind"),
            ],
            file_out,
            api_name="generate",
            **public,
        )
        gr.Button().click(
            render,
            [
                scene_in,
                gr.Textbox(TRAJECTORIES[0], label="trajectory"),
                gr.Number(512, label="size"),
                gr.Number(60, label="frames"),
                gr.Number(30, label="fps"),
            ],
            file_out,
            api_name="render",
            **public,
        )
        gr.Button().click(
            export,
            [scene_in, gr.Textbox("points", label="kind"), gr.Textbox("", label="suffix")],
            file_out,
            api_name="export",
            **public,
        )


async def _exported(session: Session, scene_file: str, kind: str, suffix: str, options: dict[str, Any]) -> str:
    try:
        scene: Scene = await asyncio.to_thread(open_for_page, scene_file)
        stem = exports.file_stem(scene, f"_{kind}")
        path: Path = session.folder("api") / f"{stem}{suffix}"
        async for _ in exports.export_with_progress(scene, path, kind, **options):
            pass
    except (ValueError, OSError, RuntimeError) as error:
        raise gr.Error(sentence(str(error)), print_exception=False) from None
    return str(path)
