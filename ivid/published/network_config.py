"""The configurations of the published networks, and what they are to diffusers' `UNet2DModel` (method §9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HEAD_CHANNELS = 64


class PublishedWeightsError(ValueError):
    """Weights or a configuration that are not the published kind; the message says what is wrong with them."""


def published_arguments(
    size: int, in_channels: int, base: int, classes: int | None, half: bool = True
) -> dict[str, Any]:
    """`backbone.args` of a network of the published layout.

    Args:
        size: of its images in pixels.
        in_channels: 4, 10 or 8: of the first view, of further views, of the upsampler.
        base: channels of the first level.
        classes: how many it knows; None for one without classes.
        half: whether it was trained in half precision.
    """
    return {
        "image_size": size,
        "in_channels": in_channels,
        "out_channels": 4,
        "model_channels": base,
        "num_res_blocks": 2,
        "num_classes": classes,
        "has_null_class": classes is not None,
        "channel_mult": [1, 1, 2, 3, 4],
        "attention_resolutions": [size // 4, size // 8, size // 16],
        "num_groups": 32,
        "num_heads": None,
        "num_head_channels": HEAD_CHANNELS,
        "dropout": 0.0,
        "use_fp16": half,
    }


PUBLISHED_CONFIGS: Mapping[str, Mapping[str, Any]] = {
    "imagenet128_uncond": published_arguments(128, 4, 256, 1000, half=False),
    "imagenet128_cond": published_arguments(128, 10, 256, 1000),
    "imagenet256_upsampler": published_arguments(256, 8, 128, 1000),
    "category128_uncond": published_arguments(128, 4, 128, None),
    "category128_cond": published_arguments(128, 10, 128, None),
    "category256_upsampler": published_arguments(256, 8, 128, None),
}
"""`backbone.args` of the six published networks (the table of method §9)."""

_REQUIRED = {
    "image_size",
    "in_channels",
    "out_channels",
    "model_channels",
    "num_res_blocks",
    "channel_mult",
    "attention_resolutions",
}
_FIXED = {
    "num_heads": (None,),
    "use_scale_shift_norm": (True,),
    "resblock_updown": (True,),
}
_NUMBERS = (
    "image_size",
    "in_channels",
    "out_channels",
    "model_channels",
    "num_res_blocks",
    "num_groups",
    "num_head_channels",
)
_FREE = {"num_classes", "has_null_class", "num_groups", "num_head_channels", "dropout", "use_fp16", "conv_resample"}


def unet_arguments(config: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of diffusers' `UNet2DModel` for a published configuration (`backbone.args`, method §9).

    The last class embedding is the null class.

    Raises:
        PublishedWeightsError: something is missing, unknown, or of a kind the published networks do not have.
    """
    missing = sorted(_REQUIRED - set(config))
    unknown = sorted(set(config) - _REQUIRED - _FREE - set(_FIXED))
    if missing or unknown:
        complaints = [("lacks", missing), ("has the unknown", unknown)]
        told = " and ".join(f"{what} {', '.join(names)}" for what, names in complaints if names)
        raise PublishedWeightsError(f"the configuration {told}")
    for name, allowed in _FIXED.items():
        if config.get(name, allowed[0]) not in allowed:
            raise PublishedWeightsError(f"{name} {config[name]!r} is not supported; it must be {allowed[0]}")
    groups, head = config.get("num_groups", 32), config.get("num_head_channels", HEAD_CHANNELS)
    _check_numbers({**config, "num_groups": groups, "num_head_channels": head})
    levels = len(config["channel_mult"])
    attends = [config["image_size"] >> level in config["attention_resolutions"] for level in range(levels)]
    return {
        "sample_size": config["image_size"],
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "layers_per_block": config["num_res_blocks"],
        "block_out_channels": [int(config["model_channels"] * multiple) for multiple in config["channel_mult"]],
        # the plain DownBlock2D and UpBlock2D ignore `downsample_type` and `upsample_type`
        "down_block_types": ["AttnDownBlock2D" if attends[i] else "ResnetDownsampleBlock2D" for i in range(levels)],
        "up_block_types": ["AttnUpBlock2D" if attends[-1 - i] else "ResnetUpsampleBlock2D" for i in range(levels)],
        "downsample_type": "resnet",
        "upsample_type": "resnet",
        "resnet_time_scale_shift": "scale_shift",
        "attention_head_dim": head,
        "norm_num_groups": groups,
        "attn_norm_num_groups": groups,  # without it the middle attention has no norm
        "dropout": config.get("dropout", 0.0),
        "num_class_embeds": config["num_classes"] + 1 if config.get("num_classes") else None,
    }


def _check_numbers(config: Mapping[str, Any]) -> None:
    """Refuse a configuration of which no network can be made."""

    def positive(*values: Any) -> bool:
        return all(isinstance(value, int | float) and value > 0 for value in values)

    for name in _NUMBERS:
        if not positive(config[name]):
            raise PublishedWeightsError(f"{name} {config[name]!r} is not supported; it must be a positive number")
    for name in ("channel_mult", "attention_resolutions"):
        if not isinstance(config[name], list | tuple) or not positive(*config[name]):
            raise PublishedWeightsError(f"{name} {config[name]!r} is not supported; it must list positive numbers")
    base, groups = config["model_channels"], config["num_groups"]
    for multiple in config["channel_mult"]:
        if int(base * multiple) % groups:
            raise PublishedWeightsError(f"{base} channels times {multiple} cannot be split into {groups} num_groups")
