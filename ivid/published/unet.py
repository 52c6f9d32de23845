"""The published networks' weights, converted to diffusers' `UNet2DModel` (method §9).

Published names follow the U-Net of guided-diffusion (Dhariwal & Nichol, 2021); the two layouts hold the same tensors,
except that there q, k and v of an attention are rows of one tensor, grouped by head, and no class is no row.
"""

from __future__ import annotations

import math
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DModel  # pyright: ignore[reportPrivateImportUsage]
from torch import Tensor

from ivid.published.network_config import PUBLISHED_CONFIGS, PublishedWeightsError, published_arguments, unet_arguments

_TIME_FREQUENCIES = "time_embed.0.freqs"  # a buffer; diffusers computes it
_PARTS = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
    "group_norm": "norm",
    "to_q": "qkv",
    "to_k": "qkv",
    "to_v": "qkv",
    "to_out.0": "proj_out",
}
_THIRD = {"to_q": 0, "to_k": 1, "to_v": 2}


def convert_published(state_dict: Mapping[str, Tensor], config: Mapping[str, Any]) -> UNet2DModel:
    """A published network as diffusers' `UNet2DModel`, in evaluation mode (method §9).

    Args:
        state_dict: tensors by published name. Half precision stays half; a mixture becomes single precision.
        config: `backbone.args` of the published configuration, e.g. one of `PUBLISHED_CONFIGS`.

    Raises:
        PublishedWeightsError: tensors are missing, left over, of the wrong shape or type, or not finite; all are named.
    """
    arguments = unet_arguments(config)
    with torch.device("meta"):
        unet = UNet2DModel(**arguments)
    targets = {name: tuple(tensor.shape) for name, tensor in unet.state_dict().items()}
    sources = _sources(config, targets)
    head = arguments["attention_head_dim"]
    _check(state_dict, {source: _published_shape(name, targets[name]) for name, source in sources.items()})
    _check_frequencies(state_dict, config["model_channels"])
    half = all(state_dict[source].dtype == torch.float16 for source in sources.values())
    dtype = torch.float16 if half else torch.float32
    converted = {name: _converted(name, state_dict[source].to(dtype), head) for name, source in sources.items()}
    unet.load_state_dict(converted, strict=True, assign=True)
    return unet.eval()


def load_published(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a published `.pt` file by name. Nothing but tensors is unpickled.

    Raises:
        PublishedWeightsError: the file is something else, or damaged.
        OSError: there is no such file, or it cannot be read.
    """
    path = Path(path)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f"it tries to load {found[1]}" if found else "it is no file of weights, or is damaged"
        raise PublishedWeightsError(f"{path.name} is refused: {what}; a plain state dict is expected") from None
    except (RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise PublishedWeightsError(f"{path.name} is no file of weights, or is damaged ({reason})") from None
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise PublishedWeightsError(f"{path.name} holds something other than a plain state dict of tensors")
    return loaded


def recognised_config(state_dict: Mapping[str, Tensor]) -> dict[str, Any]:
    """The configuration that weights were made with: a published one, or one of the same layout and another width.

    Images are taken to be of 256 pixels for networks of 8 input channels (upsamplers) and of 128 otherwise.

    Raises:
        PublishedWeightsError: the tensors are not laid out like the published ones.
    """
    try:
        base, in_channels = state_dict["input_blocks.0.0.weight"].shape[:2]
        classes = state_dict["label_emb.weight"].shape[0] if "label_emb.weight" in state_dict else None
    except (KeyError, ValueError):
        raise PublishedWeightsError(
            "the weights have no usable input_blocks.0.0.weight; a network laid out as guided-diffusion's is expected"
        ) from None
    for config in PUBLISHED_CONFIGS.values():
        known = config["in_channels"], config["model_channels"], config["num_classes"]
        if known == (in_channels, base, classes):
            return dict(config)
    try:
        output_blocks = 1 + max(int(n.split(".")[1]) for n in state_dict if n.startswith("output_blocks."))
        levels = 1 + sum(
            re.fullmatch(r"output_blocks\.\d+\.[12]\.in_layers\.2\.weight", name) is not None for name in state_dict
        )
        layers = output_blocks // levels - 1
        firsts = [1 + level * (layers + 1) for level in range(levels)]  # input block that opens each level
        size = 256 if in_channels == 8 else 128
        return published_arguments(size, in_channels, base, classes) | {
            "out_channels": state_dict["out.2.weight"].shape[0],
            "num_res_blocks": layers,
            "channel_mult": [state_dict[f"input_blocks.{i}.0.out_layers.3.weight"].shape[0] // base for i in firsts],
            "attention_resolutions": [
                size >> level for level, i in enumerate(firsts) if f"input_blocks.{i}.1.qkv.weight" in state_dict
            ],
        }
    except (KeyError, ValueError, IndexError) as error:
        raise PublishedWeightsError(
            f"the weights are not laid out as guided-diffusion's network is (looked for {error})"
        ) from None


def _sources(config: Mapping[str, Any], targets: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """The published name behind every tensor name of the `UNet2DModel`."""
    levels, layers = len(config["channel_mult"]), config["num_res_blocks"]
    modules = {
        "conv_in": "input_blocks.0.0",
        "time_embedding.linear_1": "time_embed.1",
        "time_embedding.linear_2": "time_embed.3",
        "class_embedding": "label_emb",
        "mid_block.resnets.0": "middle_block.0",
        "mid_block.attentions.0": "middle_block.1",
        "mid_block.resnets.1": "middle_block.2",
        "conv_norm_out": "out.0",
        "conv_out": "out.2",
    }
    for level in range(levels):
        first = 1 + level * (layers + 1)
        for layer in range(layers):
            modules[f"down_blocks.{level}.resnets.{layer}"] = f"input_blocks.{first + layer}.0"
            modules[f"down_blocks.{level}.attentions.{layer}"] = f"input_blocks.{first + layer}.1"
        modules[f"down_blocks.{level}.downsamplers.0"] = f"input_blocks.{first + layers}.0"
        first = level * (layers + 1)
        for layer in range(layers + 1):
            modules[f"up_blocks.{level}.resnets.{layer}"] = f"output_blocks.{first + layer}.0"
            modules[f"up_blocks.{level}.attentions.{layer}"] = f"output_blocks.{first + layer}.1"
        attends = f"up_blocks.{level}.attentions.0.to_q.weight" in targets
        modules[f"up_blocks.{level}.upsamplers.0"] = f"output_blocks.{first + layers}.{2 if attends else 1}"

    def source(name: str) -> str:
        module, _, leaf = name.rpartition(".")
        if module in modules:
            return f"{modules[module]}.{leaf}"
        part = next(part for part in _PARTS if module.endswith(f".{part}"))
        return f"{modules[module.removesuffix(f'.{part}')]}.{_PARTS[part]}.{leaf}"

    return {name: source(name) for name in targets}


def _part(name: str) -> str:
    return name.split(".")[-2]


def _published_shape(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    if name == "class_embedding.weight":
        return (shape[0] - 1, *shape[1:])
    kernel = (1,) if name.endswith(".weight") else ()  # attention's linear maps are 1x1 convolutions there
    if _part(name) in _THIRD:
        return (3 * shape[0], *shape[1:], *kernel)
    return (*shape, *kernel) if ".to_out.0." in name else shape


def _converted(name: str, tensor: Tensor, head_channels: int) -> Tensor:
    if name == "class_embedding.weight":
        return torch.cat([tensor, tensor.new_zeros(1, tensor.shape[1])])
    if _part(name) in _THIRD:
        by_head = tensor.reshape(-1, 3, head_channels, *tensor.shape[1:2])
        return by_head[:, _THIRD[_part(name)]].flatten(0, 1).contiguous()
    return tensor[..., 0] if ".to_out.0." in name and name.endswith(".weight") else tensor


def _check(state_dict: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Compare names, shapes and types with what is expected, and name everything that differs."""
    missing = [name for name in (*shapes, _TIME_FREQUENCIES) if name not in state_dict]
    extra = [name for name in state_dict if name not in shapes and name != _TIME_FREQUENCIES]
    shared = [name for name in shapes if name in state_dict]
    wrong = [
        f"{name} {list(state_dict[name].shape)} in place of {list(shapes[name])}"
        for name in shared
        if tuple(state_dict[name].shape) != shapes[name]
    ]
    odd = [
        f"{name} {state_dict[name].dtype}"
        for name in shared
        if state_dict[name].dtype not in (torch.float16, torch.float32)
    ]
    infinite = [name for name in shared if not torch.isfinite(state_dict[name]).all()]
    complaints = {
        "missing": missing,
        "not expected": extra,
        "of the wrong shape": wrong,
        "neither half nor single precision": odd,
        "not finite": infinite,
    }
    if any(complaints.values()):
        told = "; ".join(f"{what}: {', '.join(dict.fromkeys(names))}" for what, names in complaints.items() if names)
        raise PublishedWeightsError(f"the weights do not fit the configuration ({told})")


def _check_frequencies(state_dict: Mapping[str, Tensor], base: int) -> None:
    expected = torch.exp(torch.arange(base // 2, dtype=torch.float64) * (-math.log(10000) / (base // 2)))
    given = state_dict[_TIME_FREQUENCIES].double()
    if given.shape != expected.shape or not torch.allclose(given, expected, rtol=2e-3, atol=0):
        raise PublishedWeightsError(
            f"the weights do not fit the configuration (of other values: {_TIME_FREQUENCIES}; "
            f"{base // 2} frequencies falling geometrically from 1 towards 1/10000 are expected)"
        )
