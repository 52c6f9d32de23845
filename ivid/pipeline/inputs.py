"""What scenes are to be made, every argument checked before a network is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ivid.pipeline.config import ModelConfig
from ivid.pipeline.labels import find_class, find_instance
from ivid.pipeline.sampling import ResolvedSampling, Sampling
from ivid.scene.cameras import Camera
from ivid.scene.view import View

CAMERA_TOLERANCE = 1e-3  # of the entries of world_to_view, whose translation is in metres


@dataclass(frozen=True, eq=False)
class SceneBatch:
    """Scenes that are sampled together.

    Attributes:
        class_indices: of every scene; None for models without classes.
        seeds: of every scene.
        cameras: of the views of every scene, as many for each.
        first_views: the views they start from; none where the first views are sampled.
        instances: instance labels of what the scenes show; None where the seed decides, or nobody knows.
        sampling: of all of them.
        known_views: the first views of the only scene, made earlier.
    """

    class_indices: Sequence[int | None]
    seeds: Sequence[int]
    cameras: Sequence[Sequence[Camera]]
    first_views: Sequence[View]
    instances: Sequence[int | None]
    sampling: ResolvedSampling
    known_views: Sequence[View] = ()

    @classmethod
    def checked(
        cls,
        config: ModelConfig,
        size: int,
        class_labels: Sequence[str | int | None],
        seeds: Sequence[int],
        cameras_or_set: str | Sequence[Camera],
        sampling: Sampling,
        first_views: Sequence[View | None] | None = None,
        instances: Sequence[str | None] | None = None,
        known_views: Sequence[View] = (),
    ) -> SceneBatch:
        """The batch of the arguments of `IvidPipeline.stream_batch`, for a model with views of `size` pixels.

        Raises:
            ValueError: an argument is out of range; the message says which, and what would be right.
        """
        resolved = sampling.resolved(config.sampling, config.timesteps)
        indices = [find_class(label, config.labels.classes, config.name) for label in class_labels]
        if len(seeds) != len(indices) or not seeds:
            raise ValueError(f"a batch needs one seed per class, got {len(indices)} classes and {len(seeds)} seeds")
        for seed in seeds:
            if not isinstance(seed, int) or isinstance(seed, bool) or not 0 <= seed < 2**63:
                raise ValueError(f"a seed must be an integer from 0 to 2^63 - 1, got {seed!r}")
        cameras = [_cameras(config, cameras_or_set, seed) for seed in seeds]
        if len({len(path) for path in cameras}) != 1:
            raise ValueError("the scenes of a batch need view sets of one length")
        given = [view for view in first_views or () if view is not None]
        for view in given:
            if view.size != size:
                raise ValueError(f"the first view must be {size}x{size}, got {view.size}x{view.size}")
        if given and len(given) != len(seeds):
            raise ValueError("either every scene of a batch starts from a given first view, or none does")
        named = instances or [None] * len(seeds)
        if len(named) != len(seeds):
            raise ValueError(f"a batch needs one instance per scene, got {len(named)} for {len(seeds)} scenes")
        shown = [find_instance(name, index, config.labels) for name, index in zip(named, indices, strict=True)]
        if known_views:
            _check_known(known_views, cameras, size)
        return cls(indices, seeds, cameras, given, shown, resolved, known_views)


def _check_known(views: Sequence[View], cameras: Sequence[Sequence[Camera]], size: int) -> None:
    if len(cameras) != 1:
        raise ValueError("only a single scene can go on from views that are there already")
    if len(views) > len(cameras[0]):
        raise ValueError(f"the scene has {len(views)} views already, its view set has {len(cameras[0])}")
    for index, (view, camera) in enumerate(zip(views, cameras[0], strict=False)):
        if view.size != size:
            raise ValueError(f"view {index} must be {size}x{size}, got {view.size}x{view.size}")
        if not np.allclose(view.camera.world_to_view, camera.world_to_view, atol=CAMERA_TOLERANCE):
            raise ValueError(f"view {index} was not taken by camera {index} of the view set")


def _cameras(config: ModelConfig, name_or_cameras: str | Sequence[Camera], seed: int) -> list[Camera]:
    if isinstance(name_or_cameras, str):
        return config.cameras(name_or_cameras, seed)
    cameras = list(name_or_cameras)
    if not cameras:
        raise ValueError("a view set needs at least one camera")
    return cameras
