"""Smaller binary glTF: quantised attributes (KHR_mesh_quantization), packed by meshoptimizer (EXT_meshopt_compression).

What is lost: a position moves by less than 1/65535 of the mesh's extent, a normal by less than half a degree.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np

from ivid.export.glb import glb_container
from ivid.export.libraries import library

EXTENSION = "EXT_meshopt_compression"
QUANTIZATION = "KHR_mesh_quantization"
_DTYPES = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}
_BYTE, _SHORT = 5120, 5123


def compressed(content: bytes) -> bytes:
    """A .glb file of one triangle mesh, smaller.

    Args:
        content: the file, of float32 positions, normals and texture coordinates, and uint32 triangles.

    Raises:
        MissingLibraryError: the package meshopt is not installed.
    """
    meshopt = library("meshopt", "meshopt", "compressing a mesh")
    document, binary = _parts(content)
    (mesh,) = document["meshes"]
    (primitive,) = mesh["primitives"]
    accessors, views = document["accessors"], document["bufferViews"]
    attributes = {name: _values(accessors[index], views, binary) for name, index in primitive["attributes"].items()}
    triangles = _values(accessors[primitive["indices"]], views, binary).astype(np.uint32).reshape(-1)
    triangles, places, used = meshopt.reorder_mesh(triangles, True, False)
    kept = places < len(places)
    attributes = {name: _placed(values, places, kept, used) for name, values in attributes.items()}

    packed = _Packed(meshopt)
    new_accessors: list[dict[str, Any]] = []
    for name, values in attributes.items():
        if name == "POSITION":
            values = _place_node(document, values)
        stored, component, normalized = _quantised(name, values)
        accessor: dict[str, Any] = {
            "bufferView": packed.add(stored, "ATTRIBUTES"),
            "componentType": component,
            "count": len(stored),
            "type": accessors[primitive["attributes"][name]]["type"],
        }
        if normalized:
            accessor["normalized"] = True
        if name == "POSITION":
            accessor |= {"min": stored[:, :3].min(0).tolist(), "max": stored[:, :3].max(0).tolist()}
        primitive["attributes"][name] = len(new_accessors)
        new_accessors.append(accessor)
    primitive["indices"] = len(new_accessors)
    index_view = packed.add(triangles, "TRIANGLES")
    new_accessors.append({"bufferView": index_view, "componentType": 5125, "count": len(triangles), "type": "SCALAR"})
    for image in document.get("images", ()):
        view = views[image["bufferView"]]
        start = view.get("byteOffset", 0)
        image["bufferView"] = packed.add_as_it_is(binary[start : start + view["byteLength"]])
    document["accessors"], document["bufferViews"], document["buffers"] = new_accessors, packed.views, packed.buffers()
    for field in ("extensionsUsed", "extensionsRequired"):
        document[field] = [*document.get(field, ()), QUANTIZATION, EXTENSION]
    return glb_container(document, packed.content)


class _Packed:
    """Buffer views packed into the file's buffer; the second buffer, which is nowhere, is where they are unpacked."""

    def __init__(self, meshopt: Any) -> None:
        self._meshopt, self._unpacked = meshopt, 0
        self.views: list[dict[str, Any]] = []
        self.content = b""

    def add(self, values: np.ndarray, mode: str) -> int:
        encoded = self._meshopt.encode_gltf_buffer(values, mode)
        stride = values.nbytes // len(values)
        view: dict[str, Any] = {"buffer": 1, "byteOffset": self._unpacked, "byteLength": values.nbytes}
        view |= {"target": 34962, "byteStride": stride} if mode == "ATTRIBUTES" else {"target": 34963}
        where = {"buffer": 0, "byteOffset": len(self.content), "byteLength": len(encoded)}
        view["extensions"] = {EXTENSION: {**where, "byteStride": stride, "count": len(values), "mode": mode}}
        self._unpacked += values.nbytes + -values.nbytes % 4
        return self._append(view, encoded)

    def add_as_it_is(self, content: bytes) -> int:
        view = {"buffer": 0, "byteOffset": len(self.content), "byteLength": len(content)}
        return self._append(view, content)

    def buffers(self) -> list[dict[str, Any]]:
        return [
            {"byteLength": len(self.content)},
            {"byteLength": self._unpacked, "extensions": {EXTENSION: {"fallback": True}}},
        ]

    def _append(self, view: dict[str, Any], content: bytes) -> int:
        self.views.append(view)
        self.content += content + b"\0" * (-len(content) % 4)
        return len(self.views) - 1


def _parts(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack_from("<I", content, 12)[0]
    document = json.loads(content[20 : 20 + length])
    return document, content[28 + length :]


def _values(accessor: dict[str, Any], views: list[dict[str, Any]], binary: bytes) -> np.ndarray:
    """[N, C], or [N] of scalars; rows of the file stand without gaps."""
    view = views[accessor["bufferView"]]
    width, start = _WIDTHS[accessor["type"]], view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    values = np.frombuffer(binary, _DTYPES[accessor["componentType"]], accessor["count"] * width, start)
    return values.reshape(-1, width) if width > 1 else values


def _placed(values: np.ndarray, places: np.ndarray, kept: np.ndarray, used: int) -> np.ndarray:
    moved = np.empty((used, *values.shape[1:]), values.dtype)
    moved[places[kept]] = values[kept]
    return moved


def _place_node(document: dict[str, Any], positions: np.ndarray) -> np.ndarray:
    """Positions [N, 3] in units in which the mesh is 65535 large; its node moves and scales them back."""
    least = positions.min(0).astype(np.float64)
    scale = max(float((positions.max(0) - least).max()), 1e-9) / 65535
    (node,) = (each for each in document["nodes"] if each.get("mesh") == 0)
    matrix = np.array(node.pop("matrix", np.eye(4).ravel().tolist())).reshape(4, 4).T
    undone = np.diag([scale, scale, scale, 1.0])
    undone[:3, 3] = least
    matrix = matrix @ undone
    node["matrix"] = matrix.T.ravel().tolist()
    return np.rint((positions - least) / scale)


def _quantised(name: str, values: np.ndarray) -> tuple[np.ndarray, int, bool]:
    """Values in rows of multiples of 4 bytes, their component type, and whether they are fractions."""
    if name == "POSITION":
        return _rows(values.astype(np.uint16)), _SHORT, False
    if name == "NORMAL":
        return _rows(np.rint(values * 127).astype(np.int8)), _BYTE, True
    if name.startswith("TEXCOORD"):
        return _rows(np.rint(np.clip(values, 0, 1) * 65535).astype(np.uint16)), _SHORT, True
    return _rows(values), next(code for code, dtype in _DTYPES.items() if values.dtype == dtype), True


def _rows(values: np.ndarray) -> np.ndarray:
    missing = -values.shape[1] * values.itemsize % 4 // values.itemsize
    return np.ascontiguousarray(np.pad(values, ((0, 0), (0, missing))))
