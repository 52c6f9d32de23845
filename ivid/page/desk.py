"""What the page does: makes scenes, stops, opens, exports. Handlers yield new values by component.

Every handler is one person's: what it remembers is in that person's session, and the model is shared by turns.
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

from ivid.page import exporting, wishes
from ivid.page.making import Making, Progress, Turnstile, Wish
from ivid.page.models import Shelf
from ivid.page.opening import Examples, open_for_page
from ivid.page.publishing import Publication, picture_url
from ivid.page.room import Room
from ivid.page.sessions import Session, Sessions
from ivid.scene.scene import Scene
from viewer.protocol import scene_title, valid_keyframes

LOOK_EVERY_S = 0.25  # a picture of the page costs a weak machine's browser 40 ms that the networks could use
FIRST_LOOK_EVERY_S = 0.05  # until there is something to see

Update = dict[Any, Any]


@dataclass
class Desk:
    """The handlers of the page."""

    room: Room
    shelf: Shelf
    examples: Examples
    sessions: Sessions = field(default_factory=Sessions)
    turnstile: Turnstile = field(default_factory=Turnstile)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    # -- making ---------------------------------------------------------------------------------------------------

    async def generate(self, request: gr.Request, *fields: Any) -> AsyncIterator[Update]:
        """Make the scene of the fields, and show it growing."""
        session = self.sessions.of(request.session_hash)
        try:
            wish = wishes.read_wish(self.shelf, *fields)
        except ValueError as error:
            yield self._refusal(error)
            return
        making = session.start(wish, self.shelf, self.turnstile)
        try:
            async for update in self._follow(session, making):
                yield update
        finally:
            making.stop()  # nobody follows it any more

    def stop(self, request: gr.Request) -> None:
        """Stop between two network evaluations; `generate`, which still follows, tells the rest."""
        self.sessions.of(request.session_hash).stop()

    def leave(self, request: gr.Request) -> None:
        self.sessions.leave(request.session_hash)

    async def _follow(self, session: Session, making: Making) -> AsyncIterator[Update]:
        before, publication, large = (session.shown, session.scene), None, None
        told: tuple = ()
        started = time.monotonic()
        while True:
            progress = making.progress()
            session.touched = time.monotonic()
            if session.making is not making:  # another scene has been asked for since
                return
            count = len(progress.views) + len(progress.large)
            news = (progress.phase, progress.ahead, progress.message, count, id(progress.preview))
            if news != told:
                told = news
                update: Update = {self.room.status: making_status(making.wish, progress, time.monotonic() - started)}
                if publication is None and (progress.preview or progress.views):
                    publication = self._publication(session, making.wish, progress)
                    session.show(publication, making.scene)
                if publication is not None:
                    update |= await self._shown(publication, progress)
                if publication is not None and progress.phase in ("enlarging", "done") and making.wish.upsample:
                    large = large or self._publication(session, making.wish, progress)
                    update |= await self._enlarged(large, publication, progress)
                if progress.over:
                    if large is not None and progress.phase == "done":
                        publication = large
                        session.show(large, making.scene)
                    yield update | await self._end(session, making, progress, publication, before)
                    return
                yield update | {self.room.stop: gr.update(interactive=True)}
            await asyncio.sleep(LOOK_EVERY_S if publication else FIRST_LOOK_EVERY_S)

    def _publication(self, session: Session, wish: Wish, progress: Progress) -> Publication:
        title = " · ".join(part for part in (wish.class_label, f"seed {wish.seed}") if part)
        return Publication(session.folder(), wish.cameras, wish.view_set, progress.depth_range, title)

    async def _shown(self, publication: Publication, progress: Progress) -> Update:
        """The viewer and the grid, after the files of new views are written."""
        grown = publication.count < len(progress.views)
        for view in progress.views[publication.count :]:
            await asyncio.to_thread(publication.add, view)
        preview = progress.preview
        update: Update = {self.room.grid: publication.grid(preview, making=not progress.over)}
        if grown or not publication.count:
            update[self.room.viewer] = publication.manifest(preview)
        if grown:
            update[self.room.exports] = self._exports(enabled=True)
        return update

    async def _enlarged(self, large: Publication, publication: Publication, progress: Progress) -> Update:
        """The grid, as the views in it are enlarged; the viewer changes over when all of them are."""
        for view in progress.large[large.count :]:
            await asyncio.to_thread(large.add, view)
        update: Update = {self.room.grid: large.grid(progress.preview, not progress.over, before=publication)}
        if progress.phase == "done":
            update[self.room.viewer] = large.manifest()
        return update

    async def _end(
        self,
        session: Session,
        making: Making,
        progress: Progress,
        publication: Publication | None,
        before: tuple[Publication | None, Callable[[], Scene | None]],
    ) -> Update:
        """The last word on a scene: keep it in the library, or go back to what was there before."""
        update: Update = {self.room.stop: gr.update(interactive=False)}
        if progress.phase == "failed":
            gr.Warning(sentence(progress.message))
        scene = making.scene()
        if scene is not None and publication is not None:
            finished = await asyncio.to_thread(self._finished, making.wish, scene, publication)
            update[self.room.library] = self._library(finished=finished)
        elif publication is not None:
            shown, session.scene = before
            session.shown = shown
            update |= {
                self.room.viewer: shown.manifest() if shown else None,
                self.room.grid: shown.grid() if shown else None,
            }
        return update

    def _finished(self, wish: Wish, scene: Scene, publication: Publication) -> dict[str, Any]:
        """What the library keeps of a scene that was made; the file itself is fetched by the browser."""
        path = publication.folder / f"{exporting.file_stem(scene)}.ivid"
        scene.save(path)
        count, whole = len(scene.views), len(wish.cameras)
        return {
            "number": next(self.numbers),
            "path": str(path),
            "name": path.name,
            "title": scene.class_name or wish.model,
            "note": f"seed {wish.seed}" + ("" if count == whole else f", {count} of {whole} views"),
            "picture": picture_url(scene.views[0].rgb),
            "link": wishes.link_to(wish),
        }

    # -- opening --------------------------------------------------------------------------------------------------

    async def greet(self, request: gr.Request) -> Update:
        """A page has been opened: fill its fields from its link, else show the first example."""
        session = self.sessions.of(request.session_hash)
        fields, complaint = wishes.linked_fields(self.shelf, dict(request.query_params))
        if complaint:
            gr.Warning(complaint)
        update: Update = {getattr(self.room, name): gr.update(value=value) for name, value in fields.items()}
        begin = bool(fields) and not complaint
        update[self.room.library] = self._library(begin=begin)
        if self.examples.names and not begin:
            first = await asyncio.to_thread(self.examples.get, self.examples.names[0])
            if session.shown is None and session.making is None:  # quicker people have begun something else by now
                session.show(first.publication, lambda: first.scene)
                update |= self._whole(first.publication)
                update[self.room.status] = status("This is an example. Pick a class and a seed, and press Generate.")
        return update

    async def open_file(self, path: str | None, request: gr.Request) -> Update:
        """Show a scene file that was uploaded or dropped."""
        if not path:
            return {}
        session = self.sessions.of(request.session_hash)
        try:
            scene = await asyncio.to_thread(open_for_page, path)
            publication = await asyncio.to_thread(Publication.of, scene, session.folder())
        except ValueError as error:
            return self._refusal(error)
        return self._opened(session, publication, scene, Path(path).name)

    async def open_example(self, event: gr.EventData, request: gr.Request) -> Update:
        """Show an example."""
        try:
            example = await asyncio.to_thread(self.examples.get, str(event._data.get("name")))
        except ValueError as error:
            return self._refusal(error)
        session = self.sessions.of(request.session_hash)
        return self._opened(session, example.publication, example.scene, f"{example.name}.ivid")

    def _opened(self, session: Session, publication: Publication, scene: Scene, name: str) -> Update:
        session.stop()
        session.making = None
        session.show(publication, lambda: scene)
        views = f"{len(scene.views)} view" + ("s" if len(scene.views) > 1 else "")
        title = scene_title(scene)
        said = f"{name} is open: {title + ', ' if title else ''}{views}."
        return self._whole(publication) | {
            self.room.status: status(said, "done"),
            self.room.stop: gr.update(interactive=False),
        }

    # -- taking away ----------------------------------------------------------------------------------------------

    async def export(self, event: gr.EventData, request: gr.Request) -> AsyncIterator[Update]:
        """Write a file of the scene that is shown, and have the browser fetch it."""
        session = self.sessions.of(request.session_hash)
        scene, offer = session.scene_to_take(), exporting.OFFERS.get(str(event._data.get("name")))
        if scene is None or offer is None:
            yield self._refusal(ValueError("there is no scene to export yet; generate or open one first"))
            return
        path = session.folder("export") / f"{exporting.file_stem(scene, offer.tag)}{offer.suffix}"
        try:
            async for share in exporting.export_with_progress(scene, path, offer.kind, **offer.options):
                yield {self.room.exports: self._exports(running={"name": offer.name, "share": share})}
        except (ValueError, OSError, RuntimeError) as error:
            yield self._refusal(ValueError(f"{path.name} could not be written: {error}"))
            yield {self.room.exports: self._exports()}
            return
        file = {"path": str(path), "name": path.name, "number": next(self.numbers)}
        yield {self.room.exports: self._exports(file=file)}

    def remember_path(self, event: gr.EventData, request: gr.Request) -> None:
        """The person's own camera path was changed in the viewer: it goes with every export."""
        frames = event._data.get("keyframes")
        if isinstance(frames, list):
            self.sessions.of(request.session_hash).keyframes = valid_keyframes(frames)

    # -- values ---------------------------------------------------------------------------------------------------

    def _whole(self, publication: Publication) -> Update:
        return {
            self.room.viewer: publication.manifest(),
            self.room.grid: publication.grid(),
            self.room.exports: self._exports(),
        }

    def _exports(
        self, enabled: bool = True, running: dict[str, Any] | None = None, file: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        return {"kinds": exporting.offered(), "enabled": enabled, "running": running, "file": file}

    def _library(self, finished: dict[str, Any] | None = None, begin: bool = False) -> dict[str, Any]:
        return {"examples": self.examples.tiles(), "finished": finished, "begin": begin}

    def _refusal(self, error: Exception) -> Update:
        """Say why nothing was done; everything else stays as it is."""
        gr.Warning(sentence(str(error)))
        return {self.room.status: status(sentence(str(error)), "warning")}


def status(text: str, tone: str = "idle", share: float | None = None, link: str | None = None) -> dict[str, Any]:
    """The value of the status line."""
    return {"text": text, "tone": tone, "share": share, "link": link}


def making_status(wish: Wish, progress: Progress, took_s: float) -> dict[str, Any]:
    """The status line of a scene in the making."""
    done, total = len(progress.views), len(wish.cameras)
    link = wishes.link_to(wish)
    views = f"{total} view" + ("s" if total > 1 else "")
    if progress.phase == "waiting":
        if not progress.ahead:
            return status("Starting …", "busy")
        return status(f"Number {progress.ahead + 1} in the queue; {_scenes(progress.ahead)} before yours.", "busy")
    if progress.phase == "loading":
        return status(f"{progress.message or 'Loading the model'} …", "busy")
    if progress.phase == "failed":
        return status(sentence(progress.message), "warning")
    if progress.phase == "stopped":
        kept = f"; what is done ({done} of {total} views) is kept." if done else "."
        return status(f"Stopped{kept}", "idle", link=link if done else None)
    if progress.phase == "done":
        return status(f"Done: {views} in {took_s:.0f} s.", "done", 1.0, link)
    enlarging = progress.phase == "enlarging"
    done = len(progress.large) if enlarging else done
    now, share, step = min(done + 1, total), done / total, ""
    if progress.preview is not None:
        index, number, steps, _, _ = progress.preview
        now, share = index + 1, (index + number / steps) / total
        step = f" · step {number} of {steps}" if index == 0 else ""
    left = f" · {_duration(progress.seconds_left)} left" if progress.seconds_left is not None else ""
    return status(f"{'Enlarging view' if enlarging else 'View'} {now} of {total}{step}{left}", "busy", share, link)


def sentence(text: str) -> str:
    """A message as a sentence: first letter large, a full stop at its end."""
    text = " ".join(text.split())
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _scenes(count: int) -> str:
    return "1 scene is" if count == 1 else f"{count} scenes are"


def _duration(seconds: float) -> str:
    return f"{max(1, round(seconds))} s" if seconds < 90 else f"{round(seconds / 60)} min"
