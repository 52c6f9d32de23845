"""What a training run depends on, as a file in `configs/`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ivid.data.pairs import PairSettings
from ivid.scene.files import read_json

NETWORKS = ("first_view", "novel_view", "refiner", "upsampler")


@dataclass(frozen=True)
class TrainingConfig:
    """Everything a run depends on beside its data; the fields of a file in `configs/`.

    Attributes:
        network: one of `NETWORKS`.
        unet: arguments of diffusers' UNet2DModel; channels and classes are filled in from network, fold and data.
        scheduler: the noise schedule (`ivid.diffusion.schedules`) and, as `prediction_type`, what the network predicts.
        fold: side of the pixel blocks folded into channels.
        labels: what a network is told of a picture: its `class`; or its `kind` within the class, the model that a
            render shows and the side it is seen from. Told so much, a network has less to find out in the noise.
        sides: how many sides of a model are kinds of their own.
        refines: of a refiner, folders with the first-view and the novel-view UNet2DModel whose guesses it corrects.
        init_from: a folder with a UNet2DModel to start from; further input channels start at zero.
        loss: `l2`, the squared error, whose least is the mean of what a pixel may be; or `l1`, the absolute error,
            whose least is the median: an edge that may be here or there is drawn here or there, and not as a ramp.
        weighting: `none` (the plain error of the prediction) or `v`: a clean-sample prediction weighted like a v loss,
            1 / max(1 - ᾱ, weighting_floor), of absolute errors the square root of that.
        size: side of the pictures it is meant for; any when None.
        batch_size: samples of a step of one process, over all accumulations: each GPU adds as many (method §10).
        optimiser: `adamw` or `muon` (`ivid.training.optimisers`).
        decay_steps: the learning rate falls linearly to 0 over the last so many steps.
        ema_decay: upper bound of the averaging; it warms up as 1 - (1 + step)^-0.75.
        mixed_precision: `no`, `fp16` (with loss scaling) or `bf16`.
        timesteps: (first, end) of the timesteps trained on; all of them when None.
        noise_bias: 1 draws timesteps uniformly, more draws noisy ones more often: their density grows as the
            (noise_bias - 1)-th power of the distance from the first.
        pair_share: share of a refiner's samples that are further views; the others are first views.
        flip_first_views: whether those are mirrored where `flip` mirrors; not if the first-view network draws none so.
        loader_workers: processes that make samples.
    """

    network: str
    unet: dict[str, Any]
    scheduler: dict[str, Any]
    fold: int = 1
    size: int | None = None
    labels: str = "class"
    sides: int = 1
    refines: tuple[str, str] | None = None
    init_from: str | None = None
    loss: str = "l2"
    weighting: str = "none"
    weighting_floor: float = 0.04
    batch_size: int = 32
    accumulation: int = 1
    steps: int = 100_000
    optimiser: str = "adamw"
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    warmup_steps: int = 0
    decay_steps: int = 0
    gradient_clip: float | None = None
    ema_decay: float = 0.9999
    mixed_precision: str = "no"
    label_dropout: float = 0.1
    flip: bool = True
    timesteps: tuple[int, int] | None = None
    noise_bias: float = 1.0
    pairs: PairSettings = field(default_factory=PairSettings)
    pair_share: float = 0.5
    flip_first_views: bool = True
    seed: int = 0
    loader_workers: int = 0
    log_every: int = 50
    save_every: int = 500
    sample_every: int = 1000
    sample_steps: int = 20

    def __post_init__(self) -> None:
        if self.network not in NETWORKS:
            raise ValueError(f"network must be one of {', '.join(NETWORKS)}, got {self.network!r}")
        if (self.network == "refiner") != (self.refines is not None):
            raise ValueError("a refiner, and nothing else, needs the networks it refines")
        if self.batch_size % self.accumulation:
            raise ValueError(f"batch_size {self.batch_size} does not divide into {self.accumulation} accumulations")
        if self.loss not in ("l2", "l1"):
            raise ValueError(f"loss must be l2 or l1, got {self.loss!r}")
        if self.weighting not in ("none", "v"):
            raise ValueError(f"weighting must be none or v, got {self.weighting!r}")
        if self.labels not in ("class", "kind"):
            raise ValueError(f"labels must be class or kind, got {self.labels!r}")
        if self.labels == "kind" and self.network == "upsampler":
            raise ValueError("an upsampler is told the class, not the kind")
        if self.optimiser not in ("adamw", "muon"):
            raise ValueError(f"optimiser must be adamw or muon, got {self.optimiser!r}")
        if self.sides < 1:
            raise ValueError(f"sides must be at least 1, got {self.sides}")
        if self.noise_bias <= 0:
            raise ValueError(f"noise_bias must be positive, got {self.noise_bias}")
        if isinstance(self.pairs, dict):
            object.__setattr__(self, "pairs", PairSettings(**self.pairs))
        object.__setattr__(self, "betas", tuple(self.betas))
        for name in ("timesteps", "refines"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(getattr(self, name)))

    @classmethod
    def read(cls, path: str | Path) -> TrainingConfig:
        """Read a config file.

        Raises:
            ValueError: it is no JSON object, or has fields a config does not have.
        """
        values = read_json(path)
        if not isinstance(values, dict):
            raise ValueError(f"{path} must hold a JSON object")
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise ValueError(f"{path} has fields a training config does not have: {', '.join(unknown)}")
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"{path} is not a training config: {error}") from None

    def learning_rate_at(self, step: int) -> float:
        """Warm-up, constant, linear decay."""
        scale = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        if self.decay_steps:
            scale = min(scale, max(0.0, (self.steps - step) / self.decay_steps))
        return self.learning_rate * scale
