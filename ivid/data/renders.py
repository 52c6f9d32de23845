"""Rendered training data on disk: `renders.json` and, per split, arrays that are mapped into memory, not read.

    renders.json          what is here and how it was made
    SPLIT_rgb.npy         uint8 [N, S, S, 3], sRGB
    SPLIT_depth.npy       uint16 [N, S, S], the z-buffer value d of method §3 times 65535
    SPLIT_label.npy       int64 [N], index into the classes
    SPLIT_model.npy       int64 [N], index into the split's list of 3D assets, `models` in renders.json
    SPLIT_yaw.npy         float32 [N], of the camera around the asset in radians, 0 in front of it

Folders whose manifest says `views` V > 1 also hold further true views of every staged scene:

    SPLIT_view_rgb.npy    uint8 [N, V - 1, S, S, 3]
    SPLIT_view_depth.npy  uint16 [N, V - 1, S, S]
    SPLIT_view_angle.npy  float32 [N, V - 1, 2], yaw and pitch of each in radians; those of the picture itself are 0

The splits are `train` and `held_out`; they share no assets. `renders.json` is written last: without it, a
folder is unfinished.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ivid.scene.cameras import Camera
from ivid.scene.depth import DepthRange, decode
from ivid.scene.files import read_json
from ivid.scene.view import EDGE_THRESHOLD, View

MANIFEST = "renders.json"
FORMAT, FORMAT_VERSION = "ivid-renders", 3
SPLITS = ("train", "held_out")
UNFINISHED = ".unfinished"  # the folder in which the arrays grow
DEPTH_STEPS = 65535


def array_layout(size: int, views: int = 1) -> dict[str, tuple[type[np.generic], tuple[int, ...]]]:
    """Of each array of a split of pictures of `size`: its element type and the shape of one element."""
    further: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        "view_rgb": (np.uint8, (views - 1, size, size, 3)),
        "view_depth": (np.uint16, (views - 1, size, size)),
        "view_angle": (np.float32, (views - 1, 2)),
    }
    return {
        "rgb": (np.uint8, (size, size, 3)),
        "depth": (np.uint16, (size, size)),
        "label": (np.int64, ()),
        "model": (np.int64, ()),
        "yaw": (np.float32, ()),
        **(further if views > 1 else {}),
    }


@dataclass(frozen=True)
class Instances:
    """What labels finer than classes stand for: one 3D asset each.

    Attributes:
        names: of each label, the `class/file` of its asset.
        class_names: in the order of their indices.
    """

    names: tuple[str, ...]
    class_names: tuple[str, ...]

    @property
    def class_indices(self) -> list[int]:
        """Of each label, the index of its asset's class."""
        return [self.class_names.index(class_of_asset(name)) for name in self.names]


@dataclass(frozen=True, eq=False)
class Renders:
    """One split of a folder of renders; the arrays are maps of the files and cost no memory until they are read.

    Attributes:
        rgb: uint8 [N, S, S, 3], sRGB.
        depth: uint16 [N, S, S], 65535 times the z-buffer value d.
        labels: int64 [N], index into `classes`.
        assets: int64 [N], index into `asset_names`.
        yaws_rad: float32 [N], of the camera around the asset, 0 in front of it.
        classes: names of what the labels stand for, in their order.
        asset_names: `class/file` of the split's 3D assets.
        depth_range: (near, far) in metres, what d was encoded with.
        fov_y_deg: vertical field of view of every picture.
        poses: from where assets are seen and lit, one of `ivid.data.staging.POSES`.
        folder, split: where the arrays are mapped from.
        instances: of the labels, when they are finer than classes (`by_instance`).
        view_rgb, view_depth, view_angles_rad: of V further true views of every picture's scene: uint8 [N, V, S, S, 3],
            uint16 [N, V, S, S] and float32 [N, V, 2], yaw and pitch; None where there are none.
    """

    rgb: np.ndarray
    depth: np.ndarray
    labels: np.ndarray
    assets: np.ndarray
    yaws_rad: np.ndarray
    classes: tuple[str, ...]
    asset_names: tuple[str, ...]
    depth_range: DepthRange
    fov_y_deg: float
    poses: str
    folder: Path
    split: str
    instances: Instances | None = None
    view_rgb: np.ndarray | None = None
    view_depth: np.ndarray | None = None
    view_angles_rad: np.ndarray | None = None

    def __reduce__(self):
        """Travel to another process as the place of the files, which maps them again."""
        return _reopened, (self.folder, self.split, self.instances is not None)

    def by_instance(self) -> Renders:
        """The same pictures, labelled more finely: by the asset they show."""
        instances = Instances(self.asset_names, self.classes)
        return replace(self, labels=self.assets, classes=self.asset_names, instances=instances)

    @classmethod
    def open(cls, folder: str | Path, split: str = "train") -> Renders:
        """Map a split of a folder that `python -m ivid prepare models` wrote.

        Raises:
            ValueError: no such split; or the folder is missing, unfinished, damaged, or holds something else.
        """
        folder = Path(folder)
        if split not in SPLITS:
            raise ValueError(f"there is no split {split!r} of renders; choose one of {', '.join(SPLITS)}")
        manifest = read_manifest(folder)
        try:
            size, count = int(manifest["size"]), int(manifest["images"][split])
            near, far = (float(plane) for plane in manifest["depth_range"])
            classes, names = tuple(map(str, manifest["classes"])), tuple(map(str, manifest["models"][split]))
            fov_y_deg, poses = float(manifest["fov_y_deg"]), str(manifest["poses"])
            views = int(manifest.get("views", 1))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{folder / MANIFEST} is incomplete ({error!r}); render the folder again") from None
        arrays = {}
        for name, (dtype, shape) in array_layout(size, views).items():
            path = folder / f"{split}_{name}.npy"
            try:
                array = np.load(path, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError, EOFError) as error:
                raise ValueError(f"{path} cannot be read ({error}); render the folder again") from None
            if array.dtype != dtype or array.shape != (count, *shape):
                promised = f"{np.dtype(dtype)} {(count, *shape)}"
                raise ValueError(f"{path} holds {array.dtype} {array.shape}, but {MANIFEST} promises {promised}")
            arrays[name] = array
        return cls(
            rgb=arrays["rgb"],
            depth=arrays["depth"],
            labels=arrays["label"],
            assets=arrays["model"],
            yaws_rad=arrays["yaw"],
            classes=classes,
            asset_names=names,
            depth_range=(near, far),
            fov_y_deg=fov_y_deg,
            poses=poses,
            folder=folder,
            split=split,
            view_rgb=arrays.get("view_rgb"),
            view_depth=arrays.get("view_depth"),
            view_angles_rad=arrays.get("view_angle"),
        )

    @property
    def size(self) -> int:
        """S, the side of the pictures in pixels."""
        return self.rgb.shape[1]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, int]:
        """Colour uint8 [S, S, 3], z-buffer depth d float32 [S, S] in [0, 1], and the label of one picture."""
        depth = self.depth[index].astype(np.float32) / np.float32(DEPTH_STEPS)
        return np.array(self.rgb[index]), depth, int(self.labels[index])

    def scene_view(self, index: int, view: int, trust: float = 1.0, edge_threshold: float = EDGE_THRESHOLD) -> View:
        """A true view of a picture's scene: 0 is the picture itself, 1 and up are the further ones.

        Raises:
            IndexError: there is no such view.
        """
        rgb, depth = self.scene_arrays(index, view)
        metres = decode(depth.astype(np.float32) / np.float32(DEPTH_STEPS), self.depth_range)
        return View(rgb, metres, self.scene_camera(index, view), edge_threshold, trust)

    def scene_arrays(self, index: int, view: int) -> tuple[np.ndarray, np.ndarray]:
        """Colour uint8 [S, S, 3] and depth uint16 [S, S], as stored, of a true view (see `scene_view`)."""
        if view == 0:
            return np.array(self.rgb[index]), np.array(self.depth[index])
        if self.view_rgb is None or self.view_depth is None:
            raise IndexError(f"{self.folder} holds no further views")
        return np.array(self.view_rgb[index, view - 1]), np.array(self.view_depth[index, view - 1])

    def scene_camera(self, index: int, view: int) -> Camera:
        """The camera of a true view (see `scene_view`)."""
        if view == 0:
            return Camera.orbit(0.0, 0.0, fov_y_deg=self.fov_y_deg)
        if self.view_angles_rad is None:
            raise IndexError(f"{self.folder} holds no further views")
        yaw, pitch = map(float, self.view_angles_rad[index, view - 1])
        return Camera.orbit(yaw, pitch, fov_y_deg=self.fov_y_deg)

    @property
    def view_count(self) -> int:
        """True views of every scene, the picture itself counted."""
        return 1 if self.view_rgb is None else 1 + self.view_rgb.shape[1]


def _reopened(folder: Path, split: str, by_instance: bool) -> Renders:
    renders = Renders.open(folder, split)
    return renders.by_instance() if by_instance else renders


def class_of_asset(name: str) -> str:
    """The class in the `class/file` name of a 3D asset."""
    return name.split("/")[0]


def read_manifest(folder: str | Path) -> dict:
    """The manifest of a folder of renders.

    Raises:
        ValueError: the folder is missing, unfinished, or holds something else.
    """
    folder = Path(folder)
    path = folder / MANIFEST
    if not folder.is_dir():
        raise ValueError(
            f"there is no folder {folder}; make it with: python -m ivid prepare models FOLDER --out {folder}"
        )
    if not path.exists():
        if (folder / UNFINISHED).is_dir():
            raise ValueError(f"the renders in {folder} are not finished; run the same prepare command again to go on")
        raise ValueError(f"{folder} holds no renders: it has no {MANIFEST}")
    try:
        manifest = read_json(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read ({error}); render the folder again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ValueError(f"{path} does not describe a folder of renders")
    if manifest.get("version") != FORMAT_VERSION:
        raise ValueError(f"{path} has version {manifest.get('version')!r}; this program reads {FORMAT_VERSION}")
    return manifest
