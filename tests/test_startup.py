"""What commands import: a scene should not wait for libraries that do not make it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ivid.diffusion.onnx_unet import GRAPH_FILE
from ivid.pipeline.config import ModelIndex
from ivid.pipeline.locations import BUNDLED_MODELS

SCENE = Path("assets/house_seed00003.ivid")


def imported_by(*arguments: object) -> set[str]:
    """The modules that a command imports."""
    command = [sys.executable, "-X", "importtime", "-m", "ivid", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return set(re.findall(r"^import time:[ 0-9]+\|[ 0-9]+\|\s*(\S+)$", done.stderr, re.MULTILINE))


def test_a_scene_is_made_without_what_takes_seconds_to_import(tmp_path):
    folder = BUNDLED_MODELS / "lowpoly"
    assert all((folder / name / GRAPH_FILE).is_file() for name in ModelIndex.read(folder).networks)
    named = ("--class", "house", "--seeds", "5", "--views", "random", "--first-steps", "1")
    imported = imported_by("generate", *named, "--backend", "onnx", "--device", "cpu", "--out", tmp_path)
    assert {"onnxruntime", "torch", "warp"} <= imported
    assert not imported & {"diffusers", "transformers", "torch._dynamo", "torchvision", "gradio", "accelerate", "onnx"}


@pytest.mark.parametrize(
    "arguments",
    [("export", SCENE, "--as", "still", "--size", "64", "--out", "a.png"),
     ("render", SCENE, "--size", "64", "--frames", "2", "--out", "a.gif")],
)  # fmt: skip
def test_exports_and_videos_need_no_torch(tmp_path, arguments):
    imported = imported_by(*arguments[:-1], tmp_path / arguments[-1])
    assert "warp" in imported
    assert not imported & {"torch", "diffusers", "gradio", "onnxruntime"}


PAGE = """
import sys
from ivid.page.quick_gradio import import_gradio
gradio = import_gradio()
import ivid.page.layout
assert not {"mcp", "IPython", "pandas", "torch"} & set(sys.modules)
assert gradio.caching.pd.DataFrame([[3]]).shape == (1, 1)
import pandas, mcp
assert gradio.caching.pd.DataFrame is pandas.DataFrame
"""


def test_the_page_imports_little_of_what_gradio_could_use():
    subprocess.run([sys.executable, "-c", PAGE], check=True)
