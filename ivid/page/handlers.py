"""The handlers of the page's events: generate, stop, open, export. They yield new values by component.

What a handler remembers is in the session of the page that called it; the models are shared, one job at a time.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from ivid.page import exports
from ivid.page.assets import SceneAssets, picture_url
from ivid.page.components import Components
from ivid.page.examples import Examples, open_for_page, open_uploaded
from ivid.page.fields import fast_label, model_fields, request_fields
from ivid.page.following import JobView
from ivid.page.jobs import GenerationJob, JobQueue
from ivid.page.registry import ModelRegistry
from ivid.page.requests import (
    FIELDS,
    PICTURE_FIELDS,
    GenerationRequest,
    link_to,
    read_link,
    read_request,
    request_of,
)
from ivid.page.sessions import Session, Sessions, ShownScene
from ivid.page.status import sentence, status
from ivid.scene.scene import Scene
from viewer.protocol import scene_title, valid_keyframes

POLL_S = 0.25  # an update of the page costs a weak machine's browser 40 ms that the networks could use
FIRST_POLL_S = 0.05  # until there is something to see

Update = dict[Any, Any]


def growing_numbers() -> Iterator[int]:
    """Numbers that grow, also from one server to the next that an open page talks to."""
    return itertools.count(time.time_ns() // 1_000_000)


@dataclass
class Handlers:
    """The handlers of the page."""

    components: Components
    models: ModelRegistry
    examples: Examples
    sessions: Sessions = field(default_factory=Sessions)
    queue: JobQueue = field(default_factory=JobQueue)
    numbers: Any = field(default_factory=growing_numbers)  # of files, so that a browser takes each once

    # -- generating -----------------------------------------------------------------------------------------------

    async def generate(self, request: gr.Request, *values: Any) -> AsyncIterator[Update]:
        """Generate the scene of the fields, in the place of one that is being generated, and show it growing."""
        session = self.sessions.of(request.session_hash)
        try:
            fields: dict[str, Any] = dict(zip((*FIELDS, *PICTURE_FIELDS), values, strict=True))
            generation_request = read_request(self.models, fields)
        except ValueError as error:
            yield self._refusal(error) | self._nothing(session)
            return
        async for update in self._generate(session, generation_request):
            yield update

    async def resume(self, event: gr.EventData, request: gr.Request) -> AsyncIterator[Update]:
        """Generate the missing views of a scene whose file the browser has uploaded."""
        session = self.sessions.of(request.session_hash)
        try:
            scene = await asyncio.to_thread(open_uploaded, str(event.path))
            generation_request = request_of(self.models, scene)
            generation_request.check(self.models)
        except ValueError as error:
            yield self._refusal(error) | self._nothing(session)
            return
        yield request_fields(self.components, self.models, generation_request)
        async for update in self._generate(session, generation_request):
            yield update

    def stop(self, request: gr.Request) -> None:
        """Stop between two network evaluations; `generate`, which still follows, shows what is done."""
        self.sessions.of(request.session_hash).stop()

    def leave(self, request: gr.Request) -> None:
        """The page was closed."""
        self.sessions.leave(request.session_hash)

    async def _generate(self, session: Session, request: GenerationRequest) -> AsyncIterator[Update]:
        job = session.start(request, self.models, self.queue)
        try:
            async for update in self._follow(session, job):
                yield update
        finally:
            job.stop()  # nobody follows it any more

    async def _follow(self, session: Session, job: GenerationJob) -> AsyncIterator[Update]:
        """Updates of the page whenever the job has got further, until it is over or another one takes its place."""
        before, view = session.shown, JobView(self.components, session, job)
        while session.job is job:
            progress = job.progress()
            session.touched = time.monotonic()
            if view.is_news(progress):
                already, update = view.shown, await view.update(progress)
                if view.shown is not None and already is None:
                    update |= self._address(view.shown)
                if progress.over:
                    yield update | await self._end(session, job, view, before)
                    return
                yield update | {self.components.stop: gr.update(interactive=True)}
            await asyncio.sleep(POLL_S if view.shown else FIRST_POLL_S)
        if (kept := await self._kept(job, view)) is not None:
            yield {self.components.library: self._library_value(finished=kept)}

    async def _end(self, session: Session, job: GenerationJob, view: JobView, before: ShownScene | None) -> Update:
        """The last update of a job: its scene goes into the library; without one, what was shown before returns."""
        update: Update = {self.components.stop: gr.update(interactive=False)}
        if (kept := await self._kept(job, view)) is not None:
            update[self.components.library] = self._library_value(finished=kept)
        elif view.shown is not None:
            session.shown = before
            if before is None or before.assets is None:
                update |= {self.components.viewer: None, self.components.grid: None}
            else:
                update |= self._whole(before.assets, before.keyframes) | self._address(before)
        return update | self._nothing(session)

    async def _kept(self, job: GenerationJob, view: JobView) -> dict[str, Any] | None:
        """What the browser's library keeps of a job; it fetches the file itself. None if no view is finished."""
        scene = await asyncio.to_thread(job.scene)
        if scene is None or view.assets is None:
            return None
        path = view.assets.folder / f"{exports.file_stem(scene)}.ivid"
        await asyncio.to_thread(scene.save, path)
        return {
            "number": next(self.numbers),
            "path": str(path),
            "name": path.name,
            "title": scene.class_name or job.request.model,
            "note": f"seed {job.request.seed}",
            "picture": picture_url(scene.views[0].rgb),
            "key": job.request.key,
            "views": len(scene.views),
            "planned": len(job.request.cameras),
        }

    # -- opening --------------------------------------------------------------------------------------------------

    async def greet(self, request: gr.Request) -> Update:
        """A page has been opened: fill its fields from its link, else show the first example."""
        session = self.sessions.of(request.session_hash)
        session.connected = True
        fields, complaint = read_link(self.models, dict(request.query_params))
        first = self.models.first
        update: Update = {self.components.fast: gr.update(label=fast_label(self.models, first))} if first.fast else {}
        if fields:
            update |= model_fields(self.components, self.models, fields["model"], fields.get("fast", False))
            update |= {getattr(self.components, name): gr.update(value=value) for name, value in fields.items()}
        if complaint:
            update[self.components.status] = status(complaint, "warning")
        begin = bool(fields) and not complaint
        update[self.components.library] = self._library_value(begin=begin)
        if begin:
            return update
        if self.examples.names:
            try:
                example = await asyncio.to_thread(self.examples.get, self.examples.names[0])
            except ValueError as error:
                return update | self._refusal(error) | self._nothing(session)
            if session.shown is None and session.job is None:  # quicker people have begun something else by now
                update |= self._open(session, example.scene, example.assets, example=example.name)
                if not complaint:
                    text = "This is an example. Pick a class and a seed, and press Generate."
                    update[self.components.status] = status(text)
        return update | self._nothing(session)

    async def open_file(self, path: str | None, request: gr.Request) -> Update:
        """Show a scene file that was uploaded or dropped."""
        if not path:
            return {}
        session = self.sessions.of(request.session_hash)
        try:
            scene = await asyncio.to_thread(open_for_page, path)
            assets = await asyncio.to_thread(SceneAssets.of, scene, session.folder())
        except ValueError as error:
            return self._refusal(error) | self._nothing(session)
        return self._open(session, scene, assets) | self._opened_status(scene, Path(path).name)

    async def open_example(self, event: gr.EventData, request: gr.Request) -> Update:
        """Show the example that the event names."""
        session = self.sessions.of(request.session_hash)
        try:
            example = await asyncio.to_thread(self.examples.get, str(event.name))
        except ValueError as error:
            return self._refusal(error) | self._nothing(session)
        opened = self._open(session, example.scene, example.assets, example=example.name)
        return opened | self._opened_status(example.scene, f"{example.name}.ivid")

    def _open(self, session: Session, scene: Scene, assets: SceneAssets, example: str = "") -> Update:
        """Show a whole scene; the fields and the address become those that make it, where there are such."""
        session.stop()
        session.job = None
        session.shown = self._shown(scene, assets, example)
        update = (
            self._whole(assets) | self._address(session.shown) | {self.components.stop: gr.update(interactive=False)}
        )
        if session.shown.key:
            update |= request_fields(self.components, self.models, request_of(self.models, scene))
        return update

    def _shown(self, scene: Scene, assets: SceneAssets | None = None, example: str = "") -> ShownScene:
        shown = ShownScene(lambda: scene, assets, example=example, opened=not example)
        try:
            made_by = request_of(self.models, scene)
        except ValueError as error:
            shown.no_link = str(error)
        else:
            shown.no_link, shown.key = made_by.no_link, made_by.key
            shown.link = None if made_by.no_link else link_to(made_by)
        return shown

    def _opened_status(self, scene: Scene, name: str) -> Update:
        views = f"{len(scene.views)} view" + ("s" if len(scene.views) > 1 else "")
        title = scene_title(scene)
        text = f"{name} is open: {title + ', ' if title else ''}{views}."
        return {self.components.status: status(text, "done")}

    # -- exporting ------------------------------------------------------------------------------------------------

    async def export(self, event: gr.EventData, request: gr.Request) -> AsyncIterator[Update]:
        """Write a file of the scene that is shown, and have the browser fetch it.

        A scene that this server does not know any more is asked back from the browser, which calls again with its file.
        """
        session = self.sessions.of(request.session_hash)
        preset = exports.PRESETS.get(str(event.name))
        if preset is None:
            yield self._refusal(ValueError(f"there is no export {event.name!r}"))
            return
        try:
            options = preset.options_by(getattr(event, "wishes", None))
            if session.shown is None:
                session.shown = await asyncio.to_thread(self._given_back, event)
        except ValueError as error:
            yield self._refusal(error)
            return
        if session.shown is None and not hasattr(event, "lost"):
            missing = {"name": preset.name, "number": next(self.numbers)}
            yield {self.components.exports: exports.exports_value(missing=missing)}
            return
        self._remember(session, getattr(event, "keyframes", None))
        scene = await asyncio.to_thread(session.shown.to_export) if session.shown else None
        if scene is None:
            yield self._refusal(ValueError("there is no scene to export yet; generate or open one first"))
            return
        path = session.folder("export") / f"{exports.file_stem(scene, preset.tag)}{preset.suffix}"
        try:
            async for share in exports.export_with_progress(scene, path, preset.kind, **options):
                yield {self.components.exports: exports.exports_value(running={"name": preset.name, "share": share})}
        except (ValueError, OSError, RuntimeError) as error:
            yield self._refusal(ValueError(f"{path.name} could not be written: {error}"))
            yield {self.components.exports: exports.exports_value()}
            return
        file = {"path": str(path), "name": path.name, "number": next(self.numbers)}
        yield {self.components.exports: exports.exports_value(file=file)}

    def _given_back(self, event: gr.EventData) -> ShownScene | None:
        """The scene that the browser says it shows: an example's name, or a file that it has uploaded."""
        if hasattr(event, "example"):
            example = self.examples.get(str(event.example))
            return self._shown(example.scene, example.assets, example.name)
        return self._shown(open_uploaded(str(event.path))) if hasattr(event, "path") else None

    def remember_path(self, event: gr.EventData, request: gr.Request) -> None:
        """The person's own camera path was changed in the viewer: it goes with every export."""
        self._remember(self.sessions.of(request.session_hash), event.keyframes)

    def _remember(self, session: Session, keyframes: Any) -> None:
        if isinstance(keyframes, list) and session.shown is not None:
            session.shown.keyframes = valid_keyframes(keyframes)

    # -- values ---------------------------------------------------------------------------------------------------

    def _whole(self, assets: SceneAssets, keyframes: list[dict[str, float]] | None = None) -> Update:
        return {
            self.components.viewer: assets.manifest(keyframes=keyframes),
            self.components.grid: assets.grid(),
            self.components.exports: exports.exports_value(),
        }

    def _address(self, shown: ShownScene) -> Update:
        """The page's address becomes the link of what is shown, or no link."""
        value = {"link": shown.link, "no_link": shown.no_link, "key": shown.key, "example": shown.example}
        value["opened"] = shown.opened
        return {self.components.masthead: value}

    def _library_value(self, finished: dict[str, Any] | None = None, begin: bool = False) -> dict[str, Any]:
        return {"examples": self.examples.tiles(), "finished": finished, "begin": begin}

    def _nothing(self, session: Session) -> Update:
        """The viewer says that it has no scene, if it has none, and none is made or opened."""
        waiting = session.shown is None and (session.job is None or session.job.progress().over)
        return {self.components.viewer: None} if waiting else {}

    def _refusal(self, error: Exception) -> Update:
        """Say why nothing was done; everything else stays as it is."""
        return {self.components.status: status(sentence(str(error)), "warning")}
