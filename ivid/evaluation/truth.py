"""A model beside the truth: scenes that begin with a true view of a 3D asset, against true views of it (method §13)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ivid.data.true_views import render_views
from ivid.pipeline.pipeline import IvidPipeline
from ivid.pipeline.sampling import Sampling
from ivid.scene.cameras import Camera, view_set
from ivid.scene.depth import DepthRange
from ivid.scene.scene import Scene, View


@dataclass(frozen=True)
class ViewMetrics:
    """How close to the true view a view is.

    Attributes:
        psnr_db: of the colours.
        ssim: structural similarity of the colours (Wang et al., 2004), at most 1.
        depth_error: mean of |difference| / true depth.
    """

    psnr_db: float
    ssim: float
    depth_error: float


def view_metrics(view: View, truth: View) -> ViewMetrics:
    """Compare two views of one size."""
    from torch import from_numpy
    from torchmetrics.functional.image import structural_similarity_index_measure

    made, true = (np.asarray(v.rgb, np.float32).transpose(2, 0, 1)[None] / 255 for v in (view, truth))
    mean = float(np.square(made - true).mean())
    ssim = structural_similarity_index_measure(from_numpy(made), from_numpy(true), data_range=1.0)
    return ViewMetrics(
        psnr_db=-10 * math.log10(mean) if mean > 0 else math.inf,
        ssim=float(ssim),  # type: ignore[arg-type]
        depth_error=float((np.abs(view.depth - truth.depth) / truth.depth).mean()),
    )


def true_scene(
    asset: str | Path, seed: int, size: int, depth_range: DepthRange, edge_threshold: float, poses: str = "around"
) -> Scene:
    """The 3x9 views of a staged 3D asset `CLASS/FILE.glb`; the seed draws its pose, light and colours."""
    cameras = view_set("3x9")
    views = render_views(asset, (seed, 1), cameras, size, poses=poses)
    views = [View(view.rgb, view.depth, view.camera, edge_threshold) for view in views]
    return Scene(views, depth_range, model="renders", class_name=Path(asset).parent.name, seed=seed, view_set="3x9")


def novel_view_metrics(
    pipeline: IvidPipeline,
    asset: str | Path,
    seed: int,
    yaws_rad: Sequence[float],
    poses: str = "around",
    sampling: Sampling | None = None,
) -> Iterator[ViewMetrics]:
    """Begin with the true first view of a staged 3D asset, go round it in steps, and compare every step with the truth.

    Args:
        pipeline: has the asset's class, which is the name of its folder.
        asset: `CLASS/FILE.glb`.
        seed: of pose, light, colours and sampling.
        yaws_rad: of the further views, in the order in which they are made.
        poses: from where assets are seen and lit, one of `ivid.data.staging.POSES`.
        sampling: how the views are sampled; the model's defaults when None.
    """
    cameras = [Camera.orbit(yaw, 0.0) for yaw in (0.0, *yaws_rad)]
    true = render_views(asset, (seed, 1), cameras, pipeline.size, poses=poses)
    scene = pipeline(Path(asset).parent.name, seed, cameras, sampling, first_view=true[0])
    for view, truth in zip(scene.views[1:], true[1:], strict=True):
        yield view_metrics(view, truth)
