"""What went wrong, in one sentence."""

from __future__ import annotations

TRAINING_PACKAGES = {"pyrender", "pytorch_optimizer", "tensorboardX", "torchmetrics", "transformers", "trimesh"}
FAILURES = (ValueError, OSError, RuntimeError, ImportError)  # what wrong input or a machine's limits raise


def sentence(error: BaseException) -> str:
    """One sentence about an error, for a person who gave the input."""
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"there is no file or folder {error.filename}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] in TRAINING_PACKAGES:
        return f"this needs the package {error.name}, which is not installed; try: pip install 'ivid[train]'"
    return str(error)
