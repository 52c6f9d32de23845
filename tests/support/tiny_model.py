"""A model small enough for any test: untrained networks whose scenes are a coloured, slightly uneven wall.

The networks predict the clean sample itself. Colours come from the noise, the class and the condition; the depth
channel is damped, so that the views are surfaces a renderer or an export can do something with.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from ivid.diffusion.unet import UNet2DModel
from ivid.pipeline.config import DepthConfig, LabelConfig, ModelConfig
from ivid.pipeline.pipeline import IvidPipeline
from ivid.pipeline.sampling import Sampling
from tests.support import device

CLASSES = ("house", "tree", "car, automobile")
SIZE, PATCH = 32, 4


def tiny_pipeline(classes: tuple[str, ...] = CLASSES, first_steps: int = 4, novel_steps: int = 2) -> IvidPipeline:
    """Views of 32x32; the same weights every time."""
    return IvidPipeline(
        first_view_unet=tiny_network(4, len(classes), seed=1),
        novel_view_unet=tiny_network(10, len(classes), seed=2),
        config=ModelConfig(
            name="tiny",
            prediction_type="sample",
            sampling=Sampling(first_steps, novel_steps, 0.0, first_sampler="ddim", novel_sampler="ddim"),
            depth=DepthConfig(range=(0.6, 5.0)),
            labels=LabelConfig(classes),
        ),
    ).to(device.DEVICE)


def save_tiny_model(folder: str | Path, classes: tuple[str, ...] = CLASSES, **defaults: int) -> Path:
    """Write the tiny model as a model folder, and return the folder."""
    tiny_pipeline(classes, **defaults).save_pretrained(str(folder))
    return Path(folder)


@cache
def tiny_network(channels: int, classes: int, seed: int) -> UNet2DModel:
    """An untrained network for views of 32x32, the same weights every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet = UNet2DModel(
            sample_size=SIZE // PATCH,
            in_channels=channels * PATCH**2,
            out_channels=4 * PATCH**2,
            block_out_channels=(32, 64),
            layers_per_block=1,
            norm_num_groups=8,
            down_block_types=("DownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "UpBlock2D"),
            num_class_embeds=classes + 1 if classes else None,
        ).eval()
    with torch.no_grad():
        depth = slice(3 * PATCH**2, None)
        unet.conv_out.weight.mul_(2)
        unet.conv_out.weight[depth].mul_(0.02)
        unet.conv_out.bias[depth] = -0.1
        if classes:
            unet.class_embedding.weight[-1].zero_()
    return unet
