"""Files of many scenes at an address that fsspec knows: s3://, hf://, gs://, memory:// and so on."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ivid.export.folders import PlainLayout, PublishedLayout
from ivid.export.records import Record
from ivid.pipeline.batch import SceneRequest
from ivid.pipeline.events import ViewDone
from ivid.scene.scene import Scene


def is_address(out: str) -> bool:
    """Whether files go to an address, `protocol://…`, rather than to a folder of this machine."""
    return "://" in out


@dataclass(frozen=True)
class RemoteLayout:
    """The files of another layout at an address; each scene is written here first, and its own file is sent last.

    Attributes:
        address: of the folder, such as `s3://bucket/scenes`.
        layout: with a relative folder, which is taken to lie below the address.
    """

    address: str
    layout: PlainLayout | PublishedLayout

    def scene_file(self, request: SceneRequest) -> str:
        """The address of the scene's file. What is there is done."""
        return self._at(self.layout.scene_file(request))

    def record(self, request: SceneRequest) -> Record | None:
        """How the scene that is there was made; None where there is none.

        Raises:
            ValueError: its file is damaged.
            OSError: it cannot be read.
        """
        import fsspec

        files, path = fsspec.url_to_fs(self.scene_file(request))
        if not files.exists(path):
            return None
        with tempfile.TemporaryDirectory() as folder:
            local = self._in(Path(folder))
            local.scene_file(request).parent.mkdir(parents=True, exist_ok=True)
            files.get_file(path, str(local.scene_file(request)))
            return local.record(request)

    def write(self, request: SceneRequest, scene: Scene, events: Sequence[ViewDone]) -> None:
        """Write the files of a scene that was made by these events."""
        import fsspec

        with tempfile.TemporaryDirectory() as folder:
            local = self._in(Path(folder))
            local.write(request, scene, events)
            last = local.scene_file(request)
            written = sorted(path for path in Path(folder).rglob("*") if path.is_file() and path != last)
            for path in [*written, last]:
                files, target = fsspec.url_to_fs(self._at(path.relative_to(folder)))
                files.makedirs(files._parent(target), exist_ok=True)
                files.put_file(str(path), target)

    def _at(self, path: Path) -> str:
        return f"{self.address.rstrip('/')}/{path.as_posix()}"

    def _in(self, folder: Path) -> PlainLayout | PublishedLayout:
        return replace(self.layout, folder=folder / self.layout.folder)


def check_address(address: str) -> None:
    """Refuse an address that fsspec cannot reach.

    Raises:
        ValueError: the protocol is unknown, or the package for it is not installed.
    """
    import fsspec

    try:
        fsspec.url_to_fs(address)
    except ImportError as error:
        raise ValueError(f"{address} cannot be written to: {error}") from None


Layout = PlainLayout | PublishedLayout | RemoteLayout
