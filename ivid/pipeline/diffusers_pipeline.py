"""A model as diffusers' `DiffusionPipeline.from_pretrained(..., trust_remote_code=True)` loads it.

`pipeline.py` of every model folder (`ivid.pipeline.config.ModelIndex.write`) names the class of this module.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline, UNet2DModel
from diffusers.utils import BaseOutput
from PIL import Image

from ivid.pipeline.config import INDEX_FILE, NETWORKS, ModelConfig
from ivid.pipeline.model_files import model_fingerprint
from ivid.pipeline.pipeline import IvidPipeline
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene


@dataclass
class IvidOutput(BaseOutput):
    """What a call makes.

    Attributes:
        images: the colours of the views, in the order they were made in.
        scene: the views with depth and cameras.
    """

    images: list[Image.Image]
    scene: Scene


class IvidDiffusionPipeline(DiffusionPipeline):
    """`IvidPipeline` behind the interface of diffusers: devices, precisions and offloading are managed by its methods.

    Args:
        components: the networks by the names of `ivid.pipeline.config.NETWORKS`, and the fields of `ModelConfig` as
            JSON values.
    """

    _optional_components = list(NETWORKS[2:])  # noqa: RUF012  as diffusers declares it

    def __init__(self, **components: Any) -> None:
        super().__init__()
        self.register_modules(**{name: components.get(name) for name in NETWORKS})
        config = {each.name: components.get(each.name) for each in fields(ModelConfig)}
        self.register_to_config(**config)
        self._ivid_config = ModelConfig.from_dict({name: value for name, value in config.items() if value is not None})
        # diffusers notes in the configuration of a network where it was read from.
        folder = Path(components[NETWORKS[0]].config.get("_name_or_path", "")).parent
        self._fingerprint = model_fingerprint(folder) if (folder / INDEX_FILE).is_file() else ""

    @property
    def ivid(self) -> IvidPipeline:
        """The model with everything that it can do, such as `stream`; it shares the networks."""
        networks = {name: getattr(self, name) for name in NETWORKS}
        pipeline = IvidPipeline(config=self._ivid_config, **networks)
        pipeline.fingerprint = self._fingerprint
        return pipeline

    @torch.no_grad()
    def __call__(
        self,
        class_label: str | int | None,
        seed: int = 0,
        view_set: str | Sequence[Camera] = "3x9",
        **options: Any,
    ) -> IvidOutput:
        """Make a scene.

        Args:
            class_label, seed, view_set: as of `IvidPipeline.stream`.
            options: its others.

        Raises:
            ValueError: an argument is out of range.

        Example:
            >>> pipeline = DiffusionPipeline.from_pretrained("ckpts/lowpoly", trust_remote_code=True)
            >>> output = pipeline("house", seed=3)
            >>> output.images[0].save("house.png")
            >>> output.scene.save("house.ivid")
        """
        scene = self.ivid(class_label, seed, view_set, **options)
        return IvidOutput([Image.fromarray(view.rgb) for view in scene.views], scene)

    def save_pretrained(self, save_directory: str | Path, *_: Any, push_to_hub: bool = False, **options: Any) -> None:
        """Write a model folder (`IvidPipeline.save_pretrained`), and upload it if asked to.

        Args:
            save_directory: the folder.
            push_to_hub: whether to upload it too.
            options: `repo_id`, the name of the folder unless given, and others of `IvidPipeline.push_to_hub`.
        """
        self.ivid.save_pretrained(save_directory)
        if push_to_hub:
            self.push_to_hub(options.pop("repo_id", Path(save_directory).name), **options)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Upload the model; see `IvidPipeline.push_to_hub`."""
        return self.ivid.push_to_hub(repo_id, **options)


def _signature() -> inspect.Signature:
    """Of `IvidDiffusionPipeline.__init__`: diffusers reads there which networks and settings a model index may have."""
    Parameter = inspect.Parameter
    networks = [
        Parameter(
            name,
            Parameter.KEYWORD_ONLY,
            annotation=UNet2DModel if name in NETWORKS[:2] else UNet2DModel | None,
            default=Parameter.empty if name in NETWORKS[:2] else None,
        )
        for name in NETWORKS
    ]
    settings = [Parameter(each.name, Parameter.KEYWORD_ONLY, default=None) for each in fields(ModelConfig)]
    return inspect.Signature([Parameter("self", Parameter.POSITIONAL_ONLY), *networks, *settings])


IvidDiffusionPipeline.__init__.__signature__ = _signature()  # type: ignore[attr-defined]
