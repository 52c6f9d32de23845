"""Batches of training samples for each process: which samples, who makes them, and on which device they arrive."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.data import DataLoader

from ivid.data.further_views import FurtherViews
from ivid.data.images import RgbdImages
from ivid.data.training_set import Augmentation, TrainingSamples
from ivid.training.config import TrainingConfig
from ivid.training.tasks import TASKS


def batches(
    config: TrainingConfig, images: RgbdImages, further: FurtherViews | None, first_step: int, accelerator: Accelerator
) -> Iterator[dict[str, Tensor]]:
    """Batches of this process from `first_step` on.

    Args:
        further: for networks that see such.

    Raises:
        ValueError: an image is damaged.
    """
    augmentation = Augmentation(
        config.seed, config.flip, config.label_dropout, TASKS[config.network].pair_share(config)
    )
    share = config.batch_size // config.accumulation
    stride = share * accelerator.num_processes
    step_size = samples_per_step(config, accelerator)
    starts = range(first_step * step_size + accelerator.process_index * share, config.steps * step_size, stride)
    loader = DataLoader(
        TrainingSamples(images, augmentation, further),
        batch_sampler=(list(range(n, n + share)) for n in starts),  # made one by one: there are millions
        num_workers=config.loader_workers,
        persistent_workers=config.loader_workers > 0,
        pin_memory=accelerator.device.type == "cuda",
        multiprocessing_context="spawn" if config.loader_workers else None,
    )
    try:
        for batch in loader:
            yield {name: value.to(accelerator.device, non_blocking=True) for name, value in batch.items()}
    except ValueError as error:  # a worker's has its traceback in front
        raise ValueError(str(error).strip().splitlines()[-1].removeprefix("ValueError: ")) from None


def samples_per_step(config: TrainingConfig, accelerator: Accelerator) -> int:
    """Samples of a step of all processes."""
    return config.batch_size * accelerator.num_processes


def noise_generator(config: TrainingConfig, step: int, part: int, process: int) -> torch.Generator:
    """Of the noise and timesteps of one part (of the accumulated ones) of one step of one process."""
    seed = np.random.SeedSequence((config.seed, step, part, process)).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(seed >> 1))
