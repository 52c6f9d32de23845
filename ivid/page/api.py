"""The page's API for programs: the named endpoints `generate`, `render` and `export` of the Gradio API."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import gradio as gr
from gradio.context import LocalContext
from gradio.utils import get_upload_folder

from ivid.export import KINDS, kind_for
from ivid.page import exports
from ivid.page.examples import open_for_page
from ivid.page.handlers import Handlers
from ivid.page.registry import ModelRegistry
from ivid.page.requests import read_request
from ivid.page.sessions import Session
from ivid.page.status import progress_status, sentence
from ivid.scene.cameras import TRAJECTORIES
from ivid.scene.scene import Scene

POLL_S = 0.2
WAITING_POLL_S = 1.0  # of scenes that wait for their turn; there may be many


def accepting_own_addresses(component: gr.File) -> gr.File:
    """A file input that also takes the address of a file which this server handed out.

    Agents pass on the addresses they are given. Gradio fetches none from loopback or from a local network.
    """
    moved_to_cache = component.async_move_resource_to_block_cache

    async def moved(url_or_file_path: str | Path | None) -> str | None:
        return await moved_to_cache(own_file(str(url_or_file_path)) or url_or_file_path)

    component.async_move_resource_to_block_cache = moved
    return component


def own_file(address: str) -> Path | None:
    """The file behind an address that this server handed out; None for every other address."""
    _, marker, name = address.partition("/gradio_api/file=")
    if not marker or not address.startswith(("http://", "https://")):
        return None
    path = Path(unquote(name)).resolve()
    return path if path.is_relative_to(Path(get_upload_folder()).resolve()) and path.is_file() else None


def caller_has_left(page: gr.Blocks) -> bool:
    """Whether the program that called the endpoint which runs now has closed its connection; Gradio lets it run on."""
    event_id = LocalContext.event_id.get(None)
    events = itertools.chain.from_iterable(events for events in page._queue.active_jobs if events)
    return any(event._id == event_id and not event.alive for event in events)


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
        fast: bool = False,
        progress: Any = gr.Progress(),  # noqa: B008  Gradio recognises it by its default
    ) -> str:
        """Generate a 3D scene: RGBD views around an object. It takes seconds to minutes.

        Args:
            class_label: what the scene shows, one of the classes of the model.
            seed: integer from 0; the same arguments give the same scene.
            view_set: the cameras: "3x9" (27 views, best), "360" (all around), "random" (2 views) or "uncond" (1 view).
            sampler: one of ddpm, ddim, dpm++ and unipc; the model's own when empty.
            model: one of the models that this server was started with.
            first_steps: network evaluations of the first view; the model's own when left out.
            novel_steps: network evaluations of each further view; the model's own when left out.
            guidance: scale of classifier-free guidance, 0 to 10; the model's own when left out.
            upsample: whether the views are made twice as large, where the model can.
            picture: a photograph or picture that becomes the first view.
            depth: a depth map of the picture; estimated when left out.
            depth_kind: what the values of the depth map are, metric or disparity.
            fast: few network evaluations, by a preset, where the model's own are many.

        Returns:
            the scene file (.ivid), which `render` and `export` take.
        """
        session = handlers.sessions.of(request.session_hash)
        fields = {
            "model": model,
            "class_label": class_label,
            "seed": int(seed) if float(seed).is_integer() else str(seed),
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
        }
        try:
            generation_request = read_request(handlers.models, fields)
        except ValueError as error:
            raise gr.Error(sentence(str(error)), print_exception=False) from None
        with session.beside(generation_request, handlers.models, handlers.queue) as job:
            while not (now := job.progress()).over:
                status = progress_status(generation_request, now, 0.0)
                progress(status["share"] or 0.0, desc=status["text"])
                handlers.sessions.of(request.session_hash)  # still in use
                if caller_has_left(handlers.components.page):
                    job.stop()
                await asyncio.sleep(WAITING_POLL_S if now.phase == "waiting" else POLL_S)
        scene = job.scene()
        if now.phase != "done" or scene is None:
            raise gr.Error(sentence(now.message or "the scene was stopped"), print_exception=False)
        path = session.folder("api") / f"{exports.file_stem(scene)}.ivid"
        await asyncio.to_thread(scene.save, path)
        return str(path)

    async def render(scene: str, trajectory: str, size: float, frames: float, fps: float, request: gr.Request) -> str:
        """Render a video of a scene along a camera path.

        Args:
            scene: a scene file (.ivid) from `generate`.
            trajectory: the camera path, such as swing or orbit.
            size: side of the square video in pixels.
            frames: how many frames it has.
            fps: frames per second.

        Returns:
            the video (.mp4).
        """
        session = handlers.sessions.of(request.session_hash)
        options = {"trajectory": trajectory, "size": int(size), "frames": int(frames), "fps": fps}
        return await _exported(session, scene, "video", ".mp4", options)

    async def export(scene: str, kind: str, suffix: str, request: gr.Request) -> str:
        """Write a scene as another kind of file, for other programs.

        Args:
            scene: a scene file (.ivid) from `generate`.
            kind: such as points, mesh, splats or page; the description lists them all.
            suffix: which format of that kind, such as ".glb"; the first one of the kind when empty.

        Returns:
            the file.
        """
        session = handlers.sessions.of(request.session_hash)
        if kind not in KINDS:
            kind = kind_for(f"scene{kind}") if kind.startswith(".") else kind
        known = KINDS.get(kind)
        if known is None:
            raise gr.Error(f"There is no kind {kind!r}; there are {', '.join(KINDS)}.", print_exception=False)
        return await _exported(session, scene, kind, suffix or known.suffixes[0], {})

    described = _descriptions(handlers.models)
    with gr.Column(visible=False):
        card = handlers.models.first
        scene_in, file_out = accepting_own_addresses(gr.File(label="scene")), gr.File(label="file")
        public: dict[str, Any] = {"api_visibility": "public", "concurrency_limit": 8}
        # `JobQueue` lets one scene be made at a time, and tells the place of each.
        waiting: dict[str, Any] = {**public, "concurrency_limit": None}
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
                gr.Checkbox(False, label="fast"),
            ],
            file_out,
            api_name="generate",
            api_description=described["generate"],
            **waiting,
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
            api_description=described["render"],
            **public,
        )
        gr.Button().click(
            export,
            [scene_in, gr.Textbox("points", label="kind"), gr.Textbox("", label="suffix")],
            file_out,
            api_name="export",
            api_description=described["export"],
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


def _descriptions(models: ModelRegistry) -> dict[str, str]:
    """What an endpoint does, for people and for agents (`app.py --mcp`), with the values that this server knows."""
    offered = "; ".join(f"{card.name}: {_listed(card.class_names) or 'no classes'}" for card in models.cards.values())
    kinds = "; ".join(
        f"{kind.name} ({', '.join(suffix for suffix in kind.suffixes if suffix)}): {kind.description}"
        for kind in KINDS.values()
    )
    return {
        "generate": "Generate a 3D scene: RGBD views around an object of a class, or of a picture. It takes a while. "
        f"Returns a scene file (.ivid), which render and export take. Models and their classes: {offered}.",
        "render": "Render a video (.mp4) of a scene file from generate, along a camera path: "
        f"{', '.join(TRAJECTORIES)}. Returns the video.",
        "export": f"Write a scene file from generate as another kind of file, and return that. Kinds: {kinds}.",
    }


def _listed(names: tuple[str, ...], most: int = 40) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
