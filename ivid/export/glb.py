"""Binary glTF 2.0 files of one primitive with attributes of any name, which extensions such as Gaussian splats need."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

POINTS = 0  # the primitive mode of glTF
_COMPONENT_TYPES = {np.dtype(np.uint8): 5121, np.dtype(np.float32): 5126}
_TYPES = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
_ARRAY_BUFFER = 34962


@dataclass(frozen=True, eq=False)
class GlbAttribute:
    """Values of one attribute of all vertices.

    Attributes:
        values: [N] or [N, C], uint8 or float32; rows must fill multiples of 4 bytes.
        normalized: integers stand for fractions of their largest value.
        bounds: write the least and the greatest values, as glTF requires of positions.
    """

    values: np.ndarray
    normalized: bool = False
    bounds: bool = False


def glb_file(attributes: Mapping[str, GlbAttribute], mode: int, extension: tuple[str, Mapping[str, Any]]) -> bytes:
    """A .glb file of one node with one primitive.

    Args:
        attributes: by name.
        mode: of the primitive, such as `POINTS`.
        extension: name and content of the primitive's extension.
    """
    views, accessors, blocks, offset = [], [], [], 0
    for attribute in attributes.values():
        values = np.ascontiguousarray(attribute.values)
        columns = values.reshape(len(values), -1)
        views.append({"buffer": 0, "byteOffset": offset, "byteLength": values.nbytes, "target": _ARRAY_BUFFER})
        accessors.append(
            {
                "bufferView": len(views) - 1,
                "componentType": _COMPONENT_TYPES[values.dtype],
                "count": len(values),
                "type": _TYPES[columns.shape[1]],
                **({"normalized": True} if attribute.normalized else {}),
                **({"min": columns.min(0).tolist(), "max": columns.max(0).tolist()} if attribute.bounds else {}),
            }
        )
        blocks.append(values.tobytes())
        offset += values.nbytes
    name, content = extension
    primitive = {
        "attributes": {attribute: index for index, attribute in enumerate(attributes)},
        "mode": mode,
        "extensions": {name: dict(content)},
    }
    document = {
        "asset": {"version": "2.0", "generator": "ivid"},
        "extensionsUsed": [name],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": offset}],
    }
    return glb_container(document, b"".join(blocks))


def glb_container(document: Mapping[str, Any], binary: bytes) -> bytes:
    """A .glb file of its JSON document and its buffer, whose length is a multiple of 4 bytes."""
    text = json.dumps(document, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks
