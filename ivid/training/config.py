"""What a training run depends on, as a file in `configs/`; checked before anything heavy is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ivid.data.pairs import PairSettings
from ivid.scene.files import read_json
from ivid.training.faults import sentences
from ivid.training.old_names import with_present_names
from ivid.training.schema import Schedule, UNetArguments

_Count = Annotated[int, Field(gt=0, le=10**9)]
_CountOrNone = Annotated[int, Field(ge=0, le=10**9)]
_Share = Annotated[float, Field(ge=0, le=1)]
_BelowOne = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class TrainingConfig:
    """Everything a run depends on beside its data; the fields of a file in `configs/`.

    Attributes:
        network: which network of a model is trained (`ivid.training.tasks`).
        unet: arguments of diffusers' UNet2DModel; channels and labels are filled in from network, patch size and data.
        scheduler: the noise schedule (`ivid.diffusion.schedules`) and, as `prediction_type`, what the network predicts.
        patch_size: side of the blocks of pixels that become channels of one.
        size: side of the pictures it is meant for; any when None.
        labels: what a network is told of a picture: its `class`; or its `instance`, the 3D asset that a render shows.
            Told so much, a network has less to find out in the noise.
        refines: of a refiner, folders with the first-view and the novel-view UNet2DModel whose guesses it corrects; of
            a refiner of further views (`novel_refiner`), the folder of the latter alone.
        init_from: a folder with a UNet2DModel to start from; further input channels start at zero.
        loss: `l2`, the squared error, whose least is the mean of what a pixel may be; or `l1`, the absolute error,
            whose least is the median: an edge that may be here or there is drawn here or there, and not as a ramp; or
            `smooth_l1`, which is l2 for small errors and l1 for others.
        weighting: `none` (the plain error of the prediction) or `v`: a clean-sample prediction weighted like a v loss,
            1 / max(1 - ᾱ, weighting_floor), of absolute errors the square root of that.
        batch_size: samples of a step of one process, over all accumulations: each GPU adds as many (method §10).
        accumulation: parts in which a batch is computed.
        optimiser: `adamw` or `muon` (`ivid.training.optimisers`).
        warmup_steps: the learning rate rises linearly over the first so many steps.
        decay_steps: it falls linearly to 0 over the last so many steps.
        gradient_clip: largest norm of the gradient of a step; any when None.
        ema_decay: upper bound of the averaging; it warms up as 1 - (1 + step)^-0.75.
        mixed_precision: `no`, `fp16` (with loss scaling) or `bf16`.
        label_dropout: how often the label is replaced by the null class (method §7).
        flip: mirror every other picture; of a refiner's, only those that are further views.
        timesteps: (first, end) of the timesteps trained on; all of them when None.
        timestep_density: 1 draws timesteps uniformly, more draws noisy ones more often: their density grows as the
            (timestep_density - 1)-th power of the distance from the first.
        pairs: how a further view's condition is made of a single picture (method §10).
        novel_view_noise: whether further views begin with noise (`ivid.pipeline.config.ModelConfig`).
        known_weight: of a novel-view network, what an error counts for where the condition says what is there.
        prefer_unknown: draw recorded views (`ivid.data.recorded_views`) in proportion to how much of them is unknown.
        pair_share: share of a refiner's samples that are further views; the others are first views.
        loader_workers: processes that make samples.
        log_every, save_every, sample_every: steps between lines of the log, saved states, and sheets of samples.
        sample_steps: of the sampler that draws those sheets.
    """

    network: Literal["first_view", "novel_view", "refiner", "novel_refiner", "upsampler"]
    unet: UNetArguments
    scheduler: Schedule
    patch_size: Annotated[int, Field(ge=1, le=64)] = 1
    size: Annotated[int, Field(ge=8, le=1024)] | None = None
    labels: Literal["class", "instance"] = "class"
    refines: tuple[str, ...] | None = None
    init_from: str | None = None
    loss: Literal["l2", "l1", "smooth_l1"] = "l2"
    weighting: Literal["none", "v"] = "none"
    weighting_floor: Annotated[float, Field(gt=0, le=1)] = 0.04
    batch_size: Annotated[int, Field(gt=0, le=65536)] = 32
    accumulation: Annotated[int, Field(gt=0, le=65536)] = 1
    steps: _Count = 100_000
    optimiser: Literal["adamw", "muon"] = "adamw"
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-4
    betas: tuple[_BelowOne, _BelowOne] = (0.9, 0.999)
    warmup_steps: _CountOrNone = 0
    decay_steps: _CountOrNone = 0
    gradient_clip: Annotated[float, Field(gt=0)] | None = None
    ema_decay: _BelowOne = 0.9999
    mixed_precision: Literal["no", "fp16", "bf16"] = "no"
    label_dropout: _Share = 0.1
    flip: bool = True
    timesteps: tuple[_CountOrNone, _Count] | None = None
    timestep_density: Annotated[float, Field(gt=0, le=100)] = 1.0
    pairs: PairSettings = field(default_factory=PairSettings)
    novel_view_noise: bool = True
    known_weight: Annotated[float, Field(gt=0, le=1)] = 1.0
    prefer_unknown: bool = False
    pair_share: _Share = 0.5
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    loader_workers: Annotated[int, Field(ge=0, le=1024)] = 0
    log_every: _Count = 50
    save_every: _Count = 500
    sample_every: _Count = 1000
    sample_steps: _Count = 20

    def __post_init__(self) -> None:
        refined = {"refiner": 2, "novel_refiner": 1}.get(self.network, 0)
        if len(self.refines or ()) != refined:
            raise ValueError(f"a {self.network} network needs {refined} folders of networks it refines (refines)")
        if self.batch_size % self.accumulation:
            raise ValueError(f"batch_size {self.batch_size} does not divide into {self.accumulation} accumulations")
        if self.size is not None and self.size % self.patch_size:
            raise ValueError(f"size {self.size} does not divide into patches of patch_size {self.patch_size}")
        if self.labels == "instance" and self.network == "upsampler":
            raise ValueError("an upsampler is told the class, not the instance (labels)")
        total = self.scheduler.get("num_train_timesteps", 1000)
        first, end = self.timesteps or (0, total)
        if not first < end <= total:
            raise ValueError(f"timesteps must be (first, end) with first < end <= {total}, got {self.timesteps}")
        if self.sample_steps > total:
            raise ValueError(f"sample_steps must be at most {total}, got {self.sample_steps}")

    @classmethod
    def read(cls, path: str | Path, changes: Mapping[str, Any] = {}) -> TrainingConfig:
        """Read a config file, with present or with old names of fields.

        Args:
            path: of a JSON file.
            changes: values of fields in place of the file's.

        Raises:
            ValueError: it is no JSON object, or not a training config; the message has a sentence for every fault.
        """
        values = read_json(path)
        if not isinstance(values, dict):
            raise ValueError(f"{path} must hold a JSON object")
        return cls.parse({**with_present_names(values, str(path)), **changes}, str(path))

    @classmethod
    def parse(cls, values: Mapping[str, Any], source: str = "this") -> TrainingConfig:
        """The config of JSON values.

        Raises:
            ValueError: they are not a training config; the message has a sentence for every fault.
        """
        try:
            return TypeAdapter(cls).validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            faults = "".join(f"\n  {sentence}" for sentence in sentences(error, [each.name for each in fields(cls)]))
            raise ValueError(f"{source} is not a training config:{faults}") from None

    @staticmethod
    def changes(settings: Iterable[str]) -> dict[str, Any]:
        """Fields of texts such as `steps=100`, `flip=false` or `init_from=runs/a/unet`: JSON values, or else strings.

        Raises:
            ValueError: a text has no `=`.
        """
        found: dict[str, Any] = {}
        for setting in settings:
            name, equals, text = setting.partition("=")
            if not equals:
                raise ValueError(f"{setting!r} sets no field of a config; write FIELD=VALUE")
            try:
                found[name.strip()] = json.loads(text)
            except ValueError:
                found[name.strip()] = text
        return found

    def to_json(self) -> str:
        """The text of a config file with all fields."""
        return json.dumps(asdict(self), indent=1)

    def learning_rate_at(self, step: int) -> float:
        """Warm-up, constant, linear decay."""
        scale = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        if self.decay_steps:
            scale = min(scale, max(0.0, (self.steps - step) / self.decay_steps))
        return self.learning_rate * scale
