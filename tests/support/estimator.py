"""A depth estimator that is not fetched: bright is near."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ivid.data import photos
from ivid.pipeline import hub

SIDEWAYS = 6  # EXIF's orientation of a camera held so that its right side is up


class BrightIsNear:
    """Stands in for `ivid.data.photos.DisparityEstimator`."""

    def __init__(self, name_or_path: str = "", device: str | None = None) -> None:
        self.name = name_or_path

    def network_input(self, picture: Image.Image) -> np.ndarray:
        return np.asarray(picture.convert("L"), np.float16)

    def disparities(self, inputs: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
        assert [each.shape for each in inputs] == list(sizes)
        return [np.asarray(1 + each, np.float16) for each in inputs]


def use_fake_estimator(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Put it where the real one is made; returns the names of the estimators that are asked for from now on."""
    asked: list[str] = []

    def folder(name: str, tell) -> Path:
        asked.append(str(name))
        tell("Downloading model.safetensors: 34 %")
        return Path(name)

    monkeypatch.setattr(hub, "estimator_folder", folder)
    monkeypatch.setattr(photos, "DisparityEstimator", BrightIsNear)
    return asked


def save_photo(path: Path) -> Path:
    """A photograph 48 wide and 64 high, its upper half bright, stored on its side as cameras do."""
    values = np.full((64, 48, 3), 40, np.uint8)
    values[:32] = 220
    stored = Image.fromarray(values).transpose(Image.Transpose.ROTATE_90)
    exif = stored.getexif()
    exif[0x0112] = SIDEWAYS
    stored.save(path, exif=exif, quality=95)
    return path
