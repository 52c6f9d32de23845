"""Reading the files of 3D assets, and what is known of a mesh before it is staged."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from ivid.data.staging import LUMINANCE, linear_from_srgb

_EXPOSURE = 0.45  # mean coded brightness that dark assets are lifted to


def plane_numbers(normal: np.ndarray, corners: np.ndarray, diagonal: float) -> np.ndarray:
    """A number [F] per triangle, equal where triangles lie in one plane."""
    offset = (normal * corners[:, 0]).sum(axis=-1, keepdims=True) / diagonal
    planes = np.rint(np.concatenate([normal, offset], axis=-1) * 1000).astype(np.int64)
    return np.unique(planes, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int32)


def exposed_colours(srgb: np.ndarray, corners: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Linear colours [V, 3] of sRGB bytes, dark assets lifted to a common exposure.

    Assets come from many hands, and some files hold linear values where sRGB ones are due, which makes them nearly
    black. An exponent of at most that of the sRGB curve brings the mean brightness over the surface up; a gain does the
    rest for the darkest.
    """
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=-1)
    coded = srgb / np.float32(255)
    mean = float(np.average(coded[faces].mean(axis=1) @ LUMINANCE, weights=area))
    exponent = np.clip(np.log(_EXPOSURE) / np.log(np.clip(mean, 1e-3, 0.999)), 1 / 2.2, 1.0)
    lifted = linear_from_srgb(np.rint(coded**exponent * 255).astype(np.uint8))
    return lifted * np.float32(np.clip((_EXPOSURE / max(mean**exponent, 1e-3)) ** 2.2, 1.0, 1.7))


def load_mesh(path: str | Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices float64 [V, 3], faces int64 [F, 3] and sRGB vertex colours uint8 [V, 3] of an asset file.

    Raises:
        ValueError: the file is missing, damaged, or holds no triangles of finite, positive size.
    """
    import trimesh

    path = Path(path)
    try:
        loaded = trimesh.load_scene(path, process=False)
        mesh = loaded.to_mesh() if loaded.geometry else None
    except (
        OSError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AttributeError,
        NotImplementedError,
        zipfile.BadZipFile,
    ) as error:
        raise ValueError(f"{path} cannot be read as a 3D mesh: {error}") from None
    if mesh is None or not len(mesh.faces):
        raise ValueError(f"{path} holds no triangles")
    vertices, faces = np.asarray(mesh.vertices, np.float64), np.asarray(mesh.faces, np.int64)
    used = vertices[faces]
    if not np.isfinite(used).all() or np.ptp(used.reshape(-1, 3), axis=0).max() <= 0:
        raise ValueError(f"{path} has vertices that are not finite, or no extent")
    visual: Any = mesh.visual.to_color() if mesh.visual.kind == "texture" else mesh.visual
    return vertices, faces, np.asarray(visual.vertex_colors, np.uint8)[:, :3]
