"""Between views and the samples that networks see: colour and encoded depth in [-1, 1] (method §3)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ivid.pipeline.config import DepthConfig
from ivid.scene.depth import DepthRange, decode, encode, snap_to_far, without_flying_pixels
from ivid.scene.view import View, quantised

LOG2_E = math.log2(math.e)


@dataclass(frozen=True, eq=False)
class Shown:
    """Clean samples [B, 4, S, S] on any device, and their pictures once somebody asks for them.

    Attributes:
        clean: the samples.
        depth: how their depth is coded and cleaned.
        further: of further views, None of enlarged ones; it decides how depth is smoothed.
        flipped: which of them are shown mirrored.
    """

    clean: Tensor
    depth: DepthConfig
    further: bool | None = None
    flipped: Sequence[int] = ()

    @cached_property
    def pictures(self) -> tuple[np.ndarray, np.ndarray]:
        """Colour [B, S, S, 3] in [0, 1] and metric depth [B, S, S], float32."""
        clean = self.clean
        if self.flipped:
            clean = clean.clone()
            clean[self.flipped] = clean[self.flipped].flip(-1)
        smoothing = self.depth.further_smoothing if self.further else self.depth.first_smoothing
        return to_pictures(clean, self.depth, None if self.further is None else smoothing)

    def preview(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Colour uint8 [S, S, 3] and depth float32 [S, S] of one sample."""
        rgb, depth = self.pictures
        return quantised(rgb[index]), depth[index]


def to_pictures(clean: Tensor, depth: DepthConfig, smoothing: float | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Colour [B, S, S, 3] in [0, 1] and metric depth [B, S, S], float32, of clean samples [B, 4, S, S].

    `smoothing` is the range of `smoothed`, one of the two in `depth`; without it, depth stays as it is.
    """
    values = (clean.float().clamp(-1, 1) + 1) / 2
    rgb = values[:, :3].permute(0, 2, 3, 1).cpu().numpy()
    d = snap_to_far(values[:, 3], depth.snap_to_far).cpu().numpy()
    if depth.flying_pixel_threshold is not None:
        d = without_flying_pixels(d, depth.flying_pixel_threshold)
    if smoothing is not None:
        d = smoothed(torch.from_numpy(d), smoothing).numpy()
    return np.ascontiguousarray(rgb), decode(d, depth.range)


def smoothed(d: Tensor, sigma_d: float, sigma_px: float = 2.0, radius_px: int = 3, passes: int = 2) -> Tensor:
    """Z-buffer values d [B, S, S] smoothed within surfaces, by a bilateral filter (Tomasi and Manduchi, ICCV 1998).

    Args:
        d: float32.
        sigma_d: neighbours whose d differs by more than a few times this count for nothing.
        sigma_px, radius_px: of the window around a pixel.
        passes: how often the filter is applied.
    """
    height, width = d.shape[1:]
    window = range(2 * radius_px + 1)
    for _ in range(passes):
        padded = F.pad(d[:, None], [radius_px] * 4, mode="replicate")[:, 0]
        # The pixel itself counts 1, and its difference to itself is 0.
        total, change = torch.ones_like(d), torch.zeros_like(d)
        apart, weight = torch.empty_like(d), torch.empty_like(d)
        for row, column in product(window, window):
            square_px = (row - radius_px) ** 2 + (column - radius_px) ** 2
            if square_px > 0:
                torch.sub(padded[:, row : row + height, column : column + width], d, out=apart)
                torch.mul(apart, apart, out=weight)
                # Not exp_: MKL splits that over threads, which wait for each other longer than it takes.
                weight.mul_(-0.5 * LOG2_E / sigma_d**2).sub_(0.5 * LOG2_E * square_px / sigma_px**2).exp2_()
                total.add_(weight)
                change.addcmul_(weight, apart)
        d = d + change / total
    return d


_NEIGHBOURS = np.array([(row, column) for row, column in product((-1, 0, 1), repeat=2) if (row, column) != (0, 0)])


def decontaminated(rgb: np.ndarray, d: np.ndarray, radius_px: int, step: float) -> np.ndarray:
    """Colours of a view in which no surface shows those of one before it (colour decontamination, as after matting).

    In pictures, edges are a pixel or two wide. Behind them, the colours of the nearer surface lie on the farther one,
    and from another side they are an outline of the object on its background. A pixel within `radius_px` of a surface
    that is nearer takes the mean colour of its neighbours on its own surface, those farthest from the edge first. Where
    there are none, it keeps its own.

    Args:
        rgb: float32 [S, S, 3].
        d: z-buffer values [S, S].
        radius_px: how wide the colours of the nearer surface lie.
        step: of d between two surfaces.

    Returns:
        float32 [S, S, 3].
    """
    from scipy import ndimage

    contaminated = ndimage.minimum_filter(d, 2 * radius_px + 1) < d - step
    rows, columns = np.array(np.nonzero(contaminated)) + 1  # of the arrays with a border, which is not clean
    clean, d, rgb = np.pad(~contaminated, 1), np.pad(d, 1), np.pad(rgb, ((1, 1), (1, 1), (0, 0)))
    for _ in range(2 * radius_px):
        beside = tuple(np.array([rows, columns])[:, :, None] + _NEIGHBOURS.T[:, None])  # two of [pixels, 8]
        same = clean[beside] & (np.abs(d[beside] - d[rows, columns, None]) < step)
        count = same.sum(axis=1)
        found = count > 0
        total = (rgb[beside] * same[..., None]).sum(axis=1)[found]
        rgb[rows[found], columns[found]] = total / count[found, None]
        clean[rows[found], columns[found]] = True
        rows, columns = rows[~found], columns[~found]
    return rgb[1:-1, 1:-1].astype(np.float32)


def source_of_conditions(view: View, depth: DepthConfig) -> View:
    """The view as conditions of further views see it: its colours decontaminated, where the model has them so."""
    if not depth.decontamination_px:
        return view
    assert depth.flying_pixel_threshold is not None
    d = encode(view.depth, depth.range)
    return replace(view, rgb=decontaminated(view.colours, d, depth.decontamination_px, depth.flying_pixel_threshold))


def to_sample(view: View, depth_range: DepthRange) -> Tensor:
    """A view as a clean sample float32 [4, S, S]."""
    rgb = view.quantised().rgb / 255
    rgbd = np.concatenate([rgb, encode(view.depth, depth_range)[..., None]], axis=-1, dtype=np.float32)
    return torch.from_numpy(rgbd).permute(2, 0, 1) * 2 - 1
