"""Views and scenes as a browser receives them: one small binary per view and a JSON manifest of URLs.

A view file (`.ivw`) is little-endian:

    4s  magic "IVW2"
    u16 S, the side in pixels        u16 step, the quantum of the depth codes (1 = full 16 bits)
    f32 near  f32 far, metres        the depth codec's planes (method §3)
    f32 edge threshold               of the view's mesh (method §4: atol = rtol)
    f32 trust                        of the view, from 1e-6 to 1
    u32 colour bytes  u32 depth bytes  u32 mask bytes
    colour: a WebP picture, lossless (lossy in previews), S x S; or a PNG, which browsers write
    depth:  zlib stream of 2·S·S bytes: all high bytes, then all low bytes, of the residuals of
            q = round(65535·d / step) against left + above - above-left (outside: 0), modulo 65536
    mask:   zlib stream of one bit per pixel, row by row, the highest bit of a byte first; nothing if all are set

A manifest lists the finished views by URL, the cameras still to come, and what the scene is; it never holds pixels
except for an optional `preview`, the first view in the middle of its denoising, as a data URL. With an optional `id` it
continues the manifest that has the same one, even where views have other URLs.
"""

from __future__ import annotations

import base64
import io
import json
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from ivid.scene.cameras import Camera
from ivid.scene.depth import DepthRange, decode, encode
from ivid.scene.scene import Scene
from ivid.scene.view import EDGE_THRESHOLD, View

MAGIC = b"IVW2"
HEADER = struct.Struct("<4sHHffffIII")
BYTES_PER_PIXEL = 44_000 / 128**2  # what a view may cost: 27 views at 128² then fit into 1.2 MB
MANIFEST_FORMAT, MANIFEST_VERSION = "ivid-view-manifest", 1


def pack_view(view: View, depth_range: DepthRange) -> bytes:
    """The view file of a view. Colour is lossless; depth has 16 bits, fewer where a noisy map would cost too much.

    The step between depth codes is the smallest power of two, at most 16, that keeps the file within 44 KB per 128²
    pixels: smooth maps keep all 16 bits, the roughest 12.
    """
    view = view.quantised()
    colour = _webp(view.rgb, lossless=True)
    mask = b"" if view.mask is None else zlib.compress(np.packbits(view.mask).tobytes(), 9)
    budget = view.size**2 * BYTES_PER_PIXEL - len(colour) - len(mask) - HEADER.size
    near, far = _covering(view.depth, depth_range)
    for step in (1, 2, 4, 8, 16):
        depth = _pack_depth(view.depth, (near, far), step)
        if len(depth) <= budget:
            break
    planes = (near, far, view.edge_threshold, view.trust)
    header = HEADER.pack(MAGIC, view.size, step, *planes, len(colour), len(depth), len(mask))
    return header + colour + depth + mask


def pack_preview(
    rgb: np.ndarray, depth_metres: np.ndarray, depth_range: DepthRange, edge_threshold: float = EDGE_THRESHOLD
) -> bytes:
    """A view file of an unfinished view, as small as is decent: lossy colour, 10 bits of depth.

    rgb: uint8 [S, S, 3] or floats in [0, 1]; depth_metres: [S, S].
    """
    if rgb.dtype != np.uint8:
        rgb = np.rint(np.clip(rgb, 0, 1) * 255).astype(np.uint8)
    colour = _webp(rgb, lossless=False)
    near, far = depth_range
    depth = _pack_depth(np.clip(depth_metres, near, far), depth_range, 64)
    header = HEADER.pack(MAGIC, rgb.shape[0], 64, near, far, edge_threshold, 1.0, len(colour), len(depth), 0)
    return header + colour + depth


def unpack_view(content: bytes, camera: Camera) -> View:
    """The view in a view file; `camera` is where the manifest says it was taken from.

    Raises:
        ValueError: the content is no view file, or is damaged.
    """
    try:
        magic, size, step, near, far, edge_threshold, trust, *lengths = HEADER.unpack_from(content)
        colour_bytes, _, mask_bytes = lengths
        if magic != MAGIC or len(content) != HEADER.size + sum(lengths):
            raise ValueError("wrong magic or length")
        with Image.open(
            io.BytesIO(content[HEADER.size : HEADER.size + colour_bytes]), formats=["WEBP", "PNG"]
        ) as image:
            rgb = np.array(image.convert("RGB"))
        residual = zlib.decompressobj().decompress(content[HEADER.size + colour_bytes :], 2 * size * size)
        high, low = np.frombuffer(residual, np.uint8).reshape(2, size, size).astype(np.uint16)
        codes = np.cumsum(np.cumsum((high << 8) + low, axis=0, dtype=np.uint16), axis=1, dtype=np.uint16)
        depth = decode(codes.astype(np.float64) * step / 65535, (near, far))
        mask = None
        if mask_bytes:
            bits = zlib.decompressobj().decompress(content[-mask_bytes:], -(-size * size // 8))
            mask = np.unpackbits(np.frombuffer(bits, np.uint8), count=size * size).reshape(size, size).astype(bool)
        return View(rgb, depth, camera, edge_threshold, trust, mask)
    except (ValueError, OSError, struct.error, zlib.error) as error:
        raise ValueError(f"this is not a view file, or it is damaged ({error})") from None


def camera_entry(camera: Camera) -> dict[str, Any]:
    """A camera in JSON: `world_to_view` as 16 numbers row by row, `fov_y_deg`."""
    return {
        "world_to_view": [round(float(value), 9) for value in camera.world_to_view.ravel()],
        "fov_y_deg": camera.fov_y_deg,
    }


def manifest(
    views: Sequence[tuple[str, Camera]],
    *,
    size: int,
    depth_range: DepthRange,
    planned: Sequence[Camera] = (),
    title: str = "",
    preview: Mapping[str, Any] | None = None,
    keyframes: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The manifest of a scene.

    views: (URL, camera) of every finished view, the first view first. planned: every camera of the view set, made or
    not, in the order of making. preview: `preview_entry(...)` while the first view is being denoised. keyframes: the
    person's own camera path, as the viewer hands it out.
    """
    return {
        "format": MANIFEST_FORMAT,
        "version": MANIFEST_VERSION,
        "title": title,
        "size": size,
        "depth_range": list(depth_range),
        "views": [{"url": url, **camera_entry(camera)} for url, camera in views],
        "planned": [camera_entry(camera) for camera in planned],
        "preview": dict(preview) if preview else None,
        "keyframes": [dict(frame) for frame in keyframes],
    }


def preview_entry(
    rgb: np.ndarray, depth_metres: np.ndarray, camera: Camera, depth_range: DepthRange, step: int = 0, steps: int = 0
) -> dict[str, Any]:
    """The `preview` of a manifest: the clean first view as the network sees it after `step` of `steps` evaluations."""
    return {
        "url": data_url(pack_preview(rgb, depth_metres, depth_range)),
        "step": step,
        "steps": steps,
        **camera_entry(camera),
    }


def data_url(content: bytes) -> str:
    """Bytes as a data URL."""
    return "data:application/octet-stream;base64," + base64.b64encode(content).decode("ascii")


def scene_title(scene: Scene) -> str:
    """What a scene is called above its picture: class and seed as far as they are known."""
    parts = [scene.class_name or scene.model, "" if scene.seed is None else f"seed {scene.seed}"]
    return " · ".join(part for part in parts if part)


def scene_keyframes(scene: Scene) -> list[dict[str, float]]:
    """The camera path a person saved with the scene; whatever is not one is left out."""
    stored = scene.settings.get("keyframes", [])
    return valid_keyframes(stored) if isinstance(stored, list) else []


def valid_keyframes(frames: Sequence[Any]) -> list[dict[str, float]]:
    """Keyframes as the viewer understands them, at most 200.

    Each has `t` from 0 to 1, `yaw`, `pitch` in radians, `radius`, `x`, `y`, `z` of the point looked at, and `fov` in
    degrees; frames that lack one or hold something else than a finite number are dropped.
    """
    names = ("t", "yaw", "pitch", "radius", "x", "y", "z", "fov")
    valid = []
    for frame in frames[:200]:
        if not isinstance(frame, Mapping):
            continue
        values = [frame.get(name) for name in names]
        if all(isinstance(value, (int, float)) and math.isfinite(value) for value in values):
            valid.append({name: float(frame[name]) for name in names})
    return valid


def dumps(content: Mapping[str, Any]) -> str:
    """Compact JSON that may stand inside an HTML script element."""
    return json.dumps(content, separators=(",", ":"), allow_nan=False).replace("</", "<\\/")


def _webp(rgb: np.ndarray, lossless: bool) -> bytes:
    buffer = io.BytesIO()
    options: dict[str, Any] = {"lossless": True, "quality": 60, "method": 4} if lossless else {"quality": 70}
    Image.fromarray(rgb).save(buffer, "WEBP", **options)
    return buffer.getvalue()


def _covering(depth_metres: np.ndarray, depth_range: DepthRange) -> DepthRange:
    """The scene's planes as float32, widened when a view reaches beyond them."""
    near, far = np.float32(depth_range[0]), np.float32(depth_range[1])
    return float(min(near, np.float32(depth_metres.min()))), float(max(far, np.float32(depth_metres.max())))


def _pack_depth(depth_metres: np.ndarray, depth_range: DepthRange, step: int) -> bytes:
    codes = np.rint(encode(depth_metres.astype(np.float64), depth_range) * (65535 / step)).astype(np.uint16)
    rows = np.diff(codes, axis=0, prepend=np.zeros((1, codes.shape[1]), np.uint16))
    residual = np.diff(rows, axis=1, prepend=np.zeros((codes.shape[0], 1), np.uint16))
    planes = np.concatenate([(residual >> 8).astype(np.uint8).ravel(), (residual & 255).astype(np.uint8).ravel()])
    return zlib.compress(planes.tobytes(), 9)
