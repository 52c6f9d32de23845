"""What every open page has of its own: the scene it shows, the one it is making, and the files of both."""

from __future__ import annotations

import atexit
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ivid.page.making import Making, Turnstile, Wish
from ivid.page.models import Shelf
from ivid.page.publishing import Publication, delete_leftovers, new_folder
from ivid.scene.scene import Scene

KEPT_S = 3600.0  # files of a page that is closed, or that nobody touches, are kept so long
KEPT_FOLDERS = 4  # of each use in one session; a browser may still be fetching from the one before
LEFTOVER_S = 24 * 3600.0  # what a process that was killed left behind


class Session:
    """One open page.

    Attributes:
        making: the scene being made, or made last.
        shown: what the viewer and the grid show.
        scene: gives the scene that is shown, as far as it is made.
        keyframes: the person's own camera path through it.
    """

    def __init__(self) -> None:
        self.making: Making | None = None
        self.shown: Publication | None = None
        self.scene: Callable[[], Scene | None] = lambda: None
        self.keyframes: list[dict[str, float]] = []
        self.touched = time.monotonic()
        self._others: list[Making] = []
        self._folders: dict[str, list[Path]] = {}

    def start(self, wish: Wish, shelf: Shelf, turnstile: Turnstile) -> Making:
        """Begin to make a scene; one that is being made is stopped."""
        self.stop()
        self.making = Making(wish, shelf, turnstile)
        return self.making

    def stop(self) -> None:
        if self.making is not None:
            self.making.stop()

    def show(self, publication: Publication, scene: Callable[[], Scene | None]) -> None:
        self.shown, self.scene, self.keyframes = publication, scene, []

    def scene_to_take(self) -> Scene | None:
        """What exports work on: the scene that is shown, with the camera path that was made for it."""
        scene = self.scene()
        if scene is not None and self.keyframes:
            return replace(scene, settings={**scene.settings, "keyframes": self.keyframes})
        return scene

    def also(self, making: Making) -> None:
        """A scene for a program: another one does not replace it, but it ends with the session."""
        self._others = [each for each in self._others if not each.progress().over] + [making]

    def folder(self, use: str = "scene") -> Path:
        """A new folder; the oldest ones of this session and use are deleted."""
        folder, mine = new_folder(), self._folders.setdefault(use, [])
        mine.append(folder)
        while len(mine) > KEPT_FOLDERS:
            shutil.rmtree(mine.pop(0), ignore_errors=True)
        return folder

    def leave(self) -> None:
        """Stop all work."""
        for making in (self.making, *self._others):
            if making is not None:
                making.stop()

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
