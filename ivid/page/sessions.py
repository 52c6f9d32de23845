"""What every open page has of its own: the scene it shows, the one being generated, and the files of both."""

from __future__ import annotations

import atexit
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ivid.page.assets import SceneAssets, delete_leftovers, new_folder
from ivid.page.jobs import GenerationJob, JobQueue
from ivid.page.registry import ModelRegistry
from ivid.page.requests import GenerationRequest
from ivid.scene.scene import Scene

KEPT_S = 3600.0  # files of a page that is closed, or that nobody touches, are kept so long
KEPT_FOLDERS = 4  # of each use in one session; a browser may still be fetching from the one before
LEFTOVER_S = 24 * 3600.0  # what a process that was killed left behind


class Session:
    """One open page.

    Attributes:
        job: the scene being generated, or generated last.
        shown: what the viewer and the grid show.
        scene: gives the scene that is shown, as far as it is made.
        keyframes: the person's own camera path through it.
    """

    def __init__(self) -> None:
        self.job: GenerationJob | None = None
        self.shown: SceneAssets | None = None
        self.scene: Callable[[], Scene | None] = lambda: None
        self.keyframes: list[dict[str, float]] = []
        self.touched = time.monotonic()
        self._others: list[GenerationJob] = []
        self._folders: dict[str, list[Path]] = {}

    def start(self, request: GenerationRequest, models: ModelRegistry, queue: JobQueue) -> GenerationJob:
        """Begin to generate a scene; one that is being generated is stopped."""
        self.stop()
        self.job = GenerationJob(request, models, queue)
        return self.job

    def stop(self) -> None:
        if self.job is not None:
            self.job.stop()

    def show(self, assets: SceneAssets, scene: Callable[[], Scene | None]) -> None:
        self.shown, self.scene, self.keyframes = assets, scene, []

    def scene_to_export(self) -> Scene | None:
        """What exports work on: the scene that is shown, with the camera path that was made for it."""
        scene = self.scene()
        if scene is not None and self.keyframes:
            return replace(scene, settings={**scene.settings, "keyframes": self.keyframes})
        return scene

    def start_beside(self, request: GenerationRequest, models: ModelRegistry, queue: JobQueue) -> GenerationJob:
        """Begin to generate a scene for a program: it replaces no other, and it ends with the session."""
        job = GenerationJob(request, models, queue)
        self._others = [each for each in self._others if not each.progress().over] + [job]
        return job

    def folder(self, use: str = "scene") -> Path:
        """A new folder; the oldest ones of this session and use are deleted."""
        folder, mine = new_folder(), self._folders.setdefault(use, [])
        mine.append(folder)
        while len(mine) > KEPT_FOLDERS:
            shutil.rmtree(mine.pop(0), ignore_errors=True)
        return folder

    def leave(self) -> None:
        """Stop all work."""
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
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()

    def _sweep(self) -> None:
        late = time.monotonic() - KEPT_S
        for name in [name for name, session in self._sessions.items() if session.touched < late]:
            self._sessions.pop(name).close()
