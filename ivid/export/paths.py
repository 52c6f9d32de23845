"""Camera paths of videos: the trajectories of method §8, a dolly zoom, and keyframes of one's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ivid.scene.cameras import FOV_Y_DEG, SWING_PITCH_RAD, SWING_YAW_RAD, TRAJECTORIES, Camera, trajectory
from ivid.scene.scene import Scene

PATHS = (*TRAJECTORIES, "dolly", "keyframes")
DOLLY_RADII = (0.75, 1.5)
MAX_FRAMES = 10_000

Keyframe = Mapping[str, float]
HOME = {"yaw": 0.0, "pitch": 0.0, "radius": 1.0, "x": 0.0, "y": 0.0, "z": 0.0, "fov": FOV_Y_DEG}
STEEPEST_PITCH_RAD = 1.5


def camera_path(
    scene: Scene, name: str = "swing", frames: int = 60, keyframes: Sequence[Keyframe] | None = None, loop: bool = False
) -> list[Camera]:
    """The cameras of a video.

    Args:
        name: `swing` (method §8; less wide where the scene has no views that far), `orbit` (once around where it has
            views all around, else the swing's ellipse without a repeated frame), `random`, `dolly` (out and back while
            the field of view keeps what stands at the origin of one size), or `keyframes`.
        frames: how many.
        keyframes: cameras to pass through: `yaw` and `pitch` in radians, `radius`, the point looked at `x`, `y`, `z` in
            metres, `fov` in degrees, and `t`, the time from 0 to 1. What is left out is the first view's, times are
            even. Those saved with the scene (`settings["keyframes"]`) unless given; giving them implies the name.
        loop: close the path, and end it one frame before its beginning, so that it repeats without a stop.

    Raises:
        ValueError: there is no such path, or a number is out of range.
    """
    if not 1 <= frames <= MAX_FRAMES:
        raise ValueError(f"a video must have 1 to {MAX_FRAMES} frames, got {frames}")
    if keyframes is not None or name == "keyframes":
        stored = scene.settings.get("keyframes", ()) if keyframes is None else keyframes
        return _through(_keys(stored), frames, loop)
    if name == "dolly":
        return _dolly(frames, loop)
    if name == "random":
        return trajectory("random", frames)
    if name not in ("swing", "orbit"):
        raise ValueError(f"there is no trajectory {name!r}; choose one of {', '.join(PATHS)}")
    around, yaw, pitch = _covered(scene)
    turns = np.linspace(0.0, 2 * math.pi, frames, endpoint=name == "swing" and not loop)
    if name == "orbit" and around:
        return [Camera.orbit(float(turn), 0.0) for turn in turns]
    return [Camera.orbit(yaw * math.cos(turn), pitch * math.sin(turn)) for turn in turns]


def _covered(scene: Scene) -> tuple[bool, float, float]:
    """Whether the views go all the way round, and how far a swing may go in yaw and pitch, in radians."""
    positions = np.array([view.camera.position for view in scene.views])
    yaws = np.sort(np.arctan2(positions[:, 0], positions[:, 2]))
    pitches = np.arctan2(positions[:, 1], np.hypot(positions[:, 0], positions[:, 2]))
    gaps = np.diff([*yaws, yaws[0] + 2 * math.pi])
    around = len(yaws) > 2 and gaps.max() < 0.6
    margin = 0.1 if len(yaws) > 1 else 0.2

    def reach(angles: np.ndarray) -> float:
        return float(min(angles.max(initial=0), -angles.min(initial=0)) + margin)

    yaw = SWING_YAW_RAD if around else min(SWING_YAW_RAD, reach(yaws))
    return around, yaw, min(SWING_PITCH_RAD, reach(pitches))


def _dolly(frames: int, loop: bool) -> list[Camera]:
    nearest, farthest = DOLLY_RADII
    turns = np.linspace(0.0, 2 * math.pi, frames, endpoint=not loop)
    radii = nearest * (farthest / nearest) ** (0.5 - 0.5 * np.cos(turns))
    half_height = math.tan(math.radians(FOV_Y_DEG) / 2)
    return [Camera.orbit(0.0, 0.0, radius, 2 * math.degrees(math.atan(half_height / radius))) for radius in radii]


def _keys(keyframes: Sequence[Keyframe]) -> np.ndarray:
    """Keyframes [N, 8] as t and the values of HOME, ordered by t."""
    if not isinstance(keyframes, Sequence) or not len(keyframes):
        raise ValueError("there are no keyframes to pass through; add some in the viewer, or give a list of them")
    timed = all(isinstance(each, Mapping) and "t" in each for each in keyframes)
    keys = []
    for index, each in enumerate(keyframes):
        unknown = sorted(each.keys() - HOME.keys() - {"t"}) if isinstance(each, Mapping) else [str(each)]
        if unknown:
            raise ValueError(f"keyframe {index} has an unknown {unknown[0]!r}; there are t, {', '.join(HOME)}")
        time = each["t"] if timed else index / max(len(keyframes) - 1, 1)
        try:
            values = [
                float(value) for value in (time, *{**HOME, **{k: v for k, v in each.items() if k != "t"}}.values())
            ]
        except (TypeError, ValueError):
            raise ValueError(f"keyframe {index} has a value that is no number") from None
        _, _, pitch, radius, _, _, _, fov = values
        if not (np.isfinite(values).all() and abs(pitch) <= STEEPEST_PITCH_RAD and radius > 0 and 0 < fov < 180):
            raise ValueError(
                f"keyframe {index} needs finite numbers, a pitch within ±{STEEPEST_PITCH_RAD}, a radius above 0 and "
                "a fov between 0 and 180"
            )
        keys.append(values)
    return np.array(sorted(keys, key=lambda values: values[0]))


def _through(keys: np.ndarray, frames: int, loop: bool) -> list[Camera]:
    """Cameras on the Catmull-Rom curve through the keys, the one that the viewer draws."""
    count, times = len(keys), keys[:, 0]
    closed = loop and count > 1
    end = 1 + 1 / (count - 1) if closed else 1.0
    knots = np.append(times, end) if closed else times
    cameras = []
    for t in np.linspace(0.0, end, frames, endpoint=not closed):
        segment = int(np.clip(np.searchsorted(knots, t, side="right") - 1, 0, max(len(knots) - 2, 0)))
        around = [segment + offset for offset in (-1, 0, 1, 2)]
        a, b, c, d = keys[[index % count if closed else min(max(index, 0), count - 1) for index in around], 1:]
        span = knots[segment + 1] - knots[segment] if len(knots) > 1 else 1.0
        s = float(np.clip((t - knots[segment]) / max(span, 1e-6), 0, 1))
        curve = 2 * b + (c - a) * s + (2 * a - 5 * b + 4 * c - d) * s**2 + (3 * b - a - 3 * c + d) * s**3
        cameras.append(_placed(*0.5 * curve, lowest_radius=float(keys[:, 3].min())))
    return cameras


def _placed(
    yaw: float, pitch: float, radius: float, x: float, y: float, z: float, fov: float, lowest_radius: float
) -> Camera:
    pitch = min(max(pitch, -STEEPEST_PITCH_RAD), STEEPEST_PITCH_RAD)
    direction = np.array([math.sin(yaw) * math.cos(pitch), math.sin(pitch), math.cos(yaw) * math.cos(pitch)])
    target = np.array([x, y, z])
    # a curve overshoots its keys, but a radius must not pass zero
    return Camera.look_at(target + max(radius, 0.5 * lowest_radius) * direction, target, min(max(fov, 1.0), 179.0))
