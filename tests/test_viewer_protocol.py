"""What the browser receives, read back."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivid.scene.cameras import Camera
from ivid.scene.depth import encode
from ivid.scene.view import View
from tests.support.synthetic import synthetic_scene
from viewer import protocol

RANGE = (0.6, 5.0)


def noisy_view(seed: int, size: int, roughness: float) -> View:
    rng = np.random.default_rng(seed)
    depth = np.clip(2 + roughness * rng.standard_normal((size, size)), 0.3, 9).astype(np.float32)
    return View(rng.integers(0, 256, (size, size, 3), np.uint8), depth, Camera.orbit(0.1, 0.2), 0.05, 0.02)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 40), st.floats(0, 2))
def test_a_view_comes_back(seed, size, roughness):
    view = noisy_view(seed, size, roughness)
    content = protocol.pack_view(view, RANGE)
    back = protocol.unpack_view(content, view.camera)
    step = protocol.HEADER.unpack_from(content)[2]
    planes = (min(0.6, view.depth.min()), max(5.0, view.depth.max()))
    assert np.array_equal(back.rgb, view.rgb)
    assert back.edge_threshold == pytest.approx(0.05)
    assert back.trust == pytest.approx(0.02)
    error = np.abs(encode(back.depth.astype(float), planes) - encode(view.depth.astype(float), planes))
    assert error.max() <= (0.51 * step + 0.1) / 65535


def test_a_mask_comes_back():
    view = noisy_view(0, 13, 0.1)
    mask = np.random.default_rng(0).random((13, 13)) > 0.2
    back = protocol.unpack_view(protocol.pack_view(replace(view, mask=mask), RANGE), view.camera)
    assert np.array_equal(back.mask, mask)
    assert protocol.unpack_view(protocol.pack_view(view, RANGE), view.camera).mask is None


def test_a_scene_is_small_and_keeps_sixteen_bits():
    scene = synthetic_scene(128)
    packed = [protocol.pack_view(view, scene.depth_range) for view in scene.views]
    assert sum(map(len, packed)) <= 1_200_000
    assert all(protocol.HEADER.unpack_from(content)[2] == 1 for content in packed)


def test_rough_depth_is_coarsened_to_stay_small():
    view = synthetic_scene(128).views[0]
    rough = np.clip(view.depth + np.random.default_rng(0).normal(0, 0.01, view.depth.shape), 0.6, 5)
    textured = np.clip(view.rgb.astype(int) + np.random.default_rng(1).integers(-3, 4, view.rgb.shape), 0, 255)
    content = protocol.pack_view(View(textured.astype(np.uint8), rough, view.camera), RANGE)
    assert protocol.HEADER.unpack_from(content)[2] > 1
    assert len(content) <= 44_000


def test_a_preview_is_smaller_still():
    view = synthetic_scene(128).views[0]
    content = protocol.pack_preview(view.rgb / 255, view.depth, RANGE)
    assert len(content) < 0.6 * len(protocol.pack_view(view, RANGE))
    assert np.abs(protocol.unpack_view(content, view.camera).depth / view.depth - 1).max() < 0.01


@pytest.mark.parametrize("damage", [lambda c: b"", lambda c: c[:30], lambda c: c[:-1], lambda c: b"XXXX" + c[4:]])
def test_damaged_files_are_refused(damage):
    view = noisy_view(0, 16, 0.1)
    with pytest.raises(ValueError, match="not a view file"):
        protocol.unpack_view(damage(protocol.pack_view(view, RANGE)), view.camera)


def test_a_manifest_is_plain_json_without_pixels():
    scene = synthetic_scene(16)
    content = protocol.manifest(
        [("a.ivw", scene.views[0].camera)],
        size=16,
        depth_range=RANGE,
        title="</script>",
        planned=[scene.views[1].camera],
    )
    text = protocol.dumps(content)
    assert "</script>" not in text
    assert len(text) < 1500
    matrix = np.reshape(json.loads(text)["views"][0]["world_to_view"], (4, 4))
    assert np.allclose(matrix, scene.views[0].camera.world_to_view)


def test_only_whole_keyframes_are_kept():
    good = {"t": 0, "yaw": 0.1, "pitch": 0, "radius": 1, "x": 0, "y": 0, "z": 0, "fov": 45}
    frames = protocol.valid_keyframes([good, {**good, "yaw": float("nan")}, {"t": 1}, None, {**good, "extra": "x"}])
    assert frames == [{name: float(value) for name, value in good.items()}] * 2
