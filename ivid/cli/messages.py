"""What went wrong, in one sentence."""

from __future__ import annotations

FAILURES = (ValueError, OSError, RuntimeError, ImportError)  # what wrong input or a machine's limits raise


def sentence(error: BaseException) -> str:
    """One sentence about an error, for a person who gave the input."""
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"there is no file or folder {error.filename}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)
