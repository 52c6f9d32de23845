"""The model of a folder, in memory and ready to draw."""

from __future__ import annotations

from pathlib import Path

import torch

from ivid.pipeline.devices import check_device
from ivid.pipeline.pipeline import IvidPipeline


def load_pipeline(folder: str | Path, device: str | None = None) -> IvidPipeline:
    """The model of a folder, on the best device at hand and in the precision that is fastest there.

    Raises:
        ValueError: there is no such device.
    """
    check_device(device)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    pipeline = IvidPipeline.from_pretrained(folder, fastest_precision(device))
    if device == "cpu":
        for unet in pipeline.networks.values():
            unet.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return pipeline.to(device)


def fastest_precision(device: str) -> torch.dtype:
    """Half precision on CUDA, bfloat16 on a CPU with instructions for it, single precision on any other."""
    if device.startswith("cuda"):
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported():
        return torch.bfloat16
    return torch.float32
