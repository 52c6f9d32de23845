"""Binary PLY files, the part of the format that exports need: named columns of vertices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ivid.scene.files import written_aside

PLY_TYPES = {"f4": "float", "u1": "uchar"}


def write_ply(path: str | Path, columns: Mapping[str, np.ndarray], comments: Sequence[str] = ()) -> None:
    """Write vertices as a little-endian binary PLY file; see `write_ply_to`."""
    with written_aside(path) as aside, aside.open("wb") as file:
        write_ply_to(file, columns, comments)


def write_ply_to(file: BinaryIO, columns: Mapping[str, np.ndarray], comments: Sequence[str] = ()) -> None:
    """Write vertices as a little-endian binary PLY.

    Args:
        columns: property name to values [N], float32 or uint8, in the order of the file.
        comments: lines for the header.
    """
    layout = np.dtype([(name, values.dtype.str[1:]) for name, values in columns.items()]).newbyteorder("<")
    vertices = np.empty(len(next(iter(columns.values()))), layout)
    for name, values in columns.items():
        vertices[name] = values
    header = ["ply", "format binary_little_endian 1.0", *(f"comment {line}" for line in comments)]
    header.append(f"element vertex {len(vertices)}")
    header += [f"property {PLY_TYPES[values.dtype.str[1:]]} {name}" for name, values in columns.items()]
    file.write("\n".join([*header, "end_header", ""]).encode("ascii"))
    file.write(vertices.tobytes())
