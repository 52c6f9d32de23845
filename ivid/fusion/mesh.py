"""Views as meshes, kept between renders (method §4)."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import warp as wp

from ivid.fusion import mesh_kernels as kernels
from ivid.fusion.runtime import split
from ivid.scene import View

MIN_SLOTS = 4
IDLE_VIEWS = 64  # views that stay meshed though the present call does not ask for them

_RINGS = {"none": kernels.RING_NONE, "pixels": kernels.RING_PIXELS, "frustum": kernels.RING_FRUSTUM}


@dataclass(frozen=True)
class MeshSettings:
    """How a view becomes a mesh (method §4).

    Attributes:
        ring: the padding around the grid: "none", "pixels" (moved outwards by `ring_px` at its depth) or "frustum" (moved by
            one pixel and pulled towards the camera).
        ring_px: width of a "pixels" ring in source pixels.
        erosion_radius: vertices within a (2r + 1)^2 box around an edge vertex are eroded.
        atol, rtol: a triangle is an edge if its depths differ by more than `atol` metres and their inverses by more than
            `rtol`; None makes no edges.
    """

    ring: Literal["none", "pixels", "frustum"] = "none"
    ring_px: float = 1.0
    erosion_radius: int = 0
    atol: float | None = 0.03
    rtol: float = 0.03

    def __post_init__(self) -> None:
        if self.ring not in _RINGS:
            raise ValueError(f"there is no padding {self.ring!r}; choose one of {', '.join(_RINGS)}")
        if self.ring == "frustum" and self.ring_px != 1.0:
            raise ValueError("a frustum ring is one pixel wide")
        if not 0 <= self.erosion_radius <= 1024:
            raise ValueError(f"the erosion radius must be 0 to 1024 pixels, got {self.erosion_radius}")


def default_erosion_radius(size: int) -> int:
    """r of method §4 for views of `size` pixels: 3 at 128, in proportion at other sizes, at least 1."""
    return max(1, int(3 * size / 128 + 0.5))


class MeshStore:
    """The meshes of views of one size, made once per view and kept while the view lives and is in use.

    A view is known by its identity: it is a value, and its arrays must not be changed once it has been rendered. All arrays
    have a slot per view as their first axis; see `mesh_kernels` for the rest.
    """

    def __init__(self, size: int, settings: MeshSettings, device: wp.Device, threads: int) -> None:
        self.size, self.settings, self.device, self._threads = size, settings, device, threads
        self._slot_of: weakref.WeakKeyDictionary[View, int] = weakref.WeakKeyDictionary()
        self._capacity = 0
        self._clock = 0
        self._last_use: list[int] = []
        self._reserve(MIN_SLOTS)

    @property
    def vertices(self) -> int:
        return (self.size + 2) ** 2

    @property
    def quads_per_view(self) -> int:
        return (self.size + 1) ** 2

    def slots(self, views: Sequence[View]) -> list[int]:
        """The slot of each view's mesh; views not seen before are uploaded and meshed."""
        self._clock += 1
        known = {view: slot for view in views if (slot := self._slot_of.get(view)) is not None}
        fresh = [view for view in dict.fromkeys(views) if view not in known]
        taken = set(self._slot_of.values())
        # Slots of dead views first, then new ones up to the limit, then those unused for longest.
        idle = sorted(taken - set(known.values()), key=lambda slot: self._last_use[slot])
        limit = max(len(known) + len(fresh), IDLE_VIEWS)
        if len(taken) + len(fresh) > self._capacity and self._capacity < limit:
            self._reserve(min(limit, max(len(taken) + len(fresh), 2 * self._capacity)))
        free = [slot for slot in range(self._capacity) if slot not in taken] + idle
        placed = dict(zip(fresh, free, strict=False))
        evicted = set(placed.values()) & taken
        for view in [view for view, slot in self._slot_of.items() if slot in evicted]:
            del self._slot_of[view]
        for view, slot in placed.items():
            self._slot_of[view] = slot
        if placed:
            self._build(list(placed.items()))
        slots = [self._slot_of[view] for view in views]
        for slot in slots:
            self._last_use[slot] = self._clock
        return slots

    def _reserve(self, capacity: int) -> None:
        shapes = {
            "depth": ((self.size, self.size), wp.float32),
            "colours": ((self.size, self.size), wp.vec3),
            "points": ((self.vertices,), wp.vec3),
            "normals": ((self.vertices,), wp.vec3),
            "flags": ((self.vertices,), wp.uint8),
            "quads": ((self.quads_per_view,), wp.uint8),
        }
        for name, (shape, dtype) in shapes.items():
            grown = wp.empty((capacity, *shape), dtype=dtype, device=self.device)
            if self._capacity:
                wp.copy(grown, getattr(self, name), count=self._capacity * int(np.prod(shape)))
            setattr(self, name, grown)
        self._last_use += [0] * (capacity - self._capacity)
        self._capacity = capacity

    def _build(self, placed: list[tuple[View, int]]) -> None:
        for view, slot in placed:
            rgb = view.rgb if view.rgb.dtype == np.float32 else view.rgb.astype(np.float32) / np.float32(255)
            self._upload(self.colours, slot, rgb)
            self._upload(self.depth, slot, view.depth)

        def build(first: int, count: int) -> None:
            edges = wp.empty(self.vertices, dtype=wp.uint8, device=self.device)
            spread = wp.empty(self.vertices, dtype=wp.uint8, device=self.device)
            for view, slot in placed[first : first + count]:
                self._build_one(slot, view.camera.focal, edges, spread)

        split(len(placed), self._threads, build)

    def _upload(self, target: wp.array, slot: int, values: np.ndarray) -> None:
        source = wp.array(np.ascontiguousarray(values), dtype=target.dtype, device="cpu", copy=False)
        wp.copy(target[slot], source)

    def _build_one(self, slot: int, focal: float, edges: wp.array, spread: wp.array) -> None:
        size, settings, side = self.size, self.settings, self.size + 2
        ring = _RINGS[settings.ring]
        atol = -1.0 if settings.atol is None else settings.atol

        def launch(kernel: wp.Kernel, count: int, arguments: list) -> None:
            wp.launch(kernel, count, arguments, device=self.device, record_tape=False)

        vertices, quads = self.vertices, self.quads_per_view
        launch(
            kernels.place_vertices,
            vertices,
            [slot, size, focal, ring, settings.ring_px, self.depth, self.points, self.normals, edges],
        )
        launch(
            kernels.split_quads,
            quads,
            [slot, size, ring, atol, settings.rtol, self.depth, self.points, self.quads, edges],
        )
        launch(kernels.spread_rows, vertices, [side, settings.erosion_radius, edges, spread])
        launch(kernels.flag_vertices, vertices, [slot, side, settings.erosion_radius, ring, edges, spread, self.flags])
        launch(kernels.sort_triangles, quads, [slot, size, self.flags, self.quads])
