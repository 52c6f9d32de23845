"""Geometry of scenes that lie in a folder, whoever made them (method §13)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ivid.evaluation.geometry import non_flatness, reprojection_consistency
from ivid.scene.scene import Scene


@dataclass(frozen=True)
class GeometryScores:
    """Means over scenes.

    Attributes:
        scenes: how many.
        non_flatness: of all depth maps, 1 to 64; a plane facing the camera has 1.
        psnr_db, depth_error: agreement of neighbouring views, see `reprojection_consistency`; not a number where no
            scene has two views.
    """

    scenes: int
    non_flatness: float
    psnr_db: float
    depth_error: float

    def __str__(self) -> str:
        lines = [f"non-flatness            {self.non_flatness:.2f}"]
        if np.isfinite(self.depth_error):
            lines += [
                f"neighbouring views      {self.psnr_db:.1f} dB",
                f"depth error             {self.depth_error:.2%}",
            ]
        return "\n".join([f"scenes                  {self.scenes}", *lines])


def geometry_scores(scenes: Iterable[Scene]) -> GeometryScores:
    """Score scenes, one after another.

    Raises:
        ValueError: there are none.
    """
    flatness, agreement = [], []
    for scene in scenes:
        flatness.append(non_flatness([view.depth for view in scene.views], scene.depth_range))
        if len(scene.views) > 1:
            agreement.append(reprojection_consistency(scene))
    if not flatness:
        raise ValueError("there are no scenes to score")
    psnr, depth = ([getattr(one, name) for one in agreement] or [np.nan] for name in ("psnr_db", "depth_error"))
    return GeometryScores(len(flatness), float(np.mean(flatness)), float(np.mean(psnr)), float(np.mean(depth)))
