"""Pictures of what a network draws while it is being trained: what the tasks share."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import default_collate

from ivid.data.further_views import WarpedPairs
from ivid.data.images import RgbdImages
from ivid.data.pairs import PairSettings
from ivid.data.training_set import Augmentation, TrainingSamples
from ivid.diffusion.denoiser import Denoiser, labels_for
from ivid.diffusion.sampling import Step, make_scheduler, sample
from ivid.scene.files import written_aside

ROWS = 12
_SEED = 2**32 - 1  # of the samples that are shown: far from those of a run


def generators(count: int) -> list[torch.Generator]:
    """One generator each, seeds 0, 1, ..."""
    return [torch.Generator().manual_seed(seed) for seed in range(count)]


def fixed_samples(images: RgbdImages, pairs: PairSettings | None, device: torch.device) -> dict[str, Tensor]:
    """A batch of `ROWS` samples, the same in every sheet; with `pairs`, warped away and back."""
    further = None if pairs is None else WarpedPairs(images, pairs)
    samples = TrainingSamples(images, Augmentation(seed=_SEED, flip=False, label_dropout=0.0), further)
    collated = default_collate([samples[n] for n in range(ROWS)])
    return {name: value.to(device) for name, value in collated.items()}


def conditioned(
    denoiser: Denoiser,
    schedule: dict,
    steps: int,
    batch: dict[str, Tensor],
    condition: Callable[[], Tensor],
    generators: list[torch.Generator],
) -> Tensor:
    """What a network with a condition draws of a batch of samples, [B, 4, S, S], by DDIM in so many steps."""
    scheduler, labels = make_scheduler("ddim", schedule, steps), labels_for(denoiser.unet, batch["label"])
    return drawn(sample(denoiser, scheduler, batch["clean"].shape[1:], generators, labels, condition=condition))


def drawn(steps: Iterable[Step]) -> Tensor:
    """The clean samples [B, 4, S, S] of the last step."""
    return deque(steps, maxlen=1)[0].clean


def write_triples(path: Path, *parts: Tensor) -> None:
    """Write three batches [B, 4, S, S] side by side, two samples in a row."""
    write(path, torch.stack(parts, dim=1).flatten(0, 1), columns=6)


def write(path: Path, samples: Tensor, columns: int) -> None:
    """Write samples [N, 4, S, S] in [-1, 1], `columns` of them in a row, each as colour and as grey depth."""
    values = ((samples.float().cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    pictures = torch.stack([values[:, :3], values[:, 3:].expand(-1, 3, -1, -1)], dim=1).flatten(0, 1)
    _write(path, pictures.permute(0, 2, 3, 1).numpy(), 2 * columns)


def _write(path: Path, pictures: np.ndarray, columns: int) -> None:
    count, size = pictures.shape[:2]
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, size, size, 3), np.uint8)
    sheet[:count] = pictures
    sheet = sheet.reshape(rows, columns, size, size, 3).swapaxes(1, 2).reshape(rows * size, columns * size, 3)
    with written_aside(path) as aside:
        Image.fromarray(sheet).save(aside)
