"""Where models and computed files are kept on this machine."""

from __future__ import annotations

import os
import tempfile
from importlib.resources import files
from pathlib import Path


def bundled(name: str) -> Path:
    """A folder that comes with the program: `ckpts`, the bundled model, or `assets`, the examples.

    In a checkout it stands beside the package, and inside it once it is installed (pyproject.toml puts it there).
    """
    package = Path(str(files("ivid")))
    installed = package / "_bundled" / name
    return installed if installed.is_dir() else package.parent / name


BUNDLED_MODELS = bundled("ckpts")


def cache_folder() -> Path:
    """The folder for what is fetched or computed once: `$IVID_CACHE`, the user's cache, or a temporary folder.

    The last is for homes that cannot be written to.
    """
    chosen = os.environ.get("IVID_CACHE")
    candidates = [Path(chosen)] if chosen else []
    candidates.append(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "ivid")
    for folder in candidates:
        if can_be_written(folder):
            return folder
    folder = Path(tempfile.gettempdir()) / "ivid-cache"
    folder.mkdir(exist_ok=True)
    return folder


def can_be_written(folder: Path) -> bool:
    """Whether files can be put into a folder; it is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
