"""diffusers' `UNet2DModel`, without what else is imported with it.

`from diffusers import UNet2DModel` imports every transformer and U-Net of diffusers and `torch._dynamo`, which takes
several times as long as the network's own module. Here that module is imported alone. Whatever asks diffusers for
more afterwards, imports it then, and finds the same class.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

BARE_PACKAGES = ("diffusers.models.unets", "diffusers.models.transformers")
"""Their `__init__` imports all that is in them."""
NOT_NEEDED = "torch._dynamo"
"""diffusers marks layers of transformers for it, and does without where it cannot be imported."""


class _OnlyWhatIsNeeded:
    """Finds packages without their `__init__`, and one module not at all, for the thread that made it."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if threading.get_ident() != self._thread:
            return None
        if name == NOT_NEEDED:
            raise ModuleNotFoundError(f"{name} is not imported with a network", name=name)
        if name not in BARE_PACKAGES or path is None:
            return None
        spec = ModuleSpec(name, None, is_package=True)  # without a loader: a namespace
        spec.submodule_search_locations = [str(Path(folder) / name.rpartition(".")[2]) for folder in path]
        return spec


@contextmanager
def _only_what_is_needed() -> Iterator[None]:
    finder = _OnlyWhatIsNeeded()
    before = {name for name in BARE_PACKAGES if name in sys.modules}
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in set(BARE_PACKAGES) - before:  # the next import gets the whole package
            sys.modules.pop(name, None)
            parent, _, attribute = name.rpartition(".")
            if parent in sys.modules:
                vars(sys.modules[parent]).pop(attribute, None)


if TYPE_CHECKING:
    from diffusers import UNet2DModel
else:
    try:
        with _only_what_is_needed():
            from diffusers.models.unets.unet_2d import UNet2DModel
    except ImportError:  # a version that is laid out in another way
        from diffusers import UNet2DModel

__all__ = ["UNet2DModel"]
