"""Large libraries that only some exports need, imported when they are."""

from __future__ import annotations

import importlib
from typing import Any

SYSTEM_LIBRARIES = "libegl1 libgl1 libgomp1 libusb-1.0-0"  # Debian's packages that Open3D loads


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
        missing_system_library = ".so" in str(error)
        remedy = f"apt-get install {SYSTEM_LIBRARIES}" if missing_system_library else f"pip install {package}"
        raise MissingLibraryError(
            f"{purpose} needs the package {package}, which cannot be imported ({error}); try: {remedy}"
        ) from error
