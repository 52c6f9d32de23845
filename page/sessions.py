"""What every open page has of its own: the scene it shows, the one it is making, and the files of both."""

from __future__ import annotations

import atexit
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ivid.scene import Scene
from page.making import Making, Turnstile, Wish
from page.models import Shelf
from page.publishing import Publication, new_folder

KEPT_S = 3600.0  # files of a page that is closed, or that nobody touches, are kept so long
KEPT_SCENES = 4  # of one session; a viewer may still be fetching from the one before


class Session:
    """One open page.

    Attributes:
        making: the scene being made, or made last.
        shown: what the viewer and the grid show.
        scene: gives the scene that is shown, as far as it is made; exports work on it.
    """

    def __init__(self) -> None:
        self.making: Making | None = None
        self.shown: Publication | None = None
        self.scene: Callable[[], Scene | None] = lambda: None
        self.touched = time.monotonic()
        self._folders: list[Path] = []

    def start(self, wish: Wish, shelf: Shelf, turnstile: Turnstile) -> Making:
        """Begin to make a scene; one that is being made is stopped."""
        self.stop()
        self.making = Making(wish, shelf, turnstile)
        return self.making

    def stop(self) -> None:
        if self.making is not None:
            self.making.stop()

    def show(self, publication: Publication, scene: Callable[[], Scene | None]) -> None:
        self.shown, self.scene = publication, scene

    def folder(self) -> Path:
        """A new folder for a scene; the oldest ones of this session are deleted."""
        folder = new_folder()
        self._folders.append(folder)
        while len(self._folders) > KEPT_SCENES:
            shutil.rmtree(self._folders.pop(0), ignore_errors=True)
        return folder

    def close(self) -> None:
        self.stop()
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)


class Sessions:
    """All open pages, by Gradio's name for them."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._lock = threading.Lock()
        atexit.register(self.close)

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
            session.stop()

    def close(self) -> None:
        with self._lock:
            for session in self._sessions.values():
                session.close()
            self._sessions.clear()

    def _sweep(self) -> None:
        late = time.monotonic() - KEPT_S
        for name in [name for name, session in self._sessions.items() if session.touched < late]:
            self._sessions.pop(name).close()
