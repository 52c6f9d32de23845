"""A folder of 3D models by class into RGBD training data (`ivid.data.renders`), and true views of staged models."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from ivid.data.renders import (
    DEPTH_STEPS,
    FORMAT,
    FORMAT_VERSION,
    MANIFEST,
    SPLITS,
    UNFINISHED,
    array_layout,
    class_of_model,
    read_manifest,
)
from ivid.data.staging import POSES, Appearance
from ivid.scene.cameras import FOV_Y_DEG, Camera, view_set_angles
from ivid.scene.depth import DepthRange, encode
from ivid.scene.files import written_aside
from ivid.scene.scene import View

if TYPE_CHECKING:
    from ivid.data.model_renderer import ModelRenderer

DEPTH_RANGE: DepthRange = (0.5, 4.0)
_NEAREST = 1.02 * DEPTH_RANGE[0]  # no ground in a training picture is nearer
HELD_OUT_IMAGES = 0.05  # pictures of held-out models, as a share of the training pictures
_SHARD = 240  # pictures that are rendered and noted as done together
_MOST_VIEWS = 1000  # as of a scene
_FURTHER_SIGMA_RAD = (0.4, 0.12)  # of yaw and pitch of random cameras
_RECIPE = 1  # raise it when the same seed no longer gives the same pictures

_renderers: dict[int, ModelRenderer] = {}


def render_models(
    folder: str | Path,
    out: str | Path,
    *,
    size: int = 64,
    images: int = 40_000,
    held_out_share: float = 0.1,
    seed: int = 0,
    poses: str = "around",
    views: int = 1,
    workers: int | None = None,
    classes: Sequence[str] | None = None,
    only: Sequence[str] | None = None,
    progress: bool = True,
) -> None:
    """Render RGBD pictures of FOLDER/<class>/*.glb into the folder `out`, to be opened with `Renders.open`.

    Each class gets equally many pictures, each picture a model of its class, drawn uniformly, on a ground under a sky
    (`Appearance`). A picture depends on `seed` and its index alone, so any number of workers gives the same data. A run
    that was killed goes on where it was when it is started again; a folder that is complete already is left as it is.

    Args:
        size: side of the pictures in pixels.
        images: pictures of training models; of held-out models there are 5 % as many, at least one per class.
        held_out_share: share of each class's models that training never sees, at least one.
        poses: from where models are seen and lit, one of `ivid.data.staging.POSES`.
        views: true views of every staged scene, the picture itself counted: its further ones see it from the cameras of
            the view set `3x9`, and if there are to be more than 27, from random ones around.
        workers: processes; all processors if None.
        classes: the classes to render, in the order of their labels; all of them by name if None.
        only: the training models to render, as `class/file.glb`; all if None. The held-out ones stay the same.

    Raises:
        ValueError: the arguments make no sense, the models are missing or unreadable, or `out` holds something else.
        RenderingUnavailable: pyrender or OpenGL cannot be used here.
    """
    folder, out = Path(folder), Path(out)
    if not 8 <= size <= 1024:
        raise ValueError(f"the size of the pictures must lie between 8 and 1024, got {size}")
    if poses not in POSES:
        raise ValueError(f"there are no poses {poses!r}; choose one of {', '.join(POSES)}")
    if not 1 <= views <= _MOST_VIEWS:
        raise ValueError(f"the views of a scene must be from 1 to {_MOST_VIEWS}, got {views}")
    if workers is not None and workers < 1:
        raise ValueError(f"rendering needs at least one worker, got {workers}")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is a file; the renders need a folder")
    names, models = split_models(folder, held_out_share, classes)
    if only is not None:
        models["train"] = _chosen(models["train"], only, names)
    if images < len(names):
        raise ValueError(f"{images} pictures are fewer than the {len(names)} classes")
    manifest = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "recipe": _RECIPE,
        "size": size,
        "classes": names,
        "images": {"train": images, "held_out": max(len(names), round(images * HELD_OUT_IMAGES))},
        "models": models,
        "held_out_share": held_out_share,
        "depth_range": list(DEPTH_RANGE),
        "fov_y_deg": FOV_Y_DEG,
        "seed": seed,
        "poses": poses,
        "how": "pyrender face numbers and depth at twice the size, shaded in numpy",
    }
    if views > 1:
        manifest["views"] = views
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
        for count in _work(str(folder), str(unfinished), manifest, todo, workers or os.cpu_count() or 1):
            bar.update(count)
    for split in SPLITS:
        for name in array_layout(size, views):
            os.replace(unfinished / f"{split}_{name}.npy", out / f"{split}_{name}.npy")
    os.replace(unfinished / MANIFEST, out / MANIFEST)
    shutil.rmtree(unfinished)


def render_views(
    model_path: str | Path,
    appearance_seed: int | Sequence[int],
    cameras: Sequence[Camera],
    size: int,
    class_name: str = "",
    poses: str = "around",
) -> list[View]:
    """True views of one staged model from `cameras` in scene coordinates; `Camera.orbit(0, 0)` is the training camera.

    The class matters to those that may hover; by default it is the name of the model's folder. `poses` names one of
    `ivid.data.staging.POSES`.

    Raises:
        ValueError: the file is no mesh that can be drawn.
        RenderingUnavailable: pyrender or OpenGL cannot be used here.
    """
    rng = np.random.default_rng(np.random.SeedSequence(appearance_seed))
    appearance = Appearance.draw(rng, class_name or Path(model_path).parent.name, poses)
    renderer = _renderer(size)
    return renderer.render(model_path, renderer.framed(model_path, appearance, _NEAREST), cameras, DEPTH_RANGE)


def split_models(
    folder: str | Path, held_out_share: float, classes: Sequence[str] | None = None
) -> tuple[list[str], dict[str, list[str]]]:
    """The classes of a folder of models, and its models by split as `class/file.glb`.

    Which models are held out depends on their sorted names and the share alone.

    Raises:
        ValueError: there is no such folder or class, a class has fewer than two models, or the share is out of range.
    """
    folder = Path(folder)
    if not 0 < held_out_share < 1:
        raise ValueError(f"the share of held-out models must lie between 0 and 1, got {held_out_share}")
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}; it should hold one folder of .glb files per class")
    present = sorted({path.parent.name for path in folder.glob("*/*.glb")})
    if not present:
        raise ValueError(f"{folder} holds no models; it should hold one folder of .glb files per class")
    names = list(classes) if classes is not None else present
    unknown = [name for name in names if name not in present]
    if unknown or len(set(names)) != len(names) or not names:
        raise ValueError(f"classes must be different ones of {', '.join(present)}; got {', '.join(names) or 'none'}")
    models: dict[str, list[str]] = {split: [] for split in SPLITS}
    for name in names:
        files = sorted(f"{name}/{path.name}" for path in (folder / name).glob("*.glb"))
        if len(files) < 2:
            raise ValueError(f"class {name} has only one model; it takes one to train on and one to hold out")
        held_out = min(len(files) - 1, max(1, round(held_out_share * len(files))))
        order = np.random.default_rng(0).permutation(len(files))
        models["held_out"] += sorted(files[k] for k in order[:held_out])
        models["train"] += sorted(files[k] for k in order[held_out:])
    return names, models


def _chosen(models: Sequence[str], only: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Those of `models` that `only` names.

    Raises:
        ValueError: it names something else, or nothing of a class.
    """
    wanted = set(only)
    strangers = sorted(wanted.difference(models))
    if strangers:
        raise ValueError(f"{strangers[0]} is not one of the {len(models)} models to train on")
    chosen = [name for name in models if name in wanted]
    bare = sorted(set(classes) - {class_of_model(name) for name in chosen})
    if bare:
        raise ValueError(f"no model of class {bare[0]} was chosen")
    return chosen


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


def _work(folder: str, unfinished: str, manifest: dict, todo: list[tuple[str, int]], workers: int) -> Iterator[int]:
    """Render the shards, in this process if one worker is asked for; yields the number of pictures of each."""
    if workers == 1 or len(todo) < 2:
        for split, start in todo:
            yield _render_shard(folder, unfinished, manifest, split, start)
        return
    context = multiprocessing.get_context("spawn")  # an OpenGL context does not survive a fork
    with ProcessPoolExecutor(min(workers, len(todo)), mp_context=context) as pool:
        futures = [pool.submit(_render_shard, folder, unfinished, manifest, split, start) for split, start in todo]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _renderer(size: int) -> ModelRenderer:
    from ivid.data.model_renderer import ModelRenderer

    if size not in _renderers:
        for other in _renderers.values():  # one OpenGL context at a time
            other.close()
        _renderers.clear()
        _renderers[size] = ModelRenderer(size)
    return _renderers[size]


def _render_shard(folder: str, unfinished: str, manifest: dict, split: str, start: int) -> int:
    size, classes, models = manifest["size"], manifest["classes"], manifest["models"][split]
    views = manifest.get("views", 1)
    stop = min(start + _SHARD, manifest["images"][split])
    arrays = {name: np.load(Path(unfinished, f"{split}_{name}.npy"), mmap_mode="r+") for name in _layout(manifest)}
    by_class = [[k for k, model in enumerate(models) if model.startswith(f"{name}/")] for name in classes]
    renderer = _renderer(size)
    for index in range(start, stop):
        # Held-out pictures have seeds of their own, so that no training picture shares its light and colours with one.
        entropy = [manifest["seed"], index] if split == "train" else [manifest["seed"], index, 1]
        rng = np.random.default_rng(np.random.SeedSequence(entropy))
        label = index % len(classes)
        model = by_class[label][rng.integers(len(by_class[label]))]
        path = Path(folder, models[model])
        appearance = renderer.framed(path, Appearance.draw(rng, classes[label], manifest["poses"]), _NEAREST)
        angles = scene_angles(rng, views)
        cameras = [Camera.orbit(yaw, pitch) for yaw, pitch in angles]
        view, *further = renderer.render(path, appearance, cameras, DEPTH_RANGE)
        arrays["rgb"][index], arrays["label"][index], arrays["model"][index] = view.rgb, label, model
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
