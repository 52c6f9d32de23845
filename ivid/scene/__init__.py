"""Cameras, views and scenes, the depth codec and the scene file; imports neither torch nor diffusers."""

from ivid.scene.cameras import Camera, trajectory, view_set
from ivid.scene.depth import decode, encode
from ivid.scene.scene import Scene, SceneSummary
from ivid.scene.scene_file import SceneFileError
from ivid.scene.view import View

__all__ = ["Camera", "Scene", "SceneFileError", "SceneSummary", "View", "decode", "encode", "trajectory", "view_set"]
