"""The picture at rest: near the camera of a view, that view is shown as it is (blend mode "anchored").

Fusion (method §5) hides the rim of every view, where depth is uncertain, and fills it from the others; at a view's own
camera its picture comes out worse than it is. Here the view whose camera is nearest to the target, the anchor, is
laid over the fused picture. It counts fully at its own camera and fades within a few degrees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ivid.fusion.blend_kernels import ANGLE_FALLOFF
from ivid.scene.cameras import Camera

REACH = 0.105
"""Distance of cameras (`camera_distance`) beyond which no view is an anchor: 4 degrees on the unit sphere."""
EDGE_REACH = 0.25
"""Share of the reach within which the surface stretched between two sides of a depth edge fades."""


@dataclass(frozen=True)
class Anchor:
    """Which view is laid over the fused picture, and how much it counts.

    Attributes:
        index: of the view.
        weight: 1 at its own camera, 0 from the reach on.
        edge_weight: of what is stretched across a depth edge; fades sooner.
    """

    index: int
    weight: float
    edge_weight: float


def camera_distance(a: Camera, b: Camera) -> float:
    """Angle in radians between two viewing directions, plus half the metres between two positions."""
    cosine = float(np.clip(a.view_to_world[:3, 2] @ b.view_to_world[:3, 2], -1, 1))
    return float(np.arccos(cosine) + 0.5 * np.linalg.norm(a.position - b.position))


def find_anchor(cameras: Sequence[Camera], target: Camera) -> Anchor | None:
    """The anchor of a target camera among the cameras of views; None where no view is near.

    Its weight is continuous: at the place where another view becomes the nearest one, it is 0.
    """
    distances = [camera_distance(camera, target) for camera in cameras]
    index = int(np.argmin(distances))
    nearest = distances[index]
    second = min((distance for k, distance in enumerate(distances) if k != index), default=np.inf)
    reach = min(REACH, 0.5 * (nearest + second))
    along = nearest / reach if reach > 0 else 0.0
    weight = 1 - _smoothstep(along)
    return Anchor(index, weight, weight * (1 - _smoothstep(along / EDGE_REACH))) if weight > 0 else None


def by_weight(cameras: Sequence[Camera], trusts: Sequence[float], target: Camera) -> list[int]:
    """The indices of views, those first that count the most where their surface faces their camera (method §5)."""
    counts = [
        np.log(trust) - ANGLE_FALLOFF * camera_distance(camera, target)
        for camera, trust in zip(cameras, trusts, strict=True)
    ]
    return sorted(range(len(counts)), key=lambda index: -counts[index])


def _smoothstep(t: float) -> float:
    t = min(max(t, 0.0), 1.0)
    return t * t * (3 - 2 * t)
