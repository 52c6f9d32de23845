"""Scenes that are opened instead of generated: scene files, and the examples that come with the project."""

from __future__ import annotations

import atexit
import contextlib
import shutil
import threading
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from ivid.page.assets import SceneAssets, is_uploaded, new_folder, picture_url
from ivid.published.scene_file import open_scene
from ivid.scene.scene import Scene
from ivid.scene.scene_file import SceneFileError


def open_for_page(path: str | Path) -> Scene:
    """A scene file of either kind.

    Raises:
        ValueError: it cannot be opened; the message is a sentence for the person who opened it.
    """
    try:
        return open_scene(path)
    except OSError as error:
        raise SceneFileError(f"{Path(path).name} cannot be read ({error.strerror or error})") from None


def open_uploaded(path: str) -> Scene:
    """A scene file that the browser has uploaded; no other file of this machine is read.

    Raises:
        ValueError: it cannot be opened.
    """
    if not is_uploaded(path):
        raise ValueError("the file has not been uploaded")
    return open_for_page(path)


@dataclass(frozen=True)
class Example:
    """A scene file that comes with the project, read, and its assets, written once for all pages."""

    name: str
    scene: Scene
    assets: SceneAssets


@dataclass
class Examples:
    """The scene files of a folder; none is fine."""

    folder: Path
    _read: dict[str, Example] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        atexit.register(self.close)

    @property
    def names(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.ivid"))

    def get(self, name: str) -> Example:
        """An example by name.

        Raises:
            ValueError: there is none of that name, or its file is damaged.
        """
        if name not in self.names:
            raise ValueError(f"there is no example {name!r}; there are {', '.join(self.names) or 'none'}")
        with self._lock:
            if name not in self._read:
                scene = open_for_page(self.folder / f"{name}.ivid")
                self._read[name] = Example(name, scene, SceneAssets.of(scene, new_folder()))
            return self._read[name]

    def prepare_first(self) -> None:
        """Prepare the first example on a thread of its own; who asks for it meanwhile waits."""
        for name in self.names[:1]:
            threading.Thread(target=self._prepare, args=[name], name="prepare-example", daemon=True).start()

    def _prepare(self, name: str) -> None:
        with contextlib.suppress(ValueError):  # who asks for it hears of it
            self.get(name)

    def tiles(self) -> list[dict[str, str]]:
        """What the library shows of each: name, title, picture. Damaged files are reported on the console."""
        tiles = []
        for path in sorted(self.folder.glob("*.ivid")):
            try:
                tiles.append(_tile(str(path), path.stat().st_mtime_ns))
            except (ValueError, OSError) as error:
                print(f"the example {path.name} is left out: {error}", flush=True)
        return tiles

    def close(self) -> None:
        for example in self._read.values():
            shutil.rmtree(example.assets.folder, ignore_errors=True)


@cache
def _tile(path: str, _changed_ns: int) -> dict[str, str]:
    """The tile of a scene file, of which only the header and the first picture are read."""
    scene = Scene.peek(path)
    note = "" if scene.seed is None else f"seed {scene.seed}"
    title = scene.class_name or Path(path).stem
    return {"name": Path(path).stem, "title": title, "note": note, "picture": picture_url(scene.rgb)}
