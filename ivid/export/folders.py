"""Where the files of many scenes go: a plain folder, or the folders of the authors' program (method §12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ivid.export.records import Record, find_record, record_of
from ivid.export.stills import export_grid, png_bytes
from ivid.pipeline.batch import SceneRequest
from ivid.pipeline.events import ViewDone
from ivid.pipeline.sampling import ResolvedSampling
from ivid.published.output import OutputFiles, output_folder
from ivid.published.scene_file import save_published_scene
from ivid.scene.depth import decode
from ivid.scene.files import written_aside
from ivid.scene.scene import Scene
from ivid.scene.view import View


@dataclass(frozen=True)
class PlainLayout:
    """`folder/house_seed00003.ivid`, and the picture of all views beside it."""

    folder: Path

    def scene_file(self, request: SceneRequest) -> Path:
        """The scene's file. It is written last: what is there is done."""
        return self.folder / f"{request.name}.ivid"

    def record(self, request: SceneRequest) -> Record | None:
        """How the scene that is there was made, as its file says; None where there is none."""
        return find_record(self.scene_file(request))

    def write(self, request: SceneRequest, scene: Scene, events: Sequence[ViewDone]) -> None:
        """Write the files of a scene that was made by these events."""
        path = self.scene_file(request)
        export_grid(scene, path.with_suffix(".png"))
        scene.save(path)


@dataclass(frozen=True)
class PublishedLayout:
    """The folders of the authors' program, for scripts that look for their files there (`ivid.published.output`).

    Attributes:
        folder: from `ivid.published.output.output_folder`.
        numbered: files are named by the scene's place in the work, not by its seed.
    """

    folder: Path
    numbered: bool = False

    @classmethod
    def of_sampling(cls, out: Path, view_set: str, sampling: ResolvedSampling, numbered: bool) -> PublishedLayout:
        """The layout below `out` of scenes that are sampled like this."""
        steps = sampling.first_steps, sampling.novel_steps
        return cls(output_folder(out, view_set, *steps, sampling.guidance), numbered)

    def scene_file(self, request: SceneRequest) -> Path:
        """The scene's file. It is written last: what is there is done."""
        return self._files(request).scene

    def record(self, request: SceneRequest) -> Record | None:
        """How the scene that is there was made, as its file says; None where there is none."""
        return find_record(self.scene_file(request))

    def write(self, request: SceneRequest, scene: Scene, events: Sequence[ViewDone]) -> None:
        """Write the files of a scene that was made by these events."""
        files = self._files(request)
        if len(scene.views) == 1:
            _write_picture(scene.views[0].rgb, files.result)
        elif scene.view_set == "random":
            first, novel = scene.views
            _write_picture(first.rgb, files.first_view)
            _write_picture(novel.rgb, files.result)
        else:
            conditions = _conditions(scene, events)
            for channel, what in (("rgb", "colour"), ("depth", "depth")):
                export_grid(scene, files.grid(channel), what=what)
                export_grid(conditions, files.condition_grid(channel), what=what)
        save_published_scene(scene, files.scene, record_of(scene))

    def _files(self, request: SceneRequest) -> OutputFiles:
        number = request.number if self.numbered else request.seed
        return OutputFiles(self.folder, request.class_index, number, self.numbered)


def _write_picture(rgb: np.ndarray, path: Path) -> None:
    with written_aside(path) as aside:
        aside.write_bytes(png_bytes(rgb))


def _conditions(scene: Scene, events: Sequence[ViewDone]) -> Scene:
    """What each view was made from, as the views of a scene; black where nothing was known, as in the first."""
    far = scene.depth_range[1]
    views = []
    for event in events:
        condition, view = event.condition, event.view
        if condition is None:
            rgb, depth = np.zeros_like(view.rgb), np.full_like(view.depth, far)
        else:
            rgb, depth = condition.rgb, np.where(condition.mask, decode(condition.depth, scene.depth_range), far)
        views.append(View(rgb, depth, view.camera))
    return replace(scene, views=views)
