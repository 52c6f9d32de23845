"""Geometric consistency of views, as multi-view stereo tests it (COLMAP, MVSNet): which pixels float in the air.

A pixel's surface point is projected into every other view. A view whose depth there, or at a neighbouring pixel, is the
same supports it; one whose depths there are all clearly behind it sees through it. What "the same" is, the view's
`edge_threshold` says. A pixel that no other view supports and at least two see through is a speck in the air.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import warp as wp

from ivid.fusion import consistency_kernels
from ivid.fusion.runtime import kernel_device, launch, split, thread_count
from ivid.scene.view import View

SEEN_THROUGH_BY = 2  # views that must see through a pixel which none supports


@dataclass(frozen=True, eq=False)
class CrossCheck:
    """What other views say of each pixel of a view.

    Attributes:
        supporting: int32 [S, S], how many see the pixel's surface.
        contradicting: int32 [S, S], how many see through it.
    """

    supporting: np.ndarray
    contradicting: np.ndarray

    @property
    def specks(self) -> np.ndarray:
        """Bool [S, S]: the pixels that no other view supports and at least two see through."""
        return (self.supporting == 0) & (self.contradicting >= SEEN_THROUGH_BY)


def cross_check(view: View, others: Sequence[View], *, by_trust: bool = False) -> CrossCheck:
    """Ask `others` about every pixel of `view`; what their masks leave out says nothing.

    Args:
        view: the view that is judged.
        others: views of the same size, without `view` itself.
        by_trust: whether only views that are trusted no less than `view` may contradict it.

    Raises:
        ValueError: the views differ in size.
    """
    size = view.size
    if any(other.size != size for other in others):
        raise ValueError(f"the views must be of one size, got {', '.join(map(str, [size, *(v.size for v in others)]))}")
    supporting, contradicting = (np.zeros((size, size), np.int32) for _ in range(2))
    if not others:
        return CrossCheck(supporting, contradicting)
    device = kernel_device("cpu")
    to_other = np.stack([other.camera.world_to_view @ view.camera.view_to_world for other in others])
    masks = np.stack([_mask(other) for other in others])
    overruling = np.array([not by_trust or other.trust >= view.trust for other in others], np.int32)

    def array(values: np.ndarray, dtype: type) -> wp.array:
        return wp.array(np.ascontiguousarray(values), dtype=dtype, device="cpu", copy=False)

    inputs = [
        size,
        view.camera.focal,
        view.edge_threshold,
        array(view.depth, wp.float32),
        array(to_other.astype(np.float32), wp.mat44),
        array(np.array([other.camera.focal for other in others], np.float32), wp.float32),
        array(np.stack([other.depth for other in others]), wp.float32),
        array(masks.astype(np.uint8), wp.uint8),
        array(overruling, wp.int32),
        array(supporting, wp.int32),
        array(contradicting, wp.int32),
    ]

    def ask(first: int, count: int) -> None:
        launch(consistency_kernels.ask_others, (count, size), [first, *inputs], device)

    split(size, thread_count(None, device), ask)
    return CrossCheck(supporting, contradicting)


def without_specks(view: View, others: Sequence[View]) -> View:
    """The view with its specks left out by its mask; `others` overrule it if they are trusted no less.

    Nothing is lost: colours and depths stay, and `replace(view, mask=None)` undoes it.
    """
    specks = cross_check(view, others, by_trust=True).specks
    return replace(view, mask=_mask(view) & ~specks) if specks.any() else view


def consistent_views(views: Sequence[View]) -> list[View]:
    """All views without their specks, each judged by all others as they are given."""
    return [without_specks(view, [*views[:index], *views[index + 1 :]]) for index, view in enumerate(views)]


def speck_share(views: Sequence[View], within_m: float = 0.5) -> float:
    """The share of specks among the object's pixels in all views; 0 if there are none.

    Object pixels are those whose surface lies within `within_m` metres of the orbit centre, where the object stands;
    those that a view's mask leaves out are not counted.
    """
    specks = pixels = 0
    for index, view in enumerate(views):
        near = np.linalg.norm(view.camera.unproject(view.depth), axis=-1) < within_m
        ours = near & _mask(view)
        specks += int((cross_check(view, [*views[:index], *views[index + 1 :]]).specks & ours).sum())
        pixels += int(ours.sum())
    return specks / pixels if pixels else 0.0


def _mask(view: View) -> np.ndarray:
    return np.ones(view.depth.shape, bool) if view.mask is None else view.mask
