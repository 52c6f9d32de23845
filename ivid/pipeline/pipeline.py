"""From a class and a seed to a scene: the first view, then each further one given those so far (method §1, §6, §7)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from ivid.diffusion.denoiser import Denoiser, patch_size_of
from ivid.pipeline.config import NETWORKS, ModelConfig, ModelIndex
from ivid.pipeline.description import ModelDescription
from ivid.pipeline.events import Event, ViewDone
from ivid.pipeline.model_files import model_fingerprint
from ivid.pipeline.sampling import Sampling
from ivid.pipeline.streaming import stream_views
from ivid.scene.cameras import Camera
from ivid.scene.condition import Condition
from ivid.scene.scene import Scene
from ivid.scene.view import View

if TYPE_CHECKING:
    from ivid.diffusion.denoiser import UNet


class IvidPipeline(ModelDescription):
    """A model: its networks and its config. Calling it makes a scene, `stream` makes one step by step.

    Args:
        first_view_unet: of 4 input channels, as `UNet2DModel` counts them before patches are folded (method §9).
        novel_view_unet: of 10.
        config: what else belongs to the model; the published constants when None.
        refiner_unet: of 14, for details of views as they are sampled (`ivid.diffusion.refining.Refiner`).
        novel_refiner_unet: of 14, for details of further views (`ivid.diffusion.refining.NovelViewRefiner`); these are
            not given to `refiner_unet` then.
        upsampler_unet: of 8, which doubles the size of views (`ivid.pipeline.upsampling`).
    """

    def __init__(
        self,
        first_view_unet: UNet,
        novel_view_unet: UNet,
        config: ModelConfig | None = None,
        *,
        refiner_unet: UNet | None = None,
        novel_refiner_unet: UNet | None = None,
        upsampler_unet: UNet | None = None,
    ) -> None:
        self.first_view_unet = first_view_unet
        self.novel_view_unet = novel_view_unet
        self.refiner_unet = refiner_unet
        self.novel_refiner_unet = novel_refiner_unet
        self.upsampler_unet = upsampler_unet
        size = first_view_unet.config["sample_size"] * patch_size_of(first_view_unet)
        super().__init__(config or ModelConfig(), size)

    @classmethod
    def from_pretrained(cls, folder: str | Path, dtype: torch.dtype | None = None) -> IvidPipeline:
        """Read a model folder (`ivid.pipeline.models.model_folder`), onto the CPU.

        Args:
            folder: `model_index.json`, and a folder in diffusers' layout for every network.
            dtype: precision of the networks; that of their files when None.

        Raises:
            ValueError: the folder's index does not describe a model of this program.
            OSError: a file is missing or cannot be read.
        """
        from ivid.diffusion.unet import UNet2DModel

        index = ModelIndex.read(folder)
        networks = {
            name: UNet2DModel.from_pretrained(Path(folder) / name, dtype=dtype, local_files_only=True)
            for name in index.networks
        }
        pipeline = cls(config=index.config, **networks)
        pipeline.fingerprint = model_fingerprint(folder)
        return pipeline

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a model folder that `from_pretrained` and diffusers' `DiffusionPipeline` read; the index comes last."""
        for name, unet in self.networks.items():
            unet.save_pretrained(Path(folder) / name)
        ModelIndex(self.config, tuple(self.networks)).write(folder)

    def push_to_hub(self, repository: str, **options: Any) -> str:
        """Upload the model to the Hugging Face hub; the arguments are those of `ivid.pipeline.publishing.push_folder`.

        Returns:
            the address of the upload.
        """
        from ivid.pipeline.publishing import push_folder

        with TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return push_folder(folder, repository, **options)

    def to(self, device: str | torch.device, dtype: torch.dtype | None = None) -> IvidPipeline:
        """Move the networks to a device, and into another precision if one is given."""
        for unet in self.networks.values():
            unet.to(device) if dtype is None else unet.to(device, dtype)  # type: ignore[call-overload]
        return self

    @property
    def networks(self) -> dict[str, UNet]:
        """The networks the model has, by the names of `ivid.pipeline.config.NETWORKS`."""
        return {name: getattr(self, name) for name in NETWORKS if getattr(self, name) is not None}

    def __call__(
        self,
        class_label: str | int | None,
        seed: int,
        view_set: str | Sequence[Camera] = "3x9",
        sampling: Sampling | None = None,
        *,
        first_view: View | None = None,
        instance: str | None = None,
        **shortcuts: Any,
    ) -> Scene:
        """Make a scene; the arguments are those of `stream`."""
        events = self.stream(
            class_label, seed, view_set, sampling, first_view=first_view, instance=instance, **shortcuts
        )
        views = [event.view for event in events if isinstance(event, ViewDone)]
        return self.scene(views, class_label, seed, view_set, self.sampling(sampling, **shortcuts))

    def stream(
        self,
        class_label: str | int | None,
        seed: int,
        view_set: str | Sequence[Camera] = "3x9",
        sampling: Sampling | None = None,
        *,
        first_view: View | None = None,
        instance: str | None = None,
        known_views: Sequence[View] = (),
        **shortcuts: Any,
    ) -> Iterator[Event]:
        """Make a scene, step by step. Closing the generator stops it between two network evaluations.

        Args:
            class_label: a class of the model, by name or index; anything for a model without classes.
            seed: 0 to 2^63 - 1; the same arguments give the same scene.
            view_set: a name of method §8, or cameras, the first of them orbit(0, 0).
            sampling: steps, guidance and samplers; the model's defaults for all that is None.
            first_view: start from this view in place of sampling one; its size is the model's.
            instance: which of the objects the model was trained on is shown, one of `config.labels.instance_names`.
                When None, the seed decides; and what a given first view shows is unknown.
            known_views: the first views of this scene, made earlier with the same arguments. Only the missing ones are
                made, from the noise they would have had; they differ from those of an unbroken run as far as
                `known_views` were rounded when they were saved.
            shortcuts: single fields of `Sampling`, and `sampler` for both samplers.

        Yields:
            `Preview` after every evaluation, `ViewDone` for every finished view.

        Raises:
            ValueError: an argument is out of range; raised by the call itself, before the first event.

        Example:
            >>> pipeline = ivid.load("lowpoly")
            >>> for event in pipeline.stream("house", seed=12, view_set="random", first_steps=20):
            ...     if isinstance(event, ViewDone):
            ...         print(f"view {event.view_index}: {event.view.size} pixels wide")
            view 0: 128 pixels wide
            view 1: 128 pixels wide
        """
        batch = self._checked(
            [class_label], [seed], view_set, sampling, [first_view], [instance], shortcuts, known_views
        )
        return stream_views(self, batch)

    def stream_batch(
        self,
        class_labels: Sequence[str | int | None],
        seeds: Sequence[int],
        view_set: str | Sequence[Camera] = "3x9",
        sampling: Sampling | None = None,
        *,
        first_views: Sequence[View | None] | None = None,
        instances: Sequence[str | None] | None = None,
        **shortcuts: Any,
    ) -> Iterator[Event]:
        """`stream` for several scenes at once; no scene depends on what else is in the batch."""
        batch = self._checked(class_labels, seeds, view_set, sampling, first_views, instances, shortcuts)
        return stream_views(self, batch)

    def condition(self, views: Sequence[View], camera: Camera) -> Condition:
        """The condition of a new camera from the views so far, with the model's constants (method §6).

        Computed on the model's GPU, if it is on one.
        """
        from ivid.fusion import aggregate_conditions
        from ivid.fusion.conditions import shared_renderer

        device = self.novel_view_unet.device
        return aggregate_conditions(
            views,
            camera,
            self.depth_range,
            mask_discontinuities=self.config.depth.mask_discontinuities,
            erosion_radius=self.config.depth.erosion_radius,
            renderer=shared_renderer(str(device) if device.type == "cuda" else "cpu"),
        )

    def denoiser(self, unet: UNet, scheduler: Any) -> Denoiser:
        """One of the model's networks as a denoiser for a scheduler of `make_scheduler`."""
        return Denoiser(unet, scheduler.alphas_cumprod.to(unet.device), self.config.prediction_type)
