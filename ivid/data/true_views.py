"""True views of staged 3D assets, from any camera."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ivid.data.staging import Appearance
from ivid.scene.cameras import Camera
from ivid.scene.depth import DepthRange
from ivid.scene.view import View

if TYPE_CHECKING:
    from ivid.data.asset_renderer import AssetRenderer

DEPTH_RANGE: DepthRange = (0.5, 4.0)
NEAREST = 1.02 * DEPTH_RANGE[0]
"""No ground in a training picture is nearer, in metres."""

_renderers: dict[tuple[int, str], AssetRenderer] = {}


def render_views(
    path: str | Path,
    appearance_seed: int | Sequence[int],
    cameras: Sequence[Camera],
    size: int,
    class_name: str = "",
    poses: str = "around",
) -> list[View]:
    """True views of one staged asset from `cameras` in scene coordinates; `Camera.orbit(0, 0)` is the training camera.

    The class matters to those that may hover; by default it is the name of the asset's folder. `poses` names one of
    `ivid.data.staging.POSES`.

    Raises:
        ValueError: the file is no mesh that can be drawn.
        RenderingUnavailable: pyrender or OpenGL cannot be used here.
    """
    rng = np.random.default_rng(np.random.SeedSequence(appearance_seed))
    appearance = Appearance.draw(rng, class_name or Path(path).parent.name, poses)
    renderer = renderer_of(size)
    return renderer.render(path, renderer.framed(path, appearance, NEAREST), cameras, DEPTH_RANGE)


def renderer_of(size: int, rasteriser: str = "opengl") -> AssetRenderer:
    """The renderer of this process for pictures of a size; `rasteriser` is one of `ivid.data.rasteriser.RASTERISERS`.

    Raises:
        RenderingUnavailable: pyrender or OpenGL cannot be used here.
    """
    from ivid.data.asset_renderer import AssetRenderer

    key = (size, rasteriser)
    if key not in _renderers:
        for other in _renderers.values():  # one OpenGL context at a time
            other.close()
        _renderers.clear()
        _renderers[key] = AssetRenderer(size, rasteriser)
    return _renderers[key]
