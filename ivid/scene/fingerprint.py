"""Hashes that tell apart what scenes were made from: views, cameras of one's own, and models of one name."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from ivid.scene.cameras import Camera
from ivid.scene.view import View

FIRST_VIEW = "first_view"  # in the settings of a scene that began with a picture: the fingerprint of its first view
MODEL = "model_fingerprint"  # in the settings of a scene: of its model's files (`ivid.pipeline.model_files`)


def fingerprint(what: View | Sequence[Camera]) -> str:
    """A hash of a view (its picture, depth and camera), or of cameras: 16 hexadecimal digits."""
    digest = hashlib.sha256()
    cameras = [what.camera] if isinstance(what, View) else what
    if isinstance(what, View):
        digest.update(np.ascontiguousarray(what.rgb).tobytes())
        digest.update(np.ascontiguousarray(what.depth).tobytes())
    for camera in cameras:
        digest.update(camera.world_to_view.tobytes())
        digest.update(np.float64(camera.fov_y_deg).tobytes())
    return digest.hexdigest()[:16]
