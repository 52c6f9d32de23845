"""What training data is to those who use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ivid.scene.depth import DepthRange


class RgbdImages(Protocol):
    """Labelled RGBD images: rgb uint8 [S, S, 3], d float32 [S, S] in [0, 1], label.

    Attributes:
        depth_range: (near, far) in metres, what d is encoded with.
        classes: names of what the labels stand for, in their order.
    """

    @property
    def depth_range(self) -> DepthRange: ...
    @property
    def classes(self) -> Sequence[str]: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, int]: ...
