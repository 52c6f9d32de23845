"""A model's networks as ONNX graphs, which refer to the weights that are there already (`ivid.diffusion.onnx_unet`).

A graph is the network's computation without its weights: they are external data, at an offset in the network's
`.safetensors`. So no weight is stored twice, and a graph serves every network of its architecture.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ivid.diffusion.onnx_unet import CONFIG_FILE, GRAPH_FILE, LAYOUT
from ivid.diffusion.weights_file import WEIGHTS_FILE, WeightsFile
from ivid.pipeline.config import ModelIndex
from ivid.scene.files import read_json, written_aside

if TYPE_CHECKING:
    import onnx_ir
    from diffusers import UNet2DModel

OPSET = 20


def write_graphs(folder: str | Path) -> list[Path]:
    """Write the graph of every network of a model folder beside its weights.

    Networks with one configuration and one layout of their weights share the work.

    Args:
        folder: of a model; its weights are not changed.

    Returns:
        the files.

    Raises:
        ValueError: the folder is no model, or the weights of a network are in several files.
        ImportError: onnx or onnxscript is not installed.
    """
    from diffusers import UNet2DModel

    paths, made = [], {}
    for name in ModelIndex.read(folder).networks:
        path = Path(folder) / name / GRAPH_FILE
        weights = WeightsFile.read(path.with_name(WEIGHTS_FILE))
        config = {key: value for key, value in read_json(path.with_name(CONFIG_FILE)).items() if key[0] != "_"}
        key = (repr(sorted(config.items())), weights.layout)
        if key not in made:
            made[key] = _serialised(UNet2DModel(**config).eval(), weights)
        with written_aside(path) as aside:
            aside.write_bytes(made[key])
        paths.append(path)
    return paths


def _serialised(unet: UNet2DModel, weights: WeightsFile) -> bytes:
    import onnx_ir as ir
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    model = _exported(unet)
    _refer_to_weights(model, weights)
    ClearMetadataAndDocStringPass()(model)
    model.metadata_props[LAYOUT] = weights.layout
    model.producer_version = None
    return ir.to_proto(model).SerializeToString(deterministic=True)


class _Positional(nn.Module):
    """The network with the arguments that its graph has for inputs."""

    def __init__(self, unet: UNet2DModel) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, sample: Tensor, timestep: Tensor, class_labels: Tensor | None = None) -> Tensor:
        return self.unet(sample, timestep, class_labels=class_labels, return_dict=False)[0]


def _exported(unet: UNet2DModel) -> onnx_ir.Model:
    """The graph, its weights as inputs whose names are those of the state dict."""
    from onnxscript import optimizer

    side, channels = unet.config["sample_size"], unet.config["in_channels"]
    inputs: dict[str, Tensor] = {"sample": torch.zeros(2, channels, side, side), "timestep": torch.zeros(2).long()}
    if unet.config["num_class_embeds"]:
        inputs["class_labels"] = torch.zeros(2).long()
    batch = torch.export.Dim("batch", min=2, max=63)  # where `UNet2DModel` takes one path; the graph takes any
    with _silenced():
        exported = torch.export.export(
            _Positional(unet).eval(), (), inputs, dynamic_shapes={name: {0: batch} for name in inputs}, strict=False
        )
        program: Any = torch.onnx.export(
            exported,
            dynamo=True,
            optimize=False,  # which would fold small weights into the graph
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=["output"],
            verbose=False,
        )
        model: onnx_ir.Model = program.model
        graph = model.graph
        for name, value in list(graph.initializers.items()):
            del graph.initializers[name]
            value.const_value = None
            value.name = name.removeprefix("unet.")
            graph.inputs.append(value)
        optimizer.optimize(model, num_iterations=1)
    return model


def _refer_to_weights(model: onnx_ir.Model, weights: WeightsFile) -> None:
    """Turn the inputs that are weights into external data, followed by a cast where those are of another precision."""
    import onnx_ir as ir

    graph = model.graph
    inputs = {value.name: value for value in graph.inputs}
    for name, tensor in weights.tensors.items():
        value = inputs[name]
        dtype = {"F16": ir.DataType.FLOAT16, "F32": ir.DataType.FLOAT, "BF16": ir.DataType.BFLOAT16}[tensor.dtype]
        shape = ir.Shape(tensor.shape)
        stored = ir.Value(name=name, type=ir.TensorType(dtype), shape=shape)
        stored.const_value = ir.ExternalTensor(
            WEIGHTS_FILE, tensor.offset, tensor.length, dtype, shape=shape, name=name
        )
        graph.inputs.remove(value)
        if dtype == ir.DataType.FLOAT:
            value.replace_all_uses_with(stored)
        else:
            cast = ir.node("Cast", [stored], {"to": ir.DataType.FLOAT})
            cast.outputs[0].name = f"{name}.float32"
            value.replace_all_uses_with(cast.outputs[0])
            graph.insert_before(graph[0], cast)
        graph.register_initializer(stored)


@contextmanager
def _silenced() -> Iterator[None]:
    """Without what the exporter says about itself and about packages that are not needed."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
