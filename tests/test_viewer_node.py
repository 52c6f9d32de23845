"""The viewer's camera maths under node, against vectors written here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from ivid.fusion.blend_kernels import ANGLE_FALLOFF, ERODED_FACTOR, MIN_WEIGHT
from ivid.scene.cameras import Camera, trajectory, view_set
from ivid.scene.depth import encode
from tests.support.synthetic import synthetic_scene
from viewer.protocol import HEADER, camera_entry, pack_view

WEB_TESTS = Path(__file__).with_name("web")


def vectors() -> dict:
    rng = np.random.default_rng(0)
    points = rng.uniform(-0.4, 0.4, (5, 3))
    poses = []
    for yaw, pitch, radius in [(0, 0, 1), (0.4, -0.2, 1.2), (-2.5, 0.9, 0.7), (0.6, 0.15, 1)]:
        camera = Camera.orbit(yaw, pitch, radius)
        seen = points @ camera.world_to_view[:3, :3].T + camera.world_to_view[:3, 3]
        u = 0.5 + camera.focal * seen[:, 0] / -seen[:, 2]
        v = 0.5 - camera.focal * seen[:, 1] / -seen[:, 2]
        poses.append(
            {"yaw": yaw, "pitch": pitch, "radius": radius, "uv": np.stack([u, v], 1).tolist(), **camera_entry(camera)}
        )
    view = synthetic_scene(32).views[3]
    content = pack_view(view, (0.6, 5.0))
    header = HEADER.unpack_from(content)
    return {
        "points": points.tolist(),
        "poses": poses,
        "swing": [camera_entry(camera) for camera in trajectory("orbit", 8)],
        "set_3x9": [camera_entry(camera) for camera in view_set("3x9")],
        "set_360": [camera_entry(camera) for camera in view_set("360")],
        "view": list(content),
        "step": header[2],
        "depth": view.depth.astype(float).ravel().tolist(),
        "weights": [float(value) for value in (ANGLE_FALLOFF, MIN_WEIGHT, ERODED_FACTOR)],
        "code": encode(view.depth.astype(float), (0.6, 5.0)).ravel().tolist(),
    }


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_camera_maths(tmp_path):
    path = tmp_path / "vectors.json"
    path.write_text(json.dumps(vectors()))
    files = sorted(str(file) for file in WEB_TESTS.glob("*.test.js"))
    run = subprocess.run(
        ["node", "--test", *files], env={**os.environ, "IVID_VECTORS": str(path)}, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr
