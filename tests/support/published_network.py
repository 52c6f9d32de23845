"""The published networks, slowly: weights by published name, and what a network of such weights computes (method §9).

Written from the architecture's description (Dhariwal & Nichol, 2021), one plain function per layer, in float64, knowing
nothing of diffusers or of the converter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Weights = Mapping[str, Tensor]


def tiny_config(in_channels: int, classes: int | None, size: int = 32) -> dict[str, Any]:
    """`backbone.args` of a network small enough for a test, with attention at its two smallest levels."""
    return {
        "image_size": size,
        "in_channels": in_channels,
        "out_channels": 4,
        "model_channels": 32,
        "num_res_blocks": 2,
        "num_classes": classes,
        "has_null_class": classes is not None,
        "channel_mult": [1, 1, 2, 4],
        "attention_resolutions": [size // 4, size // 8],
        "num_groups": 32,
        "num_heads": None,
        "num_head_channels": 64,
        "dropout": 0.0,
        "use_fp16": True,
    }


def write_files(folder: Path) -> tuple[Path, Path, Path]:
    """Files as the authors publish them, with small random networks of 1000 classes: of the first view in single
    precision, of novel views in half; and an upsampler."""
    uncond, cond, upsampler = (folder / f"imagenet{name}.pt" for name in ("128_uncond", "128_cond", "256_upsampler"))
    smaller = {"num_res_blocks": 1, "channel_mult": [1, 1, 1, 8], "attention_resolutions": [16]}
    torch.save(random_weights(tiny_config(4, 1000, 128) | smaller), uncond)
    torch.save(random_weights(tiny_config(10, 1000, 128) | smaller, 1, torch.half), cond)
    narrow = smaller | {"channel_mult": [1, 1, 1, 2], "attention_resolutions": [32]}
    torch.save(random_weights(tiny_config(8, 1000, 256) | narrow, 2), upsampler)
    return uncond, cond, upsampler


def random_weights(config: Mapping[str, Any], seed: int = 0, dtype: torch.dtype = torch.float32) -> dict[str, Tensor]:
    """Random tensors under every name a published network of this configuration has."""
    generator = torch.Generator().manual_seed(seed)
    base, embedding = config["model_channels"], 4 * config["model_channels"]
    weights: dict[str, Tensor] = {}

    def layer(name: str, *shape: int) -> None:
        fan_in = math.prod(shape[1:])
        weights[f"{name}.weight"] = torch.randn(shape, generator=generator) / math.sqrt(fan_in)
        weights[f"{name}.bias"] = 0.2 * torch.randn(shape[0], generator=generator)

    def norm(name: str, channels: int) -> None:
        weights[f"{name}.weight"] = 1 + 0.3 * torch.randn(channels, generator=generator)
        weights[f"{name}.bias"] = 0.3 * torch.randn(channels, generator=generator)

    def residual(name: str, channels: int, out: int) -> None:
        norm(f"{name}.in_layers.0", channels)
        layer(f"{name}.in_layers.2", out, channels, 3, 3)
        layer(f"{name}.emb_layers.1", 2 * out, embedding)
        norm(f"{name}.out_layers.0", out)
        layer(f"{name}.out_layers.3", out, out, 3, 3)
        if channels != out:
            layer(f"{name}.skip_connection", out, channels, 1, 1)

    def attention(name: str, channels: int) -> None:
        norm(f"{name}.norm", channels)
        layer(f"{name}.qkv", 3 * channels, channels, 1)
        layer(f"{name}.proj_out", channels, channels, 1)

    weights["time_embed.0.freqs"] = torch.tensor([10000 ** (-2 * i / base) for i in range(base // 2)])
    layer("time_embed.1", embedding, base)
    layer("time_embed.3", embedding, embedding)
    if config["num_classes"]:
        weights["label_emb.weight"] = torch.randn(config["num_classes"], embedding, generator=generator)
    layer("input_blocks.0.0", base * config["channel_mult"][0], config["in_channels"], 3, 3)

    skips = [base * config["channel_mult"][0]]
    channels, resolution, block = skips[0], config["image_size"], 1
    for level, multiple in enumerate(config["channel_mult"]):
        for _ in range(config["num_res_blocks"]):
            residual(f"input_blocks.{block}.0", channels, base * multiple)
            channels = base * multiple
            if resolution in config["attention_resolutions"]:
                attention(f"input_blocks.{block}.1", channels)
            skips.append(channels)
            block += 1
        if level < len(config["channel_mult"]) - 1:
            residual(f"input_blocks.{block}.0", channels, channels)
            skips.append(channels)
            resolution //= 2
            block += 1

    residual("middle_block.0", channels, channels)
    attention("middle_block.1", channels)
    residual("middle_block.2", channels, channels)

    block = 0
    for level, multiple in reversed(list(enumerate(config["channel_mult"]))):
        for place in range(config["num_res_blocks"] + 1):
            residual(f"output_blocks.{block}.0", channels + skips.pop(), base * multiple)
            channels, position = base * multiple, 1
            if resolution in config["attention_resolutions"]:
                attention(f"output_blocks.{block}.1", channels)
                position = 2
            if level > 0 and place == config["num_res_blocks"]:
                residual(f"output_blocks.{block}.{position}", channels, channels)
                resolution *= 2
            block += 1
    norm("out.0", channels)
    layer("out.2", config["out_channels"], channels, 3, 3)
    return {name: tensor.to(dtype) for name, tensor in weights.items()}


def evaluate(
    weights: Weights, config: Mapping[str, Any], x: Tensor, timesteps: Tensor, classes: list[int | None] | None = None
) -> Tensor:
    """The network's output float64 [B, 4, S, S] for x [B, C, S, S], timesteps [B], and a class or None per sample."""
    w = {name: tensor.double() for name, tensor in weights.items()}
    angles = timesteps.double()[:, None] * w["time_embed.0.freqs"]
    embedding = _linear(w, "time_embed.1", torch.cat([angles.cos(), angles.sin()], dim=1))
    embedding = _linear(w, "time_embed.3", _silu(embedding))
    for row, label in enumerate(classes or []):
        if label is not None:
            embedding[row] += w["label_emb.weight"][label]

    downs = {1 + i for i in range(_count(w, "input_blocks")) if (i + 1) % (config["num_res_blocks"] + 1) == 0}
    h = _convolution(w, "input_blocks.0.0", x.double())
    skips = [h]
    for block in range(1, _count(w, "input_blocks")):
        h = _residual(w, f"input_blocks.{block}.0", h, embedding, "down" if block in downs else "")
        h = _attention(w, f"input_blocks.{block}.1", h, config["num_head_channels"])
        skips.append(h)
    h = _residual(w, "middle_block.0", h, embedding)
    h = _attention(w, "middle_block.1", h, config["num_head_channels"])
    h = _residual(w, "middle_block.2", h, embedding)
    for block in range(_count(w, "output_blocks")):
        h = _residual(w, f"output_blocks.{block}.0", torch.cat([h, skips.pop()], dim=1), embedding)
        h = _attention(w, f"output_blocks.{block}.1", h, config["num_head_channels"])
        for position in (1, 2):
            if f"output_blocks.{block}.{position}.in_layers.0.weight" in w:
                h = _residual(w, f"output_blocks.{block}.{position}", h, embedding, "up")
    return _convolution(w, "out.2", _silu(_norm(w, "out.0", h)))


def _count(w: Weights, blocks: str) -> int:
    return 1 + max(int(name.split(".")[1]) for name in w if name.startswith(f"{blocks}."))


def _silu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def _linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def _convolution(w: Weights, name: str, x: Tensor) -> Tensor:
    kernel = w[f"{name}.weight"]
    return functional.conv2d(x, kernel, w[f"{name}.bias"], padding=kernel.shape[-1] // 2)


def _norm(w: Weights, name: str, x: Tensor) -> Tensor:
    """Group norm of 32 groups: mean and variance over each group's channels and places."""
    groups = x.reshape(x.shape[0], 32, -1)
    mean, variance = groups.mean(-1, keepdim=True), groups.var(-1, keepdim=True, unbiased=False)
    normal = ((groups - mean) / torch.sqrt(variance + 1e-5)).reshape(x.shape)
    broadcast = (1, -1) + (1,) * (x.ndim - 2)
    return normal * w[f"{name}.weight"].reshape(broadcast) + w[f"{name}.bias"].reshape(broadcast)


def _resized(x: Tensor, how: str) -> Tensor:
    if how == "down":
        return (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2]) / 4
    return x.repeat_interleave(2, -1).repeat_interleave(2, -2) if how == "up" else x


def _residual(w: Weights, name: str, x: Tensor, embedding: Tensor, resize: str = "") -> Tensor:
    h = _resized(_silu(_norm(w, f"{name}.in_layers.0", x)), resize)
    x = _resized(x, resize)
    h = _norm(w, f"{name}.out_layers.0", _convolution(w, f"{name}.in_layers.2", h))
    modulation = _linear(w, f"{name}.emb_layers.1", _silu(embedding))[:, :, None, None]
    scale, shift = modulation[:, : h.shape[1]], modulation[:, h.shape[1] :]
    h = _convolution(w, f"{name}.out_layers.3", _silu(h * (1 + scale) + shift))
    if f"{name}.skip_connection.weight" in w:
        x = _convolution(w, f"{name}.skip_connection", x)
    return x + h


def _attention(w: Weights, name: str, x: Tensor, head_channels: int) -> Tensor:
    """Self-attention where the network has one, head by head; x itself where it has none."""
    if f"{name}.qkv.weight" not in w:
        return x
    batch, channels = x.shape[:2]
    rows = torch.einsum("oc,bcn->bon", w[f"{name}.qkv.weight"][..., 0], _norm(w, f"{name}.norm", x).flatten(2))
    rows = rows + w[f"{name}.qkv.bias"][:, None]
    heads = []
    for first in range(0, 3 * channels, 3 * head_channels):
        query, key, value = rows[:, first : first + 3 * head_channels].split(head_channels, dim=1)
        attended = torch.softmax(torch.einsum("bcq,bck->bqk", query, key) / math.sqrt(head_channels), dim=-1)
        heads.append(torch.einsum("bqk,bck->bcq", attended, value))
    mixed = torch.einsum("oc,bcn->bon", w[f"{name}.proj_out.weight"][..., 0], torch.cat(heads, dim=1))
    return x + (mixed + w[f"{name}.proj_out.bias"][:, None]).reshape(batch, channels, *x.shape[2:])
