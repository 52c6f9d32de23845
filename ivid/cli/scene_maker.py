"""What `ivid generate` is to make, and the making of some of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from ivid.export.remote import Layout, RemoteLayout
from ivid.pipeline.batch import SceneRequest
from ivid.pipeline.models import MODELS, model_folder
from ivid.pipeline.sampling import ResolvedSampling, Sampling
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene
from ivid.scene.view import View

if TYPE_CHECKING:
    from ivid.pipeline.events import Preview
    from ivid.pipeline.pipeline import IvidPipeline


@dataclass(frozen=True)
class Work:
    """What is to be made, and how, all of it checked.

    Attributes:
        model: name or folder.
        requests: the scenes that are wanted.
        missing: those of them that are to be made.
        layout: where they go.
        view_set: name or cameras.
        views: how many a scene has.
        sampling: as asked for; the model has defaults for the rest.
        resolved: the same with those defaults.
        first_view: that every scene starts from.
        upsample: all, first or None.
        settings: of every scene, besides those that the pipeline records.
        model_fingerprint: of the model's files, "" if they are not here yet.
    """

    model: str
    requests: Sequence[SceneRequest]
    missing: Sequence[SceneRequest]
    layout: Layout
    view_set: str | Sequence[Camera]
    views: int
    sampling: Sampling
    resolved: ResolvedSampling
    first_view: View | None
    upsample: str | None
    settings: dict[str, str]
    model_fingerprint: str = ""

    @property
    def evaluations(self) -> int:
        """Of the networks, for one scene: a guided one counts once here."""
        first = 0 if self.first_view else self.resolved.first_steps
        enlarged = self.views if self.upsample else 0
        return first + self.resolved.novel_steps * (self.views - 1 + enlarged)

    def shared(self) -> tuple[Work, list[Path]]:
        """The same work as it is named anywhere on a machine, and the folders that other machines must have too."""
        folders = []
        model, layout = self.model, self.layout
        if model not in MODELS:
            folders.append(Path(model).expanduser().resolve())
            model = str(folders[0])
        if not isinstance(layout, RemoteLayout):
            layout = replace(layout, folder=layout.folder.resolve())
            folders.append(layout.folder)
        return replace(self, model=model, layout=layout), folders


@dataclass(frozen=True)
class SceneMaker:
    """Makes scenes of the work and writes them; holds the model, from the first of them on.

    Attributes:
        work: what is to be made.
        batch: how many scenes share a network call.
        device, backend: as of `load_pipeline`.
    """

    work: Work
    batch: int
    device: str | None
    backend: str | None

    def load(self) -> None:
        """Load the model now.

        Raises:
            ValueError, OSError: there is no such model, or no such device; or it is not the model of the work.
        """
        _ = self._pipeline

    @cached_property
    def _pipeline(self) -> IvidPipeline:
        from ivid.pipeline.loading import load_pipeline

        pipeline = load_pipeline(model_folder(self.work.model), self.device, self.backend)
        if self.work.model_fingerprint not in ("", pipeline.fingerprint):
            raise ValueError(f"{self.work.model} is another model here than where the work was begun")
        return pipeline

    def made(
        self, requests: Sequence[SceneRequest], on_evaluation: Callable[[SceneRequest, Preview], None]
    ) -> Iterator[Path | str]:
        """Make some of the scenes and write them; yields where each of them is."""
        from ivid.pipeline.batch import generate

        work = self.work
        scenes = generate(
            self._pipeline,
            requests,
            self.batch,
            on_evaluation,
            work.first_view,
            view_set=work.view_set,
            sampling=work.sampling,
        )
        for request, scene, events in scenes:
            scene = self._enlarged(scene, partial(on_evaluation, request))
            scene = replace(scene, settings={**scene.settings, **work.settings})
            work.layout.write(request, scene, events)
            yield work.layout.scene_file(request)

    def __call__(self, requests: Sequence[SceneRequest], step: Callable[[], None]) -> list[Path | str]:
        """The same as a piece of work for a cluster (`ivid.pipeline.cluster`)."""
        return list(self.made(requests, lambda request, preview: step()))

    def _enlarged(self, scene: Scene, on_evaluation: Callable[[Preview], None]) -> Scene:
        if not self.work.upsample:
            return scene
        from ivid.pipeline.upsampling import upsampled

        return upsampled(self._pipeline, scene, self.work.upsample, self.work.sampling, self.batch, on_evaluation)
