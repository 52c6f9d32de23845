"""COLMAP's sparse models, text and binary (https://colmap.github.io/format.html): pinhole cameras, poses, points."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

PINHOLE = 1  # COLMAP's number of the camera model


@dataclass(frozen=True)
class Pinhole:
    """A camera: size, focal lengths and principal point in pixels."""

    width: int
    height: int
    focal_x: float
    focal_y: float
    centre_x: float
    centre_y: float


@dataclass(frozen=True)
class Image:
    """A picture and its pose, world to camera (looking along +z, y down): quaternion w, x, y, z, and translation."""

    quaternion: tuple[float, ...]
    translation: tuple[float, ...]
    name: str


@dataclass(frozen=True, eq=False)
class Model:
    """A sparse model.

    Attributes:
        cameras, images: one camera for every image, in the same order; they are numbered from 1.
        points: [N, 3], in the world; they have no tracks.
        colours: uint8 [N, 3].
    """

    cameras: Sequence[Pinhole]
    images: Sequence[Image]
    points: np.ndarray
    colours: np.ndarray


def write_text(model: Model, folder: Path) -> None:
    """Write cameras.txt, images.txt and points3D.txt."""
    cameras = [
        f"{index} PINHOLE {camera.width} {camera.height} " + " ".join(f"{value:.12g}" for value in astuple(camera)[2:])
        for index, camera in enumerate(model.cameras, start=1)
    ]
    (folder / "cameras.txt").write_text("\n".join(["# CAMERA_ID MODEL WIDTH HEIGHT fx fy cx cy", *cameras, ""]))
    images = ["# IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME, then a line of 2D points (none)"]
    for index, image in enumerate(model.images, start=1):
        numbers = " ".join(f"{value:.12g}" for value in (*image.quaternion, *image.translation))
        images += [f"{index} {numbers} {index} {image.name}", ""]
    (folder / "images.txt").write_text("\n".join([*images, ""]))
    points = [
        f"{index} {x:.6g} {y:.6g} {z:.6g} {r} {g} {b} 0"
        for index, ((x, y, z), (r, g, b)) in enumerate(zip(model.points, model.colours, strict=True), start=1)
    ]
    (folder / "points3D.txt").write_text("\n".join(["# POINT3D_ID X Y Z R G B ERROR, no tracks", *points, ""]))


def write_binary(model: Model, folder: Path) -> None:
    """Write cameras.bin, images.bin and points3D.bin, little-endian."""
    cameras = [
        struct.pack("<IiQQ4d", index, PINHOLE, *astuple(camera)) for index, camera in enumerate(model.cameras, start=1)
    ]
    images = [
        struct.pack("<I7dI", index, *image.quaternion, *image.translation, index)
        + image.name.encode()
        + struct.pack("<BQ", 0, 0)
        for index, image in enumerate(model.images, start=1)
    ]
    placed = zip(model.points.tolist(), model.colours.tolist(), strict=True)
    points = [
        struct.pack("<Q3d3BdQ", index, *point, *colour, 0.0, 0) for index, (point, colour) in enumerate(placed, start=1)
    ]
    for name, records in (("cameras", cameras), ("images", images), ("points3D", points)):
        (folder / f"{name}.bin").write_bytes(struct.pack("<Q", len(records)) + b"".join(records))
