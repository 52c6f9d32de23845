"""A network that ONNX Runtime evaluates on the CPU: a graph, and the weights it refers to, in one folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ivid.diffusion.weights_file import WEIGHTS_FILE, WeightsFile

GRAPH_FILE = "unet.onnx"
CONFIG_FILE = "config.json"
LAYOUT = "weights_layout"
"""Metadata of a graph: `WeightsFile.layout` of the file that it refers to."""


class GraphError(ValueError):
    """A network cannot be evaluated by ONNX Runtime; the message says why."""


class OnnxUNet:
    """A `UNet2DModel` of diffusers as far as sampling needs one, evaluated by ONNX Runtime in single precision.

    Args:
        folder: of the network: `config.json`, the weights, and the graph that `ivid graphs` writes beside them.
        threads: how many evaluate; as many as torch would use when None.

    Raises:
        GraphError: the folder has no graph, the graph does not belong to the weights, or there is no ONNX Runtime.
        OSError: a file cannot be read.
    """

    device = torch.device("cpu")
    dtype = torch.float32

    def __init__(self, folder: str | Path, threads: int | None = None) -> None:
        self.folder = Path(folder)
        self.config: Mapping[str, Any] = json.loads((self.folder / CONFIG_FILE).read_text(encoding="utf-8"))
        self._session = _session(self.folder, threads)
        self._inputs = [each.name for each in self._session.get_inputs()]

    def __call__(
        self, sample: Tensor, timestep: Tensor | int, class_labels: Tensor | None = None, return_dict: bool = False
    ) -> tuple[Tensor]:
        """The output [B, C', S, S] float32, as `UNet2DModel` returns it.

        Args:
            sample: [B, C, S, S] float32.
            timestep: [B] int64, or one for all.
            class_labels: [B] int64; ignored by networks without classes.
            return_dict: must be False.
        """
        count = len(sample)
        timesteps = torch.as_tensor(timestep, dtype=torch.int64).expand(count)
        given = {"sample": sample.contiguous(), "timestep": timesteps.contiguous(), "class_labels": class_labels}
        arrays = {name: given[name].numpy() for name in self._inputs}  # type: ignore[union-attr]
        return (torch.from_numpy(self._session.run(None, arrays)[0]),)

    def to(self, device: Any = None, dtype: Any = None, **_: Any) -> OnnxUNet:
        """This network, which stays where it is.

        Raises:
            ValueError: another device than the CPU, or another precision than the single one, is asked for.
        """
        if (device is not None and torch.device(device).type != "cpu") or dtype not in (None, torch.float32):
            raise ValueError(
                "networks in ONNX Runtime run on the CPU in single precision; load the model with the backend torch"
            )
        return self

    def save_pretrained(self, folder: str | Path) -> None:
        """Copy the network's files to a folder."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        for name in (CONFIG_FILE, WEIGHTS_FILE, GRAPH_FILE):
            shutil.copyfile(self.folder / name, Path(folder) / name)


def _session(folder: Path, threads: int | None) -> Any:
    graph = folder / GRAPH_FILE
    if not graph.is_file():
        raise GraphError(f"{folder} has no {GRAPH_FILE}; `ivid graphs` writes it")
    if WeightsFile.read(folder / WEIGHTS_FILE).layout.encode() not in graph.read_bytes():
        raise GraphError(f"{graph} is no graph of the weights beside it; `ivid graphs` writes it anew")
    try:
        import onnxruntime
    except ImportError as error:
        raise GraphError(f"onnxruntime cannot be used ({error})") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or torch.get_num_threads()
    # Threads that wait for the next evaluation must not keep a core from what is done between two.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no base class but Exception
        raise GraphError(f"{graph} cannot be loaded ({error})") from None
    return session
