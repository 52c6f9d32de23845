"""A model's networks as files that a browser fetches: graphs, and half-precision weights in parts named by their hash.

A graph refers to its weights by their offsets in one `.safetensors` file (`ivid.pipeline.graphs`). The browser puts the
parts together to that file again, so that graphs are used as they are. Parts travel packed, without loss.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ivid.diffusion.onnx_unet import CONFIG_FILE, GRAPH_FILE
from ivid.diffusion.weights_file import WEIGHTS_FILE, WeightsFile
from ivid.pipeline.config import ModelIndex
from ivid.pipeline.model_files import view_size
from ivid.scene.files import read_json, written_aside

PART_BYTES = 20_000_000
"""The most of weights that one file holds."""

SAMPLERS = ("ddpm", "ddim")
"""Those that the browser has."""

_HALF_BYTES = {"F64": 4, "F32": 2, "F16": 1, "BF16": 1}  # how many times as large as in half precision
_LEFT_OUT = "upsampler_unet"


def site_networks(model_folder: str | Path, out: str | Path) -> dict[str, Any]:
    """Write a model's networks into `out/model/`, and return the manifest that tells the browser about the model.

    Args:
        model_folder: a complete model (`ivid.pipeline.models.model_folder`).
        out: of the site.

    Returns:
        `config`, the model's (`ModelConfig.to_dict`); `size` of its views in pixels; and `networks`, by name: `config`
        (diffusers' fields that sampling needs), `graph` (a part) and `weights` (`path`, under which the graph refers to
        them, `bytes`, and `parts`). A part has `file`, relative to `out/model/`, its `bytes`, and `sha256` of what is
        packed in it (`packed`).

    Raises:
        ValueError: the folder is no model, or samples in a way that the browser has not; before anything is written.
        ImportError: a network has no graph, or is not in half precision, and onnx or onnxscript is not installed.
        OSError: a file cannot be read or written.
    """
    index = ModelIndex.read(model_folder)
    check_samplers(index)
    parts = Path(out) / "model"
    with _with_graphs(Path(model_folder), index) as folder:
        networks = {name: _network(folder / name, parts) for name in _used(index)}
    return {"config": index.config.to_dict(), "size": view_size(model_folder), "networks": networks}


def weight_bytes(model_folder: str | Path) -> int:
    """How large a model's weights are in half precision; packed they are a little smaller.

    Raises:
        ValueError: the folder is no model.
        OSError: a file cannot be read.
    """
    index = ModelIndex.read(model_folder)
    total = 0
    for name in _used(index):
        for path in (Path(model_folder) / name).glob("*.safetensors"):
            tensors = WeightsFile.read(path).tensors.values()
            total += sum(tensor.length // _HALF_BYTES.get(tensor.dtype, 1) for tensor in tensors)
    return total


def check_samplers(index: ModelIndex) -> None:
    """Refuse a model whose default samplers the browser does not have.

    Raises:
        ValueError: it samples with another one than `SAMPLERS`.
    """
    name, default = index.config.name, index.config.sampling
    for sampler in (default.first_sampler, default.novel_sampler):
        if sampler not in (*SAMPLERS, "auto"):
            raise ValueError(
                f"a site samples with {' or '.join(SAMPLERS)}; the default of the model {name} is {sampler}"
            )


def _used(index: ModelIndex) -> list[str]:
    return [name for name in index.networks if name != _LEFT_OUT]


def _network(folder: Path, out: Path) -> dict[str, Any]:
    config = read_json(folder / CONFIG_FILE)
    kept = ("sample_size", "in_channels", "out_channels", "num_class_embeds")
    weights = folder / WEIGHTS_FILE
    return {
        "config": {name: config.get(name) for name in kept},
        "graph": _part((folder / GRAPH_FILE).read_bytes(), out),
        "weights": {
            "path": WEIGHTS_FILE,
            "bytes": weights.stat().st_size,
            "parts": [_part(content, out) for content in _pieces(weights)],
        },
    }


def _pieces(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while content := file.read(PART_BYTES):
            yield content


def _part(content: bytes, out: Path) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    name = f"{digest[:16]}.bin"
    sent = packed(content)
    with written_aside(out / name) as aside:
        aside.write_bytes(sent)
    return {"file": name, "bytes": len(sent), "sha256": digest}


def packed(content: bytes) -> bytes:
    """Half-precision numbers, or anything else, as they travel: all lower bytes, then all upper ones, deflated.

    Of a weight the upper byte says most about its neighbours' (the shuffle filter of HDF5); `packing.js` undoes it.
    """
    return zlib.compress(content[::2] + content[1::2], 1)


@contextmanager
def _with_graphs(folder: Path, index: ModelIndex) -> Iterator[Path]:
    """The folder, if its networks are in half precision and have their graphs; else a temporary one where it is so."""
    if all(_is_ready(folder / name) for name in _used(index)):
        yield folder
        return
    import torch
    from diffusers import UNet2DModel

    from ivid.pipeline.graphs import write_graphs

    with TemporaryDirectory() as name:
        temporary = Path(name)
        for network in _used(index):
            unet = UNet2DModel.from_pretrained(folder / network, dtype=torch.float16, local_files_only=True)
            unet.save_pretrained(temporary / network, max_shard_size="1TB")
        ModelIndex(index.config, tuple(_used(index))).write(temporary)
        write_graphs(temporary)
        yield temporary


def _is_ready(folder: Path) -> bool:
    weights, graph = folder / WEIGHTS_FILE, folder / GRAPH_FILE
    if not (weights.is_file() and graph.is_file()):
        return False
    stored = WeightsFile.read(weights)
    halves = all(tensor.dtype == "F16" for tensor in stored.tensors.values())
    return halves and stored.layout.encode() in graph.read_bytes()
