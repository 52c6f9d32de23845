"""A photograph with a depth map as the first view of a scene.

Depth maps are 16-bit PNG (millimetres when metric), `.npy` or OpenEXR (metres when metric). Values that are not finite
or not positive mean that nothing was measured there: the far plane.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ivid.scene.cameras import FOV_Y_DEG, Camera
from ivid.scene.depth import DepthRange
from ivid.scene.scene import View

DEPTH_KINDS = ("metric", "disparity")
MAX_SIDE = 16384
MILLIMETRES = 0.001
EXR_CHANNELS = ("Z", "depth", "Depth", "Y", "R")  # the first of them that there is holds the depth


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
        picture: any image file; turned upright as its EXIF data say, transparency dropped.
        depth: .png with 16 bits, .npy, or .exr, of the picture's aspect ratio.

    Raises:
        ValueError: a file is none of these, or the two do not belong together; the message says why.
        OSError: a file cannot be read.
    """
    return rgbd_view(
        _read_picture(Path(picture)),
        read_depth(depth, depth_kind),
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
        fov_y_deg: vertical field of view of the square that is kept; 45 unless told.
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
    square = _resized_square(Image.fromarray(rgb), size, Image.Resampling.LANCZOS)
    metres = _resized_square(Image.fromarray(metres), size, Image.Resampling.NEAREST)
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
    values = readers[path.suffix.lower()](path)
    if values.ndim == 3 and 1 in (values.shape[0], values.shape[2]):
        values = values.squeeze()
    if values.ndim != 2 or not values.size or max(values.shape) > MAX_SIDE:
        raise ValueError(f"{path.name} must hold one depth map of at most {MAX_SIDE} pixels a side, got {values.shape}")
    scale = MILLIMETRES if values.dtype.kind == "u" and depth_kind == "metric" else 1
    return values.astype(np.float32) * np.float32(scale)


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


def _resized_square(image: Image.Image, size: int, resampling: Image.Resampling) -> np.ndarray:
    """The short side scaled to `size`, the middle kept (method §11)."""
    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    return np.array(image.resize((width, height), resampling).crop((left, top, left + size, top + size)))


def _read_picture(path: Path) -> np.ndarray:
    try:
        with Image.open(path) as image:
            _check_side(path, image.size)
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path.name} is no picture that can be read ({error})") from None


def _read_png(path: Path) -> np.ndarray:
    try:
        with Image.open(path, formats=["PNG"]) as image:
            _check_side(path, image.size)
            if not image.mode.startswith("I"):
                raise ValueError(
                    f"{path.name} is a {image.mode} picture; a depth map needs one channel of 16 bits "
                    "(8 are too coarse), or use .npy or .exr"
                )
            return np.array(image).astype(np.uint32)
    except (UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path.name} is no PNG file that can be read ({error})") from None


def _read_npy(path: Path) -> np.ndarray:
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: nothing is read before its shape is known
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path.name} is no .npy array that can be read ({error})") from None
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "uif" or values.size > MAX_SIDE**2:
        raise ValueError(f"{path.name} must hold one array of numbers")
    if values.dtype.kind == "i":
        return np.array(np.maximum(values, 0)).astype(np.uint32)
    return np.array(values)


def _read_exr(path: Path) -> np.ndarray:
    try:
        import OpenEXR
    except ImportError as error:
        raise ValueError(
            f"reading {path.name} needs the package OpenEXR; install it with: pip install OpenEXR"
        ) from error

    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    OpenEXR.setMaxImageSize(MAX_SIDE, MAX_SIDE)
    try:
        channels = OpenEXR.File(str(path), separate_channels=True).channels()
    except RuntimeError as error:
        raise ValueError(f"{path.name} is no OpenEXR file that can be read ({error})") from None
    for name in (*EXR_CHANNELS, *(channels if len(channels) == 1 else ())):
        if name in channels:
            return np.asarray(channels[name].pixels, np.float32)
    raise ValueError(f"{path.name} has no channel {' or '.join(EXR_CHANNELS)}, only {', '.join(sorted(channels))}")


def _check_side(path: Path, size: tuple[int, int]) -> None:
    if max(size) > MAX_SIDE:
        raise ValueError(f"{path.name} is {size[0]}x{size[1]}; at most {MAX_SIDE} pixels a side can be read")
