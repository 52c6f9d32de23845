"""An analytic scene, ray-cast in numpy: a sphere and two boxes on a chequered ground under a sky.

Ground truth for whatever takes views: any camera, any size, exact depth. As in the renders the models are trained on,
the first camera looks down at the ground: the scene's own frame (ground at y = GROUND_Y) is the world turned by
TILT_RAD about x. The objects stand around the origin within a radius of about 0.35. Whatever lies beyond the far plane
(the sky, the ground far away) has the far plane's depth.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from ivid.scene import cameras
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene
from ivid.scene.view import View

DEPTH_RANGE = (0.6, 5.0)
GROUND_Y = -0.22
TILT_RAD = 0.35
WORLD_TO_STAGE = np.array(
    [
        [1.0, 0.0, 0.0],
        [0.0, np.cos(TILT_RAD), np.sin(TILT_RAD)],
        [0.0, -np.sin(TILT_RAD), np.cos(TILT_RAD)],
    ]
)

SPHERE_CENTRE, SPHERE_RADIUS = np.array([-0.12, -0.06, 0.04]), 0.16
BOXES = (  # lowest corner, highest corner, colour
    (np.array([0.06, GROUND_Y, -0.16]), np.array([0.28, 0.14, 0.04]), np.array([0.85, 0.30, 0.20])),
    (np.array([0.02, GROUND_Y, 0.10]), np.array([0.16, -0.10, 0.24]), np.array([0.95, 0.80, 0.25])),
)
SPHERE_COLOUR = np.array([0.20, 0.55, 0.80])
GROUND_COLOURS = np.array([0.55, 0.62, 0.42]), np.array([0.42, 0.50, 0.33])
SKY_COLOUR = np.array([0.62, 0.78, 0.93])
LIGHT = np.array([0.40, 0.80, 0.45]) / np.linalg.norm([0.40, 0.80, 0.45])


@cache
def synthetic_scene(size: int = 64, view_set: str = "3x9") -> Scene:
    """The scene seen by every camera of a view set, `size` pixels square, depth range (0.6, 5)."""
    return Scene(
        [synthetic_view(camera, size) for camera in cameras.view_set(view_set)],
        depth_range=DEPTH_RANGE,
        model="synthetic",
        class_name="still life",
        seed=0,
        view_set=view_set,
    )


def synthetic_view(camera: Camera, size: int = 64, subsamples: int = 3) -> View:
    """One RGBD picture: colour averaged over `subsamples`² rays a pixel, depth of the ray through its centre."""
    fine, _ = ray_cast(camera, size * subsamples)
    rgb = fine.reshape(size, subsamples, size, subsamples, 3).mean(axis=(1, 3))
    _, depth = ray_cast(camera, size)
    return View(np.rint(rgb * 255).astype(np.uint8), depth.astype(np.float32), camera)


def distance_to_surface(points: np.ndarray) -> np.ndarray:
    """Distance [N] in metres of world points [N, 3] from the nearest of the ground, the sphere and the boxes."""
    stage = points @ WORLD_TO_STAGE.T
    distances = [np.abs(stage[:, 1] - GROUND_Y), np.abs(np.linalg.norm(stage - SPHERE_CENTRE, axis=1) - SPHERE_RADIUS)]
    for low, high, _ in BOXES:
        outside = np.maximum(np.maximum(low - stage, stage - high), 0)
        inside = np.minimum(stage - low, high - stage).min(axis=1)
        distances.append(np.where(inside > 0, inside, np.linalg.norm(outside, axis=1)))
    return np.min(distances, axis=0)


def ray_cast(camera: Camera, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Colour [S, S, 3] in [0, 1] and depth [S, S] in metres (clipped to DEPTH_RANGE) of one ray a pixel; float64."""
    rays = (camera.unproject(np.ones((size, size))) - camera.position) @ WORLD_TO_STAGE.T
    origin = WORLD_TO_STAGE @ camera.position  # the rays go one metre along -z: their parameters are depths
    colour = np.broadcast_to(SKY_COLOUR, rays.shape).copy()
    depth = np.full((size, size), np.inf)

    def paint(hit: np.ndarray, distance: np.ndarray, normal: np.ndarray, albedo: np.ndarray) -> None:
        nearer = hit & (distance < depth) & (distance > 1e-6)
        shade = 0.35 + 0.65 * np.clip(normal @ LIGHT, 0, 1)
        colour[nearer] = np.broadcast_to(albedo * shade[..., None], rays.shape)[nearer]
        depth[nearer] = distance[nearer]

    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        distance = (GROUND_Y - origin[1]) / rays[..., 1]
        point = origin + rays * distance[..., None]
        chequered = (np.floor(point[..., 0] / 0.12) + np.floor(point[..., 2] / 0.12)) % 2 == 0
        albedo = np.where(chequered[..., None], *GROUND_COLOURS)
        up = np.broadcast_to([0.0, 1.0, 0.0], rays.shape)
        paint((rays[..., 1] < 0) & np.isfinite(distance), distance, up, albedo)

        to_centre = origin - SPHERE_CENTRE
        a, b = (rays**2).sum(-1), rays @ to_centre
        root = b**2 - a * (to_centre @ to_centre - SPHERE_RADIUS**2)
        distance = (-b - np.sqrt(np.maximum(root, 0))) / a
        normal = (origin + rays * distance[..., None] - SPHERE_CENTRE) / SPHERE_RADIUS
        paint(root > 0, distance, normal, np.broadcast_to(SPHERE_COLOUR, rays.shape))

        for low, high, box_colour in BOXES:
            first, second = (low - origin) / rays, (high - origin) / rays
            enter, leave = np.minimum(first, second), np.maximum(first, second)
            distance, axis = enter.max(-1), enter.argmax(-1)
            normal = -np.sign(rays) * np.eye(3)[axis]
            paint(distance < leave.min(-1), distance, normal, np.broadcast_to(box_colour, rays.shape))

    near, far = DEPTH_RANGE
    beyond = depth > far
    colour[beyond] = SKY_COLOUR
    return colour, np.where(beyond, far, np.clip(depth, near, far))
