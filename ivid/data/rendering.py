"""A folder of 3D assets by class into RGBD training data (`ivid.data.renders`)."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ivid.data.assets import chosen_assets, split_assets
from ivid.data.rasteriser import RASTERISERS
from ivid.data.renders import (
    DEPTH_STEPS,
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    SPLITS,
    UNFINISHED,
    array_layout,
    read_manifest,
)
from ivid.data.staging import POSES, Appearance
from ivid.data.true_views import DEPTH_RANGE, NEAREST, renderer_of
from ivid.data.workers import shared_out
from ivid.scene.cameras import FOV_Y_DEG, Camera, view_set_angles
from ivid.scene.depth import encode
from ivid.scene.files import written_aside
from ivid.scene.view import View

HELD_OUT_IMAGES = 0.05  # pictures of held-out assets, as a share of the training pictures
_SHARD = 240  # pictures that are rendered and noted as done together
_MOST_VIEWS = 1000  # as of a scene
_FURTHER_SIGMA_RAD = (0.4, 0.12)  # of yaw and pitch of random cameras
_RECIPE = 1  # raise it when the same seed no longer gives the same pictures


def render_assets(
    folder: str | Path,
    out: str | Path,
    *,
    size: int = 64,
    images: int = 40_000,
    held_out_share: float = 0.1,
    seed: int = 0,
    poses: str = "around",
    views: int = 1,
    rasteriser: str = "opengl",
    workers: int | None = None,
    classes: Sequence[str] | None = None,
    only: Sequence[str] | None = None,
    progress: bool = True,
) -> None:
    """Render RGBD pictures of FOLDER/<class>/*.glb into the folder `out`, to be opened with `Renders.open`.

    Each class gets equally many pictures, each picture an asset of its class, drawn uniformly, on a ground under a sky
    (`Appearance`). A picture depends on `seed` and its index alone, so any number of workers gives the same data. A run
    that was killed goes on where it was when it is started again; a folder that is complete already is left as it is.

    Args:
        size: side of the pictures in pixels.
        images: pictures of training assets; of held-out assets there are 5 % as many, at least one per class.
        held_out_share: share of each class's assets that training never sees, at least one.
        poses: from where assets are seen and lit, one of `ivid.data.staging.POSES`.
        views: true views of every staged scene, the picture itself counted: its further ones see it from the cameras of
            the view set `3x9`, and if there are to be more than 27, from random ones around.
        rasteriser: how triangles are found, one of `ivid.data.rasteriser.RASTERISERS`.
        workers: processes; all processors if None.
        classes: the classes to render, in the order of their labels; all of them by name if None.
        only: the training assets to render, as `class/file.glb`; all if None. The held-out ones stay the same.

    Raises:
        ValueError: the arguments make no sense, the assets are missing or unreadable, or `out` holds something else.
        RenderingUnavailable: pyrender or OpenGL cannot be used here.
    """
    folder, out = Path(folder), Path(out)
    if not 8 <= size <= 1024:
        raise ValueError(f"the size of the pictures must lie between 8 and 1024, got {size}")
    if poses not in POSES:
        raise ValueError(f"there are no poses {poses!r}; choose one of {', '.join(POSES)}")
    if rasteriser not in RASTERISERS:
        raise ValueError(f"there is no rasteriser {rasteriser!r}; choose one of {', '.join(RASTERISERS)}")
    if not 1 <= views <= _MOST_VIEWS:
        raise ValueError(f"the views of a scene must be from 1 to {_MOST_VIEWS}, got {views}")
    if workers is not None and workers < 1:
        raise ValueError(f"rendering needs at least one worker, got {workers}")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; the renders need a folder")
    names, assets = split_assets(folder, held_out_share, classes)
    if only is not None:
        assets["train"] = chosen_assets(assets["train"], only, names)
    if images < len(names):
        raise ValueError(f"{images} pictures are fewer than the {len(names)} classes")
    manifest = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "recipe": _RECIPE,
        "size": size,
        "classes": names,
        "images": {"train": images, "held_out": max(len(names), round(images * HELD_OUT_IMAGES))},
        "models": assets,
        "held_out_share": held_out_share,
        "depth_range": list(DEPTH_RANGE),
        "fov_y_deg": FOV_Y_DEG,
        "seed": seed,
        "poses": poses,
        "how": "pyrender face numbers and depth at twice the size, shaded in numpy",
    }
    if views > 1:
        manifest["views"] = views
    if rasteriser != "opengl":
        manifest |= {"rasteriser": rasteriser, "how": manifest["how"].replace("pyrender", "ray-cast")}
    if _is_complete(out, manifest):
        return
    unfinished = _begin(out, manifest)
    todo = [
        (split, start)
        for split in SPLITS
        for start in range(0, manifest["images"][split], _SHARD)
        if not (unfinished / f"{split}_{start}.done").exists()
    ]
    total = sum(manifest["images"].values())
    done = total - sum(min(_SHARD, manifest["images"][split] - start) for split, start in todo)
    with tqdm(total=total, initial=done, unit="image", disable=not progress, smoothing=0.05) as bar:
        shards = [(str(folder), str(unfinished), manifest, split, start) for split, start in todo]
        for count in shared_out(_render_shard, shards, workers or os.cpu_count() or 1):
            bar.update(count)
    for split in SPLITS:
        for name in _layout(manifest):
            os.replace(unfinished / f"{split}_{name}.npy", out / f"{split}_{name}.npy")
    os.replace(unfinished / MANIFEST, out / MANIFEST)
    shutil.rmtree(unfinished)


def _is_complete(out: Path, manifest: dict) -> bool:
    if not (out / MANIFEST).exists():
        return False
    if read_manifest(out) != manifest:
        raise ValueError(f"{out} already holds renders made in another way; choose another folder or remove it")
    return True


def _begin(out: Path, manifest: dict) -> Path:
    """Make the folder in which the arrays grow, or find it as a killed run left it."""
    unfinished = out / UNFINISHED
    if (unfinished / MANIFEST).exists():
        if read_manifest(unfinished) != manifest:
            raise ValueError(f"{out} holds an unfinished run with other settings; choose another folder or remove it")
        for split in SPLITS:  # a run killed while it moved the finished arrays left some of them outside
            for name in _layout(manifest):
                if (out / f"{split}_{name}.npy").exists():
                    os.replace(out / f"{split}_{name}.npy", unfinished / f"{split}_{name}.npy")
        return unfinished
    unfinished.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        for name, (dtype, shape) in _layout(manifest).items():
            path = unfinished / f"{split}_{name}.npy"
            np.lib.format.open_memmap(path, "w+", dtype, (manifest["images"][split], *shape)).flush()
    with written_aside(unfinished / MANIFEST) as aside:
        aside.write_text(json.dumps(manifest, indent=1))
    return unfinished


def _layout(manifest: dict) -> dict[str, tuple[type[np.generic], tuple[int, ...]]]:
    return array_layout(manifest["size"], manifest.get("views", 1))


def scene_angles(rng: np.random.Generator, views: int) -> list[tuple[float, float]]:
    """(yaw, pitch) in radians of the true views of a scene: those of the view set `3x9`, then random ones."""
    angles = view_set_angles("3x9")[:views]
    for _ in range(views - len(angles)):
        yaw, pitch = rng.normal(0.0, _FURTHER_SIGMA_RAD)
        angles.append((float(np.clip(yaw, -0.75, 0.75)), float(np.clip(pitch, -0.25, 0.25))))
    return angles


def _stored_depth(view: View) -> np.ndarray:
    return np.rint(encode(view.depth.astype(np.float64), DEPTH_RANGE) * DEPTH_STEPS)


def _render_shard(folder: str, unfinished: str, manifest: dict, split: str, start: int) -> int:
    classes, assets, views = manifest["classes"], manifest["models"][split], manifest.get("views", 1)
    stop = min(start + _SHARD, manifest["images"][split])
    arrays = {name: np.load(Path(unfinished, f"{split}_{name}.npy"), mmap_mode="r+") for name in _layout(manifest)}
    by_class = [[k for k, asset in enumerate(assets) if asset.startswith(f"{name}/")] for name in classes]
    renderer = renderer_of(manifest["size"], manifest.get("rasteriser", "opengl"))
    for index in range(start, stop):
        # Held-out pictures have seeds of their own, so that no training picture shares its light and colours with one.
        entropy = [manifest["seed"], index] if split == "train" else [manifest["seed"], index, 1]
        rng = np.random.default_rng(np.random.SeedSequence(entropy))
        label = index % len(classes)
        asset = by_class[label][rng.integers(len(by_class[label]))]
        path = Path(folder, assets[asset])
        appearance = renderer.framed(path, Appearance.draw(rng, classes[label], manifest["poses"]), NEAREST)
        angles = scene_angles(rng, views)
        cameras = [Camera.orbit(yaw, pitch) for yaw, pitch in angles]
        view, *further = renderer.render(path, appearance, cameras, DEPTH_RANGE)
        arrays["rgb"][index], arrays["label"][index], arrays["model"][index] = view.rgb, label, asset
        arrays["yaw"][index] = appearance.yaw_rad
        arrays["depth"][index] = _stored_depth(view)
        if views > 1:
            arrays["view_rgb"][index] = [each.rgb for each in further]
            arrays["view_depth"][index] = [_stored_depth(each) for each in further]
            arrays["view_angle"][index] = angles[1:]
    for array in arrays.values():
        array.flush()
    Path(unfinished, f"{split}_{start}.done").touch()
    return stop - start
