"""What a browser fetches of a scene: files, and the values of the page's components that point to them.

Every scene that is shown has a folder of its own under Gradio's upload folder, which Gradio serves. Values hold paths
of files there, and pixels only of the one view that is being denoised.
"""

from __future__ import annotations

import base64
import contextlib
import io
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gradio.utils import get_upload_folder
from PIL import Image

from ivid.export.stills import grid_layout
from ivid.scene.cameras import Camera
from ivid.scene.depth import DepthRange, depth_picture
from ivid.scene.scene import Scene
from ivid.scene.view import View
from viewer.component import SceneFiles
from viewer.protocol import scene_keyframes, scene_title
from viewer.server import planned_cameras

FOLDER_PREFIX = "ivid-"


def new_folder() -> Path:
    """A new folder that Gradio serves; its name cannot be guessed."""
    folder = Path(get_upload_folder()) / f"{FOLDER_PREFIX}{secrets.token_urlsafe(18)}"
    folder.mkdir(parents=True)
    return folder


def is_uploaded(path: str | Path) -> bool:
    """Whether a file is one that a browser has uploaded."""
    return Path(path).resolve().is_relative_to(Path(get_upload_folder()).resolve())


def delete_leftovers(age_s: float) -> None:
    """Delete folders that no running page can be using any more."""
    for folder in Path(get_upload_folder()).glob(f"{FOLDER_PREFIX}*"):
        with contextlib.suppress(OSError):  # someone else's, or deleted meanwhile
            if time.time() - folder.stat().st_mtime > age_s:
                shutil.rmtree(folder)


class SceneAssets:
    """One scene as files in `folder`, growing view by view.

    Args:
        folder: to write to; see `new_folder`.
        cameras: of all views, made or still to come, in their order.
        view_set: name of the set, for the layout of the grid.
        depth_range: (near, far) in metres.
        title: what the scene is called.
        keyframes: the person's own camera path, when the scene has one.
    """

    def __init__(
        self,
        folder: Path,
        cameras: Sequence[Camera],
        view_set: str,
        depth_range: DepthRange,
        title: str = "",
        keyframes: Sequence[dict[str, float]] = (),
    ) -> None:
        self.folder = folder
        self._cameras, self._depth_range = list(cameras), depth_range
        self._files = SceneFiles(folder, depth_range, self._cameras, title, keyframes)
        self._rows, self._columns, self._places = grid_layout(self._cameras, view_set)
        self.count = 0

    @classmethod
    def of(cls, scene: Scene, folder: Path) -> SceneAssets:
        """A whole scene, or one that was stopped on its way."""
        cameras = planned_cameras(scene) or [view.camera for view in scene.views]
        title, keyframes = scene_title(scene), scene_keyframes(scene)
        assets = cls(folder, cameras, scene.view_set, scene.depth_range, title, keyframes)
        for view in scene.views:
            assets.add(view)
        return assets

    def add(self, view: View) -> None:
        """Write the files of the next view."""
        view, stem = view.quantised(), self._stem(self.count)
        self._files.add(view)
        stem.with_suffix(".webp").write_bytes(_webp(view.rgb))
        depth_file(stem).write_bytes(_webp(depth_picture(view.depth, self._depth_range)))
        self.count += 1

    def manifest(
        self, preview: tuple | None = None, keyframes: Sequence[dict[str, float]] | None = None
    ) -> dict[str, Any] | None:
        """The viewer's value.

        Args:
            preview: of `Progress`; it shows while there is no finished view yet.
            keyframes: take the place of the scene's own.
        """
        if self.count:
            manifest = self._files.manifest()
            return manifest if keyframes is None else {**manifest, "keyframes": list(keyframes)}
        if preview is None:
            return None
        index, step, steps, rgb, depth = preview
        return self._files.preview(rgb, depth, self._cameras[index], step, steps)

    def grid(
        self, preview: tuple | None = None, growing: bool = False, before: SceneAssets | None = None
    ) -> dict[str, Any]:
        """The grid's value: a place for every view, pictures of those that are finished, one that is on its way.

        before: the same views, upsampled here; their pictures stand in the places of those that are not finished.
        """
        cells = []
        for index, (row, column) in enumerate(self._places):
            cell: dict[str, Any] = {"row": row, "column": column}
            finished = self if index < self.count else before
            if finished is not None:
                stem = finished._stem(index)
                cell |= {"colour": str(stem.with_suffix(".webp")), "depth": str(depth_file(stem))}
            cells.append(cell)
        value = {
            "scene": self.folder.name,
            "rows": self._rows,
            "columns": self._columns,
            "cells": cells,
            "making": self.count if growing and self.count < len(cells) else None,
            "preview": None,
        }
        if preview is not None and preview[0] == self.count:
            _, step, steps, rgb, depth = preview
            value["preview"] = {
                "colour": picture_url(rgb),
                "depth": picture_url(depth_picture(depth, self._depth_range)),
                "share": step / steps,
            }
        return value

    def _stem(self, index: int) -> Path:
        return self.folder / f"{index:03d}"


def depth_file(stem: Path) -> Path:
    return stem.with_name(f"{stem.name}-depth.webp")


def picture_url(rgb: np.ndarray) -> str:
    """A small picture uint8 [H, W, 3] as a data URL."""
    return "data:image/webp;base64," + base64.b64encode(_webp(rgb, 65)).decode("ascii")


def _webp(rgb: np.ndarray, quality: int = 85) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "WEBP", quality=quality, method=2)
    return buffer.getvalue()
