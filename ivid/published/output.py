"""What the authors' program calls the files it writes (method §12)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


def output_folder(out: Path, view_set: str, first_steps: int, novel_steps: int, guidance: float) -> Path:
    """The folder below `out` of the scenes made with these settings."""
    return out / f"viewset_{view_set}_steps_u{first_steps}_c{novel_steps}_guidance{float(guidance)}"


@dataclass(frozen=True)
class OutputFiles:
    """The files of one scene.

    Attributes:
        folder: from `output_folder`.
        class_index: of the scene, 0 without classes.
        number: its seed; or its place in the work, where files are numbered.
        numbered: whether `number` is that place.
    """

    folder: Path
    class_index: int
    number: int
    numbered: bool = False

    @property
    def scene(self) -> Path:
        """The scene file."""
        return self.folder / "scenes" / f"scene_{self._stem}.npz"

    @property
    def result(self) -> Path:
        """Of scenes of one or two views: the picture of the last one."""
        return self.folder / "results" / f"rgb_{self._stem}.png"

    @property
    def first_view(self) -> Path:
        """Of scenes of two views: the picture of the first one, which is the condition of the other."""
        return self.folder / "conds" / f"rgb_{self._stem}.png"

    def grid(self, channel: str) -> Path:
        """The picture of all views; channel is rgb or depth."""
        return self.folder / "grids" / f"{channel}_{self._stem}.png"

    def condition_grid(self, channel: str) -> Path:
        """The picture of what every view was made from."""
        return self.folder / "conds" / f"{channel}_cond_{self._stem}.png"

    @property
    def _stem(self) -> str:
        return f"class{self.class_index:03d}_" + (f"{self.number:05d}" if self.numbered else f"seed{self.number:05d}")
