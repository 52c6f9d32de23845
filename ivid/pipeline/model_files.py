"""What is read of a model's folder without loading its networks."""

from __future__ import annotations

import math
from pathlib import Path

from ivid.pipeline.config import INDEX_FILE, NETWORKS, ModelIndex
from ivid.pipeline.hub import ModelError
from ivid.scene.files import read_json


def check_model_folder(folder: str | Path) -> Path:
    """The folder, if it holds a complete model: an index, and configuration and whole weights of each network.

    Raises:
        ModelError: something is missing or cut short; the message names the file.
    """
    from safetensors import SafetensorError, safe_open

    folder = Path(folder)
    if not (folder / INDEX_FILE).is_file():
        raise ModelError(f"{folder} is not a model: it has no {INDEX_FILE}")
    try:
        networks = ModelIndex.read(folder).networks
    except ValueError as error:
        raise ModelError(str(error)) from None
    for network in networks:
        weights = next(iter(sorted((folder / network).glob("diffusion_pytorch_model*.safetensors"))), None)
        if weights is None or not (folder / network / "config.json").is_file():
            missing = "config.json" if weights else "weights (diffusion_pytorch_model.safetensors)"
            raise ModelError(f"the model {folder} is only half there: {network} has no {missing}")
        try:
            with safe_open(weights, framework="np"):
                pass
        except (SafetensorError, OSError) as error:
            raise ModelError(f"the model {folder} is only half there: {network}/{weights.name} ({error})") from None
    return folder


def view_size(folder: str | Path) -> int:
    """Side in pixels of the views of a model folder, from the configuration of its first-view network.

    Raises:
        ValueError: it is not the configuration of such a network.
        OSError: it cannot be read.
    """
    path = Path(folder) / NETWORKS[0] / "config.json"
    config = read_json(path)
    try:
        return config["sample_size"] * math.isqrt(config["out_channels"] // 4)
    except (TypeError, KeyError, ValueError):
        raise ValueError(f"{path} does not describe a first-view network") from None
