"""Camera paths of videos: the trajectories of `ivid.cameras`, a dolly zoom, and keyframes of one's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ivid.cameras import FOV_Y_DEG, TRAJECTORIES, Camera, trajectory
from ivid.scene import Scene

PATHS = (*TRAJECTORIES, "dolly")
DOLLY_RADII = (0.75, 1.5)
MAX_FRAMES = 10_000

Keyframe = Mapping[str, float | Sequence[float]]
KEYFRAME_DEFAULTS = {"yaw": 0.0, "pitch": 0.0, "radius": 1.0, "fov": FOV_Y_DEG, "target": (0.0, 0.0, 0.0)}


def camera_path(
    scene: Scene, name: str = "swing", frames: int = 60, keyframes: Sequence[Keyframe] | None = None, loop: bool = False
) -> list[Camera]:
    """The cameras of a video.

    Args:
        name: `swing` (method §8), `orbit` (once around where the scene has views all around, else the swing's ellipse),
            `random`, or `dolly` (out and back while the field of view keeps what stands at the origin of one size).
        frames: how many.
        keyframes: cameras to pass through instead, evenly timed: yaw and pitch in radians, radius and target [3] in
            metres, fov in degrees; what is left out is that of the first view.
        loop: close the path, and end it one frame before its beginning, so that it repeats without a stop.

    Raises:
        ValueError: there is no such path, or a number is out of range.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise ValueError(f"a video must have 1 to {MAX_FRAMES} frames, got {frames}")
    if keyframes is not None:
        return _through(keyframes, frames, loop)
    if name == "dolly":
        return _dolly(frames, loop)
    if name == "orbit" and scene.view_set == "360":
        return [Camera.orbit(2 * math.pi * k / frames, 0.0) for k in range(frames)]
    if name not in TRAJECTORIES:
        raise ValueError(f"there is no trajectory {name!r}; choose one of {', '.join(PATHS)}")
    return trajectory("orbit" if name == "swing" and loop else name, frames)


def _dolly(frames: int, loop: bool) -> list[Camera]:
    nearest, farthest = DOLLY_RADII
    turns = np.linspace(0.0, 2 * math.pi, frames, endpoint=not loop)
    radii = np.exp(np.log(nearest) + np.log(farthest / nearest) * (0.5 - 0.5 * np.cos(turns)))
    half_height = math.tan(math.radians(FOV_Y_DEG) / 2)
    return [Camera.orbit(0.0, 0.0, radius, 2 * math.degrees(math.atan(half_height / radius))) for radius in radii]


def _through(keyframes: Sequence[Keyframe], frames: int, loop: bool) -> list[Camera]:
    """Cameras along a smooth curve through the keyframes."""
    from scipy.interpolate import CubicSpline

    knots = np.array([_knot(index, keyframe) for index, keyframe in enumerate(keyframes)])
    if not len(knots):
        raise ValueError("a path through keyframes needs at least one")
    if len(knots) == 1:
        values = np.repeat(knots, frames, axis=0)
    elif loop:
        closed = np.concatenate([knots, knots[:1]])
        curve = CubicSpline(np.arange(len(closed)), closed, bc_type="periodic")
        values = curve(np.linspace(0, len(knots), frames, endpoint=False))
    else:
        curve = CubicSpline(np.arange(len(knots)), knots, bc_type="clamped")
        values = curve(np.linspace(0, len(knots) - 1, frames))
    low, high = knots.min(axis=0), knots.max(axis=0)
    values[:, 2:4] = np.clip(values[:, 2:4], low[2:4], high[2:4])  # a curve that overshoots must not pass zero
    values[:, 1] = np.clip(values[:, 1], -1.5, 1.5)
    return [_placed(*value) for value in values]


def _knot(index: int, keyframe: Keyframe) -> list[float]:
    unknown = sorted(keyframe.keys() - KEYFRAME_DEFAULTS.keys())
    if unknown:
        raise ValueError(
            f"keyframe {index} has an unknown {unknown[0]!r}; keyframes have {', '.join(KEYFRAME_DEFAULTS)}"
        )
    try:
        filled = {**KEYFRAME_DEFAULTS, **keyframe}
        numbers = [float(filled[name]) for name in ("yaw", "pitch", "radius", "fov")]
        target = [float(value) for value in filled["target"]]
    except (TypeError, ValueError):
        raise ValueError(f"keyframe {index} needs numbers, and three of them as its target") from None
    if len(target) != 3 or not np.isfinite([*numbers, *target]).all():
        raise ValueError(f"keyframe {index} needs finite numbers, and three of them as its target")
    _, pitch, radius, fov = numbers
    if not (abs(pitch) <= 1.5 and radius > 0 and 0 < fov < 180):
        raise ValueError(f"keyframe {index} needs a pitch within ±1.5, a radius above 0 and a fov between 0 and 180")
    return [*numbers, *target]


def _placed(yaw: float, pitch: float, radius: float, fov: float, *target: float) -> Camera:
    direction = np.array([math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)])
    return Camera.look_at(np.array(target) + radius * direction, np.array(target), fov)
