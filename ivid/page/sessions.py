"""What every open page has of its own: the scene it shows, the one being generated, and the files of both."""

from __future__ import annotations

import atexit
import shutil
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ivid.page.assets import SceneAssets, delete_leftovers, new_folder
from ivid.page.jobs import GenerationJob, JobQueue
from ivid.page.registry import ModelRegistry
from ivid.page.requests import GenerationRequest
from ivid.scene.scene import Scene

KEPT_S = 3600.0  # files of a page that is closed, and of a program that does not call again, are kept so long
KEPT_FOLDERS = 4  # of each use in one session; a browser may still be fetching from the one before
LEFTOVER_S = 24 * 3600.0  # what a process that was killed left behind


@dataclass
class ShownScene:
    """The scene that a page shows.

    Attributes:
        scene: gives it, as far as it is made.
        assets: what the browser fetches of it; None for one that the browser has given back (`Handlers.export`).
        link: query of the link that makes it again; None if there is none.
        no_link: why there is none.
        key: what the browser's library calls it, if it has it.
        example: its name, if it is one of the examples.
        opened: whether it came as a file.
        keyframes: the person's own camera path through it; None while it is the one that came with the scene.
    """

    scene: Callable[[], Scene | None]
    assets: SceneAssets | None = None
    link: str | None = None
    no_link: str = ""
    key: str = ""
    example: str = ""
    opened: bool = False
    keyframes: list[dict[str, float]] | None = None

    def to_export(self) -> Scene | None:
        """The scene as it is now, with the camera path that was made for it."""
        scene = self.scene()
        if scene is not None and self.keyframes is not None:
            return replace(scene, settings={**scene.settings, "keyframes": self.keyframes})
        return scene


class Session:
    """One open page, or one program that calls the API.

    Attributes:
        job: the scene being generated, or generated last.
        shown: what the viewer and the grid show.
        connected: whether the page is open.
        touched: when it was last heard of, on the monotonic clock.
    """

    def __init__(self) -> None:
        self.job: GenerationJob | None = None
        self.shown: ShownScene | None = None
        self.connected = False
        self.touched = time.monotonic()
        self._others: list[GenerationJob] = []
        self._folders: dict[str, list[Path]] = {}

    def start(self, request: GenerationRequest, models: ModelRegistry, queue: JobQueue) -> GenerationJob:
        """Begin to generate a scene; one that is being generated is stopped."""
        self.stop()
        self.job = GenerationJob(request, models, queue)
        return self.job

    @contextmanager
    def beside(
        self, request: GenerationRequest, models: ModelRegistry, queue: JobQueue
    ) -> Generator[GenerationJob, None, None]:
        """Generate a scene for a program: it replaces no other, and it ends with the context or with the session."""
        job = GenerationJob(request, models, queue)
        self._others.append(job)
        try:
            yield job
        finally:
            job.stop()
            self._others.remove(job)

    def stop(self) -> None:
        if self.job is not None:
            self.job.stop()

    def folder(self, use: str = "scene") -> Path:
        """A new folder; the oldest ones of this session and use are deleted."""
        folder, mine = new_folder(), self._folders.setdefault(use, [])
        mine.append(folder)
        while len(mine) > KEPT_FOLDERS:
            shutil.rmtree(mine.pop(0), ignore_errors=True)
        return folder

    def leave(self) -> None:
        """Stop all work."""
        self.connected = False
        self.touched = time.monotonic()
        for job in (self.job, *self._others):
            if job is not None:
                job.stop()

    def close(self) -> None:
        """Stop all work, and delete all files."""
        self.leave()
        for folder in [each for folders in self._folders.values() for each in folders]:
            shutil.rmtree(folder, ignore_errors=True)


class Sessions:
    """All open pages, by Gradio's name for them."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        atexit.register(self.close)
        delete_leftovers(LEFTOVER_S)

    def of(self, name: str | None) -> Session:
        """The session of a page; a new one when it is not known (any more)."""
        with self._lock:
            self._sweep()
            session = self._sessions.setdefault(name or "", Session())
            session.touched = time.monotonic()
            return session

    def leave(self, name: str | None) -> None:
        """The page was closed, or its connection broke: stop the work, keep the files for a while."""
        with self._lock:
            session = self._sessions.get(name or "")
        if session is not None:
            session.leave()

    def close(self) -> None:
        """Forget all pages, and delete their files."""
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()

    def _sweep(self) -> None:
        late = time.monotonic() - KEPT_S
        gone = [name for name, each in self._sessions.items() if not each.connected and each.touched < late]
        for name in gone:
            self._sessions.pop(name).close()
