"""Photographs with disparity as training images: the published layout, read as it is (method §3, §11)."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from ivid.scene.depth import PUBLISHED_TRAINING_RANGE, DepthRange, encode_disparity
from ivid.scene.files import read_json, written_aside

INDEX_FILE = "dataset.json"


@dataclass(frozen=True)
class DatasetIndex:
    """The contents of `dataset.json`: paths relative to the data folder, image i belonging to disparity i.

    Attributes:
        classes: class names in the order of their indices; none when the data has no classes.
        images, depths: e.g. `images/cat/1.JPEG` and `depths/cat/1.npz`.
    """

    classes: Sequence[str]
    images: Sequence[str]
    depths: Sequence[str]


class PhotoDataset:
    """Labelled RGBD images (`ivid.data.images.RgbdImages`) of a folder in the published layout.

    Pictures are resized on their short side (Lanczos; depth by nearest) and cropped in the middle. Item i is the
    colours uint8 [S, S, 3], the encoded depth d float32 [S, S] in [0, 1], and the class index, 0 without classes.

    Raises:
        ValueError: the folder holds no such data.
    """

    def __init__(self, folder: str | Path, size: int, depth_range: DepthRange = PUBLISHED_TRAINING_RANGE) -> None:
        self.folder, self.size, self.depth_range = Path(folder), size, depth_range
        self.index = read_dataset_index(folder)
        self.classes = self.index.classes
        self._labels = {name: label for label, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.index.images)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, int]:
        image_path, depth_path = self.index.images[index], self.index.depths[index]
        try:
            with Image.open(self.folder / image_path) as image:
                picture = image.convert("RGB")
        except (OSError, ValueError, SyntaxError) as error:
            raise ValueError(f"{image_path} is no readable picture ({error})") from None
        d = encode_disparity(_disparity(self.folder, depth_path), self.depth_range)
        rgb = np.asarray(_cropped(picture, picture.size, self.size, Image.Resampling.LANCZOS))
        depth = np.asarray(_cropped(Image.fromarray(d), picture.size, self.size, Image.Resampling.NEAREST))
        label = self._labels[PurePosixPath(image_path).parent.name] if self.classes else 0
        return rgb, depth, label


def is_photo_dataset(folder: str | Path) -> bool:
    """Whether a folder is laid out like photographs with disparity (method §11)."""
    return (Path(folder) / "images").is_dir() and (Path(folder) / "depths").is_dir()


def read_dataset_index(folder: str | Path) -> DatasetIndex:
    """Read `dataset.json`, or make it on first use.

    Raises:
        ValueError: it is damaged, or there are no pictures with disparity to make it from.
    """
    folder = Path(folder)
    path = folder / INDEX_FILE
    if not path.exists():
        return write_dataset_index(folder)
    try:
        values = read_json(path)
        labels = values.get("labels") or {}
        index = DatasetIndex(sorted(labels, key=lambda name: labels[name]), values["images"], values["depths"])
        numbered = [labels[name] for name in index.classes] == list(range(len(labels)))
        paths = [*index.images, *index.depths]
        inside = all(not PurePosixPath(p).is_absolute() and ".." not in PurePosixPath(p).parts for p in paths)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it, and it is made anew") from None
    known = not labels or all(PurePosixPath(image).parent.name in labels for image in index.images)
    if not (numbered and inside and known and index.images and len(index.images) == len(index.depths)):
        raise ValueError(
            f"{path} is damaged: it needs as many depths as images, all inside the folder, and classes numbered from "
            "0 that every image lies in; delete it, and it is made anew"
        )
    return index


def write_dataset_index(folder: str | Path) -> DatasetIndex:
    """Make `dataset.json` of the pictures that have a disparity. In a folder that is read-only it is not kept.

    Raises:
        ValueError: there are none.
    """
    folder = Path(folder)
    if not is_photo_dataset(folder):
        raise ValueError(f"{folder} holds no photographs with depth: it needs the folders images and depths")
    depths = {path.relative_to(folder / "depths").with_suffix("") for path in (folder / "depths").rglob("*.npz")}
    pictures = sorted(path.relative_to(folder / "images") for path in (folder / "images").rglob("*.*"))
    pairs = {name: path for path in pictures if (name := path.with_suffix("")) in depths}
    if not pairs:
        raise ValueError(f"{folder} holds no photographs with depth: no picture in images has its .npz in depths")
    if {len(name.parts) for name in pairs} not in ({1}, {2}):
        raise ValueError(
            f"the pictures in {folder / 'images'} must all lie directly in it, or all in one folder per class"
        )
    classes = sorted({name.parts[0] for name in pairs if len(name.parts) == 2})
    index = DatasetIndex(
        classes,
        [(PurePosixPath("images") / path.as_posix()).as_posix() for path in pairs.values()],
        [f"depths/{name.as_posix()}.npz" for name in pairs],
    )
    values = {"images": list(index.images), "depths": list(index.depths)}
    if classes:
        values = {"labels": {name: label for label, name in enumerate(classes)}, **values}
    try:
        with written_aside(folder / INDEX_FILE) as aside:
            aside.write_text(json.dumps(values), encoding="utf-8")
    except PermissionError:
        return index
    return index


def _disparity(folder: Path, path: str) -> np.ndarray:
    try:
        with np.load(folder / path, allow_pickle=False) as archive:
            disparity = archive["arr_0"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is no readable disparity map ({error})") from None
    if disparity.ndim != 2 or not disparity.size or not np.isfinite(disparity).all():
        raise ValueError(f"{path} must hold finite disparities [H, W], got shape {disparity.shape}")
    return disparity


def _cropped(image: Image.Image, picture: tuple[int, int], size: int, resampling: Image.Resampling) -> Image.Image:
    """The image resized to the picture's proportions, `size` on the short side, and cropped to `size` in the middle."""
    width, height = picture
    short = min(width, height)
    resized = image.resize((size * width // short, size * height // short), resampling)
    left, top = round((resized.width - size) / 2), round((resized.height - size) / 2)
    return resized.crop((left, top, left + size, top + size))
