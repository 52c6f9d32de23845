"""How a scene is sampled: what a caller asks for, and the model's defaults for the rest (method §7)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ivid.diffusion import SAMPLERS

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
    """

    first_steps: int | None = None
    novel_steps: int | None = None
    guidance: float | None = None
    novel_guidance: float | None = None
    first_sampler: str | None = None
    novel_sampler: str | None = None

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

    def as_settings(self) -> dict[str, Any]:
        """The record in a scene's settings."""
        return asdict(self)


PUBLISHED_SAMPLING = Sampling(
    first_steps=1000, novel_steps=50, guidance=3.0, first_sampler="auto", novel_sampler="ddim"
)
"""Of the authors' program (method §7)."""


def _first(value: Any, otherwise: Any) -> Any:
    return otherwise if value is None else value
