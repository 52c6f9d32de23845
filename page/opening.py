"""Scenes that are opened instead of made: files a person has, and the examples that come with the project."""

from __future__ import annotations

import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path

from ivid.published_scene import open_scene
from ivid.scene import Scene, SceneFileError
from page.publishing import Publication, new_folder, picture_url
from viewer.wire import scene_title


def open_for_page(path: str | Path) -> Scene:
    """A scene file of either kind.

    Raises:
        ValueError: it cannot be opened; the message is a sentence for the person who opened it.
    """
    try:
        return open_scene(path)
    except OSError as error:
        raise SceneFileError(f"{Path(path).name} cannot be read ({error.strerror or error})") from None


@dataclass(frozen=True)
class Example:
    """A scene file that comes with the project, read, and published once for all pages."""

    name: str
    scene: Scene
    publication: Publication

    @property
    def tile(self) -> dict[str, str]:
        """What the library shows of it."""
        return {
            "name": self.name,
            "title": scene_title(self.scene) or self.name,
            "picture": picture_url(self.scene.views[0].rgb),
        }


@dataclass
class Examples:
    """The scene files of a folder; none is fine."""

    folder: Path
    _read: dict[str, Example] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

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
                self._read[name] = Example(name, scene, Publication.of(scene, new_folder()))
            return self._read[name]

    def all(self) -> list[Example]:
        """Those that can be read; the others are reported on the console."""
        examples = []
        for name in self.names:
            try:
                examples.append(self.get(name))
            except ValueError as error:
                print(f"the example {name} is left out: {error}", flush=True)
        return examples

    def close(self) -> None:
        for example in self._read.values():
            shutil.rmtree(example.publication.folder, ignore_errors=True)
