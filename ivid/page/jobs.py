"""Generation in the background: one scene at a time, each on a thread of its own, whose progress handlers poll."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ivid.page.networks import NetworksEnded, Stopped
from ivid.page.registry import ModelRegistry
from ivid.page.requests import GenerationRequest
from ivid.pipeline.description import upsampled_scene
from ivid.pipeline.events import Event, ViewDone
from ivid.scene.depth import PUBLISHED_SAMPLING_RANGE, DepthRange
from ivid.scene.fingerprint import FIRST_VIEW, fingerprint
from ivid.scene.scene import Scene
from ivid.scene.view import View

PLACES = 100  # of jobs, the one that runs among them
UNWATCHED_S = 60.0  # a job whose progress nobody has asked for this long stops: the browser is gone without a word
GIVE_UP_CHECK_S = 0.5  # between looks of a waiting job whether it is still wanted
SMOOTHING = 0.85  # weight of the past in the average time of an evaluation


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        phase: waiting (for its turn), loading (the model), sampling, upsampling, done, stopped or failed.
        ahead: jobs that come before this one, while waiting.
        views: those that are finished.
        upsampled: those of them that are upsampled.
        preview: (view index, step, steps, rgb uint8 [S, S, 3], depth [S, S] metres) of the view being denoised.
        seconds_left: estimated; None while there is nothing to go by.
        depth_range: of the model, in metres.
        message: one sentence, when failed; while loading, how far a download is.
    """

    phase: str = "waiting"
    ahead: int = 0
    views: tuple[View, ...] = ()
    upsampled: tuple[View, ...] = ()
    preview: tuple | None = None
    seconds_left: float | None = None
    depth_range: DepthRange = PUBLISHED_SAMPLING_RANGE
    message: str = ""

    @property
    def over(self) -> bool:
        return self.phase in ("done", "stopped", "failed")


class JobQueue:
    """Lets one job run at a time, in the order of arrival."""

    def __init__(self, places: int = PLACES) -> None:
        self._places = places
        self._jobs: list[object] = []  # the first is running
        self._moved = threading.Condition()

    def ahead(self, job: object) -> int:
        """How many jobs come before this one."""
        with self._moved:
            return self._jobs.index(job) if job in self._jobs else 0

    @contextlib.contextmanager
    def turn(self, job: object, gave_up: Callable[[], bool]) -> Iterator[bool]:
        """Wait for the turn of a job; False inside the with block when it gave up waiting.

        Raises:
            ValueError: too many are waiting.
        """
        with self._moved:
            if len(self._jobs) >= self._places:
                raise ValueError(f"{len(self._jobs)} scenes are waiting to be made already; please try again later")
            self._jobs.append(job)
        try:
            with self._moved:
                while self._jobs[0] is not job and not gave_up():
                    self._moved.wait(GIVE_UP_CHECK_S)
            yield not gave_up()
        finally:
            with self._moved:
                self._jobs.remove(job)
                self._moved.notify_all()


class GenerationJob:
    """One scene being generated. Starts at once; `stop` ends it between two network evaluations, with what is done.

    Attributes:
        request: what is generated; its fingerprint of a picture is filled in as soon as the picture is read.
    """

    def __init__(self, request: GenerationRequest, models: ModelRegistry, queue: JobQueue) -> None:
        self.request = request
        self._models, self._queue = models, queue
        self._progress = _progress_of(request.so_far)
        self._as_scene: Callable[[tuple[View, ...]], Scene] | None = None
        self._stop = threading.Event()
        self._watched_at = time.monotonic()
        run = partial(copy_context().run, self._run)  # a shared GPU is lent to the request in the context
        threading.Thread(target=run, name="generate-scene", daemon=True).start()

    def progress(self) -> Progress:
        """How far it is now; asking for it keeps the job alive."""
        self._watched_at = time.monotonic()
        now = self._progress
        if now.phase == "waiting":
            return replace(now, ahead=self._queue.ahead(self))
        if now.phase == "loading":
            return replace(now, message=self._models.download_messages.get(self.request.model, now.message))
        return now

    def stop(self) -> None:
        self._stop.set()

    def scene(self) -> Scene | None:
        """The scene of the views that are finished, upsampled if all of them are; None while there are none."""
        now = self._progress
        if not now.views:
            return None
        if self._as_scene is None:
            return self.request.so_far
        scene = self._as_scene(now.views)
        if self.request.first_view:
            scene = replace(scene, settings={**scene.settings, FIRST_VIEW: self.request.first_view})
        if len(now.upsampled) < len(now.views):
            return scene
        return upsampled_scene(scene, now.upsampled)

    def _unwanted(self) -> bool:
        return self._stop.is_set() or time.monotonic() - self._watched_at > UNWATCHED_S

    def _run(self) -> None:
        try:
            with self._queue.turn(self, self._unwanted) as my_turn:
                if my_turn:
                    self._generate()
            self._update(phase="stopped" if self._unwanted() and not self._complete() else "done", preview=None)
        except (ValueError, NetworksEnded) as error:
            self._update(phase="failed", preview=None, message=str(error))
        except Exception as error:  # whatever it is, the person waiting must hear of it
            traceback.print_exc(file=sys.stderr)
            self._update(phase="failed", preview=None, message=f"the scene could not be made ({error})")

    def _complete(self) -> bool:
        now, wanted = self._progress, len(self.request.cameras)
        return len(now.views) == wanted and (not self.request.upsample or len(now.upsampled) == wanted)

    def _generate(self) -> None:
        request = self.request
        self._update(phase="loading")
        model = self._models.load(request.model)
        self._update(depth_range=model.depth_range)
        sampling = model.sampling(request.sampling)
        label = request.class_label if model.class_names else None
        self._as_scene = partial(
            model.scene, class_label=label, seed=request.seed, view_set=request.view_set, sampling=sampling
        )
        views = self._progress.views
        first_view = views[0] if views and request.first_view else None
        if request.picture is not None:
            estimated = partial(self._models.photo_view, tell=self._tell)
            first_view = request.picture.view(model.size, model.depth_range, estimated)
            self.request = replace(request, first_view=fingerprint(first_view))
        arguments = {
            "class_label": label,
            "seed": request.seed,
            "view_set": request.view_set,
            "first_view": first_view,
            "known_views": views,
            "sampling": request.sampling,
        }
        model.check_inputs(**arguments)  # before anything is shown
        source = self._models.cards[request.model].source
        missing = len(request.cameras) - len(views)
        first_steps = 0 if views or first_view is not None else sampling.first_steps
        steps = first_steps + sampling.novel_steps * (missing if views else missing - 1)
        self._follow("sampling", steps, "sample", source, arguments)
        if request.upsample and not self._unwanted():
            options = {"sampling": request.sampling}
            steps = sampling.novel_steps * len(request.cameras)
            self._follow("upsampling", steps, "upsample", source, self._as_scene(self._progress.views), options)

    def _follow(self, phase: str, steps: int, task: str, *arguments: Any) -> None:
        """Let a task of so many evaluations be done, and take what it makes; ends it when it is not wanted any more."""
        key, views = (self.request.model, phase), "upsampled" if phase == "upsampling" else "views"
        step_s, left, before = self._models.evaluation_s.get(key), steps, time.monotonic()
        self._update(phase=phase, message="", seconds_left=step_s * left if step_s else None)

        def listen(event: Event) -> None:
            nonlocal step_s, left, before
            if isinstance(event, ViewDone):
                self._update(**{views: (*getattr(self._progress, views), event.view)}, preview=None)
            else:
                now = time.monotonic()
                took_s, before, left = now - before, now, left - 1
                step_s = took_s if step_s is None else SMOOTHING * step_s + (1 - SMOOTHING) * took_s
                preview = (event.view_index, event.step, event.steps, event.rgb, event.depth)
                self._update(preview=preview, seconds_left=step_s * left)
            if self._unwanted():
                raise Stopped

        try:
            self._models.networks.run(task, listen, *arguments)
        except Stopped:
            return
        if step_s:
            self._models.evaluation_s[key] = step_s

    def _tell(self, message: str) -> None:
        """Say what is being waited for, in a few words."""
        self._update(message=message)

    def _update(self, **changes: Any) -> None:
        self._progress = replace(self._progress, **changes)


def _progress_of(scene: Scene | None) -> Progress:
    """How far a job is that goes on with a scene."""
    return Progress() if scene is None else Progress(views=tuple(scene.views), depth_range=scene.depth_range)
