"""FID, KID and Inception score between two folders of pictures (method §13).

Features come from the Inception network of the original FID in TorchScript, a file that is downloaded once; they are
kept, so that the real pictures of a comparison are evaluated once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from ivid.data.photos import SUFFIXES
from ivid.evaluation.distances import fid, inception_score, mmd
from ivid.scene.files import is_unfinished, written_aside

NETWORK_FILE = "inception-2015-12-05.pt"
NETWORK_URL = f"https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/{NETWORK_FILE}"


@dataclass(frozen=True)
class ImageScores:
    """Attributes: figures of `ivid.evaluation.distances`, and how many pictures they are from."""

    fid: float
    kid: float
    kid_deviation: float
    inception_score: float
    inception_score_deviation: float
    real_pictures: int
    fake_pictures: int

    def __str__(self) -> str:
        rows = [
            ("FID", f"{self.fid:.3f}"),
            ("KID x 1000", f"{1000 * self.kid:.3f} ± {1000 * self.kid_deviation:.3f}"),
            ("Inception score", f"{self.inception_score:.3f} ± {self.inception_score_deviation:.3f}"),
            ("pictures", f"{self.real_pictures} real, {self.fake_pictures} generated"),
        ]
        return "\n".join(f"{name:<16} {value}" for name, value in rows)


def evaluate_images(
    real: str | Path,
    fake: str | Path,
    network: str | Path | None = None,
    size: int | None = None,
    batch_size: int = 64,
    device: str | None = None,
) -> ImageScores:
    """Compare a folder of generated pictures with one of real pictures, subfolders included.

    Real pictures are cropped to a square in the middle and reduced by Lanczos to the size of the generated ones, which
    must be square and of one size.

    Args:
        real, fake: folders of pictures.
        network: TorchScript file of the feature network, see `load_feature_network`; Inception when None.
        size: side to bring all pictures to; that of the generated ones when None.
        batch_size: pictures evaluated together.
        device: for the network; the first GPU, or the CPU, when None.

    Raises:
        ValueError: a folder has too few pictures, a picture cannot be read or does not fit, or there is no network; the
            message says which file to put where.
    """
    reals, fakes = pictures_in(real), pictures_in(fake)
    path = feature_network_file(network)
    side = size or _side(fakes[0])
    if size is None:
        odd = next((path for path in fakes if _side(path) != side), None)
        if odd is not None:
            raise ValueError(f"generated pictures must be of one size: {odd} is not {side}x{side}, but {fakes[0]} is")
    extractor = _Extractor(path, side, batch_size, device)
    real_features = extractor.features(real, reals, "real pictures")
    fake_features = extractor.features(fake, fakes, "generated pictures")
    probabilities = extractor.features(fake, fakes, "class probabilities", classify=True)
    kid_mean, kid_deviation = mmd(real_features, fake_features)
    score, score_deviation = inception_score(probabilities, splits=min(10, len(fakes)))
    return ImageScores(
        fid(real_features, fake_features), kid_mean, kid_deviation, score, score_deviation, len(reals), len(fakes)
    )


def pictures_in(folder: str | Path) -> list[Path]:
    """The pictures of a folder and its subfolders, in order, but for hidden ones: those are not written whole yet.

    Raises:
        ValueError: there are fewer than two.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}")
    there = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    found = sorted(path for path in there if not is_unfinished(path))
    if len(found) < 2:
        raise ValueError(
            f"{folder} has {len(found)} pictures; at least 2 are needed, thousands for figures that mean much"
        )
    return found


def feature_network_file(path: str | Path | None = None) -> Path:
    """The TorchScript file of the feature network; Inception is downloaded on first use.

    Raises:
        ValueError: there is no such file, and it could not be downloaded; the message says which to put where.
    """
    if path is not None:
        if not Path(path).is_file():
            raise ValueError(f"there is no feature network {path}")
        return Path(path)
    import torch

    from ivid.pipeline.models import cache_folder

    expected = cache_folder() / NETWORK_FILE
    if not expected.is_file():
        try:
            with written_aside(expected) as aside:
                torch.hub.download_url_to_file(NETWORK_URL, str(aside))
        except OSError as error:
            raise ValueError(
                f"the Inception network could not be downloaded ({error}); get {NETWORK_URL} and put it at {expected}, "
                "or name another TorchScript file (--network)"
            ) from None
    return expected


def load_feature_network(path: str | Path, device: str) -> Callable[[Any, bool], Any]:
    """A function of uint8 pictures [B, 3, H, W] and whether to classify: features [B, D], or probabilities [B, K].

    The file's `forward` takes the pictures, `return_features`, and, if it has it, `no_output_bias` (as in the original
    Inception score, class probabilities are without the last layer's bias).

    Raises:
        ValueError: the file is no such network.
    """
    import torch

    try:
        module = torch.jit.load(str(path), map_location=device).eval()
        arguments = {argument.name for argument in module.forward.schema.arguments}
    except (RuntimeError, AttributeError, ValueError) as error:
        raise ValueError(f"{path} is no TorchScript network ({str(error).strip().splitlines()[0]})") from None
    if "return_features" not in arguments:
        raise ValueError(f"{path} is no feature network: its forward takes no return_features")
    bias = {"no_output_bias": True} if "no_output_bias" in arguments else {}

    def evaluate(pictures: Any, classify: bool) -> Any:
        with torch.inference_mode():
            return module(pictures, **bias) if classify else module(pictures, return_features=True)

    return evaluate


class _Extractor:
    """Features of folders of pictures, kept from one run to the next."""

    def __init__(self, path: Path, side: int, batch_size: int, device: str | None) -> None:
        import torch

        self._path, self._side, self._batch_size = path, side, batch_size
        self._device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self._network = load_feature_network(path, self._device)
        self._digest = hashlib.sha256(path.read_bytes()).hexdigest()

    def features(
        self, folder: str | Path, pictures: Sequence[Path], description: str, classify: bool = False
    ) -> np.ndarray:
        """float32 [N, D]; [N, K] when classifying."""
        from ivid.pipeline.models import cache_folder

        kept = cache_folder() / "features" / f"{self._key(Path(folder), pictures, classify)}.npy"
        if kept.is_file():
            return np.load(kept, allow_pickle=False)
        bar = tqdm(total=len(pictures), unit="picture", desc=description, dynamic_ncols=True)
        with bar:
            values = np.concatenate([self._evaluate(batch, classify, bar) for batch in self._batches(pictures)])
        with written_aside(kept) as aside:
            np.save(aside, values, allow_pickle=False)
        return values

    def _key(self, folder: Path, pictures: Sequence[Path], classify: bool) -> str:
        digest = hashlib.sha256(f"{self._digest} {self._side} {classify}".encode())
        for path in pictures:
            stat = path.stat()
            digest.update(f"\n{path.relative_to(folder)} {stat.st_size} {stat.st_mtime_ns}".encode())
        return digest.hexdigest()[:32]

    def _batches(self, pictures: Sequence[Path]) -> Iterator[np.ndarray]:
        """uint8 [B, 3, S, S], decoded in threads."""
        with ThreadPoolExecutor(4) as pool:
            for start in range(0, len(pictures), self._batch_size):
                batch = pool.map(lambda path: square(path, self._side), pictures[start : start + self._batch_size])
                yield np.stack(list(batch)).transpose(0, 3, 1, 2)

    def _evaluate(self, batch: np.ndarray, classify: bool, bar: tqdm) -> np.ndarray:
        import torch

        values = self._network(torch.from_numpy(np.ascontiguousarray(batch)).to(self._device), classify)
        bar.update(len(batch))
        return values.float().cpu().numpy()


def square(path: Path, side: int) -> np.ndarray:
    """A picture uint8 [side, side, 3], cropped to a square in the middle and resized by Lanczos where it is larger.

    Raises:
        ValueError: it cannot be read.
    """
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is no readable picture ({error})") from None
    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    picture = picture.crop((left, top, left + short, top + short))
    return np.asarray(picture if short == side else picture.resize((side, side), Image.Resampling.LANCZOS))


def _side(path: Path) -> int:
    try:
        with Image.open(path) as image:
            width, height = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{path} is no readable picture ({error})") from None
    if width != height:
        raise ValueError(f"generated pictures must be square: {path} is {width}x{height}")
    return width
