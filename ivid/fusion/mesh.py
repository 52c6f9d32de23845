"""Views as meshes, kept between renders (method §4)."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import warp as wp

from ivid.fusion import mesh_kernels as kernels
from ivid.fusion.raster_kernels import MAX_VIEW_SIZE
from ivid.fusion.runtime import empty, launch, split
from ivid.scene.view import View

MIN_SLOTS = 4
IDLE_VIEWS = 64  # views that stay meshed though the present call does not ask for them, and
IDLE_BYTES = 512 << 20  # more of them as long as they take no more memory than this,
IDLE_SHARE_OF_GPU = 0.125  # or, on a GPU, than this share of its memory

_RINGS = {"none": kernels.RING_NONE, "pixels": kernels.RING_PIXELS, "frustum": kernels.RING_FRUSTUM}


@dataclass(frozen=True)
class MeshSettings:
    """How a view becomes a mesh (method §4).

    Attributes:
        ring: the padding around the grid: "none", "pixels" (moved outwards by `ring_px` at its depth) or "frustum"
            (moved by one pixel and pulled towards the camera).
        ring_px: width of a "pixels" ring in source pixels.
        erosion_radius: vertices within a (2r + 1)^2 box around an edge vertex are eroded.
        atol, rtol: a triangle is an edge if its depths differ by more than `atol` metres and their inverses by more
            than `rtol` per metre; `atol` None makes no edges.
        normals: whether there are any, which only blending asks for.
    """

    ring: Literal["none", "pixels", "frustum"] = "none"
    ring_px: float = 1.0
    erosion_radius: int = 0
    atol: float | None = 0.03
    rtol: float = 0.03
    normals: bool = True

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


@dataclass(frozen=True)
class MeshArrays:
    """What kernels read of meshes (see `mesh_kernels`), each array with a slot per view as its first axis.

    Attributes:
        depth: float32 [slots, S, S], metres.
        colours: vec3 [slots, S, S], in [0, 1].
        points, normals: vec3 [slots, (S + 2)^2], in their view's camera space.
        flags: uint8 [slots, (S + 2)^2].
        quads: uint16 [slots, (S + 1)^2].
        masks: uint8 [slots, S, S], 0 for pixels that are left out.
    """

    depth: wp.array
    colours: wp.array
    points: wp.array
    normals: wp.array
    flags: wp.array
    quads: wp.array
    masks: wp.array

    @classmethod
    def empty(cls, slots: int, size: int, device: wp.Device) -> MeshArrays:
        """Room for some views of `size` pixels."""
        vertices, quads = (slots, (size + 2) ** 2), (slots, (size + 1) ** 2)
        return cls(
            depth=empty((slots, size, size), wp.float32, device),
            colours=empty((slots, size, size), wp.vec3, device),
            points=empty(vertices, wp.vec3, device),
            normals=empty(vertices, wp.vec3, device),
            flags=empty(vertices, wp.uint8, device),
            quads=empty(quads, wp.uint16, device),
            masks=empty((slots, size, size), wp.uint8, device),
        )

    def take_over(self, other: MeshArrays) -> None:
        """Copy all meshes of smaller arrays into the first slots."""
        for name in (field.name for field in fields(self)):
            old = getattr(other, name)
            wp.copy(getattr(self, name), old, count=old.size)


class MeshStore:
    """The meshes of views of one size, made once per view and kept while the view lives and is in use.

    A view is known by its identity: it is a value, and its arrays must not be changed once it has been rendered.
    """

    def __init__(self, size: int, settings: MeshSettings, device: wp.Device, threads: int) -> None:
        if size > MAX_VIEW_SIZE:
            raise ValueError(f"a view of {size} pixels is too large to be meshed; at most {MAX_VIEW_SIZE} are possible")
        self.size, self.settings = size, settings
        self.arrays = MeshArrays.empty(MIN_SLOTS, size, device)
        self._device, self._threads = device, threads
        self._idle_bytes = IDLE_BYTES if device.is_cpu else int(IDLE_SHARE_OF_GPU * device.total_memory)
        self._slot_of: weakref.WeakKeyDictionary[View, int] = weakref.WeakKeyDictionary()
        self._last_use = [0] * MIN_SLOTS
        self._uses = 0

    @property
    def vertices(self) -> int:
        """Vertices of a mesh, with the ring."""
        return (self.size + 2) ** 2

    @property
    def quads(self) -> int:
        """Quads of a mesh, with those to the ring."""
        return (self.size + 1) ** 2

    @property
    def mesh_bytes(self) -> int:
        """Memory of one mesh."""
        arrays = (getattr(self.arrays, field.name) for field in fields(self.arrays))
        return sum(array.strides[0] for array in arrays)

    def slots(self, views: Sequence[View]) -> list[int]:
        """The slot of each view's mesh; views not seen before are uploaded and meshed."""
        self._uses += 1
        fresh = [view for view in dict.fromkeys(views) if view not in self._slot_of]
        if fresh:
            placed = list(zip(fresh, self._make_room(views, len(fresh)), strict=True))
            self._slot_of.update(placed)
            self._build(placed)
        slots = [self._slot_of[view] for view in views]
        for slot in slots:
            self._last_use[slot] = self._uses
        return slots

    def _make_room(self, views: Sequence[View], count: int) -> list[int]:
        """Slots for `count` more views: empty ones, then new ones, then those of views unused for longest."""
        slot_of = dict(self._slot_of)  # holds the views, which might die meanwhile
        room = [slot for slot in range(len(self._last_use)) if slot not in slot_of.values()]
        most = max(len(views), IDLE_VIEWS, self._idle_bytes // self.mesh_bytes)
        if len(room) < count and len(self._last_use) < most:
            slots = min(most, max(2 * len(self._last_use), len(slot_of) + count))
            room += range(len(self._last_use), slots)
            arrays = MeshArrays.empty(slots, self.size, self._device)
            arrays.take_over(self.arrays)
            self.arrays = arrays
            self._last_use += [0] * (slots - len(self._last_use))
        idle = sorted((view for view in slot_of if view not in views), key=lambda view: self._last_use[slot_of[view]])
        for view in idle[: max(0, count - len(room))]:
            room.append(slot_of[view])
            del self._slot_of[view]
        return room[:count]

    def _build(self, placed: Sequence[tuple[View, int]]) -> None:
        for view, slot in placed:
            upload(view.colours, self.arrays.colours, slot)
            upload(view.depth, self.arrays.depth, slot)
            mask = np.ones(view.depth.shape, np.uint8) if view.mask is None else view.mask.astype(np.uint8)
            upload(mask, self.arrays.masks, slot)

        def build(first: int, count: int) -> None:
            edges = empty((self.vertices,), wp.uint8, self._device)
            spread = empty((self.vertices,), wp.uint8, self._device)
            for view, slot in placed[first : first + count]:
                self._build_one(slot, view.camera.focal, edges, spread)

        split(len(placed), self._threads, build)

    def _build_one(self, slot: int, focal: float, edges: wp.array, spread: wp.array) -> None:
        """Mesh one view; `edges` and `spread` are scratch, a byte per vertex."""
        size, settings, arrays, device = self.size, self.settings, self.arrays, self._device
        ring, radius, side = _RINGS[settings.ring], settings.erosion_radius, size + 2
        atol = -1.0 if settings.atol is None else settings.atol
        inputs = [slot, size, focal, ring, settings.ring_px, arrays.depth, arrays.points, edges]
        launch(kernels.place_vertices, self.vertices, inputs, device)
        if settings.normals:
            launch(kernels.find_normals, self.vertices, [slot, size, arrays.points, arrays.normals], device)
        inputs = [slot, size, ring, atol, settings.rtol]
        inputs += [arrays.depth, arrays.masks, arrays.points, arrays.quads, edges]
        launch(kernels.split_quads, self.quads, inputs, device)
        if settings.atol is None:  # all triangles stay plain, as `split_quads` leaves them, and flags are not read
            return
        launch(kernels.spread_rows, self.vertices, [side, radius, edges, spread], device)
        launch(kernels.flag_vertices, self.vertices, [slot, side, radius, edges, spread, arrays.flags], device)
        inputs = [slot, size, int(settings.normals), arrays.points, arrays.normals, arrays.flags, arrays.quads]
        launch(kernels.sort_triangles, self.quads, inputs, device)


def upload(values: np.ndarray, target: wp.array, slot: int) -> None:
    """Copy one view's values into its slot of an array."""
    source = wp.array(np.ascontiguousarray(values), dtype=target.dtype, device="cpu", copy=False)
    wp.copy(target, source, dest_offset=slot * source.size, count=source.size)
