"""The parts of a training config that are handed on to diffusers, as types that can be checked."""

from __future__ import annotations

from typing import Annotated, Literal, Required

from pydantic import AfterValidator, ConfigDict, Field, with_config
from typing_extensions import TypedDict

_Beta = Annotated[float, Field(gt=0, lt=1)]
_Channels = Annotated[int, Field(gt=0, le=8192)]
_Groups = Annotated[int, Field(gt=0, le=8192)]
_DownBlock = Literal[
    "DownBlock2D", "ResnetDownsampleBlock2D", "AttnDownBlock2D", "SkipDownBlock2D", "AttnSkipDownBlock2D"
]
_UpBlock = Literal["UpBlock2D", "ResnetUpsampleBlock2D", "AttnUpBlock2D", "SkipUpBlock2D", "AttnSkipUpBlock2D"]


@with_config(ConfigDict(extra="forbid"))
class _UNetArguments(TypedDict, total=False):
    block_out_channels: Required[Annotated[list[_Channels], Field(min_length=1, max_length=10)]]
    down_block_types: Required[list[_DownBlock]]
    up_block_types: Required[list[_UpBlock]]
    layers_per_block: Annotated[int, Field(gt=0, le=100)]
    norm_num_groups: _Groups
    norm_eps: Annotated[float, Field(gt=0, lt=1)]
    attn_norm_num_groups: _Groups | None
    attention_head_dim: Annotated[int, Field(gt=0, le=8192)] | None
    add_attention: bool
    resnet_time_scale_shift: Literal["default", "scale_shift"]
    downsample_type: Literal["conv", "resnet"]
    upsample_type: Literal["conv", "resnet"]
    act_fn: Literal["silu", "swish", "mish", "gelu", "relu"]
    dropout: Annotated[float, Field(ge=0, lt=1)]


def _fitting(arguments: _UNetArguments) -> _UNetArguments:
    channels, groups = arguments["block_out_channels"], arguments.get("norm_num_groups", 32)
    for name in ("down_block_types", "up_block_types"):
        if len(arguments[name]) != len(channels):
            raise ValueError(f"unet.{name} must be as many as unet.block_out_channels, {len(channels)}")
    odd = [count for count in channels if count % groups]
    if odd:
        raise ValueError(f"unet.block_out_channels must divide into {groups} groups (norm_num_groups), got {odd[0]}")
    return arguments


UNetArguments = Annotated[_UNetArguments, AfterValidator(_fitting)]
"""Arguments of diffusers' UNet2DModel, but for channels in and out, size and labels."""


@with_config(ConfigDict(extra="forbid"))
class Schedule(TypedDict, total=False):
    """A noise schedule (`ivid.diffusion.schedules.schedule_arguments`), and what a network predicts on it."""

    prediction_type: Required[Literal["epsilon", "v_prediction", "sample"]]
    num_train_timesteps: Annotated[int, Field(gt=0, le=100_000)]
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"]
    beta_start: _Beta
    beta_end: _Beta
    noise_shift: Annotated[float, Field(gt=0, le=100)]
