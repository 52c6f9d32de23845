"""What a scene can become: one file (or folder) per kind, formats in docs/formats.md.

`export_scene` is the door, and this package can be called in its place: `ivid.export(scene, path)`. The functions
behind it live in one module per kind, imported when they are used. The self-contained page is the viewer, packed, so
that kind is made by `viewer` and found by name only.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ivid.scene.files import check_new_folder, check_writable
from ivid.scene.scene import Scene

Progress = Callable[[int, int], object]  # called as progress(done, total)


@dataclass(frozen=True)
class Kind:
    """A kind of export.

    Attributes:
        name: what `--as` calls it.
        suffixes: the endings of its files; "" stands for a folder.
        description: a few words for lists and buttons.
        function: "module:function" in this package, called as function(scene, path, progress=progress, **options).
        preset: options that make it this kind.
    """

    name: str
    suffixes: tuple[str, ...]
    description: str
    function: str
    preset: Mapping[str, Any] = field(default_factory=dict)

    def load(self) -> Callable[..., None]:
        """The function that writes it."""
        module, name = self.function.split(":")
        return getattr(importlib.import_module(f"{__name__}.{module}"), name)

    def options(self) -> tuple[str, ...]:
        """Names of the options it takes."""
        parameters = inspect.signature(self.load()).parameters.values()
        names = (each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY)
        return tuple(name for name in names if name not in self.preset)


# The first kind of a suffix is the one that the suffix alone means.
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("scene", (".ivid",), "the scene file", "files:export_scene_file"),
        Kind("points", (".ply",), "coloured point cloud with normals", "points:export_points"),
        Kind("mesh", (".glb", ".obj", ".ply"), "coloured triangle mesh", "mesh:export_mesh"),
        Kind(
            "splats",
            (".splat", ".spz", ".sog", ".compressed.ply", ".ply", ".glb"),
            "Gaussian splats",
            "splats:export_splats",
        ),
        Kind("nerfstudio", (".zip", ""), "pictures and cameras, nerfstudio and COLMAP", "dataset:export_dataset"),
        Kind("video", (".mp4", ".webm", ".gif", ".webp"), "video along a camera path", "video:export_video"),
        Kind("grid", (".png",), "picture of all views", "stills:export_grid"),
        Kind("still", (".png",), "one fused picture at any camera", "stills:export_still"),
        Kind("depth", (".png",), "16-bit depth map in millimetres", "stills:export_still", {"what": "millimetres"}),
        Kind("page", (".html",), "the viewer and the scene in one file", "files:export_page"),
    )
}


class UnknownKindError(ValueError):
    """No such kind of export, or no kind for such a file name; the message lists those there are."""


def kind_for(path: str | Path) -> str:
    """Name of the kind that a file name means by its suffix.

    Raises:
        UnknownKindError: the suffix belongs to no kind.
    """
    suffix = suffix_of(path)
    if suffix:
        for kind in KINDS.values():
            if suffix in kind.suffixes:
                return kind.name
    called = f"the suffix {suffix!r} says" if suffix else f"{Path(path).name!r} has no suffix that says"
    raise UnknownKindError(f"{called} no kind of export; there are {_listed()}")


def suffix_of(path: str | Path) -> str:
    """The suffix of a file name in lower case, `.compressed.ply` being one; "" where there is none."""
    name = Path(path).name.lower()
    doubled = (suffix for kind in KINDS.values() for suffix in kind.suffixes if suffix.count(".") > 1)
    return next((suffix for suffix in doubled if name.endswith(suffix)), Path(name).suffix)


def export_scene(
    scene: Scene, path: str | Path, kind: str | None = None, progress: Progress | None = None, **options: Any
) -> None:
    """Write a scene as another kind of file.

    Args:
        path: the file to write; what stands there is replaced when the new file is complete.
        kind: one of KINDS; by the suffix of `path` when None.
        progress: called with (done, total) as the work advances; what it raises stops the export, and nothing is left.
        options: those of the kind (`KINDS[kind].options()`).

    Raises:
        UnknownKindError: no such kind, or the suffix is none of its own.
        ValueError: an option is unknown or out of range.
        OSError: `path` cannot be written; found before the work where it can be.
        MissingLibraryError: a library that the kind needs is not installed.

    Example:
        >>> scene = ivid.open_scene("house.ivid")
        >>> export_scene(scene, "house.glb", max_triangles=20_000)
        >>> export_scene(scene, "house_points.ply", "points")
        >>> export_scene(scene, "house.mp4", trajectory="orbit", seconds=4)
    """
    wanted = checked_kind(path, kind, options)
    wanted.load()(scene, path, progress=progress, **wanted.preset, **options)


def checked_kind(path: str | Path, kind: str | None = None, options: Iterable[str] = ()) -> Kind:
    """The kind of an export, once it is sure that it takes these options and that `path` can be written.

    Args:
        path: as of `export_scene`, like `kind`.
        options: names of options.

    Raises:
        UnknownKindError: no such kind, or the suffix is none of its own.
        ValueError: it has no such option, or `path` is a folder with something in it.
        OSError: `path` cannot be written.
    """
    name = kind_for(path) if kind is None else kind
    if name not in KINDS:
        raise UnknownKindError(f"there is no export kind {name!r}; there are {_listed()}")
    wanted, suffix = KINDS[name], suffix_of(path)
    as_folder = "" in wanted.suffixes and suffix not in filter(None, wanted.suffixes)
    if suffix not in wanted.suffixes and not as_folder:
        raise UnknownKindError(f"{name} is written as {' or '.join(wanted.suffixes)}, not as {suffix or 'no suffix'!r}")
    unknown = sorted(set(options) - set(wanted.options()))
    if unknown:
        known = ", ".join(wanted.options()) or "none"
        raise ValueError(f"the export {name} has no option {', '.join(unknown)}; its options: {known}")
    if as_folder:
        check_new_folder(path)
    check_writable(path, as_folder)
    return wanted


def _listed() -> str:
    return ", ".join(
        f"{kind.name} ({' '.join(suffix or 'folder' for suffix in kind.suffixes)})" for kind in KINDS.values()
    )


class _CallableModule(ModuleType):
    """This package, as what `ivid.export(scene, path)` calls."""

    __call__ = staticmethod(export_scene)


sys.modules[__name__].__class__ = _CallableModule
