"""The network's class is imported alone, and is still the one that diffusers has."""

from __future__ import annotations

import subprocess
import sys

import pytest

ALONE = """
import sys
from ivid.diffusion.unet import UNet2DModel
import diffusers

assert diffusers.UNet2DModel is UNet2DModel
slow = {"torch._dynamo", "diffusers.models.transformers.auraflow_transformer_2d", "diffusers.loaders.lora_base"}
assert not slow & set(sys.modules), slow & set(sys.modules)
"""
OTHERWISE = """
import sys, types
sys.modules["diffusers"] = types.SimpleNamespace(UNet2DModel=int)  # not a package
from ivid.diffusion.unet import UNet2DModel
assert UNet2DModel is int
"""


@pytest.mark.parametrize("program", [ALONE, OTHERWISE], ids=["alone", "from another layout"])
def test_it_is_imported(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.training  # which imports the rest of diffusers anyway
def test_what_else_diffusers_has_is_there_afterwards():
    from diffusers.models.transformers import Transformer2DModel
    from diffusers.models.unets import UNet2DConditionModel
    from diffusers.models.unets import UNet2DModel as of_the_package

    from ivid.diffusion.unet import UNet2DModel

    assert UNet2DModel is of_the_package
    assert Transformer2DModel.__module__ == "diffusers.models.transformers.transformer_2d"
    assert UNet2DConditionModel.__module__ == "diffusers.models.unets.unet_2d_condition"
