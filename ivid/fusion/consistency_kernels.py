# type: ignore - kernels are Warp's language, whose types a checker of Python does not know.

"""The kernel that asks other views about the pixels of a view (see `consistency`)."""

from __future__ import annotations

import warp as wp

from ivid.fusion.mesh_kernels import is_steep, pixel_ray

wp.set_module_options({"enable_backward": False})


NOTHING, SEES_THROUGH, SUPPORTS = wp.constant(0), wp.constant(1), wp.constant(2)


@wp.func
def pixel_says(
    other: int,
    row: int,
    column: int,
    z: float,
    threshold: float,
    depths: wp.array3d[float],
    masks: wp.array3d[wp.uint8],
) -> int:
    """What a pixel of another view says of a surface at its depth z."""
    its_z = depths[other, row, column]
    if masks[other, row, column] == wp.uint8(0):
        return NOTHING
    if not is_steep(z, z, its_z, threshold, threshold):
        return SUPPORTS
    return wp.where(its_z < z, NOTHING, SEES_THROUGH)


@wp.kernel
def ask_others(
    first: int,
    size: int,
    focal: float,
    threshold: float,
    depth: wp.array2d[float],
    to_other: wp.array[wp.mat44],
    other_focals: wp.array[float],
    other_depths: wp.array3d[float],
    other_masks: wp.array3d[wp.uint8],
    may_overrule: wp.array[int],
    supporting: wp.array2d[int],
    contradicting: wp.array2d[int],
):
    """Per pixel, how many other views see its surface, and how many of those that may overrule it see through it."""
    offset, column = wp.tid()
    row = first + offset
    point = depth[row, column] * pixel_ray(float(row), float(column), size, focal)
    for other in range(to_other.shape[0]):
        seen = wp.transform_point(to_other[other], point)
        z = -seen[2]
        if z <= 1.0e-6:
            continue
        scale = other_focals[other] * float(size) / z
        x = 0.5 * float(size) + scale * seen[0]
        y = 0.5 * float(size) - scale * seen[1]
        if not (x >= 0.0 and y >= 0.0 and x < float(size) and y < float(size)):
            continue
        j = wp.min(int(x), size - 1)
        i = wp.min(int(y), size - 1)
        verdict = pixel_says(other, i, j, z, threshold, other_depths, other_masks)
        if verdict != SUPPORTS:  # of most pixels, the one they fall on knows them
            for near_i in range(wp.max(i - 1, 0), wp.min(i + 2, size)):
                for near_j in range(wp.max(j - 1, 0), wp.min(j + 2, size)):
                    its = pixel_says(other, near_i, near_j, z, threshold, other_depths, other_masks)
                    verdict = wp.where(verdict == SUPPORTS or its == SUPPORTS, SUPPORTS, wp.min(verdict, its))
        if verdict == SUPPORTS:
            supporting[row, column] = supporting[row, column] + 1
        elif verdict == SEES_THROUGH and may_overrule[other] != 0:
            contradicting[row, column] = contradicting[row, column] + 1
