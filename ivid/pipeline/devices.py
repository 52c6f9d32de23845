"""Where networks can run."""

from __future__ import annotations

import re


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
