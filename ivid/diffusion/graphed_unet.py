"""A network on a GPU whose evaluations are recorded once as CUDA graphs and replayed.

An evaluation is a thousand small kernels; at a batch of one, starting them takes longer than running them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from diffusers import UNet2DModel

logger = logging.getLogger(__name__)

EAGER_CALLS = 2
"""Evaluations of a shape before it is recorded: libraries choose their kernels in them, and a shape that comes no more
often is not worth a recording."""
MOST_GRAPHS = 4
"""Shapes recorded at a time; each keeps the memory of an evaluation."""

Record = Callable[[Callable[[], None]], Callable[[], None]]


def record_on_gpu(run: Callable[[], None]) -> Callable[[], None]:
    """The kernels of `run` as a CUDA graph; calling what is returned runs them again, on the same memory."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        run()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        run()
    return graph.replay


@dataclass(eq=False)
class _Recording:
    """Tensors that a recorded evaluation reads and writes, and what repeats it."""

    inputs: tuple[Tensor, ...]
    output: Tensor
    replay: Callable[[], None]


class GraphedUNet:
    """A `UNet2DModel` of diffusers as far as sampling needs one, recorded per shape of its inputs.

    Where recording fails, one sentence is logged and the network is evaluated kernel by kernel from then on.

    Args:
        unet: on its GPU.
        record: runs a function and returns what repeats it.
    """

    def __init__(self, unet: UNet2DModel, record: Record = record_on_gpu) -> None:
        self.unet = unet
        self._record: Record | None = record
        self._calls: dict[tuple, int] = {}
        self._recordings: dict[tuple, _Recording] = {}

    @property
    def config(self) -> Mapping[str, Any]:
        return self.unet.config

    @property
    def device(self) -> torch.device:
        return self.unet.device

    @property
    def dtype(self) -> torch.dtype:
        return self.unet.dtype

    @torch.inference_mode()
    def __call__(
        self, sample: Tensor, timestep: Tensor | int, class_labels: Tensor | None = None, return_dict: bool = False
    ) -> tuple[Tensor]:
        """The output [B, C', S, S], as `UNet2DModel` returns it.

        Args:
            sample: [B, C, S, S].
            timestep: [B] int64, or one for all.
            class_labels: [B] int64, or None for networks without classes.
            return_dict: must be False.
        """
        timesteps = torch.as_tensor(timestep, device=sample.device).expand(len(sample))
        inputs = (sample, timesteps) if class_labels is None else (sample, timesteps, class_labels)
        shape = tuple(each.shape for each in inputs)
        recording = self._recordings.get(shape)
        if recording is None:
            self._calls[shape] = self._calls.get(shape, 0) + 1
            if self._record is None or self._calls[shape] <= EAGER_CALLS:
                return (self._evaluated(inputs),)
            recording = self._recorded(self._record, inputs)
            if recording is None:
                return (self._evaluated(inputs),)
            while len(self._recordings) >= MOST_GRAPHS:
                del self._recordings[next(iter(self._recordings))]
            self._recordings[shape] = recording
        for kept, given in zip(recording.inputs, inputs, strict=True):
            kept.copy_(given)
        recording.replay()
        return (recording.output.clone(),)

    def to(self, device: Any = None, dtype: Any = None, **options: Any) -> GraphedUNet:
        """This network on another device or in another precision; it is recorded anew."""
        self._calls.clear()
        self._recordings.clear()
        self.unet.to(*(each for each in (device, dtype) if each is not None), **options)
        return self

    def save_pretrained(self, folder: Any) -> None:
        """Write the network as diffusers does it."""
        self.unet.save_pretrained(folder)

    def _evaluated(self, inputs: tuple[Tensor, ...]) -> Tensor:
        sample, timestep, *labels = inputs
        return self.unet(sample, timestep, class_labels=labels[0] if labels else None, return_dict=False)[0]

    def _recorded(self, record: Record, inputs: tuple[Tensor, ...]) -> _Recording | None:
        kept = tuple(each.clone(memory_format=torch.preserve_format) for each in inputs)
        output: list[Tensor] = []

        def run() -> None:
            output[:] = [self._evaluated(kept)]

        try:
            replay = record(run)
        except RuntimeError as error:
            self._record = None
            logger.warning("networks are evaluated without CUDA graphs: %s", str(error).splitlines()[0])
            return None
        return _Recording(kept, output[0], replay)
