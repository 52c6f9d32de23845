"""At which noise levels the network is guided; without torch, so that evaluations are counted at once."""

from __future__ import annotations

EVERYWHERE = (0.0, 1.0)
"""The guidance interval that leaves nothing out."""


def is_guided(timestep: int, timesteps: int, interval: tuple[float, float]) -> bool:
    """Whether an evaluation at a timestep, 0 to T - 1, is inside the guidance interval, a pair of shares of T."""
    low, high = interval
    return low <= timestep / timesteps <= high
