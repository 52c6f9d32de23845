"""Further views recorded while scenes were drawn: what was known of each (its condition), and what it truly looks like.

    recorded.json        format, version, size, count; how many are done; what was drawn of which renders
    rgb.npy              uint8 [N, S, S, 3], the condition's colour
    depth.npy            uint16 [N, S, S], its z-buffer values d times 65535; depth_floor.npy the same
    masks.npy            bool [N, 2, S, S], where colour and where depth is known
    target.npy           int64 [N, 2], the scene in the renders, and which of its true views it is (0: the picture)

The true views stay in the renders (`ivid.data.renders`, made with more than one view of every scene).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ivid.data.further_views import FurtherView, as_floats
from ivid.data.renders import DEPTH_STEPS, Renders
from ivid.scene.condition import Condition
from ivid.scene.depth import DepthRange
from ivid.scene.files import read_json, written_aside

MANIFEST = "recorded.json"
FORMAT, FORMAT_VERSION = "ivid-recorded-views", 1
_UNKNOWN_FLOOR = 0.03  # added to the unknown share of every view, so that none is left out


def _layout(size: int) -> dict[str, tuple[type[np.generic], tuple[int, ...]]]:
    return {
        "rgb": (np.uint8, (size, size, 3)),
        "depth": (np.uint16, (size, size)),
        "depth_floor": (np.uint16, (size, size)),
        "masks": (np.bool_, (2, size, size)),
        "target": (np.int64, (2,)),
    }


def is_recorded(folder: str | Path) -> bool:
    """Whether a folder holds recorded views, finished or not."""
    return (Path(folder) / MANIFEST).is_file()


class Recorder:
    """Appends views to a folder; one that was stopped goes on where it was.

    Args:
        folder: for the arrays.
        size: side of the views in pixels.
        count: how many there will be.
        origin: JSON values that say how they are made; a folder with another origin is refused.

    Raises:
        ValueError: the folder holds views made otherwise.
    """

    def __init__(self, folder: str | Path, size: int, count: int, origin: dict) -> None:
        self.folder = Path(folder)
        self._header = {"format": FORMAT, "version": FORMAT_VERSION, "size": size, "count": count, "origin": origin}
        self.done, mode = 0, "w+"
        if is_recorded(self.folder):
            header = read_json(self.folder / MANIFEST)
            if {**header, "done": 0} != {**json.loads(json.dumps(self._header)), "done": 0}:
                raise ValueError(f"{folder} already holds views recorded in another way; choose another folder")
            self.done, mode = header["done"], "r+"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._arrays = {
            name: np.lib.format.open_memmap(self.folder / f"{name}.npy", mode, dtype, (count, *shape))
            for name, (dtype, shape) in _layout(size).items()
        }
        self.commit()

    def append(self, condition: Condition, scene: int, view: int) -> None:
        """Add what was known of a view of a scene; `commit` makes it last."""
        arrays, n = self._arrays, self.done
        arrays["rgb"][n] = np.rint(condition.rgb * 255)
        arrays["depth"][n] = np.rint(condition.depth * DEPTH_STEPS)
        arrays["depth_floor"][n] = np.rint(condition.depth_floor * DEPTH_STEPS)
        arrays["masks"][n] = condition.mask_rgb, condition.mask
        arrays["target"][n] = scene, view
        self.done += 1

    def commit(self) -> None:
        """Write out what was added, and note it as done."""
        for array in self._arrays.values():
            array.flush()
        with written_aside(self.folder / MANIFEST) as aside:
            aside.write_text(json.dumps({**self._header, "done": self.done}, indent=1))


@dataclass(frozen=True, eq=False)
class RecordedViews:
    """Recorded views as a source of further views (`ivid.data.further_views.FurtherViews`).

    Attributes:
        folder: from a `Recorder`.
        renders: whose scenes they are of; their labels are those of the views.
        prefer_unknown: draw views in proportion to how much of them is unknown, in place of evenly. The index that is
            asked for decides nothing then.

    Raises:
        ValueError: the folder holds something else, is unfinished or damaged, or is of other renders.
    """

    folder: Path
    renders: Renders
    prefer_unknown: bool = False

    def __post_init__(self) -> None:
        header = read_json(self.folder / MANIFEST)
        if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("version") != FORMAT_VERSION:
            raise ValueError(f"{self.folder} holds no recorded views that this program reads")
        if header["done"] != header["count"]:
            raise ValueError(f"only {header['done']} of {header['count']} views in {self.folder} are recorded; go on")
        if header["size"] != self.renders.size:
            raise ValueError(
                f"the views in {self.folder} are {header['size']} pixels wide, the renders {self.renders.size}"
            )
        for name, (dtype, shape) in _layout(header["size"]).items():
            array = self._array(name)
            if array.dtype != dtype or array.shape != (header["count"], *shape):
                raise ValueError(f"{self.folder / name}.npy holds {array.dtype} {array.shape}; record the views again")
        scene, view = np.max(self._array("target"), axis=0)
        if scene >= len(self.renders) or view >= self.renders.view_count:
            raise ValueError(f"the views in {self.folder} are of other renders than {self.renders.folder}")

    def __reduce__(self):
        """Travel to another process as the places of the files."""
        return RecordedViews, (self.folder, self.renders, self.prefer_unknown)

    @property
    def depth_range(self) -> DepthRange:
        return self.renders.depth_range

    @property
    def classes(self) -> Sequence[str]:
        return self.renders.classes

    def __len__(self) -> int:
        return len(self._array("target"))

    def view(self, index: int, rng: np.random.Generator, mirrored: bool) -> FurtherView:
        if self.prefer_unknown:
            index = int(np.searchsorted(self._cumulative, rng.random(), side="right"))
        scene, number = map(int, self._array("target")[index])
        rgb, depth = self.renders.scene_arrays(scene, number)
        rgb, d = as_floats(rgb, depth.astype(np.float32) / np.float32(DEPTH_STEPS), mirrored)

        def stored(name: str) -> np.ndarray:
            values = np.array(self._array(name)[index])
            flipped = values[..., ::-1] if values.ndim == 2 or name == "masks" else values[:, ::-1]
            return np.ascontiguousarray(flipped if mirrored else values)

        mask_rgb, mask = stored("masks")
        condition = Condition(
            rgb=stored("rgb").astype(np.float32) / 255,
            depth=stored("depth").astype(np.float32) / DEPTH_STEPS,
            mask=mask,
            mask_rgb=mask_rgb,
            depth_floor=stored("depth_floor").astype(np.float32) / DEPTH_STEPS,
        )
        return FurtherView(rgb, d, int(self.renders.labels[scene]), condition)

    @cached_property
    def _cumulative(self) -> np.ndarray:
        """[N] float64, rising to 1: the sum of the weights of the views so far."""
        masks = self._array("masks")
        unknown = np.array([1 - masks[index, 0].mean() for index in range(len(masks))]) + _UNKNOWN_FLOOR
        return np.cumsum(unknown) / unknown.sum()

    def _array(self, name: str) -> np.ndarray:
        if name not in self._arrays:
            self._arrays[name] = np.load(self.folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        return self._arrays[name]

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        return {}
