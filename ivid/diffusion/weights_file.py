"""Where tensors lie in the `.safetensors` file of a network's weights; needs no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"

_LARGEST_HEADER = 100_000_000


@dataclass(frozen=True)
class StoredTensor:
    """Where a tensor lies in its file, in bytes, and its `dtype` as safetensors calls it."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    length: int


@dataclass(frozen=True)
class WeightsFile:
    """What a `.safetensors` file holds, and where.

    Attributes:
        tensors: by name.
        layout: a hash; files with the same one hold tensors of the same names, types and shapes at the same places.
    """

    tensors: Mapping[str, StoredTensor]
    layout: str

    @classmethod
    def read(cls, path: str | Path) -> WeightsFile:
        """Read the header of a file.

        Raises:
            ValueError: the file is no safetensors file.
            OSError: it cannot be read.
        """
        with open(path, "rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = file.read(size) if size <= _LARGEST_HEADER else b""
        try:
            entries = json.loads(header)
            tensors = {
                name: StoredTensor(entry["dtype"], tuple(entry["shape"]), 8 + size + first, last - first)
                for name, entry in sorted(entries.items())
                if name != "__metadata__"
                for first, last in [entry["data_offsets"]]
            }
        except (ValueError, KeyError, TypeError, AttributeError):
            raise ValueError(f"{path} is no safetensors file") from None
        return cls(tensors, hashlib.sha256(repr(tensors).encode()).hexdigest())
