"""Pictures of what a network draws while it is being trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DModel
from PIL import Image
from torch import Tensor
from torch.utils.data import default_collate

from ivid.data.pairs import PairSettings
from ivid.data.training_set import RgbdImages, SampleSettings, TrainingSamples
from ivid.diffusion.conditioning import batch_condition, nothing_known, quiet_condition, randn
from ivid.diffusion.denoiser import Denoiser, labels_for, signal_and_noise
from ivid.diffusion.enlarging import training_condition
from ivid.diffusion.refining import Refiner
from ivid.diffusion.sampling import make_scheduler, sample
from ivid.scene.files import written_aside

ROWS, COLUMNS = 12, 8


def write_first_view_sheet(path: Path, denoiser: Denoiser, size: int, classes: int, schedule: dict, steps: int) -> None:
    """One row per label (12 of them, if there are more): colour and depth of four seeds each."""
    rows = min(classes, ROWS) or 4
    columns = COLUMNS // 2
    shown = torch.linspace(0, classes - 1, rows).long().repeat_interleave(columns)
    labels = shown.to(denoiser.unet.device) if classes else None
    generators = [torch.Generator().manual_seed(seed) for seed in range(rows * columns)]
    final = _last(sample(denoiser, make_scheduler("ddim", schedule, steps), (4, size, size), generators, labels))
    _write(path, _colour_and_depth(final), columns=COLUMNS)


def write_novel_view_sheet(
    path: Path, denoiser: Denoiser, images: RgbdImages, pairs: PairSettings, schedule: dict, steps: int
) -> None:
    """Per row two images, each as condition, prediction and truth, colour and depth."""
    batch = _shown(images, pairs, denoiser.unet.device)
    known = batch["known"]
    generators = [torch.Generator().manual_seed(seed) for seed in range(ROWS)]

    def condition() -> Tensor:
        return batch_condition(batch, randn(known.shape[1:], generators, known.device))

    _write_triples(path, denoiser, schedule, steps, batch, known * 2 - 1, condition, generators)


def write_upsampler_sheet(path: Path, denoiser: Denoiser, images: RgbdImages, schedule: dict, steps: int) -> None:
    """Per row two images, each as enlarged low resolution, prediction and truth, colour and depth."""
    batch = _shown(images, None, denoiser.unet.device)
    condition = training_condition(batch["clean"], torch.full((ROWS,), 0.5, device=denoiser.unet.device))
    generators = [torch.Generator().manual_seed(seed) for seed in range(ROWS)]
    _write_triples(path, denoiser, schedule, steps, batch, condition, lambda: condition, generators)


def write_refiner_sheet(path: Path, unet: UNet2DModel, guessing: Denoiser, images: RgbdImages, below: int) -> None:
    """Per row two images, each as a first-view network guesses it where a refiner begins, that refined, and truth."""
    batch = _shown(images, None, guessing.unet.device)
    clean = batch["clean"]
    timesteps = torch.full((ROWS,), below - 1, device=clean.device)
    generators = [torch.Generator().manual_seed(seed) for seed in range(ROWS)]
    alpha, sigma = signal_and_noise(guessing.alphas_cumprod[timesteps], clean.ndim)
    x_t = alpha * clean + sigma * randn(clean.shape[1:], generators, clean.device)
    with torch.inference_mode():
        labels = batch["label"]
        guess = guessing(x_t, timesteps, labels_for(guessing.unet, labels))
        told = quiet_condition(nothing_known(clean.shape, clean.device))
        refiner = Refiner(unet, guessing.alphas_cumprod, below, told, labels_for(unet, labels))
        refined = refiner(x_t, timesteps, guess)
    _write(path, _colour_and_depth(torch.stack([guess, refined, clean], dim=1).flatten(0, 1)), columns=12)


def _shown(images: RgbdImages, pairs: PairSettings | None, device: torch.device) -> dict[str, Tensor]:
    """The same images in every sheet, one per row."""
    samples = TrainingSamples(images, SampleSettings(seed=2**32 - 1, flip=False, label_dropout=0.0, pairs=pairs))
    collated = default_collate([samples[n] for n in range(ROWS)])
    return {name: value.to(device) for name, value in collated.items()}


def _write_triples(
    path: Path,
    denoiser: Denoiser,
    schedule: dict,
    steps: int,
    batch: dict[str, Tensor],
    told: Tensor,
    condition: Callable[[], Tensor],
    generators: list[torch.Generator],
) -> None:
    labels = labels_for(denoiser.unet, batch["label"])
    scheduler = make_scheduler("ddim", schedule, steps)
    final = _last(sample(denoiser, scheduler, told.shape[1:], generators, labels, condition=condition))
    triples = torch.stack([told, final, batch["clean"]], dim=1).flatten(0, 1)
    _write(path, _colour_and_depth(triples), columns=12)


def _last(steps) -> Tensor:
    final = None
    for step in steps:
        final = step.clean
    assert final is not None
    return final


def _colour_and_depth(samples: Tensor) -> np.ndarray:
    """uint8 [2B, S, S, 3]: colour and grey depth in turn."""
    values = ((samples.float().cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    pictures = torch.stack([values[:, :3], values[:, 3:].expand(-1, 3, -1, -1)], dim=1).flatten(0, 1)
    return pictures.permute(0, 2, 3, 1).numpy()


def _write(path: Path, pictures: np.ndarray, columns: int) -> None:
    count, size = pictures.shape[:2]
    rows = -(-count // columns)
    sheet = np.zeros((rows * columns, size, size, 3), np.uint8)
    sheet[:count] = pictures
    sheet = sheet.reshape(rows, columns, size, size, 3).swapaxes(1, 2).reshape(rows * size, columns * size, 3)
    with written_aside(path) as aside:
        Image.fromarray(sheet).save(aside)
