"""A texture for a surface: an atlas of its charts (xatlas), and the views' colours baked into it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ivid.export.libraries import library
from ivid.export.surface import SurfaceMaps, contract
from ivid.export.tsdf import Surface, surface_colours
from ivid.scene.view import quantised

SMALLEST, LARGEST = 64, 8192  # side of a texture in pixels
PADDING = 2  # texels between charts


@dataclass(frozen=True, eq=False)
class TexturedSurface:
    """A triangle mesh with a texture; vertices at seams of the atlas are there several times.

    Attributes:
        surface: vertices and triangles.
        uv: float32 [N, 2] in [0, 1], v from the bottom to the top.
        picture: uint8 [S, S, 3] sRGB, the top row first.
    """

    surface: Surface
    uv: np.ndarray
    picture: np.ndarray


def check_texture_size(size: int) -> None:
    """Refuse a texture of an unusable size.

    Raises:
        ValueError: it is out of range.
    """
    if not SMALLEST <= size <= LARGEST:
        raise ValueError(f"a texture must be {SMALLEST} to {LARGEST} pixels wide, got {size}")


def textured(surface: Surface, maps: Sequence[SurfaceMaps], size: int) -> TexturedSurface:
    """Unwrap a surface, and bake what fusion would blend at every texel (method §5).

    Texels are of one size in contracted space, as the pixels of the views are.

    Args:
        size: side of the texture in pixels.

    Raises:
        MissingLibraryError: xatlas or Open3D is not there.
    """
    xatlas = library("xatlas", "xatlas", "a texture")
    atlas, options = xatlas.Atlas(), xatlas.PackOptions()
    options.resolution, options.padding = size, PADDING
    atlas.add_mesh(contract(surface.vertices).astype(np.float32), surface.triangles.astype(np.uint32))
    atlas.generate(xatlas.ChartOptions(), options)
    origins, triangles, uv = atlas[0]
    unwrapped = Surface(surface.vertices[origins], triangles.astype(np.int32))
    places, covered = _texels(unwrapped, uv, size)
    colours = np.zeros((size, size, 3), np.float32)
    colours[covered] = surface_colours(maps, places)
    return TexturedSurface(unwrapped, uv, quantised(_spread(colours, covered)))


def _texels(surface: Surface, uv: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """World points float32 [K, 3] of the texels that a triangle covers, and which those are, bool [S, S]."""
    open3d = library("open3d", "open3d", "a texture")
    flat = np.column_stack([uv, np.zeros(len(uv))]).astype(np.float32)
    caster = open3d.t.geometry.RaycastingScene()
    caster.add_triangles(open3d.core.Tensor(flat), open3d.core.Tensor(surface.triangles.astype(np.uint32)))
    centres = (np.arange(size, dtype=np.float32) + 0.5) / size
    rays = np.zeros((size, size, 6), np.float32)
    rays[..., 0], rays[..., 1], rays[..., 2], rays[..., 5] = centres, 1 - centres[:, None], 1, -1
    hits = caster.cast_rays(open3d.core.Tensor(rays))
    covered = np.isfinite(hits["t_hit"].numpy())
    second, third = hits["primitive_uvs"].numpy()[covered].T
    corners = surface.vertices[surface.triangles[hits["primitive_ids"].numpy()[covered]]]
    weights = np.stack([1 - second - third, second, third], axis=-1)
    return np.einsum("kc,kcx->kx", weights, corners).astype(np.float32), covered


def _spread(colours: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """Colours [S, S, 3] with those of the nearest covered texel where there are none, so that seams do not show."""
    from scipy import ndimage

    if not covered.any():
        return colours
    nearest = ndimage.distance_transform_edt(~covered, return_distances=False, return_indices=True)
    return colours[tuple(np.asarray(nearest))]
