"""What belongs to a model and not to the code that runs it: `model_index.json`, read without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from ivid.diffusion.blending import Blending
from ivid.pipeline.sampling import PUBLISHED_SAMPLING, Sampling
from ivid.scene.cameras import Camera, in_order, view_set, view_set_angles
from ivid.scene.depth import PUBLISHED_SAMPLING_RANGE, DepthRange
from ivid.scene.files import read_json, written_aside
from ivid.scene.view import EDGE_THRESHOLD, MIN_TRUST

INDEX_FILE = "model_index.json"
CLASS_FILE = "pipeline.py"
CLASS_NAME = ["pipeline", "IvidDiffusionPipeline"]
"""The file in the model folder that names the class, without `.py`, and the class: as diffusers looks it up."""
OLD_CLASS_NAME = "IvidPipeline"  # of model folders without that file
CLASS_SOURCE = '''"""The class of this model, for `DiffusionPipeline.from_pretrained(..., trust_remote_code=True)`.

It is part of the package ivid, which must be installed.
"""

from ivid.pipeline.diffusers_pipeline import IvidDiffusionPipeline

__all__ = ["IvidDiffusionPipeline"]
'''
NETWORKS = ("first_view_unet", "novel_view_unet", "refiner_unet", "novel_refiner_unet", "upsampler_unet")
"""Folders of a model, each with a UNet2DModel; the first two are always there."""
MOST_DECONTAMINATION_PX = 4  # wider ones take from other surfaces
MOST_EROSION_PX = 1024  # of `ivid.fusion.mesh.MeshSettings`
MOST_UNTRUSTED = 1e-3  # trust of further views that never add up to a trusted one
NETWORK_CLASS = ["diffusers", "UNet2DModel"]

OLD_NAMES = {
    "class_names": "labels.classes",
    "kinds": "labels.instances",
    "novel_kinds": "labels.novel_instances",
    "mirror": "labels.horizontal_flip",
    "depth_range": "depth.range",
    "edge_threshold": "depth.edge_threshold",
    "mask_edges": "depth.mask_discontinuities",
    "far_margin": "depth.snap_to_far",
    "ramp_step": "depth.flying_pixel_threshold",
    "pull": "blending",
    "refine_below": "refiner.start",
    **{each.name: f"sampling.{each.name}" for each in fields(Sampling)},
}
"""Where the fields of configs written before version 0.2 are now."""


@dataclass(frozen=True)
class DepthConfig:
    """How a model's depth is coded and cleaned.

    Attributes:
        range: (near, far) in metres, with which z-buffer values d are decoded (method §3).
        edge_threshold: of the views' meshes, see `ivid.scene.View`.
        mask_discontinuities: whether pixels at depth edges leave the masks of conditions, as published (method §6).
        snap_to_far: d within this of the far plane is on it (`ivid.scene.depth.snap_to_far`).
        flying_pixel_threshold: step of d between two surfaces (`ivid.scene.depth.without_flying_pixels`); None keeps
            depth as it is sampled.
        first_smoothing, further_smoothing: range of the bilateral filter that smooths the d of sampled views within
            surfaces, the standard deviation of its differences (`ivid.pipeline.pictures.smoothed`); of first views and
            of further ones. None keeps depth as it is.
        decontamination_px: how far behind depth edges the colours that conditions take from views are freed of those of
            the nearer surface (`ivid.pipeline.pictures.decontaminated`); 0 keeps them. The edges are those of
            `flying_pixel_threshold`.
        erosion_radius: pixels around the depth edges of views that give way to other views in conditions (method §5);
            None for the method's 3/128 of their size.

    Raises:
        ValueError: a value is out of range.
    """

    range: DepthRange = PUBLISHED_SAMPLING_RANGE
    edge_threshold: float = EDGE_THRESHOLD
    mask_discontinuities: bool = True
    snap_to_far: float = 0.0
    flying_pixel_threshold: float | None = None
    first_smoothing: float | None = None
    further_smoothing: float | None = None
    decontamination_px: int = 0
    erosion_radius: int | None = None

    def __post_init__(self) -> None:
        try:
            near, far = (float(plane) for plane in self.range)
        except (TypeError, ValueError):
            raise ValueError(f"a model's depth range must be two numbers, got {self.range!r}") from None
        if not 0 < near < far < float("inf"):
            raise ValueError(f"a model's depth range must be 0 < near < far, got {near} and {far}")
        object.__setattr__(self, "range", (near, far))
        _check_number("depth.edge_threshold", self.edge_threshold, positive=True)
        _check_number("depth.snap_to_far", self.snap_to_far)
        for name in ("flying_pixel_threshold", "first_smoothing", "further_smoothing"):
            if getattr(self, name) is not None:
                _check_number(f"depth.{name}", getattr(self, name), positive=True)
        _check_pixels("depth.decontamination_px", self.decontamination_px, MOST_DECONTAMINATION_PX)
        if self.erosion_radius is not None:
            _check_pixels("depth.erosion_radius", self.erosion_radius, MOST_EROSION_PX)
        if self.decontamination_px and self.flying_pixel_threshold is None:
            raise ValueError("a model's depth.decontamination_px needs depth.flying_pixel_threshold")


@dataclass(frozen=True)
class LabelConfig:
    """The labels of a model's networks.

    Attributes:
        classes: names, in the order of their indices; none for models without classes.
        instances: of every class, the instance labels of the first-view network that belong to it: an instance is
            one object of the training data. None where the labels of that network are classes.
        instance_names: `class/file` of the object that each instance label stands for; empty where nobody recorded it.
        novel_instances: whether the labels of the novel-view network are instances too.
        horizontal_flip: whether half of the seeds show the first view mirrored.

    Raises:
        ValueError: there are instances, but not for every class.
    """

    classes: tuple[str, ...] = ()
    instances: tuple[tuple[int, ...], ...] | None = None
    instance_names: tuple[str, ...] = ()
    novel_instances: bool = False
    horizontal_flip: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.classes, tuple) or not all(isinstance(name, str) for name in self.classes):
            raise ValueError(f"a model's classes must be a list of names, got {self.classes!r:.80}")
        if self.instances is not None and (
            len(self.instances) != len(self.classes) or not all(isinstance(each, tuple) for each in self.instances)
        ):
            raise ValueError("a model's instances must be a list of labels for each of its classes")


@dataclass(frozen=True)
class RefinerConfig:
    """How the refiners of details work, if the model has them (`ivid.diffusion.refining`).

    Attributes:
        start: the refiner of first views is asked at timesteps below this one.
        guess_weight: of the novel-view network's colours, from 0 to 1, where only views of less than full trust show
            any: the refiner of further views joins what these show and the guess with it.

    Raises:
        ValueError: a value is out of range.
    """

    start: int = 0
    guess_weight: float = 0.0

    def __post_init__(self) -> None:
        _check_number("refiner.start", self.start)
        weight = self.guess_weight
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1:
            raise ValueError(f"a model's refiner.guess_weight must be a number from 0 to 1, got {weight!r:.40}")


@dataclass(frozen=True)
class ModelConfig:
    """What belongs to a model.

    Attributes:
        name: what it is called.
        schedule: its noise schedule (`ivid.diffusion.schedules`).
        prediction_type: what its networks predict, one of `ivid.diffusion.denoiser.PREDICTION_TYPES`.
        sampling: how it samples by default.
        depth, blending, labels, refiner: see there.
        novel_view_trust: of further views, see `ivid.scene.View`; a first view has 1.
        view_orders: the order in which the views of a set (method §8) are sampled where it is not the published one: by
            name of the set, the places of its views there. The first view comes first.
        consistency: whether views leave out by their masks what floats in the air (`ivid.fusion.consistency`): further
            views are judged by those before them as soon as they are made, all by all others in the finished scene.
        novel_view_noise: whether further views begin with noise, and see noise where nothing is known (method §6); if
            not, zeros stand in its place, and a further view is a function of the views so far.
        novel_view_mirroring: whether what is predicted of a further view is averaged with what is predicted of its
            mirror image (`ivid.diffusion.denoiser.MirroredDenoiser`), which takes twice as long.

    Raises:
        ValueError: a value is of another type, or out of range.
    """

    name: str = ""
    schedule: Mapping[str, Any] = field(
        default_factory=lambda: {"num_train_timesteps": 1000, "beta_schedule": "linear"}
    )
    prediction_type: str = "epsilon"
    sampling: Sampling = PUBLISHED_SAMPLING
    depth: DepthConfig = field(default_factory=DepthConfig)
    blending: Blending = field(default_factory=Blending)
    labels: LabelConfig = field(default_factory=LabelConfig)
    refiner: RefinerConfig = field(default_factory=RefinerConfig)
    novel_view_trust: float = 1.0
    consistency: bool = False
    view_orders: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    novel_view_noise: bool = True
    novel_view_mirroring: bool = False

    def __post_init__(self) -> None:
        timesteps = self.schedule.get("num_train_timesteps") if isinstance(self.schedule, Mapping) else None
        if not isinstance(timesteps, int) or isinstance(timesteps, bool) or timesteps < 1:
            raise ValueError("a model's schedule must be an object with a positive integer num_train_timesteps")
        Sampling().resolved(self.sampling, timesteps)
        trust = self.novel_view_trust
        if isinstance(trust, bool) or not isinstance(trust, int | float) or not MIN_TRUST <= trust <= 1:
            raise ValueError(f"novel_view_trust must be from {MIN_TRUST:g} to 1, got {trust!r:.40}")
        if self.refiner.guess_weight and trust > MOST_UNTRUSTED:
            most = f"{MOST_UNTRUSTED:g}"
            raise ValueError(f"refiner.guess_weight needs a novel_view_trust of at most {most}, got {trust!r}")
        if self.novel_view_mirroring and self.novel_view_noise:
            raise ValueError("novel_view_mirroring needs novel_view_noise to be false")
        if not isinstance(self.view_orders, Mapping):
            raise ValueError(f"a model's view_orders must be an object, got {self.view_orders!r:.40}")
        orders = {name: _checked_order(name, order) for name, order in self.view_orders.items()}
        object.__setattr__(self, "view_orders", orders)

    def cameras(self, view_set_name: str, seed: int) -> list[Camera]:
        """The cameras of a view set in the order in which this model samples them.

        Raises:
            ValueError: there is no such set.
        """
        return in_order(view_set(view_set_name, seed), self.view_orders.get(view_set_name))

    @property
    def timesteps(self) -> int:
        """T of the noise schedule: the most steps a view can take."""
        return self.schedule["num_train_timesteps"]

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], base: ModelConfig | None = None) -> ModelConfig:
        """The config of JSON values; what they leave out is `base`'s.

        Args:
            values: nested as `to_dict` nests them; fields may have the names they had before version 0.2 (`OLD_NAMES`).

        Raises:
            ValueError: there is no such field, or its value is unusable; the message names it.
        """
        return _changed(cls() if base is None else base, _grouped(values), "")

    def to_dict(self) -> dict[str, Any]:
        """JSON values, a dictionary for each group of fields."""
        return asdict(self)


@dataclass(frozen=True)
class ModelIndex:
    """The `model_index.json` of a model folder, laid out as diffusers lays out its own.

    Attributes:
        config: of the model.
        networks: those of `NETWORKS` that it has.
    """

    config: ModelConfig
    networks: tuple[str, ...]

    @classmethod
    def read(cls, folder: str | Path) -> ModelIndex:
        """Read the index of a model folder.

        Raises:
            ValueError: it does not describe a model of this program; the message names the file.
            OSError: it cannot be read.
        """
        path = Path(folder) / INDEX_FILE
        index = read_json(path)
        if not isinstance(index, dict) or index.get("_class_name") not in (CLASS_NAME, OLD_CLASS_NAME):
            raise ValueError(f"{path} does not describe a model of this program")
        networks = tuple(name for name in NETWORKS if index.get(name) == NETWORK_CLASS)
        if not set(NETWORKS[:2]) <= set(networks):
            raise ValueError(
                f"{path} does not describe a model of this program: it names no {' and '.join(NETWORKS[:2])}"
            )
        values = {name: value for name, value in index.items() if name not in NETWORKS and not name.startswith("_")}
        try:
            return cls(ModelConfig.from_dict(values), networks)
        except ValueError as error:
            raise ValueError(f"{path} does not describe a model of this program: {error}") from None

    def write(self, folder: str | Path) -> None:
        """Write the index into a model folder, and the file that tells diffusers its class."""
        networks = {name: NETWORK_CLASS if name in self.networks else [None, None] for name in NETWORKS}
        with written_aside(Path(folder) / CLASS_FILE) as aside:
            aside.write_text(CLASS_SOURCE)
        with written_aside(Path(folder) / INDEX_FILE) as aside:
            aside.write_text(json.dumps({"_class_name": CLASS_NAME, **self.config.to_dict(), **networks}, indent=1))


def _grouped(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON values with the old names replaced by present ones."""
    grouped: dict[str, Any] = {name: value for name, value in values.items() if name not in OLD_NAMES}
    for name in values.keys() & OLD_NAMES.keys():
        group, _, member = OLD_NAMES[name].partition(".")
        members = {member: values[name]} if member else values[name] or {}
        present = grouped.get(group, {})
        both = isinstance(members, Mapping) and isinstance(present, Mapping)
        grouped[group] = {**present, **members} if both else members
    return grouped


def _changed(base: Any, values: Mapping[str, Any], where: str) -> Any:
    """A config, or a group of one, with JSON values in the place of its own."""
    known = [each.name for each in fields(base)]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ValueError(f"a model has no {', '.join(where + name for name in unknown)}; it has {', '.join(known)}")
    changes = {}
    for name, value in values.items():
        own = getattr(base, name)
        if is_dataclass(own):
            if not isinstance(value, Mapping):
                raise ValueError(f"a model's {where}{name} must be an object, got {value!r:.40}")
            value = _changed(own, value, f"{where}{name}.")
        elif isinstance(own, bool) and not isinstance(value, bool):
            raise ValueError(f"a model's {where}{name} must be true or false, got {value!r:.40}")
        elif isinstance(own, str) and not isinstance(value, str):
            raise ValueError(f"a model's {where}{name} must be a text, got {value!r:.40}")
        changes[name] = _without_lists(value)
    return replace(base, **changes)


def _without_lists(value: Any) -> Any:
    return tuple(_without_lists(each) for each in value) if isinstance(value, list | tuple) else value


def _checked_order(name: str, order: Any) -> tuple[int, ...]:
    count = len(view_set_angles(name))
    if not isinstance(order, list | tuple) or sorted(order) != list(range(count)) or order[0] != 0:
        raise ValueError(
            f"a model's view_orders.{name} must be 0 and then the numbers from 1 to {count - 1} in any order"
        )
    return tuple(order)


def _check_pixels(name: str, value: Any, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
        raise ValueError(f"a model's {name} must be an integer from 0 to {most}, got {value!r:.80}")


def _check_number(name: str, value: Any, positive: bool = False) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        raise ValueError(f"a model's {name} must be a number of at least 0, got {value!r:.40}")
    if positive and value == 0:
        raise ValueError(f"a model's {name} must be positive, got {value!r}")
