"""What is read of a model's folder without loading its networks."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

from ivid.diffusion.weights_file import WeightsFile
from ivid.pipeline.config import INDEX_FILE, NETWORKS, ModelIndex
from ivid.pipeline.hub import ModelError
from ivid.scene.files import read_json

FINGERPRINTED_BYTES = 4096  # of a tensor


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
        weights = next(iter(_weights_files(folder / network)), None)
        if weights is None or not (folder / network / "config.json").is_file():
            missing = "config.json" if weights else "weights (diffusion_pytorch_model.safetensors)"
            raise ModelError(f"the model {folder} is only half there: {network} has no {missing}")
        try:
            with safe_open(weights, framework="np"):
                pass
        except (SafetensorError, OSError) as error:
            raise ModelError(f"the model {folder} is only half there: {network}/{weights.name} ({error})") from None
    return folder


def model_fingerprint(folder: str | Path) -> str:
    """A hash that tells models of one name apart: 16 hexadecimal digits.

    Of the index, and of the beginning of every tensor: training changes them all, and large models take long to read.

    Raises:
        ValueError: the folder's files are no model.
        OSError: one cannot be read.
    """
    folder = Path(folder)
    digest = hashlib.sha256((folder / INDEX_FILE).read_bytes())
    for network in ModelIndex.read(folder).networks:
        for path in _weights_files(folder / network):
            weights = WeightsFile.read(path)
            digest.update(weights.layout.encode())
            with open(path, "rb") as content:
                for tensor in weights.tensors.values():
                    content.seek(tensor.offset)
                    digest.update(content.read(min(tensor.length, FINGERPRINTED_BYTES)))
    return digest.hexdigest()[:16]


def _weights_files(network: Path) -> list[Path]:
    return sorted(network.glob("diffusion_pytorch_model*.safetensors"))


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
