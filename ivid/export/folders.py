"""Where the files of many scenes go: a plain folder, or the folders of the authors' program (method §12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from ivid.export.stills import export_grid
from ivid.pipeline.batch import SceneRequest
from ivid.pipeline.events import ViewDone
from ivid.pipeline.sampling import ResolvedSampling
from ivid.published.scene_file import save_published_scene
from ivid.scene.depth import decode
from ivid.scene.files import written_aside
from ivid.scene.scene import Scene, View


@dataclass(frozen=True)
class PlainLayout:
    """`folder/house_seed00003.ivid`, and the picture of all views beside it."""

    folder: Path

    def scene_file(self, request: SceneRequest) -> Path:
        """The scene's file. It is written last: what is there is done."""
        return self.folder / f"{request.name}.ivid"

    def write(self, request: SceneRequest, scene: Scene, events: Sequence[ViewDone]) -> None:
        """Write the files of a scene that was made by these events."""
        path = self.scene_file(request)
        export_grid(scene, path.with_suffix(".png"))
        scene.save(path)


@dataclass(frozen=True)
class PublishedLayout:
    """The folders of the authors' program, for scripts that look for their files there.

    Attributes:
        folder: `OUT/viewset_<V>_steps_u<U>_c<C>_guidance<G>`.
        numbered: files are named by the scene's place in the work, not by its seed.
    """

    folder: Path
    numbered: bool = False

    @classmethod
    def of_sampling(cls, out: Path, view_set: str, sampling: ResolvedSampling, numbered: bool) -> PublishedLayout:
        steps = f"u{sampling.first_steps}_c{sampling.novel_steps}"
        return cls(out / f"viewset_{view_set}_steps_{steps}_guidance{float(sampling.guidance)}", numbered)

    def scene_file(self, request: SceneRequest) -> Path:
        """The scene's file. It is written last: what is there is done."""
        return self.folder / "scenes" / f"scene_{self._name(request)}.npz"

    def write(self, request: SceneRequest, scene: Scene, events: Sequence[ViewDone]) -> None:
        """Write the files of a scene that was made by these events."""
        name = self._name(request)
        if len(scene.views) == 1:
            self._picture(f"results/rgb_{name}.png", scene.views[0].rgb)
        elif scene.view_set == "random":
            first, novel = scene.views
            self._picture(f"conds/rgb_{name}.png", first.rgb)
            self._picture(f"results/rgb_{name}.png", novel.rgb)
        else:
            told = _conditions(scene, events)
            for kind, what in (("rgb", "colour"), ("depth", "depth")):
                export_grid(scene, self.folder / "grids" / f"{kind}_{name}.png", what=what)
                export_grid(told, self.folder / "conds" / f"{kind}_cond_{name}.png", what=what)
        save_published_scene(scene, self.scene_file(request))

    def _name(self, request: SceneRequest) -> str:
        return f"class{request.class_index:03d}_" + (
            f"{request.number:05d}" if self.numbered else f"seed{request.seed:05d}"
        )

    def _picture(self, name: str, rgb: np.ndarray) -> None:
        with written_aside(self.folder / name) as aside:
            Image.fromarray(rgb).save(aside, "PNG")


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
