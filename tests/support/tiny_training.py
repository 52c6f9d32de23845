"""Training runs small enough for any test, and the weights they leave."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from ivid.training.config import TrainingConfig
from tests.support.tiny_renders import UNET

CONFIG = TrainingConfig(
    network="first_view",
    unet=UNET,
    scheduler={"beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample"},
    patch_size=2,
    weighting="v",
    batch_size=8,
    steps=6,
    learning_rate=2e-3,
    ema_decay=0.9,
    log_every=2,
    save_every=3,
    sample_every=100,
    sample_steps=2,
)


def weights(unet: Path) -> dict[str, Tensor]:
    """Of the network in a folder, by name, in single precision."""
    from diffusers import UNet2DModel

    return dict(UNet2DModel.from_pretrained(unet).state_dict())
