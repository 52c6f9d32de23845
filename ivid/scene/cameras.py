"""Cameras on an orbit, the sets of views a scene is made of, and the paths a video takes.

Convention (method §2): right-handed, OpenGL cameras (x right, y up, looking along -z), world up is +y, square images,
vertical field of view. Depth is the distance along -z. Pixel centres lie at uv = (i + 0.5) / S, v counted downwards.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ivid.scene.files import read_json

FOV_Y_DEG = 45.0
VIEW_SETS = ("uncond", "random", "3x9", "360")
TRAJECTORIES = ("swing", "orbit", "random")

MAX_CAMERAS = 1000  # of a view set: a scene file holds no more views
LEAST_RADIUS, LARGEST_RADIUS = 0.05, 1e6  # metres, of a view set's cameras
LEAST_FOV_DEG, LARGEST_FOV_DEG = 1.0, 170.0
_ORBIT_FIELDS = ("yaw", "pitch", "radius", "fov_y_deg")
_MATRIX_FIELDS = ("world_to_view", "fov_y_deg")
_EXAMPLE_CAMERA = '{"yaw": 0.1, "pitch": 0.0}'

SWING_YAW_RAD, SWING_PITCH_RAD = 0.6, 0.15


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera of square images.

    Attributes:
        world_to_view: [4, 4] float64, rigid; takes world points to camera space (x right, y up, looking along -z).
        fov_y_deg: vertical field of view in degrees, in (0, 180).

    Raises:
        ValueError: the matrix is not a finite rigid transform, or the field of view is out of range.
    """

    world_to_view: np.ndarray
    fov_y_deg: float = FOV_Y_DEG

    def __post_init__(self) -> None:
        matrix = np.array(self.world_to_view, dtype=np.float64)
        if matrix.shape != (4, 4):
            raise ValueError(f"a camera needs a 4x4 world_to_view matrix, got shape {matrix.shape}")
        if not np.isfinite(matrix).all():
            raise ValueError("a camera's world_to_view matrix has values that are not finite")
        rotation = matrix[:3, :3]
        rigid = np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-4) and np.linalg.det(rotation) > 0
        if not rigid or not np.allclose(matrix[3], (0.0, 0.0, 0.0, 1.0), atol=1e-6):
            raise ValueError("a camera's world_to_view matrix must be a rotation and a translation")
        fov = float(self.fov_y_deg)
        if not 0.0 < fov < 180.0:
            raise ValueError(f"a camera's field of view must lie between 0 and 180 degrees, got {fov}")
        matrix.flags.writeable = False
        object.__setattr__(self, "world_to_view", matrix)
        object.__setattr__(self, "fov_y_deg", fov)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Camera)
            and self.fov_y_deg == other.fov_y_deg
            and np.array_equal(self.world_to_view, other.world_to_view)
        )

    def __hash__(self) -> int:
        return hash((self.world_to_view.tobytes(), self.fov_y_deg))

    @classmethod
    def look_at(
        cls, position: np.ndarray, target: np.ndarray | tuple = (0.0, 0.0, 0.0), fov_y_deg: float = FOV_Y_DEG
    ) -> Camera:
        """The camera at `position` [3] that looks at `target` [3] with world up +y; both in world coordinates.

        Raises:
            ValueError: the two coincide, or the line between them is vertical.
        """
        position, target = np.asarray(position, np.float64), np.asarray(target, np.float64)
        backward = position - target
        right = np.cross((0.0, 1.0, 0.0), backward)
        if np.linalg.norm(right) < 1e-9:
            raise ValueError("a camera cannot look straight up or down, or at its own position")
        backward = backward / np.linalg.norm(backward)
        right = right / np.linalg.norm(right)
        rotation = np.stack([right, np.cross(backward, right), backward])
        matrix = np.eye(4)
        matrix[:3, :3] = rotation
        matrix[:3, 3] = -rotation @ position
        return cls(matrix, fov_y_deg)

    @classmethod
    def orbit(cls, yaw_rad: float, pitch_rad: float, radius: float = 1.0, fov_y_deg: float = FOV_Y_DEG) -> Camera:
        """The camera at (yaw, pitch) on the sphere of `radius` around the origin, looking at it (method §2)."""
        position = radius * np.array(
            [
                math.sin(yaw_rad) * math.cos(pitch_rad),
                math.sin(pitch_rad),
                math.cos(yaw_rad) * math.cos(pitch_rad),
            ]
        )
        return cls.look_at(position, fov_y_deg=fov_y_deg)

    @property
    def view_to_world(self) -> np.ndarray:
        """[4, 4] float64, the inverse of `world_to_view`."""
        rotation, translation = self.world_to_view[:3, :3], self.world_to_view[:3, 3]
        matrix = np.eye(4)
        matrix[:3, :3] = rotation.T
        matrix[:3, 3] = -rotation.T @ translation
        return matrix

    @property
    def position(self) -> np.ndarray:
        """[3] float64, where the camera stands in the world."""
        return self.view_to_world[:3, 3]

    @property
    def focal(self) -> float:
        """Focal length in image heights: 0.5 / tan(fov / 2)."""
        return 0.5 / math.tan(math.radians(self.fov_y_deg) / 2)

    def unproject(self, depth: np.ndarray) -> np.ndarray:
        """World points [S, S, 3] float64 of the pixel centres of a metric depth map [S, S] (method §2)."""
        size = depth.shape[0]
        centres = (np.arange(size) + 0.5) / size
        x = (centres[None, :] - 0.5) / self.focal * depth
        y = (0.5 - centres[:, None]) / self.focal * depth
        points = np.stack([x, y, -np.asarray(depth, np.float64)], axis=-1)
        to_world = self.view_to_world
        return points @ to_world[:3, :3].T + to_world[:3, 3]


def view_set_angles(name: str, seed: int = 0) -> list[tuple[float, float]]:
    """The (yaw, pitch) pairs of a view set in radians, in the order in which the views are sampled (method §8).

    Raises:
        ValueError: there is no such set.
    """
    if name == "uncond":
        return [(0.0, 0.0)]
    if name == "random":
        rng = np.random.default_rng(seed)
        return [(0.0, 0.0), (float(rng.normal(0.0, 0.3)), float(rng.normal(0.0, 0.15)))]
    if name == "3x9":
        yaws = (0.0, 0.15, -0.15, 0.30, -0.30, 0.45, -0.45, 0.60, -0.60)
        return [(yaw, pitch) for yaw in yaws for pitch in (0.0, 0.15, -0.15)]
    if name == "360":
        step = 2 * math.pi / 25
        return [(0.0, 0.0), *((sign * k * step, 0.0) for k in range(1, 13) for sign in (1, -1))]
    raise ValueError(f"there is no view set {name!r:.80}; choose one of {', '.join(VIEW_SETS)}")


def view_set(name: str, seed: int = 0) -> list[Camera]:
    """The cameras of a view set, the first view first (method §8). `seed` matters to `random` alone.

    Raises:
        ValueError: there is no such set.
    """
    return [Camera.orbit(yaw, pitch) for yaw, pitch in view_set_angles(name, seed)]


def in_order(cameras: Sequence[Camera], order: Sequence[int] | None) -> list[Camera]:
    """Cameras in another order: the one at `order[0]` first; as they are if it is None."""
    return list(cameras) if order is None else [cameras[place] for place in order]


def read_view_set(path: str | Path) -> list[Camera]:
    """The cameras of a JSON file: a list of `{"yaw": ..., "pitch": ..., "radius": ...}` (radians; radius 1 unless said)
    and `{"world_to_view": [[...] * 4] * 4}` objects, each with an optional `"fov_y_deg"`.

    Raises:
        ValueError: the file is no such list, or has more cameras than a scene has views; the message names the entry.
        OSError: it cannot be read.
    """
    entries = read_json(path)
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_CAMERAS:
        told = f"{len(entries)} of them" if isinstance(entries, list) else "no list"
        raise ValueError(f"{path} must hold a list of 1 to {MAX_CAMERAS} cameras, got {told}")
    cameras = []
    for index, entry in enumerate(entries):
        try:
            cameras.append(_camera(entry))
        except (TypeError, ValueError) as error:
            raise ValueError(f"camera {index} of {path} is unusable: {error}") from None
    return cameras


def _camera(entry: Any) -> Camera:
    """The camera of an entry of a view set's file."""
    if not isinstance(entry, dict):
        raise ValueError(f"it must be an object such as {_EXAMPLE_CAMERA}, not {json.dumps(entry)[:40]}")
    fields = _MATRIX_FIELDS if "world_to_view" in entry else _ORBIT_FIELDS
    unknown = sorted(entry.keys() - set(fields))
    if unknown:
        raise ValueError(f"it has an unknown {unknown[0]!r:.40}; there are {', '.join(fields)}")
    if "world_to_view" not in entry and not {"yaw", "pitch"} <= entry.keys():
        raise ValueError("it has neither world_to_view nor yaw and pitch")
    numbers = {"radius": 1.0, "fov_y_deg": FOV_Y_DEG, **{k: v for k, v in entry.items() if k != "world_to_view"}}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"its {name} must be a finite number, not {json.dumps(value)[:40]}")
    if not LEAST_RADIUS < numbers["radius"] <= LARGEST_RADIUS:
        bounds = f"above {LEAST_RADIUS} and at most {LARGEST_RADIUS:g}"
        raise ValueError(f"its radius must be {bounds} metres, got {numbers['radius']:g}")
    if not LEAST_FOV_DEG <= numbers["fov_y_deg"] <= LARGEST_FOV_DEG:
        bounds = f"from {LEAST_FOV_DEG:g} to {LARGEST_FOV_DEG:g}"
        raise ValueError(f"its fov_y_deg must be {bounds} degrees, got {numbers['fov_y_deg']:g}")
    if "world_to_view" in entry:
        try:
            matrix = np.array(entry["world_to_view"], dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError("its world_to_view must be four rows of four numbers") from None
        return Camera(matrix, float(numbers["fov_y_deg"]))
    return Camera.orbit(*(float(numbers[name]) for name in ("yaw", "pitch", "radius", "fov_y_deg")))


def trajectory(name: str, frames: int, seed: int = 0) -> list[Camera]:
    """The cameras of a video (method §8).

    `swing` is the published path (closed: the last frame stands where the first does); `orbit` runs along the same
    ellipse without repeating its first frame, so that it loops seamlessly; `random` draws each camera on its own.

    Raises:
        ValueError: there is no such trajectory, or `frames` is less than 1.
    """
    if frames < 1:
        raise ValueError(f"a trajectory needs at least one frame, got {frames}")
    if name == "random":
        rng = np.random.default_rng(seed)
        yaws = np.clip(rng.normal(0.0, 0.3, frames), -SWING_YAW_RAD, SWING_YAW_RAD)
        pitches = np.clip(rng.normal(0.0, 0.15, frames), -SWING_PITCH_RAD, SWING_PITCH_RAD)
    elif name in ("swing", "orbit"):
        turns = np.linspace(0.0, 2 * math.pi, frames, endpoint=name == "swing")
        yaws, pitches = SWING_YAW_RAD * np.cos(turns), SWING_PITCH_RAD * np.sin(turns)
    else:
        raise ValueError(f"there is no trajectory {name!r}; choose one of {', '.join(TRAJECTORIES)}")
    return [Camera.orbit(float(yaw), float(pitch)) for yaw, pitch in zip(yaws, pitches, strict=True)]
