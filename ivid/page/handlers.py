"""The handlers of the page's events: generate, stop, open, export. They yield new values by component.

What a handler remembers is in the session of the page that called it; the models are shared, one job at a time.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from ivid.page import exports
from ivid.page.assets import SceneAssets, picture_url
from ivid.page.components import Components
from ivid.page.examples import Examples, open_for_page
from ivid.page.jobs import GenerationJob, JobQueue, Progress
from ivid.page.registry import ModelRegistry
from ivid.page.requests import GenerationRequest, link_to, read_link, read_request
from ivid.page.sessions import Session, Sessions
from ivid.page.status import progress_status, sentence, status
from ivid.scene.scene import Scene
from viewer.protocol import scene_title, valid_keyframes

POLL_S = 0.25  # an update of the page costs a weak machine's browser 40 ms that the networks could use
FIRST_POLL_S = 0.05  # until there is something to see

Update = dict[Any, Any]


@dataclass
class Handlers:
    """The handlers of the page."""

    components: Components
    models: ModelRegistry
    examples: Examples
    sessions: Sessions = field(default_factory=Sessions)
    queue: JobQueue = field(default_factory=JobQueue)
    numbers: Any = field(default_factory=lambda: itertools.count(1))  # of files, so that a browser takes each once

    # -- generating -----------------------------------------------------------------------------------------------

    async def generate(self, request: gr.Request, *fields: Any) -> AsyncIterator[Update]:
        """Generate the scene of the fields, and show it growing."""
        session = self.sessions.of(request.session_hash)
        try:
            generation_request = read_request(self.models, *fields)
        except ValueError as error:
            yield self._refusal(error)
            return
        job = session.start(generation_request, self.models, self.queue)
        try:
            async for update in self._follow(session, job):
                yield update
        finally:
            job.stop()  # nobody follows it any more

    def stop(self, request: gr.Request) -> None:
        """Stop between two network evaluations; `generate`, which still follows, shows what is done."""
        self.sessions.of(request.session_hash).stop()

    def leave(self, request: gr.Request) -> None:
        """The page was closed."""
        self.sessions.leave(request.session_hash)

    async def _follow(self, session: Session, job: GenerationJob) -> AsyncIterator[Update]:
        """Updates of the page whenever the job has got further, until it is over."""
        before, assets, upsampled = (session.shown, session.scene), None, None
        seen: tuple = ()
        started = time.monotonic()
        while True:
            progress = job.progress()
            session.touched = time.monotonic()
            if session.job is not job:  # another scene has been asked for since
                return
            count = len(progress.views) + len(progress.upsampled)
            now = (progress.phase, progress.ahead, progress.message, count, id(progress.preview))
            if now != seen:
                seen = now
                took_s = time.monotonic() - started
                update: Update = {self.components.status: progress_status(job.request, progress, took_s)}
                if assets is None and (progress.preview or progress.views):
                    assets = _new_assets(session, job.request, progress)
                    session.show(assets, job.scene)
                if assets is not None:
                    update |= await self._grown(assets, progress)
                if assets is not None and progress.phase in ("upsampling", "done") and job.request.upsample:
                    upsampled = upsampled or _new_assets(session, job.request, progress)
                    update |= await self._upsampled(upsampled, assets, progress)
                if progress.over:
                    if upsampled is not None and progress.phase == "done":
                        assets = upsampled
                        session.show(upsampled, job.scene)
                    yield update | await self._end(session, job, progress, assets, before)
                    return
                yield update | {self.components.stop: gr.update(interactive=True)}
            await asyncio.sleep(POLL_S if assets else FIRST_POLL_S)

    async def _grown(self, assets: SceneAssets, progress: Progress) -> Update:
        """The viewer and the grid, after the files of new views are written."""
        grown = assets.count < len(progress.views)
        for view in progress.views[assets.count :]:
            await asyncio.to_thread(assets.add, view)
        preview = progress.preview
        update: Update = {self.components.grid: assets.grid(preview, growing=not progress.over)}
        if grown or not assets.count:
            update[self.components.viewer] = assets.manifest(preview)
        if grown:
            update[self.components.exports] = _exports_value()
        return update

    async def _upsampled(self, upsampled: SceneAssets, assets: SceneAssets, progress: Progress) -> Update:
        """The grid, as the views in it are upsampled; the viewer changes over when all of them are."""
        for view in progress.upsampled[upsampled.count :]:
            await asyncio.to_thread(upsampled.add, view)
        update: Update = {self.components.grid: upsampled.grid(progress.preview, not progress.over, before=assets)}
        if progress.phase == "done":
            update[self.components.viewer] = upsampled.manifest()
        return update

    async def _end(
        self,
        session: Session,
        job: GenerationJob,
        progress: Progress,
        assets: SceneAssets | None,
        before: tuple[SceneAssets | None, Callable[[], Scene | None]],
    ) -> Update:
        """The last update of a job: its scene goes into the library; without one, what was shown before returns."""
        update: Update = {self.components.stop: gr.update(interactive=False)}
        if progress.phase == "failed":
            gr.Warning(sentence(progress.message))
        scene = job.scene()
        if scene is not None and assets is not None:
            finished = await asyncio.to_thread(self._finished, job.request, scene, assets)
            update[self.components.library] = self._library_value(finished=finished)
        elif assets is not None:
            shown, session.scene = before
            session.shown = shown
            update |= {
                self.components.viewer: shown.manifest() if shown else None,
                self.components.grid: shown.grid() if shown else None,
            }
        return update

    def _finished(self, request: GenerationRequest, scene: Scene, assets: SceneAssets) -> dict[str, Any]:
        """What the library keeps of a scene that was generated; the browser fetches the file itself."""
        path = assets.folder / f"{exports.file_stem(scene)}.ivid"
        scene.save(path)
        count, whole = len(scene.views), len(request.cameras)
        return {
            "number": next(self.numbers),
            "path": str(path),
            "name": path.name,
            "title": scene.class_name or request.model,
            "note": f"seed {request.seed}" + ("" if count == whole else f", {count} of {whole} views"),
            "picture": picture_url(scene.views[0].rgb),
            "link": link_to(request),
        }

    # -- opening --------------------------------------------------------------------------------------------------

    async def greet(self, request: gr.Request) -> Update:
        """A page has been opened: fill its fields from its link, else show the first example."""
        session = self.sessions.of(request.session_hash)
        fields, complaint = read_link(self.models, dict(request.query_params))
        if complaint:
            gr.Warning(complaint)
        update: Update = {getattr(self.components, name): gr.update(value=value) for name, value in fields.items()}
        begin = bool(fields) and not complaint
        update[self.components.library] = self._library_value(begin=begin)
        if self.examples.names and not begin:
            first = await asyncio.to_thread(self.examples.get, self.examples.names[0])
            if session.shown is None and session.job is None:  # quicker people have begun something else by now
                session.show(first.assets, lambda: first.scene)
                update |= self._whole(first.assets)
                text = "This is an example. Pick a class and a seed, and press Generate."
                update[self.components.status] = status(text)
        return update

    async def open_file(self, path: str | None, request: gr.Request) -> Update:
        """Show a scene file that was uploaded or dropped."""
        if not path:
            return {}
        session = self.sessions.of(request.session_hash)
        try:
            scene = await asyncio.to_thread(open_for_page, path)
            assets = await asyncio.to_thread(SceneAssets.of, scene, session.folder())
        except ValueError as error:
            return self._refusal(error)
        return self._opened(session, assets, scene, Path(path).name)

    async def open_example(self, event: gr.EventData, request: gr.Request) -> Update:
        """Show the example that the event names."""
        try:
            example = await asyncio.to_thread(self.examples.get, str(event.name))
        except ValueError as error:
            return self._refusal(error)
        session = self.sessions.of(request.session_hash)
        return self._opened(session, example.assets, example.scene, f"{example.name}.ivid")

    def _opened(self, session: Session, assets: SceneAssets, scene: Scene, name: str) -> Update:
        session.stop()
        session.job = None
        session.show(assets, lambda: scene)
        views = f"{len(scene.views)} view" + ("s" if len(scene.views) > 1 else "")
        title = scene_title(scene)
        text = f"{name} is open: {title + ', ' if title else ''}{views}."
        return self._whole(assets) | {
            self.components.status: status(text, "done"),
            self.components.stop: gr.update(interactive=False),
        }

    # -- exporting ------------------------------------------------------------------------------------------------

    async def export(self, event: gr.EventData, request: gr.Request) -> AsyncIterator[Update]:
        """Write a file of the scene that is shown, and have the browser fetch it."""
        session = self.sessions.of(request.session_hash)
        scene, preset = session.scene_to_export(), exports.PRESETS.get(str(event.name))
        if scene is None or preset is None:
            yield self._refusal(ValueError("there is no scene to export yet; generate or open one first"))
            return
        path = session.folder("export") / f"{exports.file_stem(scene, preset.tag)}{preset.suffix}"
        try:
            async for share in exports.export_with_progress(scene, path, preset.kind, **preset.options):
                yield {self.components.exports: _exports_value(running={"name": preset.name, "share": share})}
        except (ValueError, OSError, RuntimeError) as error:
            yield self._refusal(ValueError(f"{path.name} could not be written: {error}"))
            yield {self.components.exports: _exports_value()}
            return
        file = {"path": str(path), "name": path.name, "number": next(self.numbers)}
        yield {self.components.exports: _exports_value(file=file)}

    def remember_path(self, event: gr.EventData, request: gr.Request) -> None:
        """The person's own camera path was changed in the viewer: it goes with every export."""
        if isinstance(event.keyframes, list):
            self.sessions.of(request.session_hash).keyframes = valid_keyframes(event.keyframes)

    # -- values ---------------------------------------------------------------------------------------------------

    def _whole(self, assets: SceneAssets) -> Update:
        return {
            self.components.viewer: assets.manifest(),
            self.components.grid: assets.grid(),
            self.components.exports: _exports_value(),
        }

    def _library_value(self, finished: dict[str, Any] | None = None, begin: bool = False) -> dict[str, Any]:
        return {"examples": self.examples.tiles(), "finished": finished, "begin": begin}

    def _refusal(self, error: Exception) -> Update:
        """Say why nothing was done; everything else stays as it is."""
        gr.Warning(sentence(str(error)))
        return {self.components.status: status(sentence(str(error)), "warning")}


def _new_assets(session: Session, request: GenerationRequest, progress: Progress) -> SceneAssets:
    return SceneAssets(session.folder(), request.cameras, request.view_set, progress.depth_range, request.title)


def _exports_value(running: dict[str, Any] | None = None, file: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"kinds": exports.preset_values(), "enabled": True, "running": running, "file": file}
