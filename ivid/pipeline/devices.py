"""Where networks can run."""

from __future__ import annotations

import re

BACKENDS = ("onnx", "torch")
"""What can evaluate networks: ONNX Runtime on the CPU, or torch."""


def check_device(device: str | None) -> None:
    """Refuse a device that networks cannot run on here; torch is imported only to look for a GPU.

    Args:
        device: cpu, cuda, or cuda:1 and so on; None for the best there is.

    Raises:
        ValueError: there is no such device on this machine; the message says which there are.
    """
    if device is None or device == "cpu":
        return
    found = ["cpu"]
    if match := re.fullmatch(r"cuda(?::([0-9]{1,3}))?", device):
        import torch

        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if int(match[1] or 0) < count:
            return
        found += [f"cuda:{index}" for index in range(count)]
    raise ValueError(f"there is no device {device!r:.50} here; choose one of {', '.join(found)}")


def check_backend(backend: str | None, device: str | None) -> None:
    """Refuse a backend that there is not, or that does not run on a device.

    Args:
        backend: one of `BACKENDS`; None for the faster one.
        device: as of `check_device`.

    Raises:
        ValueError: the message says which backends there are.
    """
    if backend is not None and backend not in BACKENDS:
        raise ValueError(f"there is no backend {backend!r:.50}; choose {' or '.join(BACKENDS)}")
    if backend == "onnx" and (device or "cpu") != "cpu":
        raise ValueError(f"the backend onnx runs on the CPU, not on {device}; choose the backend torch")
