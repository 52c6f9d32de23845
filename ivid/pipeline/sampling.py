"""How a scene is sampled: what a caller asks for, and the model's defaults for the rest (method §7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ivid.diffusion import SAMPLERS
from ivid.diffusion.guidance import EVERYWHERE, is_guided

LARGEST_GUIDANCE = 20.0


@dataclass(frozen=True)
class Sampling:
    """How a scene is sampled; None stands for the model's default. Nothing is checked before `resolved`.

    Attributes:
        first_steps, novel_steps: network evaluations of the first and of every further view, 1 to T.
        guidance: s of classifier-free guidance (method §7), 0 (none) to 20. Asked for alone, it is that of all views.
        novel_guidance: the same for further views.
        first_sampler, novel_sampler: one of `ivid.diffusion.SAMPLERS`. The first may be `auto`, the published rule:
            ancestral DDPM at all T steps, DDIM at fewer.
        guidance_interval: (low, high), shares of the T timesteps between which evaluations are guided, t / T of their
            timesteps t; (0, 1) are all. Guidance is needed where the noise hides most, harms above, and does nothing
            but cost below (Kynkäänniemi et al., NeurIPS 2024).
    """

    first_steps: int | None = None
    novel_steps: int | None = None
    guidance: float | None = None
    novel_guidance: float | None = None
    first_sampler: str | None = None
    novel_sampler: str | None = None
    guidance_interval: tuple[float, float] | None = None

    def changed(self, **shortcuts: Any) -> Sampling:
        """This, with other values for the fields that are named and not None.

        Args:
            shortcuts: fields, and `sampler`, which stands for both samplers.

        Raises:
            ValueError: there is no such field.
        """
        given = {name: value for name, value in shortcuts.items() if value is not None}
        if "sampler" in given:
            sampler = given.pop("sampler")
            given = {"first_sampler": sampler, "novel_sampler": sampler, **given}
        known = [each.name for each in fields(Sampling)]
        unknown = sorted(given.keys() - set(known))
        if unknown:
            raise ValueError(f"there is no argument {', '.join(unknown)}; sampling takes {', '.join(known)}, sampler")
        return replace(self, **given)

    def resolved(self, default: Sampling, timesteps: int) -> ResolvedSampling:
        """Every choice made: this where it says something, else the model's `default`.

        Args:
            default: says everything but, perhaps, `novel_guidance`, which then is `guidance`.
            timesteps: T of the model's noise schedule.

        Raises:
            ValueError: steps or guidance are out of range, or there is no such sampler.
        """
        chosen = (
            self if self.guidance is None else replace(self, novel_guidance=_first(self.novel_guidance, self.guidance))
        )
        values = {
            each.name: _first(getattr(chosen, each.name), getattr(default, each.name)) for each in fields(Sampling)
        }
        values["novel_guidance"] = _first(values["novel_guidance"], values["guidance"])
        for name in ("first_steps", "novel_steps"):
            steps = values[name]
            if not isinstance(steps, int) or isinstance(steps, bool) or not 1 <= steps <= timesteps:
                raise ValueError(f"{name} must be an integer from 1 to {timesteps}, got {steps!r}")
        for name in ("guidance", "novel_guidance"):
            try:
                values[name] = float(values[name])
            except (TypeError, ValueError):
                raise ValueError(f"{name} must be a number, got {values[name]!r}") from None
            if not 0 <= values[name] <= LARGEST_GUIDANCE:
                raise ValueError(f"{name} must lie between 0 and {LARGEST_GUIDANCE:g}, got {values[name]}")
        if values["first_sampler"] == "auto":
            values["first_sampler"] = "ddpm" if values["first_steps"] == timesteps else "ddim"
        for name in ("first_sampler", "novel_sampler"):
            if values[name] not in SAMPLERS:
                raise ValueError(f"there is no sampler {values[name]!r}; choose one of {', '.join(SAMPLERS)}")
        values["guidance_interval"] = _interval(_first(values["guidance_interval"], EVERYWHERE))
        return ResolvedSampling(**values)


@dataclass(frozen=True)
class ResolvedSampling(Sampling):
    """`Sampling` that leaves nothing to the model; from `Sampling.resolved`."""

    first_steps: int  # pyright: ignore[reportGeneralTypeIssues]
    novel_steps: int  # pyright: ignore[reportGeneralTypeIssues]
    guidance: float  # pyright: ignore[reportGeneralTypeIssues]
    novel_guidance: float  # pyright: ignore[reportGeneralTypeIssues]
    first_sampler: str  # pyright: ignore[reportGeneralTypeIssues]
    novel_sampler: str  # pyright: ignore[reportGeneralTypeIssues]
    guidance_interval: tuple[float, float] = EVERYWHERE  # pyright: ignore[reportIncompatibleVariableOverride]

    def as_settings(self) -> dict[str, Any]:
        """The record in a scene's settings; the guidance interval only if it leaves something out."""
        settings = asdict(self)
        interval = settings.pop("guidance_interval")
        return settings if interval == EVERYWHERE else {**settings, "guidance_interval": list(interval)}

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> ResolvedSampling:
        """What `as_settings` recorded.

        Raises:
            KeyError: something is missing.
            ValueError: the guidance interval is none.
        """
        names = [each.name for each in fields(Sampling) if each.name != "guidance_interval"]
        interval = _interval(settings.get("guidance_interval", EVERYWHERE))
        return cls(**{name: settings[name] for name in names}, guidance_interval=interval)

    def evaluations(self, views: int, timesteps: int, first_view: bool = False) -> int:
        """Evaluations of the networks that draw the views of a scene, a guided one counting twice; refiners aside.

        Args:
            views: how many the scene has.
            timesteps: T of the noise schedule.
            first_view: whether the first view is given.
        """
        first = 0 if first_view else self._of_view(self.first_steps, self.guidance, timesteps)
        return first + (views - 1) * self._of_view(self.novel_steps, self.novel_guidance, timesteps)

    def _of_view(self, steps: int, guidance: float, timesteps: int) -> int:
        visited = [timesteps * number // steps - 1 for number in range(1, steps + 1)]
        return steps + sum(guidance > 0 and is_guided(t, timesteps, self.guidance_interval) for t in visited)


PUBLISHED_SAMPLING = Sampling(
    first_steps=1000, novel_steps=50, guidance=3.0, first_sampler="auto", novel_sampler="ddim"
)
"""Of the authors' program (method §7)."""

FAST_SAMPLING = Sampling(
    first_steps=20, novel_steps=6, first_sampler="unipc", novel_sampler="unipc", guidance_interval=(0.2, 0.7)
)
"""A tenth of the published evaluations and fewer, with the model's own guidance: see docs/samplers.md."""


def fast_sampling(default: Sampling, timesteps: int, views: int = 27) -> Sampling | None:
    """The preset of few evaluations for a model; None for one that takes no more than that by default.

    Args:
        default: the model's own sampling.
        timesteps: T of its noise schedule.
        views: of the scenes that are meant.
    """
    if timesteps < max(FAST_SAMPLING.first_steps or 0, FAST_SAMPLING.novel_steps or 0):
        return None
    fast, own = (asked.resolved(default, timesteps) for asked in (FAST_SAMPLING, Sampling()))
    quicker = fast.evaluations(views, timesteps) < own.evaluations(views, timesteps)
    return FAST_SAMPLING if quicker else None


def _interval(value: Any) -> tuple[float, float]:
    wrong = f"guidance_interval must be two numbers, 0 <= low < high <= 1, got {value!r:.60}"
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise ValueError(wrong)
    if any(isinstance(bound, bool) or not isinstance(bound, int | float) for bound in value):
        raise ValueError(wrong)
    low, high = (float(bound) for bound in value)
    if not 0 <= low < high <= 1:
        raise ValueError(wrong)
    return low, high


def _first(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value
