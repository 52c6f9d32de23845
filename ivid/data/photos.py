"""Photographs into training data: a disparity map beside every picture, in the published layout (method §11).

DATA/images/<class>/<name>.JPEG    DATA/depths/<class>/<name>.npz    (or without <class>)    DATA/dataset.json
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from ivid.data.photo_dataset import write_dataset_index
from ivid.scene.depth import STORED_DISPARITY_UNIT, DepthRange
from ivid.scene.files import written_aside
from ivid.scene.rgbd import read_picture, rgbd_view
from ivid.scene.view import View

DEFAULT_ESTIMATOR = "Intel/dpt-beit-large-512"  # MiDaS 3.1, as in the published data
DEPTH_ANYTHING = "depth-anything/Depth-Anything-V2-Large-hf"
QUICK_ESTIMATOR = "depth-anything/Depth-Anything-V2-Small-hf"  # for one photograph, while a person waits
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
PEAK_DISPARITY = 2 * STORED_DISPARITY_UNIT  # the near plane of the published training range, 0.5, as it is stored
ESTIMATED_SIDE = 1024  # longest side in pixels of a picture whose depth is estimated for a view; views are smaller
_CHUNK = 128  # photographs whose network inputs (some MB each) are made or waiting at any moment


@dataclass(frozen=True)
class Photo:
    """A photograph to prepare: where it is, and where its picture and disparity go."""

    source: Path
    image: Path
    depth: Path


@dataclass(frozen=True)
class PhotoReport:
    """What came of a folder.

    Attributes:
        prepared: photographs done now.
        found_done: photographs that an earlier run had done.
        skipped: file and reason of each photograph that could not be used.
    """

    prepared: int
    found_done: int
    skipped: Sequence[tuple[Path, str]]


class DisparityEstimator:
    """A monocular depth estimator of transformers: pictures to stored disparity.

    MiDaS disparities (model type `dpt`) are stored as they are. Depth Anything's have another scale, so each map is
    scaled to have its peak at the near plane; its metric variants' depths are inverted.

    Raises:
        ValueError: there is no such estimator, it cannot be fetched, or it is of another kind.
    """

    def __init__(self, name_or_path: str = DEFAULT_ESTIMATOR, device: str | None = None) -> None:
        import torch

        try:
            from transformers import AutoImageProcessor, AutoModelForDepthEstimation
        except ImportError:
            raise ValueError(
                "estimating depth needs the package transformers; install it with: pip install transformers"
            ) from None
        try:
            self._processor = AutoImageProcessor.from_pretrained(name_or_path)
            self._model = AutoModelForDepthEstimation.from_pretrained(name_or_path)
        except (OSError, ValueError) as error:
            reason = str(error).strip().splitlines()[0]
            raise ValueError(
                f"the depth estimator {name_or_path} could not be loaded ({reason}); {DEFAULT_ESTIMATOR} and "
                f"{DEPTH_ANYTHING} are known to work, and a folder with a downloaded one is as good"
            ) from None
        self._kind = self._model.config.model_type
        if self._kind not in ("dpt", "depth_anything"):
            raise ValueError(f"{name_or_path} is a {self._kind} model; a DPT or a Depth Anything model is expected")
        self._metric = getattr(self._model.config, "depth_estimation_type", "relative") == "metric"
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._model.float().to(self.device).eval()  # some are stored in half precision; inputs are not

    def network_input(self, picture: Image.Image) -> Any:
        """A tensor [3, H', W'] of an RGB picture; only those of one shape fit into a batch."""
        return self._processor(images=picture, return_tensors="pt")["pixel_values"][0]

    def disparities(self, inputs: Sequence[Any], sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
        """Disparity float16 [H, W], as stored, for inputs of one shape and the pictures' (H, W)."""
        import torch

        with torch.inference_mode():
            outputs = self._model(torch.stack(list(inputs)).to(self.device))
            resized = self._processor.post_process_depth_estimation(outputs, target_sizes=list(sizes))
        maps = [
            entry["predicted_depth"].float().cpu().numpy().reshape(size)
            for entry, size in zip(resized, sizes, strict=True)
        ]
        return [self._stored(values) for values in maps]

    def _stored(self, values: np.ndarray) -> np.ndarray:
        if self._metric:
            values = STORED_DISPARITY_UNIT / np.maximum(values, 1e-3)
        elif self._kind == "depth_anything":
            values = values * (PEAK_DISPARITY / max(float(values.max()), 1e-6))
        return np.clip(values, 0, np.finfo(np.float16).max).astype(np.float16)


def photo_view(
    picture: str | Path,
    estimator: DisparityEstimator,
    *,
    size: int,
    depth_range: DepthRange,
    fov_y_deg: float | None = None,
) -> View:
    """The first view of a scene, made of a photograph alone; its depth is estimated.

    Args:
        picture: any image file; turned upright as its EXIF data say, and the depth with it.
        estimator: of its disparity.
        size, depth_range, fov_y_deg: as of `ivid.scene.rgbd.rgbd_view`.

    Raises:
        ValueError: the file is no picture.
        OSError: it cannot be read.
    """
    image = Image.fromarray(read_picture(picture)[0])
    image.thumbnail((ESTIMATED_SIDE, ESTIMATED_SIDE))
    (disparity,) = estimator.disparities([estimator.network_input(image)], [(image.height, image.width)])
    return rgbd_view(
        np.asarray(image), disparity, depth_kind="disparity", size=size, depth_range=depth_range, fov_y_deg=fov_y_deg
    )


def prepare_photos(
    folder: str | Path,
    out: str | Path,
    estimator: str | DisparityEstimator = DEFAULT_ESTIMATOR,
    batch_size: int = 8,
    device: str | None = None,
    workers: int = 4,
) -> PhotoReport:
    """Make training data of a folder of photographs, or of one folder of them per class.

    Pictures are turned upright and become JPEG files; upright JPEG files are copied as they are. What is done already
    is left alone, so an interrupted run goes on where it was. A photograph that cannot be read is skipped. With
    `folder` being `out`/images, the pictures stay as they are and only disparities are added.

    Args:
        folder: the photographs; nothing in it is changed.
        out: the data folder to write.
        estimator: name on the hub or folder of a depth estimator of transformers.
        batch_size: pictures of one shape estimated together.
        device: for the estimator; the first GPU, or the CPU, when None.
        workers: threads that decode pictures, and as many that write.

    Raises:
        ValueError: there are no photographs, classes are mixed with pictures outside them, or the estimator does not
            work.
        OSError: a file cannot be written.
    """
    photos, skipped = find_photos(Path(folder), Path(out))
    missing = [photo for photo in photos if not (photo.depth.exists() and photo.image.exists())]
    found_done, prepared = len(photos) - len(missing), 0
    if missing:
        if not isinstance(estimator, DisparityEstimator):
            estimator = DisparityEstimator(estimator, device)
        with (
            tqdm(total=len(photos), initial=found_done, unit="photo", dynamic_ncols=True) as bar,
            ThreadPoolExecutor(workers) as writers,
        ):
            for batch in _batches(missing, estimator, batch_size, workers, skipped, bar):
                maps = estimator.disparities([one.network_input for one in batch], [one.size for one in batch])
                for _ in writers.map(_write, [one.photo for one in batch], maps):
                    prepared += 1
                    bar.update()
    if prepared + found_done == 0:
        raise ValueError(f"none of the {len(skipped)} photographs in {folder} can be read; the first: {skipped[0][1]}")
    write_dataset_index(out)
    return PhotoReport(prepared, found_done, sorted(skipped))


def find_photos(folder: Path, out: Path) -> tuple[list[Photo], list[tuple[Path, str]]]:
    """The photographs of a folder, in order, and those left out because another one has the same name.

    Raises:
        ValueError: there are none, or their folders are not laid out as `prepare_photos` expects.
    """
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    in_place = folder.resolve() == (out / "images").resolve()
    if out.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"the data folder {out} must not lie inside the photographs' folder {folder}")
    sources = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not sources:
        raise ValueError(f"there are no photographs in {folder}; looked for {', '.join(SUFFIXES)}")
    depths = {len(path.relative_to(folder).parts) for path in sources}
    if depths not in ({1}, {2}):
        raise ValueError(f"the photographs in {folder} must all lie directly in it, or all in one folder per class")
    photos: dict[Path, Photo] = {}
    skipped = []
    for source in sources:
        name = source.relative_to(folder).with_suffix("")
        if name in photos:
            skipped.append((source, f"has the same name as {photos[name].source.name}"))
            continue
        image = source if in_place else out / "images" / name.with_name(f"{name.name}.JPEG")
        photos[name] = Photo(source, image, out / "depths" / name.with_name(f"{name.name}.npz"))
    return list(photos.values()), skipped


@dataclass(frozen=True, eq=False)
class _Decoded:
    """What a batch needs of a photograph: (H, W), and the network's input; the picture itself would fill the memory."""

    photo: Photo
    size: tuple[int, int]
    network_input: Any


def _batches(
    photos: Sequence[Photo],
    estimator: DisparityEstimator,
    batch_size: int,
    workers: int,
    skipped: list[tuple[Path, str]],
    bar: tqdm,
) -> Iterator[list[_Decoded]]:
    """Photographs decoded in threads, gathered by the shape of their network input; the unreadable go to `skipped`."""

    def decoded(photo: Photo) -> _Decoded | str:
        try:
            picture = upright(photo.source)
            return _Decoded(photo, (picture.height, picture.width), estimator.network_input(picture))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            return str(error).splitlines()[0] if str(error) else type(error).__name__

    waiting: dict[tuple[int, ...], list[_Decoded]] = {}
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(photos), _CHUNK):
            chunk = photos[start : start + _CHUNK]
            for photo, result in zip(chunk, pool.map(decoded, chunk), strict=True):
                if isinstance(result, str):
                    skipped.append((photo.source, result))
                    bar.update()
                    continue
                shape = tuple(result.network_input.shape)
                waiting.setdefault(shape, []).append(result)
                if len(waiting[shape]) == batch_size:
                    yield waiting.pop(shape)
            yield from waiting.values()  # few are left behind, and pictures are large
            waiting.clear()


def _write(photo: Photo, disparity: np.ndarray) -> None:
    if photo.image != photo.source:
        with written_aside(photo.image) as aside:
            if _is_plain_jpeg(photo.source):
                shutil.copyfile(photo.source, aside)
            else:
                upright(photo.source).save(aside, "JPEG", quality=95, subsampling=0)
    with written_aside(photo.depth) as aside:
        np.savez_compressed(aside, disparity)


def upright(path: Path) -> Image.Image:
    """The picture in a file, RGB, turned the way its camera says.

    Raises:
        OSError, ValueError, SyntaxError, Image.DecompressionBombError: it cannot be read.
    """
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


def _is_plain_jpeg(path: Path) -> bool:
    with Image.open(path) as image:
        return image.format == "JPEG" and image.mode in ("RGB", "L") and image.getexif().get(0x0112, 1) == 1
