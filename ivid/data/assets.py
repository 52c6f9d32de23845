"""A folder of 3D assets by class: which there are, which are trained on and which are held out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ivid.data.renders import SPLITS, class_of_asset


def split_assets(
    folder: str | Path, held_out_share: float, classes: Sequence[str] | None = None
) -> tuple[list[str], dict[str, list[str]]]:
    """The classes of a folder of 3D assets, and its assets by split as `class/file.glb`.

    Which are held out depends on their sorted names and the share alone.

    Raises:
        ValueError: there is no such folder or class, a class has fewer than two assets, or the share is out of range.
    """
    folder = Path(folder)
    if not 0 < held_out_share < 1:
        raise ValueError(f"the share of held-out assets must lie between 0 and 1, got {held_out_share}")
    if not folder.is_dir():
        raise ValueError(f"there is no folder {folder}; it should hold one folder of .glb files per class")
    present = sorted({path.parent.name for path in folder.glob("*/*.glb")})
    if not present:
        raise ValueError(f"{folder} holds no assets; it should hold one folder of .glb files per class")
    names = list(classes) if classes is not None else present
    unknown = [name for name in names if name not in present]
    if unknown or len(set(names)) != len(names) or not names:
        raise ValueError(f"classes must be different ones of {', '.join(present)}; got {', '.join(names) or 'none'}")
    assets: dict[str, list[str]] = {split: [] for split in SPLITS}
    for name in names:
        files = sorted(f"{name}/{path.name}" for path in (folder / name).glob("*.glb"))
        if len(files) < 2:
            raise ValueError(f"class {name} has only one asset; it takes one to train on and one to hold out")
        held_out = min(len(files) - 1, max(1, round(held_out_share * len(files))))
        order = np.random.default_rng(0).permutation(len(files))
        assets["held_out"] += sorted(files[k] for k in order[:held_out])
        assets["train"] += sorted(files[k] for k in order[held_out:])
    return names, assets


def chosen_assets(assets: Sequence[str], only: Sequence[str], classes: Sequence[str]) -> list[str]:
    """Those of `assets` that `only` names.

    Raises:
        ValueError: it names something else, or nothing of a class.
    """
    wanted = set(only)
    strangers = sorted(wanted.difference(assets))
    if strangers:
        raise ValueError(f"{strangers[0]} is not one of the {len(assets)} assets to train on")
    chosen = [name for name in assets if name in wanted]
    bare = sorted(set(classes) - {class_of_asset(name) for name in chosen})
    if bare:
        raise ValueError(f"no asset of class {bare[0]} was chosen")
    return chosen
