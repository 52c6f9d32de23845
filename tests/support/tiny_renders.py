"""Renders small and plain enough for any test: discs of a colour per class in front of a slanted ground."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ivid.data.renders import Renders

SIZE = 16
UNET = {
    "block_out_channels": [16, 16],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "UpBlock2D"],
    "norm_num_groups": 8,
    "attention_head_dim": 8,
}
"""Arguments of a network small enough to be trained on them in a test."""
COUNT = 20
MODELS = ("red/disc", "green/disc", "red/ball", "green/ball")


class Discs:
    """Labelled RGBD images (`ivid.data.images.RgbdImages`), made when they are asked for."""

    depth_range = (0.5, 4.0)
    classes = ("red", "green")

    def __init__(self, size: int = SIZE) -> None:
        self.size = size

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, int]:
        rng = np.random.default_rng(index)
        scale = self.size / 16
        centre, radius = rng.uniform(5, 11, 2) * scale, rng.uniform(3, 5) * scale
        y, x = np.mgrid[: self.size, : self.size]
        inside = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2
        label = index % 2
        rgb = np.full((self.size, self.size, 3), 120, np.uint8)
        rgb[inside] = [(220, 30, 30), (30, 200, 40)][label]
        return rgb, np.where(inside, 0.4, 1.0 - 0.3 * y / self.size).astype(np.float32), label


def write_renders(folder: Path, size: int = SIZE) -> Renders:
    """The discs as a folder of renders, the same in both splits."""
    discs = Discs(size)
    pictures = [discs[index] for index in range(COUNT)]
    folder.mkdir()
    for split in ("train", "held_out"):
        np.save(folder / f"{split}_rgb.npy", np.stack([rgb for rgb, _, _ in pictures]))
        np.save(folder / f"{split}_depth.npy", np.stack([np.rint(d * 65535).astype(np.uint16) for _, d, _ in pictures]))
        np.save(folder / f"{split}_label.npy", np.array([label for _, _, label in pictures], np.int64))
        np.save(folder / f"{split}_yaw.npy", np.linspace(-1, 1, COUNT, dtype=np.float32))
        np.save(folder / f"{split}_model.npy", np.arange(COUNT) % len(MODELS))
    manifest = {
        "format": "ivid-renders",
        "version": 3,
        "size": size,
        "classes": Discs.classes,
        "images": {"train": COUNT, "held_out": COUNT},
        "models": {"train": MODELS, "held_out": MODELS},
        "depth_range": Discs.depth_range,
        "fov_y_deg": 45.0,
        "poses": "around",
        "seed": 0,
    }
    (folder / "renders.json").write_text(json.dumps(manifest))
    return Renders.open(folder)
