"""The viewer as a Gradio component.

    with gr.Blocks() as page:
        viewer = SceneViewer(height=560)
    files = SceneFiles(cache_folder, depth_range, planned=view_set("3x9"), title="house · seed 3")
    yield files.preview(rgb, depth, camera, step, steps)   # while the first view is being denoised
    yield files.add(view)                                  # whenever a view is done; both return the viewer's value

The value is a manifest (`viewer.protocol.manifest`): a small dict of URLs of finished views, never pixels; None empties
the viewer, and COMING says in it that a scene is on its way.

In the page, JavaScript finds the viewer at `document.querySelector("#<elem_id> .ivid-viewer").ividViewer`.
It may call `flyToView(index)`, `compare.open(manifest)`, `set({look: "depth"})`. The element fires `ivid-camera` with
`detail.nearest`, the index of the view next to which the camera came to rest. Python hears of a person's camera path by
`viewer.change_path(function)`: the function gets `gr.EventData` whose `keyframes` attribute is the list.

Show the viewer as an output only with `show_progress="hidden"`, or it fades while an event runs.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np

from ivid.scene.cameras import Camera
from ivid.scene.depth import DepthRange
from ivid.scene.files import written_aside
from ivid.scene.scene import Scene
from ivid.scene.view import View
from viewer.protocol import manifest, pack_view, preview_entry, scene_keyframes, scene_title
from viewer.server import planned_cameras

WEB = Path(__file__).with_name("web").resolve()
COMING = {"coming": True}

# JavaScript: what stands before the path of a file of the server. Of the root that the server believes in only the
# path counts, for a proxy need not tell it the scheme, the name or the port that the browser sees.
FILES_JS = """
const config = window.gradio_config ?? {};
const path = new URL(config.root ?? '', location.href).pathname.replace(/\\/+$/, '');
const files = location.origin + path + (config.api_prefix ?? '/gradio_api') + '/file=';
"""
_ON_LOAD = (  # runs once per component
    FILES_JS
    + """
const host = element.querySelector('.ivid-viewer');
const say = (text) => { host.textContent = text; };
import(files + props.web + '/viewer.js').then(({ mount }) => {
  const viewer = mount(host, { base: files, link: props.link, compare: true });
  const show = () => viewer.show(props.value ?? null);
  watch('value', show);
  show();
  host.addEventListener('ivid-keyframes', (event) => trigger('change_path', { keyframes: event.detail }));
}, (error) => say('The viewer could not be loaded: ' + error.message));
"""
)


def SceneViewer(
    value: dict[str, Any] | None = None, *, height: int | str = 520, link: bool = True, **options: Any
) -> gr.HTML:
    """A scene that can be dragged around; see the module for its value and its events.

    A function, not a subclass: Gradio writes a stub file beside the source of every subclass of a component.

    height: CSS pixels, or any CSS length. link: keep the camera in the address (`#yaw=…`). options: of `gr.HTML`.
    """
    gr.set_static_paths([WEB])
    css_height = f"{height}px" if isinstance(height, int) else height
    return gr.HTML(
        value=value,
        html_template=f'<div class="ivid-viewer" style="height:{css_height}"></div>',
        js_on_load=_ON_LOAD,
        apply_default_css=False,
        web=str(WEB),
        link=link,
        **options,
    )


def serve_folder(folder: str | Path) -> Path:
    """Make a folder whose files the page may fetch; call it before the page is launched."""
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    gr.set_static_paths([folder])
    return folder


class SceneFiles:
    """Writes the views of one scene for the viewer as they are done, and says what the viewer should show.

    folder: one that `serve_folder` was called for, or inside it. planned: every camera of the view set, in the order
    of making. File names cannot be guessed, so only who was given the manifest can fetch the views.
    """

    def __init__(
        self,
        folder: str | Path,
        depth_range: DepthRange,
        planned: Sequence[Camera] = (),
        title: str = "",
        keyframes: Sequence[dict[str, float]] = (),
    ) -> None:
        self.folder = Path(folder).resolve()
        self.depth_range = depth_range
        self.planned = list(planned)
        self.title = title
        self.keyframes = list(keyframes)
        self._token = secrets.token_urlsafe(12)
        self._views: list[tuple[str, Camera]] = []
        self._size = 0

    @classmethod
    def of_scene(cls, scene: Scene, folder: str | Path) -> SceneFiles:
        """The files of a scene that is there already, all written."""
        files = cls(folder, scene.depth_range, planned_cameras(scene), scene_title(scene), scene_keyframes(scene))
        for view in scene.views:
            files.add(view)
        return files

    def add(self, view: View) -> dict[str, Any]:
        """Write the next finished view and return the new manifest.

        Raises:
            ValueError: the view is of another size than those before.
        """
        if self._views and view.size != self._size:
            raise ValueError(f"the views of a scene must be of one size, got {self._size} and {view.size}")
        self._size = view.size
        path = self.folder / f"{self._token}-{len(self._views):03d}.ivw"
        with written_aside(path) as aside:
            aside.write_bytes(pack_view(view, self.depth_range))
        self._views.append((path.as_posix(), view.camera))
        return self.manifest()

    def preview(
        self, rgb: np.ndarray, depth_metres: np.ndarray, camera: Camera, step: int = 0, steps: int = 0
    ) -> dict[str, Any]:
        """The manifest while the first view is being denoised.

        rgb: [S, S, 3], floats in [0, 1] or uint8; depth_metres: [S, S].
        """
        self._size = rgb.shape[0]
        return self.manifest(preview_entry(rgb, depth_metres, camera, self.depth_range, step, steps))

    def manifest(self, preview: dict[str, Any] | None = None) -> dict[str, Any]:
        """What the viewer should show now."""
        return manifest(
            self._views,
            size=self._size,
            depth_range=self.depth_range,
            planned=self.planned,
            title=self.title,
            preview=preview if not self._views else None,
            keyframes=self.keyframes,
        )
