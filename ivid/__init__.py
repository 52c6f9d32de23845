"""3D-aware image generation with 2D diffusion models (ivid, ICCV 2023): sample RGBD views, fuse them, look around.

    import ivid

    pipeline = ivid.load("lowpoly")
    scene = pipeline("house", seed=12, view_set="3x9")
    ivid.export(scene, "house.glb")
    scene = ivid.open_scene("house.ivid")

Nothing but this file is imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from ivid.export import export_scene as export
    from ivid.pipeline import IvidPipeline
    from ivid.scene import Scene

__version__ = "0.2.0"
__all__ = ["__version__", "export", "load", "open_scene"]


def load(model: str | Path = "lowpoly", device: str | None = None, backend: str | None = None) -> IvidPipeline:
    """A model, ready to make scenes.

    Args:
        model: `lowpoly`, which is bundled; `imagenet128`, fetched and converted on first use; or a model folder.
        device: such as cpu or cuda:1; the first GPU, or else the CPU, when None.
        backend: what evaluates the networks: `onnx` (ONNX Runtime, on the CPU) or `torch`; the faster one when None.

    Raises:
        ValueError: there is no such model, its folder is not complete, or it could not be fetched.
    """
    from ivid.pipeline import load_pipeline, model_folder

    return load_pipeline(model_folder(model), device, backend)


def open_scene(path: str | Path) -> Scene:
    """Read a scene file: `.npz` is the authors' format, anything else `.ivid`.

    Raises:
        ValueError: the file is no scene, or is damaged.
        OSError: there is no such file, or it cannot be read.
    """
    from ivid.published import open_scene

    return open_scene(path)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == "export":  # the package ivid.export, which can be called
            return importlib.import_module("ivid.export")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
