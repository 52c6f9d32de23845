"""What went wrong, in one sentence."""

from __future__ import annotations

import os

TRAINING_PACKAGES = ("pyrender", "pytorch_optimizer", "tensorboardX", "torchmetrics", "transformers", "trimesh")
EXTRAS = {"ray": "ray", **dict.fromkeys(TRAINING_PACKAGES, "train")}  # packages, and what brings them
FAILURES = (ValueError, OSError, RuntimeError, ImportError, MemoryError)  # wrong input, or a machine's limits


def sentence(error: BaseException) -> str:
    """One sentence about an error, for a person who gave the input.

    An error of the operating system is told with the path and its plain reason; of other errors, the first line that
    says something, with the list that follows it if it ends with a colon.
    """
    if isinstance(error, OSError) and error.errno is not None:
        reason = os.strerror(error.errno)
        if error.filename is None:
            return f"the system says: {reason}"
        if isinstance(error, FileNotFoundError):
            return f"there is no file or folder {_path(error.filename)}"
        return f"{_path(error.filename)}: {reason}"
    if isinstance(error, ModuleNotFoundError) and (extra := EXTRAS.get((error.name or "").split(".")[0])):
        return f"this needs the package {error.name}, which is not installed; try: pip install 'ivid[{extra}]'"
    if isinstance(error, MemoryError):
        return "there is not enough memory for that"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return f"something failed without a word ({type(error).__name__})"
    title, *rest = lines
    return f"{title} {'; '.join(rest)}" if rest and title.endswith(":") else title


def _path(name: object) -> str:
    return os.fsdecode(name) if isinstance(name, str | bytes | os.PathLike) else str(name)
