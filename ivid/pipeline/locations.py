"""Where models and computed files are kept on this machine."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

BUNDLED_MODELS = Path(__file__).resolve().parents[2] / "ckpts"


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
