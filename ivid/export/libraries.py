"""Large libraries that only some exports need, imported when they are."""

from __future__ import annotations

import importlib
from typing import Any


class MissingLibraryError(ValueError):
    """A library that an export needs cannot be imported; the message names the package to install."""


def library(module: str, package: str, purpose: str) -> Any:
    """The module, imported now.

    Raises:
        MissingLibraryError: it cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:  # OSError: a shared library of the system is missing
        raise MissingLibraryError(
            f"{purpose} needs the package {package}, which cannot be imported ({error}); "
            f"install it with: pip install {package}"
        ) from error
