"""Names that fields of training configs had before: files with them are still read, such as those of finished runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RENAMED = {
    "fold": "patch_size",
    "noise_bias": "timestep_density",
    "pairs.mask_edges": "pairs.mask_discontinuities",
}
"""Old name -> present name; after a dot, of a field of `pairs`."""

RENAMED_VALUES = {("labels", "kind"): "instance"}
"""(field, old value) -> present value."""

DROPPED = {"sides": (1,), "flip_first_views": (False, True)}
"""Fields that are gone -> the values with which a config means the same without them."""


def with_present_names(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """The values of a config file, under the names of today.

    Args:
        values: the JSON object.
        source: of the file, for messages.

    Raises:
        ValueError: a field has its old and its present name, or one that is gone says what cannot be done any more.
    """
    present = _renamed(dict(values), "", source)
    if isinstance(present.get("pairs"), dict):
        present["pairs"] = _renamed(present["pairs"], "pairs.", source)
    for (name, old), new in RENAMED_VALUES.items():
        if present.get(name) == old:
            present[name] = new
    for name, harmless in DROPPED.items():
        if name in present and present.pop(name) not in harmless:
            raise ValueError(f"{source}: {name} is gone; a config can no longer say {name} {values[name]!r}")
    return present


def _renamed(values: dict[str, Any], prefix: str, source: str) -> dict[str, Any]:
    renamed = {old.removeprefix(prefix): new.removeprefix(prefix) for old, new in RENAMED.items()}
    for old, new in renamed.items():
        if old in values and new in values:
            raise ValueError(f"{source}: {prefix}{old} is the old name of {prefix}{new}; keep one of them")
    return {renamed.get(name, name): value for name, value in values.items()}
