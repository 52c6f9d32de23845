"""A scene in the making, on a thread of its own; whoever shows it looks at its progress from time to time."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ivid.page import models
from ivid.page.models import Shelf
from ivid.scene.cameras import Camera, view_set
from ivid.scene.depth import PUBLISHED_SAMPLING_RANGE, DepthRange
from ivid.scene.scene import Scene, View

if TYPE_CHECKING:
    from ivid.pipeline.pipeline import Event

UNWATCHED_S = 60.0  # nobody looks any more: the browser is gone without a word


@dataclass(frozen=True)
class Photograph:
    """Files of a picture and its depth map, to begin a scene with (`ivid.scene.rgbd`)."""

    picture: Path
    depth: Path
    depth_kind: str = "metric"

    def view(self, size: int, depth_range: DepthRange) -> View:
        """The first view made of them.

        Raises:
            ValueError: the files are not usable, or do not belong together.
        """
        from ivid.scene.rgbd import load_rgbd

        return load_rgbd(self.picture, self.depth, depth_kind=self.depth_kind, size=size, depth_range=depth_range)


@dataclass(frozen=True)
class Wish:
    """What someone asked for; None stands for the model's default."""

    model: str
    class_label: str | None
    seed: int
    view_set: str = "3x9"
    first_steps: int | None = None
    novel_steps: int | None = None
    guidance: float | None = None
    sampler: str | None = None
    upsample: bool | None = None
    photograph: Photograph | None = None

    @property
    def cameras(self) -> list[Camera]:
        return view_set(self.view_set, self.seed)

    @property
    def settings(self) -> dict[str, Any]:
        """The arguments of `IvidPipeline.settings`."""
        return {name: getattr(self, name) for name in ("first_steps", "novel_steps", "guidance", "sampler")}

    def check(self, shelf: Shelf) -> None:
        """Refuse what the model would refuse, as far as that can be said already.

        Raises:
            ValueError: the wish cannot be fulfilled; the message says why.
        """
        view_set(self.view_set)
        if self.model not in shelf.cards or shelf.is_loaded(self.model):
            pipeline = shelf.pipeline(self.model)
            pipeline.class_index(self.class_label)
            pipeline.settings(**self.settings)


@dataclass(frozen=True)
class Progress:
    """How far a scene is.

    Attributes:
        phase: waiting (for its turn), loading (the model), sampling, enlarging, done, stopped or failed.
        ahead: scenes to be made before this one, while waiting.
        views: those that are finished.
        large: those that are enlarged.
        preview: (view index, step, steps, rgb uint8 [S, S, 3], depth [S, S] metres) of the view being denoised.
        seconds_left: estimated; None while there is nothing to go by.
        depth_range: of the model, in metres.
        message: one sentence, when failed; while loading, how far a download is.
    """

    phase: str = "waiting"
    ahead: int = 0
    views: tuple[View, ...] = ()
    large: tuple[View, ...] = ()
    preview: tuple | None = None
    seconds_left: float | None = None
    depth_range: DepthRange = PUBLISHED_SAMPLING_RANGE
    message: str = ""

    @property
    def over(self) -> bool:
        return self.phase in ("done", "stopped", "failed")


class Turnstile:
    """Lets one through at a time, in the order of arrival."""

    def __init__(self, places: int = 30) -> None:
        self._places = places
        self._line: list[object] = []  # the first is through
        self._moved = threading.Condition()

    def ahead(self, ticket: object) -> int:
        with self._moved:
            return self._line.index(ticket) if ticket in self._line else 0

    @contextlib.contextmanager
    def turn(self, ticket: object, gave_up: Callable[[], bool]) -> Iterator[bool]:
        """Wait for the turn of a ticket; False inside the with block when it gave up waiting.

        Raises:
            ValueError: too many are waiting.
        """
        with self._moved:
            if len(self._line) >= self._places:
                raise ValueError(f"{len(self._line)} scenes are waiting to be made already; please try again later")
            self._line.append(ticket)
        try:
            with self._moved:
                while self._line[0] is not ticket and not gave_up():
                    self._moved.wait(0.2)
            yield not gave_up()
        finally:
            with self._moved:
                self._line.remove(ticket)
                self._moved.notify_all()


class Making:
    """One scene on its way. Starts at once; `stop` ends it between two network evaluations and keeps what is done."""

    def __init__(self, wish: Wish, shelf: Shelf, turnstile: Turnstile) -> None:
        self.wish = wish
        self._shelf, self._turnstile = shelf, turnstile
        self._progress = Progress()
        self._as_scene: Callable[[tuple[View, ...]], Scene] | None = None
        self._stop = threading.Event()
        self._looked_at = time.monotonic()
        run = partial(copy_context().run, self._run)  # a shared GPU is lent to the request in the context
        threading.Thread(target=run, name="make-scene", daemon=True).start()

    def progress(self) -> Progress:
        self._looked_at = time.monotonic()
        now = self._progress
        if now.phase == "waiting":
            return replace(now, ahead=self._turnstile.ahead(self))
        if now.phase == "loading":
            return replace(now, message=self._shelf.told.get(self.wish.model, ""))
        return now

    def stop(self) -> None:
        self._stop.set()

    def scene(self) -> Scene | None:
        """The scene of the views that are finished, enlarged if all of them are; None while there are none."""
        now = self._progress
        if not self._as_scene or not now.views:
            return None
        scene = self._as_scene(now.views)
        if len(now.large) < len(now.views):
            return scene
        from ivid.pipeline.upsampling import upsampled_scene

        return upsampled_scene(scene, now.large)

    def _unwanted(self) -> bool:
        return self._stop.is_set() or time.monotonic() - self._looked_at > UNWATCHED_S

    def _run(self) -> None:
        try:
            with self._turnstile.turn(self, self._unwanted) as through:
                if through:
                    self._make()
            self._update(phase="stopped" if self._unwanted() and not self._complete() else "done", preview=None)
        except ValueError as error:
            self._update(phase="failed", preview=None, message=str(error))
        except Exception as error:  # whatever it is, the person waiting must hear of it
            traceback.print_exc(file=sys.stderr)
            self._update(phase="failed", preview=None, message=f"the scene could not be made ({error})")

    def _complete(self) -> bool:
        wanted = len(self.wish.cameras)
        return len(self._progress.views) == wanted and (not self.wish.upsample or len(self._progress.large) == wanted)

    def _make(self) -> None:
        wish = self.wish
        self._update(phase="loading")
        pipeline = self._shelf.pipeline(wish.model)
        self._update(depth_range=pipeline.depth_range)
        settings = pipeline.settings(**wish.settings)
        label = wish.class_label if pipeline.class_names else None
        self._as_scene = partial(
            pipeline.scene, class_label=label, seed=wish.seed, view_set=wish.view_set, settings=settings
        )
        photograph = wish.photograph
        arguments = {
            "class_label": label,
            "seed": wish.seed,
            "view_set": wish.view_set,
            "first_view": photograph.view(pipeline.size, pipeline.depth_range) if photograph else None,
            **wish.settings,
        }
        pipeline.stream(**arguments)  # not begun: only to refuse bad arguments before anything is shown
        steps = (0 if photograph else settings.first_steps) + settings.novel_steps * (len(wish.cameras) - 1)
        source = self._shelf.cards[wish.model].source
        self._follow("sampling", models.sampled(source, arguments), steps)
        if wish.upsample and not self._unwanted():
            enlarging = {"steps": settings.novel_steps, "guidance": settings.novel_guidance}
            events = models.enlarged(source, self._as_scene(self._progress.views), enlarging)
            self._follow("enlarging", events, settings.novel_steps * len(wish.cameras))

    def _follow(self, phase: str, events: Generator[Event, None, None], steps: int) -> None:
        from ivid.pipeline.pipeline import ViewDone  # imports torch, which by now is there

        task, growing = (self.wish.model, phase), "large" if phase == "enlarging" else "views"
        pace_s, left, before = self._shelf.pace_s.get(task), steps, time.monotonic()
        self._update(phase=phase, seconds_left=pace_s * left if pace_s else None)
        with contextlib.closing(events):
            for event in events:
                if isinstance(event, ViewDone):
                    self._update(**{growing: (*getattr(self._progress, growing), event.view)}, preview=None)
                else:
                    now = time.monotonic()
                    took_s, before, left = now - before, now, left - 1
                    pace_s = took_s if pace_s is None else 0.85 * pace_s + 0.15 * took_s
                    preview = (event.view_index, event.step, event.steps, event.rgb, event.depth)
                    self._update(preview=preview, seconds_left=pace_s * left)
                if self._unwanted():
                    return
        if pace_s:
            self._shelf.pace_s[task] = pace_s

    def _update(self, **changes: Any) -> None:
        self._progress = replace(self._progress, **changes)
