"""A scene in a window of its own, without a browser: tkinter shows the pictures of the method's own renderer.

Drag, or the arrow keys, to orbit within what the views cover; wheel, + and - to zoom; R goes back; Escape closes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene
from ivid.scene.view import View
from viewer.protocol import scene_title

SIDE_PX = 640
MOVING_PX, MOVING_VIEWS = 288, 4  # of a picture in motion
STILL_SUPERSAMPLE = 2
REST_S = 0.15  # without a new pose, before a still picture is begun
LOOK_EVERY_MS = 15
BACKGROUND = (16, 18, 22)
HELP = "drag or arrows: orbit · wheel, + and -: zoom · R: reset · Esc: close"


@dataclass(frozen=True)
class Pose:
    """Where the window's camera stands on the orbit."""

    yaw_rad: float = 0.0
    pitch_rad: float = 0.0
    radius: float = 1.0

    @classmethod
    def of(cls, camera: Camera) -> Pose:
        """The pose of a camera, as far as it looks at the origin."""
        backward = camera.view_to_world[:3, 2]
        radius = max(float(camera.position @ backward), 0.2)
        return cls(math.atan2(backward[0], backward[2]), math.asin(np.clip(backward[1], -1, 1)), radius)


@dataclass(frozen=True)
class Reach:
    """The poses that views cover, a little widened."""

    yaw_rad: tuple[float, float]
    pitch_rad: tuple[float, float]
    radius: tuple[float, float]

    @classmethod
    def of(cls, cameras: Sequence[Camera]) -> Reach:
        poses = [Pose.of(camera) for camera in cameras]
        yaws = sorted(pose.yaw_rad for pose in poses)
        gaps = np.diff([*yaws, yaws[0] + math.tau])
        margin = 0.1 if len(poses) > 1 else 0.2
        around = len(poses) > 2 and gaps.max() < 0.6
        pitches, radii = [pose.pitch_rad for pose in poses], [pose.radius for pose in poses]
        return cls(
            (-math.inf, math.inf) if around else (yaws[0] - margin, yaws[-1] + margin),
            (max(min(pitches) - margin, -1.2), min(max(pitches) + margin, 1.2)),
            (0.55 * min(radii), 1.6 * max(radii)),
        )

    def nearest(self, pose: Pose) -> Pose:
        """The pose itself where it is covered, else the covered one nearest to it."""
        yaw, pitch, radius = (
            min(max(value, low), high)
            for value, (low, high) in zip(
                (pose.yaw_rad, pose.pitch_rad, pose.radius), (self.yaw_rad, self.pitch_rad, self.radius), strict=True
            )
        )
        return Pose(yaw, pitch, radius)


Draw = Callable[[Pose, bool], Image.Image]


def scene_drawer(scene: Scene) -> Draw:
    """What draws a scene from a pose, uint8 SIDE_PX²: coarsely and of the nearest views while `moving`."""
    from ivid.fusion import FusionRenderer  # loads the kernels

    renderer, fov = FusionRenderer(), scene.views[0].camera.fov_y_deg

    def draw(pose: Pose, moving: bool) -> Image.Image:
        camera = Camera.orbit(pose.yaw_rad, pose.pitch_rad, pose.radius, fov)
        if moving:
            rendering = renderer.render(_nearest(scene.views, camera, MOVING_VIEWS), camera, MOVING_PX)
        else:
            rendering = renderer.render(scene.views, camera, SIDE_PX, STILL_SUPERSAMPLE, shading="pixel")
        seen = (rendering.rgb > 0).any(axis=-1, keepdims=True)
        rgb = np.where(seen, np.rint(rendering.rgb * 255), BACKGROUND).astype(np.uint8)
        return Image.fromarray(rgb).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)

    return draw


def _nearest(views: Sequence[View], camera: Camera, count: int) -> list[View]:
    return sorted(views, key=lambda view: float(np.linalg.norm(view.camera.position - camera.position)))[:count]


class SceneWindow:
    """The window. `run` returns when it is closed.

    Raises:
        RuntimeError: this machine cannot open windows; the message says what is missing.
    """

    def __init__(self, scene: Scene) -> None:
        try:
            import tkinter

            from PIL import ImageTk
        except ImportError as error:
            raise RuntimeError(
                f"a window needs tkinter, which Debian's package python3-tk brings ({error}); "
                "without --window the scene opens in the browser"
            ) from None
        try:
            self.root = tkinter.Tk()
        except tkinter.TclError as error:
            raise RuntimeError(
                f"no window can be opened here ({error}); without --window the browser shows it"
            ) from None
        self.home = Pose.of(scene.views[0].camera)
        self.reach = Reach.of([view.camera for view in scene.views])
        self.pose = self.home
        self.shown: tuple[Pose, bool] | None = None  # on screen: the pose, and whether in motion
        self._moved_at = -math.inf
        self._grabbed = (0, 0)
        self._drawer = ThreadPoolExecutor(1, "draw-scene")
        self._draw = scene_drawer(scene)
        self._drawing: tuple[tuple[Pose, bool], Future[Image.Image]] | None = None
        self._photo = ImageTk.PhotoImage(Image.new("RGB", (SIDE_PX, SIDE_PX), BACKGROUND), master=self.root)
        self.root.title(" · ".join(part for part in (scene_title(scene) or "scene", HELP) if part))
        self.root.resizable(False, False)
        canvas = tkinter.Label(self.root, image=self._photo, borderwidth=0)
        canvas.pack()
        canvas.bind("<Button-1>", self._grab)
        canvas.bind("<B1-Motion>", self._drag)
        for event, factor in {"<Button-4>": 0.93, "<Button-5>": 1.07, "<plus>": 0.93, "<minus>": 1.07}.items():
            self.root.bind(event, lambda _, factor=factor: self._zoom(factor))
        self.root.bind("<MouseWheel>", lambda event: self._zoom(0.93 if event.delta > 0 else 1.07))
        for key, yaw, pitch in (("Left", -0.05, 0), ("Right", 0.05, 0), ("Up", 0, 0.05), ("Down", 0, -0.05)):
            self.root.bind(f"<{key}>", lambda _, yaw=yaw, pitch=pitch: self._turn(yaw, pitch))
        self.root.bind("r", lambda _: self.look(self.home))
        self.root.bind("<Escape>", lambda _: self.root.destroy())

    def run(self) -> None:
        self._tick()
        try:
            self.root.mainloop()
        finally:
            self._drawer.shutdown(wait=True, cancel_futures=True)

    def look(self, pose: Pose) -> None:
        """Move the camera to a pose, or to the covered one nearest to it."""
        self.pose = self.reach.nearest(pose)
        self._moved_at = time.monotonic()

    def _turn(self, yaw_rad: float, pitch_rad: float) -> None:
        self.look(replace(self.pose, yaw_rad=self.pose.yaw_rad + yaw_rad, pitch_rad=self.pose.pitch_rad + pitch_rad))

    def _zoom(self, factor: float) -> None:
        self.look(replace(self.pose, radius=self.pose.radius * factor))

    def _grab(self, event) -> None:
        self._grabbed = (event.x, event.y)

    def _drag(self, event) -> None:
        x, y = self._grabbed
        self._grab(event)
        self._turn(-(event.x - x) * 2 / SIDE_PX, (event.y - y) * 2 / SIDE_PX)

    def _tick(self) -> None:
        """Show what is drawn, and have drawn what is not yet; never waits."""
        if self._drawing and self._drawing[1].done():
            self.shown, drawn = self._drawing
            self._photo.paste(drawn.result())
            self._drawing = None
        moving = time.monotonic() - self._moved_at < REST_S
        best = self.shown and self.shown[0] == self.pose and (moving or not self.shown[1])
        if not self._drawing and not best:
            # A picture in motion comes first, even of a camera at rest: it is there at once.
            wanted = (self.pose, moving or not self.shown or self.shown[0] != self.pose)
            self._drawing = wanted, self._drawer.submit(self._draw, *wanted)
        self.root.after(LOOK_EVERY_MS, self._tick)
