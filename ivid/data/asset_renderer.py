"""Pictures with exact depth of staged 3D assets: training images, and true views to evaluate with.

An asset is rasterised into face numbers and depth at twice the size, and shaded from those in numpy
(`ivid.data.staging`): sun with a shadow map, sky light with baked ambient occlusion, a ground whose shadow and contact
darkening come from the same maps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ivid.data.light_maps import LightMap, bilinear
from ivid.data.meshes import exposed_colours, load_mesh, plane_numbers
from ivid.data.rasteriser import FaceRasteriser
from ivid.data.staging import Appearance, srgb_from_linear
from ivid.scene.cameras import FOV_Y_DEG, Camera
from ivid.scene.depth import DepthRange
from ivid.scene.view import View

if TYPE_CHECKING:
    from ivid.data.ray_caster import RayCaster

SUPERSAMPLE = 2

_OCCLUSION_DIRECTIONS = 24
_GROUND_TEXELS = 48  # of the baked ground occlusion, in each direction
_GROUND_HALF = 1.2  # how far it reaches from the middle, in longest sides of the asset


@dataclass(frozen=True, eq=False)
class Asset:
    """A triangle mesh made ready for shading; F faces, in the file's own units.

    Attributes:
        middle, diagonal: of the bounding box; `base` is its lowest y.
        corner: [F, 3] first corner of each face.
        to_barycentric: [F, 2, 3] takes offsets from that corner to the weights of the other two.
        normal: [F, 3] unit.
        surface: [F] int32, equal for triangles in one plane.
        colour: [F, 3, 3] linear colours of the corners.
        openness: [F, 3] share of the sky the corners see, with the asset standing on the ground.
        ground_openness: [G, G] share of the sky the ground sees, rows along z and columns along x, `ground_half` to
            each side of the middle.
    """

    mesh: Any
    faces: int
    middle: np.ndarray
    base: float
    diagonal: float
    corner: np.ndarray
    to_barycentric: np.ndarray
    normal: np.ndarray
    surface: np.ndarray
    colour: np.ndarray
    openness: np.ndarray
    ground_openness: np.ndarray
    ground_half: float


class AssetRenderer:
    """Renders staged assets at one size. Holds its rasteriser and the assets it has met; one per process.

    Args:
        size: side of the pictures in pixels.
        rasteriser: one of `ivid.data.rasteriser.RASTERISERS`.

    Raises:
        RenderingUnavailable: pyrender or OpenGL cannot be used here.
    """

    def __init__(self, size: int, rasteriser: str = "opengl") -> None:
        self.size = size
        self._raster = _rasteriser(rasteriser, size * SUPERSAMPLE)
        self._load = lru_cache(maxsize=1024)(self._load_asset)

    def render(
        self,
        path: str | Path,
        appearance: Appearance,
        cameras: Sequence[Camera] = (Camera.orbit(0.0, 0.0),),
        depth_range: DepthRange = (0.5, 4.0),
    ) -> list[View]:
        """Views of one staged asset from cameras in scene coordinates; `Camera.orbit(0, 0)` is the training camera.

        Depth is clipped to the far plane, which is also the sky's depth.

        Raises:
            ValueError: the file is no mesh that can be drawn.
        """
        asset = self._load(str(path))
        scale = appearance.diagonal / asset.diagonal
        drop = self._drop(asset, appearance)
        pose = np.diag([scale, scale, scale, 1.0])
        pose[:3, 3] = -scale * asset.middle
        shadow = self._light_map(asset, pose, appearance.to_light, appearance.diagonal * 0.55)
        return [self._view(asset, appearance, camera, pose, drop, shadow, depth_range) for camera in cameras]

    def framed(self, path: str | Path, appearance: Appearance, near: float, fov_y_deg: float = FOV_Y_DEG) -> Appearance:
        """The appearance with the training camera tilted down as far as the ground takes to stay behind the near plane.

        Where the ground lies close under the orbit centre, as a flat one's does, a level camera would see ground that
        is nearer. With the ground h below the orbit centre, a pitch p and a half field of view a, the lowest ray meets
        it at the depth (sin p + h) / (sin p + cos p tan a).
        """
        drop = self._drop(self._load(str(path)), appearance)
        slope = math.tan(math.radians(fov_y_deg) / 2)
        level, plumb = near * slope, 1 - near
        lowest = math.atan2(level, plumb) - math.asin(min(1.0, drop / math.hypot(level, plumb)))
        return replace(appearance, pitch_rad=max(appearance.pitch_rad, lowest))

    @staticmethod
    def _drop(asset: Asset, appearance: Appearance) -> float:
        """How far under the orbit centre the ground lies, in metres."""
        under = (asset.middle[1] - asset.base) / asset.diagonal
        return float(under + appearance.hover) * appearance.diagonal

    def close(self) -> None:
        """Give the OpenGL context back."""
        self._raster.close()

    def _view(
        self,
        asset: Asset,
        appearance: Appearance,
        camera: Camera,
        pose: np.ndarray,
        drop: float,
        shadow: LightMap,
        depth_range: DepthRange,
    ) -> View:
        stage_to_view = camera.world_to_view.copy()
        stage_to_view[:3, :3] = stage_to_view[:3, :3] @ appearance.scene_from_stage
        camera_pose = np.eye(4)
        camera_pose[:3, :3] = stage_to_view[:3, :3].T
        camera_pose[:3, 3] = -stage_to_view[:3, :3].T @ stage_to_view[:3, 3]
        eye = camera_pose[:3, 3].astype(np.float32)

        face, depth = self._raster.perspective(asset.mesh, asset.faces, pose, camera_pose, camera.fov_y_deg)
        face, depth = face.reshape(-1), depth.reshape(-1)
        rays, lengths = _rays(self._raster.size, camera.fov_y_deg)
        directions = rays @ camera_pose[:3, :3].T.astype(np.float32)
        hit = np.flatnonzero(face >= 0)
        below = directions[:, 1] < -1e-6
        ground = np.flatnonzero((face < 0) & below & (eye[1] + drop > 0))

        colour = appearance.sky(directions[:, 1] / lengths)
        inverse_depth = np.zeros(len(rays), np.float32)

        ground_depth = -(drop + eye[1]) / directions[ground, 1]
        points = eye + directions[ground] * ground_depth[:, None]
        sunlit = 1 - shadow.soft_hits(points)
        openness = _ground_openness(asset, appearance, points)
        lit = appearance.ground.astype(np.float32) * appearance.ground_shade(sunlit, openness)
        fog = appearance.fog(ground_depth * lengths[ground])[:, None]
        colour[ground] = lit + (appearance.horizon.astype(np.float32) - lit) * fog
        inverse_depth[ground] = 1 / ground_depth

        points = eye + directions[hit] * depth[hit, None]
        index = face[hit]
        normal = asset.normal[index]
        normal = normal * np.where((normal * directions[hit]).sum(-1) > 0, -1, 1)[:, None].astype(np.float32)
        in_asset = points / np.float32(pose[0, 0]) + asset.middle.astype(np.float32)
        weights = np.einsum("nij,nj->ni", asset.to_barycentric[index], in_asset - asset.corner[index])
        weights = np.concatenate([1 - weights.sum(-1, keepdims=True), weights], axis=-1).clip(0, 1)
        weights /= weights.sum(-1, keepdims=True)
        albedo = appearance.recolour(np.einsum("ni,nic->nc", weights, asset.colour[index]))
        openness = (weights * asset.openness[index]).sum(-1)
        colour[hit] = appearance.lit(albedo, normal, shadow.visible(points + 0.008 * normal), openness)
        inverse_depth[hit] = 1 / depth[hit]

        square = (self._raster.size, self._raster.size)
        image = _blocks(colour.reshape(*square, 3)).mean(axis=2)
        near, far = depth_range
        surface = np.where(face >= 0, asset.surface[face], -1)
        reduced = _reduce_inverse_depth(inverse_depth.reshape(square), surface.reshape(square))
        z = 1 / np.clip(reduced, 1 / far, 1 / near)
        return View(srgb_from_linear(image), z.astype(np.float32), camera)

    def _light_map(self, asset: Asset, pose: np.ndarray, to_light: np.ndarray, half_width: float) -> LightMap:
        side = np.cross((0.0, 1.0, 0.0) if abs(to_light[1]) < 0.99 else (1.0, 0.0, 0.0), to_light)
        side /= np.linalg.norm(side)
        camera_pose = np.eye(4)
        camera_pose[:3, :3] = np.stack([side, np.cross(to_light, side), to_light], axis=1)
        camera_pose[:3, 3] = 2 * half_width * to_light
        depth = self._raster.orthographic(asset.mesh, asset.faces, pose, camera_pose, half_width)
        return LightMap(depth, camera_pose[:3, :3].T.astype(np.float32), half_width)

    def _load_asset(self, path: str) -> Asset:
        vertices, faces, srgb = load_mesh(path)
        corners = vertices[faces]
        low, high = corners.min(axis=(0, 1)), corners.max(axis=(0, 1))
        middle, diagonal = (low + high) / 2, float(np.linalg.norm(high - low))
        edges = corners[:, 1:] - corners[:, :1]
        normal = np.cross(edges[:, 0], edges[:, 1])
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
        asset = Asset(
            mesh=self._raster.mesh(vertices, faces),
            faces=len(faces),
            middle=middle,
            base=float(low[1]),
            diagonal=diagonal,
            corner=corners[:, 0].astype(np.float32),
            to_barycentric=np.linalg.pinv(edges.transpose(0, 2, 1), rcond=1e-6).astype(np.float32),
            normal=normal.astype(np.float32),
            surface=plane_numbers(normal, corners, diagonal),
            colour=exposed_colours(srgb, corners, faces)[faces],
            openness=np.ones((len(faces), 3), np.float32),
            ground_openness=np.ones((_GROUND_TEXELS, _GROUND_TEXELS), np.float32),
            ground_half=_GROUND_HALF * float((high - low).max()),
        )
        return self._with_openness(asset, corners)

    def _with_openness(self, asset: Asset, corners: np.ndarray) -> Asset:
        """Bake ambient occlusion: how much of the sky's light reaches each corner, and the ground around."""
        scale = 1 / asset.diagonal
        pose = np.diag([scale, scale, scale, 1.0])
        pose[:3, 3] = -scale * asset.middle

        def place(points: np.ndarray) -> np.ndarray:
            return ((points - asset.middle) * scale).astype(np.float32)

        inner = corners + 0.2 * (corners.mean(axis=1, keepdims=True) - corners)
        points = place(inner) + 0.015 * asset.normal[:, None]
        step = 2 * asset.ground_half / _GROUND_TEXELS
        axis = (np.arange(_GROUND_TEXELS) + 0.5) * step - asset.ground_half
        x, z = np.meshgrid(axis + asset.middle[0], axis + asset.middle[2])
        ground = place(np.stack([x, np.full_like(x, asset.base), z], axis=-1)).reshape(-1, 3)
        seen = np.zeros(len(points) * 3, np.float32)
        seen_ground, total = np.zeros(len(ground), np.float32), 0.0
        for k in range(_OCCLUSION_DIRECTIONS):  # a Fibonacci spiral over the upper hemisphere
            height = (k + 0.5) / _OCCLUSION_DIRECTIONS
            turn, radius = k * np.pi * (3 - 5**0.5), (1 - height**2) ** 0.5
            direction = np.array([radius * np.cos(turn), height, radius * np.sin(turn)])
            map_ = self._light_map(asset, pose, direction, 0.55)
            seen += map_.visible(points.reshape(-1, 3))
            seen_ground += height * map_.visible(ground)
            total += height
        openness = 0.25 + 0.75 * (seen / _OCCLUSION_DIRECTIONS).reshape(-1, 3)
        fields = {**asset.__dict__, "openness": openness, "ground_openness": (seen_ground / total).reshape(x.shape)}
        return Asset(**fields)


def _rasteriser(name: str, size: int) -> FaceRasteriser | RayCaster:
    if name == "opengl":
        return FaceRasteriser(size)
    from ivid.data.ray_caster import RayCaster  # compiles its kernel

    return RayCaster(size)


def _ground_openness(asset: Asset, appearance: Appearance, points: np.ndarray) -> np.ndarray:
    """Baked occlusion at ground points [N, 3] of the stage; it fades as the asset hovers higher."""
    texel = appearance.diagonal / asset.diagonal * 2 * asset.ground_half / _GROUND_TEXELS
    row, column = points[:, 2] / texel + (_GROUND_TEXELS - 1) / 2, points[:, 0] / texel + (_GROUND_TEXELS - 1) / 2
    openness = bilinear(asset.ground_openness, row, column, 1.0, lambda value: value)
    return 1 - (1 - openness) * np.float32(np.exp(-4 * appearance.hover))


@lru_cache(maxsize=4)
def _rays(size: int, fov_y_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """View-space rays [size², 3] with z = -1 through the pixel centres, and their lengths [size²]."""
    eye = Camera(np.eye(4), fov_y_deg)
    rays = eye.unproject(np.ones((size, size))).reshape(-1, 3).astype(np.float32)
    return rays, np.linalg.norm(rays, axis=-1)


def _blocks(image: np.ndarray) -> np.ndarray:
    """[H, W, ...] as [H/k, W/k, k², ...], k the supersampling."""
    k, (height, width) = SUPERSAMPLE, image.shape[:2]
    split = image.reshape(height // k, k, width // k, k, *image.shape[2:])
    return split.swapaxes(1, 2).reshape(height // k, width // k, k * k, *image.shape[2:])


def _reduce_inverse_depth(inverse_depth: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Inverse depth [S, S] of pixels from inverse depth and surface numbers of their subsamples, both [kS, kS].

    On one surface it is the mean, exact at the pixel's centre because 1/z of a plane is linear in the picture. Across
    an edge it is that of a surface which fills half of the pixel: never a depth between two surfaces.
    """
    blocks, surfaces = np.sort(_blocks(inverse_depth), axis=-1), _blocks(surface)
    one_surface = (surfaces == surfaces[..., :1]).all(axis=-1) | (blocks[..., -1] - blocks[..., 0] < 0.05)
    return np.where(one_surface, blocks.mean(axis=-1), blocks[..., -2])
