"""A model beside the truth: scenes that begin with a true view of a 3D asset, against true views of it (method §13)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ivid.data.true_views import render_views
from ivid.pipeline.labels import label_of_asset
from ivid.pipeline.pipeline import IvidPipeline
from ivid.pipeline.sampling import Sampling
from ivid.pipeline.streaming import redrawn_views
from ivid.scene.cameras import Camera, view_set, view_set_angles
from ivid.scene.depth import DepthRange
from ivid.scene.scene import Scene
from ivid.scene.view import View

if TYPE_CHECKING:
    from ivid.fusion.rasteriser import Blend

BETWEEN_RAD = ((0.225, 0.05), (-0.225, -0.05), (0.52, 0.08), (-0.52, -0.08))
"""(yaw, pitch) of cameras between those of the view set 3x9."""


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
    ssim = structural_similarity_index_measure(from_numpy(made), from_numpy(true), data_range=1.0)
    return ViewMetrics(
        psnr_db=psnr_db(made, true),
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


@dataclass(frozen=True)
class SceneMetrics:
    """How close to the true scene a 3x9 scene is that begins with its true first view.

    Attributes:
        further: of every further view to the true one, by the (yaw, pitch) of its camera in radians.
        fused_psnr_db: of fused pictures to those of the true views fused alike, from cameras between those of the set.
        first_psnr_db: of the fused picture at the first camera to the first view, in the middle of the picture, where
            the object stands; blended as the viewer does it ("anchored").
        specks: share of the object's pixels that float in the air (`ivid.fusion.speck_share`).
        true_specks: that of the true scene.
    """

    further: Mapping[tuple[float, float], ViewMetrics]
    fused_psnr_db: float
    first_psnr_db: float
    specks: float
    true_specks: float

    def mean(self, metric: str, yaw_rad: float | None = None) -> float:
        """The mean of a metric of `ViewMetrics` over all further views, or over those at this yaw on either side."""
        chosen = [
            getattr(each, metric)
            for (yaw, _), each in self.further.items()
            if yaw_rad is None or math.isclose(abs(yaw), yaw_rad, abs_tol=1e-6)
        ]
        return float(np.mean(chosen))


def scene_metrics(
    pipeline: IvidPipeline,
    asset: str | Path,
    seed: int,
    poses: str = "around",
    sampling: Sampling | None = None,
    redrawn_steps: int = 0,
) -> SceneMetrics:
    """Make a 3x9 scene of the true first view of a staged 3D asset, and compare it with the true one.

    Args:
        pipeline: has the asset's class, which is the name of its folder; it is told which object this is, if it knows.
        asset: `CLASS/FILE.glb`.
        seed: of pose, light, colours and sampling.
        poses: from where assets are seen and lit, one of `ivid.data.staging.POSES`.
        sampling: how the views are sampled; the model's defaults when None.
        redrawn_steps: the first view is noised and denoised in so many of the last steps of sampling one, so that it
            has the faults of first views that the model draws (`ivid.pipeline.streaming.redrawn_views`); 0 keeps it.
    """
    from ivid.fusion import speck_share

    true = true_scene(asset, seed, pipeline.size, pipeline.depth_range, pipeline.config.depth.edge_threshold, poses)
    name = "/".join(Path(asset).parts[-2:])
    instance = name if name in pipeline.config.labels.instance_names else None
    first = true.views[0]
    if redrawn_steps:
        label = label_of_asset(name, pipeline.config.labels)
        (first,) = redrawn_views(
            pipeline,
            [first],
            [label],
            [torch.Generator().manual_seed(seed)],
            pipeline.sampling(sampling),
            redrawn_steps,
        )
    made = pipeline(true.class_name, seed, "3x9", sampling, first_view=first, instance=instance)
    truth = dict(zip(view_set_angles("3x9"), true.views, strict=True))

    def true_angles(camera: Camera) -> tuple[float, float]:
        return min(truth, key=lambda at: float(np.abs(truth[at].camera.position - camera.position).max()))

    further = {true_angles(view.camera): view for view in made.views[1:]}
    fused = [
        psnr_db(fused_picture(made.views, camera), fused_picture(true.views, camera))
        for camera in (Camera.orbit(*angles) for angles in BETWEEN_RAD)
    ]
    middle = slice(pipeline.size * 7 // 32, pipeline.size * 25 // 32)
    at_rest = fused_picture(made.views, first.camera, "anchored")[middle, middle]
    return SceneMetrics(
        further={at: view_metrics(view, truth[at]) for at, view in further.items()},
        fused_psnr_db=float(np.mean(fused)),
        first_psnr_db=psnr_db(at_rest, first.quantised().rgb[middle, middle] / np.float32(255)),
        specks=speck_share(made.views),
        true_specks=speck_share(true.views),
    )


def psnr_db(one: np.ndarray, other: np.ndarray) -> float:
    """Peak signal-to-noise ratio of two pictures of values in [0, 1], in dB; infinite when they are equal."""
    mean = float(np.square(one.astype(np.float64) - other).mean())
    return -10 * math.log10(mean) if mean > 0 else math.inf


def fused_picture(views: Sequence[View], camera: Camera, blend: Blend = "exact") -> np.ndarray:
    """Colours float32 [S, S, 3] in [0, 1] of views of S pixels, seen by a camera."""
    from ivid.fusion.conditions import shared_renderer

    return shared_renderer().render(views, camera, views[0].size, 3, blend=blend).rgb
