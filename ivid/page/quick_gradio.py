"""Gradio, imported without what the page does not use: nearly half of its import is pandas, MCP, IPython and stubs."""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType

STUBS = "gradio.component_meta"  # writes a stub of every component for editors, whenever it is imported


def import_gradio(with_mcp: bool = False) -> ModuleType:
    """The package `gradio`, which finds pandas when it asks for something in it.

    Args:
        with_mcp: whether it is to serve agents.
    """
    if "gradio" not in sys.modules:
        others = {"pandas": _Later("pandas"), "IPython": None} | ({} if with_mcp else {"mcp": None})
        with _in_the_place_of(others), _without_stubs():
            importlib.import_module("gradio")
    return sys.modules["gradio"]


class _Later(ModuleType):
    """Stands for a package until something in it is asked for."""

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)


@contextlib.contextmanager
def _in_the_place_of(others: Mapping[str, ModuleType | None]) -> Iterator[None]:
    """Inside the with block these are what is imported; None cannot be. What is loaded already stays."""
    put = {name: other for name, other in others.items() if name not in sys.modules}
    sys.modules.update(put)  # type: ignore[arg-type]  None is what the import system takes for "there is none"
    try:
        yield
    finally:
        for name, other in put.items():
            if name in sys.modules and sys.modules[name] is other:
                del sys.modules[name]


@contextlib.contextmanager
def _without_stubs() -> Iterator[None]:
    finder = _StubsOff()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _StubsOff(importlib.abc.MetaPathFinder):
    """Finds the module that writes stubs, and takes that function out of it once it is loaded."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        if fullname != STUBS:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(fullname, path, None) for finder in others)  # type: ignore[arg-type]
        spec = next((each for each in found if each is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _WithoutStubs(spec.loader)
        return spec


class _WithoutStubs(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        module.create_or_modify_pyi = lambda *_: None  # type: ignore[attr-defined]
