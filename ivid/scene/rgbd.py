"""A photograph with a depth map as the first view of a scene.

Depth maps are 16-bit PNG (millimetres when metric), `.npy` or OpenEXR (metres when metric). Values that are not finite
or not positive mean that nothing was measured there: the far plane.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from ivid.scene.bounded_io import read_npy_header, require_regular_file
from ivid.scene.cameras import FOV_Y_DEG, Camera
from ivid.scene.depth import DepthRange
from ivid.scene.view import View

DEPTH_KINDS = ("metric", "disparity")
MAX_SIDE = 16384
MAX_PIXELS = 100_000_000
MILLIMETRES = 0.001
_EXR_DEPTH = re.compile(r"(?:.*\.)?(?:Z|depth(?:\.[VZ])?)", re.IGNORECASE)  # Z, depth, ViewLayer.Depth.Z, image.Depth.V
_log = logging.getLogger(__name__)


def load_rgbd(
    picture: str | Path,
    depth: str | Path,
    *,
    depth_kind: str = "metric",
    size: int,
    depth_range: DepthRange,
    fov_y_deg: float | None = None,
    fit: bool = True,
) -> View:
    """Read a picture and its depth map (`rgbd_view`).

    Args:
        picture: any image file of 8 or 16 bits; turned upright as its EXIF data say, transparency dropped.
        depth: .png with 16 bits, .npy, or .exr, of the picture's aspect ratio. Where its shape is that of the picture
            before it was turned upright, it is turned with it; where the shape does not tell, it is taken as upright,
            and a log message says so.

    Raises:
        ValueError: a file is none of these, or the two do not belong together; the message says why.
        OSError: a file cannot be read.
    """
    rgb, orientation = read_picture(picture)
    return rgbd_view(
        rgb,
        _turned_like(rgb, read_depth(depth, depth_kind), orientation, Path(depth)),
        depth_kind=depth_kind,
        size=size,
        depth_range=depth_range,
        fov_y_deg=fov_y_deg,
        fit=fit,
    )


def rgbd_view(
    rgb: np.ndarray,
    depth: np.ndarray,
    *,
    depth_kind: str = "metric",
    size: int,
    depth_range: DepthRange,
    fov_y_deg: float | None = None,
    fit: bool = True,
) -> View:
    """The first view (yaw = pitch = 0) made of a picture and its depth.

    Args:
        rgb: uint8 [H, W, 3].
        depth: [h, w] of the same aspect ratio; distance along the viewing axis or disparity.
        depth_kind: "metric", or "disparity" (1/depth in any unit, as monocular estimators give it).
        size: side S of the view; the short side is scaled to it, the middle kept (method §11).
        depth_range: (near, far) in metres; depth is clipped to it.
        fov_y_deg: vertical field of view of the square that is kept; 45 when None.
        fit: scale the depth so that what the picture shows in its middle stands around the orbit centre (`fitted`);
            otherwise it is taken as metres (1/metres for disparity).

    Raises:
        ValueError: shapes, kinds or values are unusable.
    """
    if size < 1:
        raise ValueError(f"a view must be at least one pixel wide, got {size}")
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or depth.ndim != 2 or not depth.size:
        raise ValueError(f"an RGBD picture needs uint8 [H, W, 3] and depth [h, w], got {rgb.shape} and {depth.shape}")
    if abs(rgb.shape[1] / rgb.shape[0] * depth.shape[0] / depth.shape[1] - 1) > 0.02:
        raise ValueError(
            f"the depth map ({depth.shape[1]}x{depth.shape[0]}) does not have the picture's shape "
            f"({rgb.shape[1]}x{rgb.shape[0]})"
        )
    metres = _as_metres(depth, depth_kind)
    square = resized_square(Image.fromarray(rgb), size, Image.Resampling.LANCZOS)
    metres = resized_square(Image.fromarray(metres), size, Image.Resampling.NEAREST)
    if fit:
        metres = fitted(metres, depth_range)
    near, far = depth_range
    camera = Camera.orbit(0.0, 0.0, fov_y_deg=FOV_Y_DEG if fov_y_deg is None else fov_y_deg)
    return View(square, np.clip(np.where(np.isfinite(metres), metres, far), near, far).astype(np.float32), camera)


def fitted(metres: np.ndarray, depth_range: DepthRange) -> np.ndarray:
    """Depth [S, S] scaled so that the subject stands around the orbit centre; infinite where nothing was measured.

    The subject is what the middle of the picture shows (the median of its central ninth), and belongs at distance 1.
    Depth that has it between the near plane and as far behind the centre is left as it is. The nearest hundredth of
    the picture is never moved in front of the near plane.
    """
    near, _ = depth_range
    size = metres.shape[0]
    third = slice(size // 3, max(size - size // 3, size // 3 + 1))
    central = metres[third, third]
    known = metres[np.isfinite(metres)]
    if not len(known):
        return metres
    central = central[np.isfinite(central)]
    subject = float(np.median(central if len(central) else known))
    scale = 1.0 if near <= subject <= 2 - near else 1 / subject
    nearest = float(np.quantile(known, 0.01))
    return metres * max(scale, near / nearest)


def read_depth(path: str | Path, depth_kind: str = "metric") -> np.ndarray:
    """A depth map as float32 [H, W], in metres where the file's integers are metric millimetres.

    Raises:
        ValueError: the file is no depth map.
        OSError: it cannot be read.
    """
    path = Path(path)
    readers = {".png": _read_png, ".npy": _read_npy, ".exr": _read_exr}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path.name} is no depth map that can be read; use {', '.join(readers)}")
    _require_regular(path)
    values = readers[path.suffix.lower()](path)
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values.reshape([side for side in values.shape if side != 1] or [1])
    if values.ndim != 2 or not values.size:
        raise ValueError(f"{path.name} must hold one depth map [H, W], got an array of shape {values.shape}")
    _check_size(path, (values.shape[1], values.shape[0]))
    scale = MILLIMETRES if values.dtype.kind == "u" and depth_kind == "metric" else 1
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    beyond = np.isinf(single) & np.isfinite(values)
    if beyond.any():
        raise ValueError(f"{path.name} holds {values[beyond].max():.3g}, which is more than 32-bit numbers can hold")
    return single * np.float32(scale)


def _as_metres(values: np.ndarray, depth_kind: str) -> np.ndarray:
    """Depth float32, infinite where nothing was measured."""
    if depth_kind not in DEPTH_KINDS:
        raise ValueError(f"there is no kind of depth {depth_kind!r}; choose one of {', '.join(DEPTH_KINDS)}")
    values = np.asarray(values, np.float32)
    known = np.isfinite(values) & (values > 0)
    if not known.any():
        raise ValueError("the depth map has no value that is finite and positive")
    values = np.where(known, values, 1)
    return np.where(known, values if depth_kind == "metric" else 1 / values, np.inf).astype(np.float32)


def resized_square(image: Image.Image, size: int, resampling: Image.Resampling) -> np.ndarray:
    """The middle square of a picture: its short side scaled to `size` pixels (method §11)."""
    scale = size / min(image.size)
    scaled = [max(size, round(side * scale)) for side in image.size]
    # Only the square is drawn; its corners are where they would be in the whole picture, scaled and then cropped.
    (left, right), (top, bottom) = (
        ((side - size) // 2 * own / side, min((side - size) // 2 + size, side) * own / side)
        for own, side in zip(image.size, scaled, strict=True)
    )
    return np.array(image.resize((size, size), resampling, box=(left, top, right, bottom)))


def read_picture(path: str | Path) -> tuple[np.ndarray, int]:
    """The upright picture, uint8 [H, W, 3], and EXIF's orientation of the stored one, 1 to 8.

    Raises:
        ValueError: the file is no picture.
        OSError: it cannot be read.
    """
    path = Path(path)
    _require_regular(path)
    with _image_errors(path, "picture"), Image.open(path) as image:
        _check_size(path, image.size)
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        if image.mode.startswith("I;16"):
            levels = np.asarray(image).astype(np.uint16) // 257
            eight_bits = Image.fromarray(levels.astype(np.uint8))
        elif image.mode in ("I", "F"):
            raise ValueError(f"{path.name} has 32 bits a pixel; a picture needs 8 or 16 a channel")
        else:
            eight_bits = image
        return np.array(_upright(eight_bits, orientation).convert("RGB")), orientation if orientation in range(9) else 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    """A picture turned as EXIF's orientation says."""
    image.getexif()[ExifTags.Base.Orientation] = orientation
    return ImageOps.exif_transpose(image)


def _turned_like(rgb: np.ndarray, depth: np.ndarray, orientation: int, path: Path) -> np.ndarray:
    """The depth map, turned as the picture was if its shape shows that it lies as the picture did before."""
    if orientation <= 1:
        return depth
    aspect = rgb.shape[1] / rgb.shape[0]
    fits_upright = abs(aspect * depth.shape[0] / depth.shape[1] - 1) <= 0.02
    swaps = orientation >= 5  # width and height
    fits_stored = swaps and abs(aspect * depth.shape[1] / depth.shape[0] - 1) <= 0.02
    if fits_stored and not fits_upright:
        return np.asarray(_upright(Image.fromarray(depth), orientation))
    if fits_upright and (fits_stored or not swaps):
        _log.warning("the picture is turned by its EXIF data; %s is taken as upright already", path.name)
    return depth


def _read_png(path: Path) -> np.ndarray:
    with _image_errors(path, "PNG file"), Image.open(path, formats=["PNG"]) as image:
        _check_size(path, image.size)
        if not image.mode.startswith("I"):
            raise ValueError(
                f"{path.name} is a {image.mode} picture; a depth map needs one channel of 16 bits "
                "(8 are too coarse), or use .npy or .exr"
            )
        return np.array(image).astype(np.uint32)


@contextmanager
def _image_errors(path: Path, kind: str) -> Iterator[None]:
    """Turn what Pillow raises over a damaged file, which should be of a kind, into one ValueError."""
    try:
        yield
    except UnidentifiedImageError:
        raise ValueError(f"{path.name} is no {kind} that can be read (unknown format)") from None
    except (Image.DecompressionBombError, SyntaxError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise ValueError(f"{path.name} is no {kind} that can be read ({error})") from None


def _read_npy(path: Path) -> np.ndarray:
    try:
        with path.open("rb") as stream:
            shape, fortran_order, dtype = read_npy_header(stream)
            start = stream.tell()
    except ValueError as error:
        raise ValueError(f"{path.name} is no .npy array that can be read: {error}") from None
    count = math.prod(shape)
    if dtype.kind not in "uif" or not shape or not 0 < count <= MAX_PIXELS:
        raise ValueError(
            f"{path.name} must hold one array of numbers, at most {MAX_PIXELS:,}; it holds {dtype} {list(shape)}"
        )
    if path.stat().st_size < start + count * dtype.itemsize:
        raise ValueError(f"{path.name} is no .npy array that can be read: it is cut short")
    values = np.fromfile(path, dtype, count, offset=start).reshape(shape, order="F" if fortran_order else "C")
    return np.maximum(values, 0).astype(np.uint64) if dtype.kind == "i" else values


def _read_exr(path: Path) -> np.ndarray:
    try:
        import OpenEXR
    except ImportError as error:
        raise ValueError(
            f"reading {path.name} needs the package OpenEXR; install it with: pip install OpenEXR"
        ) from error

    OpenEXR.setMaxImageSize(MAX_SIDE, MAX_SIDE)
    try:
        channels = OpenEXR.File(str(path), separate_channels=True).channels()
    except RuntimeError as error:
        raise ValueError(f"{path.name} is no OpenEXR file that can be read ({error})") from None
    depths = sorted((name for name in channels if _EXR_DEPTH.fullmatch(name)), key=lambda name: (name.count("."), name))
    if depths:
        return _exr_pixels(channels, depths[0])
    if len(channels) == 1:
        return _exr_pixels(channels, next(iter(channels)))
    if channels.keys() == {"Y", "A"}:
        return _exr_pixels(channels, "Y")
    if channels.keys() - {"A"} == {"R", "G", "B"}:
        red, green, blue = (_exr_pixels(channels, name) for name in "RGB")
        if np.array_equal(red, green) and np.array_equal(red, blue):
            return red
    raise ValueError(
        f"{path.name} has no depth channel (Z, depth, or a layer's, such as ViewLayer.Depth.Z), "
        f"only {', '.join(sorted(channels))}"
    )


def _exr_pixels(channels, name: str) -> np.ndarray:
    return np.asarray(channels[name].pixels, np.float32)


def _require_regular(path: Path) -> None:
    try:
        require_regular_file(path)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {path}") from None
    except ValueError as error:
        raise ValueError(f"{path} cannot be read: {error}") from None


def _check_size(path: Path, size: tuple[int, int]) -> None:
    width, height = size
    if max(size) > MAX_SIDE or width * height > MAX_PIXELS:
        raise ValueError(
            f"{path.name} is {width}x{height}; at most {MAX_SIDE} pixels a side and {MAX_PIXELS:,} in all are read"
        )
