"""What a model says of itself without its networks: which scenes it can be asked for, and what is recorded of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ivid.pipeline.config import ModelConfig
from ivid.pipeline.inputs import SceneBatch
from ivid.pipeline.labels import find_class
from ivid.pipeline.sampling import ResolvedSampling, Sampling, fast_sampling
from ivid.scene.cameras import Camera
from ivid.scene.depth import DepthRange
from ivid.scene.fingerprint import MODEL
from ivid.scene.scene import Scene
from ivid.scene.view import View


class ModelDescription:
    """A model as far as it is known without torch.

    Attributes:
        config: the model's own.
        size: side of the views in pixels.
        fingerprint: of the files it was read from (`ivid.pipeline.model_files`), "" where there are none.
    """

    def __init__(self, config: ModelConfig, size: int, fingerprint: str = "") -> None:
        self.config, self.size, self.fingerprint = config, size, fingerprint

    @property
    def class_names(self) -> list[str]:
        """In the order of their indices; empty for models without classes."""
        return list(self.config.labels.classes)

    @property
    def depth_range(self) -> DepthRange:
        """(near, far) in metres."""
        return self.config.depth.range

    def class_index(self, class_label: str | int | None) -> int | None:
        """The index of a class given by name or index; None for models without classes.

        Raises:
            ValueError: the model has no such class.
        """
        return find_class(class_label, self.class_names, self.config.name)

    @property
    def fast_sampling(self) -> Sampling:
        """About a twentieth of the published defaults' network evaluations; the model's own defaults if those are few.

        Example:
            >>> scene = pipeline("goldfish", seed=3, sampling=pipeline.fast_sampling)
        """
        return fast_sampling(self.config.sampling, self.config.timesteps) or Sampling()

    def sampling(self, sampling: Sampling | None = None, **shortcuts: Any) -> ResolvedSampling:
        """How a scene is sampled when it is asked for like this: the model's defaults for all that is left out.

        Args:
            sampling: what is asked for.
            shortcuts: single fields of `Sampling`, and `sampler` for both samplers.

        Raises:
            ValueError: steps or guidance out of range, or an unknown sampler.
        """
        asked = (sampling or Sampling()).changed(**shortcuts)
        return asked.resolved(self.config.sampling, self.config.timesteps)

    def check_inputs(
        self,
        class_label: str | int | None,
        seed: int,
        view_set: str | Sequence[Camera] = "3x9",
        sampling: Sampling | None = None,
        *,
        first_view: View | None = None,
        instance: str | None = None,
        known_views: Sequence[View] = (),
        **shortcuts: Any,
    ) -> None:
        """Refuse what `IvidPipeline.stream` would refuse; the arguments are its.

        Raises:
            ValueError: an argument is out of range; the message says which, and what would be right.
        """
        self._checked([class_label], [seed], view_set, sampling, [first_view], [instance], shortcuts, known_views)

    def scene(
        self,
        views: Sequence[View],
        class_label: str | int | None,
        seed: int,
        view_set: str | Sequence[Camera],
        sampling: ResolvedSampling,
    ) -> Scene:
        """The scene of the views that `IvidPipeline.stream` yielded, with a record of how it was made."""
        index = self.class_index(class_label)
        if self.config.consistency:
            from ivid.fusion import consistent_views

            views = consistent_views(views)
        return Scene(
            views=views,
            depth_range=self.depth_range,
            model=self.config.name,
            class_name="" if index is None else self.class_names[index],
            seed=seed,
            view_set=view_set if isinstance(view_set, str) else "custom",
            settings=sampling.as_settings() | ({MODEL: self.fingerprint} if self.fingerprint else {}),
        )

    def _checked(
        self,
        class_labels: Sequence[str | int | None],
        seeds: Sequence[int],
        view_set: str | Sequence[Camera],
        sampling: Sampling | None,
        first_views: Sequence[View | None] | None,
        instances: Sequence[str | None] | None,
        shortcuts: dict[str, Any],
        known_views: Sequence[View] = (),
    ) -> SceneBatch:
        asked = (sampling or Sampling()).changed(**shortcuts)
        return SceneBatch.checked(
            self.config, self.size, class_labels, seeds, view_set, asked, first_views, instances, known_views
        )


def upsampled_scene(scene: Scene, views: Sequence[View], which: str = "all") -> Scene:
    """The scene with these enlarged views in place of its own, and a record of that."""
    return replace(scene, views=views, settings={**scene.settings, "upsampled": which})
