"""The model of a folder, in memory and ready to draw."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import torch

from ivid.diffusion.graphed_unet import GraphedUNet
from ivid.diffusion.onnx_unet import GRAPH_FILE, GraphError, OnnxUNet
from ivid.pipeline.config import ModelIndex
from ivid.pipeline.devices import check_backend, check_device
from ivid.pipeline.model_files import model_fingerprint
from ivid.pipeline.pipeline import IvidPipeline

logger = logging.getLogger(__name__)


def load_pipeline(folder: str | Path, device: str | None = None, backend: str | None = None) -> IvidPipeline:
    """The model of a folder, on the best device at hand and in the precision that is fastest there.

    Args:
        folder: of the model.
        device: see `ivid.pipeline.devices.check_device`.
        backend: what evaluates the networks, `onnx` or `torch`. When None, ONNX Runtime on CPUs without AMX, of a model
            that has graphs. Where `onnx` cannot be had, one sentence is logged, and it is torch.

    Raises:
        ValueError: there is no such device or backend, or the backend does not run on the device.
    """
    check_device(device)
    check_backend(backend, device)
    device = device or ("cuda" if torch.cuda.is_available() and backend != "onnx" else "cpu")
    if backend == "onnx" or (backend is None and _onnx_is_faster(folder, device)):
        try:
            return _in_onnx_runtime(folder)
        except GraphError as error:
            logger.warning("the networks run in torch: %s", error)
    pipeline = IvidPipeline.from_pretrained(folder, fastest_precision(device))
    for unet in pipeline.networks.values():
        unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    pipeline.to(device)
    return with_cuda_graphs(pipeline) if device.startswith("cuda") else pipeline


def with_cuda_graphs(pipeline: IvidPipeline) -> IvidPipeline:
    """The pipeline of a GPU, with networks whose evaluations are recorded and replayed."""
    networks: dict[str, Any] = {name: GraphedUNet(cast(Any, unet)) for name, unet in pipeline.networks.items()}
    graphed = IvidPipeline(config=pipeline.config, **networks)
    graphed.fingerprint = pipeline.fingerprint
    return graphed


def fastest_precision(device: str) -> torch.dtype:
    """Half precision on CUDA, bfloat16 on a CPU with instructions for it, single precision on any other."""
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        return torch.bfloat16
    return torch.float32


def _onnx_is_faster(folder: str | Path, device: str) -> bool:
    """Whether ONNX Runtime, in single precision, beats torch here; a model without graphs has no choice.

    Where a CPU has bfloat16 instructions but no AMX, both make a scene in about the same time. But torch needs
    diffusers, which takes seconds to import, and it stalls where another process wants a core.
    """
    has_graphs = all((Path(folder) / name / GRAPH_FILE).is_file() for name in ModelIndex.read(folder).networks)
    return has_graphs and device == "cpu" and not torch.cpu._is_amx_tile_supported()


def _in_onnx_runtime(folder: str | Path) -> IvidPipeline:
    """The model with its networks in ONNX Runtime, each of them prepared on a thread of its own."""
    index = ModelIndex.read(folder)
    with ThreadPoolExecutor(len(index.networks)) as pool:
        networks = dict(
            zip(index.networks, pool.map(OnnxUNet, [Path(folder) / name for name in index.networks]), strict=True)
        )
    pipeline = IvidPipeline(config=index.config, **networks)
    pipeline.fingerprint = model_fingerprint(folder)
    return pipeline
