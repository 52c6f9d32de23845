# ruff: noqa: UP018 - Warp wants float(0) for what changes in a loop.
# type: ignore - what Warp compiles is not quite Python.
"""Kernels that fuse depth maps into a truncated signed distance field, and colours onto a surface.

Arrays of views have the view as their first axis. A view's edge pixels have weight 0 and take no part.
"""

from __future__ import annotations

import warp as wp

wp.set_module_options({"enable_backward": False})

OCCLUDED = wp.constant(1.0e-16)  # factor on the weight of a view that sees something else there: under any eroded one

ALONG_RAY = wp.constant(3.0)  # truncations along the ray beyond which the plane of a slanting pixel says nothing


@wp.func
def pixel_of(world_to_view: wp.mat44, scale: float, point: wp.vec3) -> wp.vec3:
    """(u, v, 1/depth) of a world point, u and v in pixels from the image centre; 1/depth is 0 behind the camera."""
    seen = wp.transform_point(world_to_view, point)
    if seen[2] > -1.0e-6:
        return wp.vec3(0.0, 0.0, 0.0)
    inverse = -1.0 / seen[2]
    return wp.vec3(scale * seen[0] * inverse, -scale * seen[1] * inverse, inverse)


@wp.kernel
def integrate(
    first: int,
    size: int,
    truncation: float,
    voxels: wp.array(dtype=wp.vec3),
    world_to_view: wp.array(dtype=wp.mat44),
    positions: wp.array(dtype=wp.vec3),
    scales: wp.array(dtype=float),
    depth: wp.array3d(dtype=float),
    weights: wp.array3d(dtype=float),
    normals: wp.array3d(dtype=wp.vec3),
    distance: wp.array(dtype=float),
    total: wp.array(dtype=float),
):
    """Mean truncated distance, in units of `truncation`, and sum of weights of voxels given in contracted space.

    The distance is the one to the plane of the pixel a voxel falls on, measured in contracted space: under
    c(p) = p / (1 + |p|) with derivative J, the plane's unit normal n becomes J⁻ᵀn, whose length is
    (1 + |p|)·√(1 + ((1 + |p|)² - 1)·(n·p̂)²).
    """
    index = first + wp.tid()
    contracted = voxels[index]
    inside = wp.length(contracted)
    if inside > 0.98:
        return
    stretch = 1.0 / (1.0 - inside)  # 1 + |p|
    point = contracted * stretch
    outward = wp.normalize(point)
    half = 0.5 * float(size)
    mean = float(0.0)
    weight_sum = float(0.0)
    for view in range(world_to_view.shape[0]):
        pixel = pixel_of(world_to_view[view], scales[view], point)
        if pixel[2] > 0.0 and wp.abs(pixel[0]) < half and wp.abs(pixel[1]) < half:
            row = wp.min(int(pixel[1] + half), size - 1)
            column = wp.min(int(pixel[0] + half), size - 1)
            weight = weights[view, row, column]
            if weight > 0.0:
                to_camera = positions[view] - point
                ahead = depth[view, row, column] * pixel[2] - 1.0  # of the voxel's own depth
                along = wp.length(to_camera) * ahead / (stretch * truncation)
                normal = normals[view, row, column]
                radial = wp.dot(normal, outward)
                length = stretch * wp.sqrt(1.0 + (stretch * stretch - 1.0) * radial * radial)
                signed = wp.dot(normal, to_camera) * ahead / (length * truncation)
                if along > ALONG_RAY:
                    signed = 1.0
                if signed > -1.0 and along > -ALONG_RAY:
                    mean += weight * wp.min(signed, 1.0)
                    weight_sum += weight
    total[index] = weight_sum
    if weight_sum > 0.0:
        distance[index] = mean / weight_sum


@wp.kernel
def gather_colours(
    first: int,
    size: int,
    tolerance: float,
    points: wp.array(dtype=wp.vec3),
    world_to_view: wp.array(dtype=wp.mat44),
    scales: wp.array(dtype=float),
    depth: wp.array3d(dtype=float),
    weights: wp.array3d(dtype=float),
    colours: wp.array3d(dtype=wp.vec3),
    gathered: wp.array(dtype=wp.vec3),
):
    """Colour of surface points: the mean of the views by weight, almost without those that see something else there.

    Colours are read bilinearly from the pixels that are no edges; `tolerance` is in 1/metres.
    """
    index = first + wp.tid()
    point = points[index]
    half = 0.5 * float(size)
    colour_sum = wp.vec3(0.0, 0.0, 0.0)
    weight_sum = float(0.0)
    for view in range(world_to_view.shape[0]):
        pixel = pixel_of(world_to_view[view], scales[view], point)
        if pixel[2] > 0.0 and wp.abs(pixel[0]) < half and wp.abs(pixel[1]) < half:
            row = pixel[1] + half - 0.5
            column = pixel[0] + half - 0.5
            top = int(wp.floor(row))
            left = int(wp.floor(column))
            lowest = float(1.0e9)
            highest = float(0.0)
            view_colour = wp.vec3(0.0, 0.0, 0.0)
            view_weight = float(0.0)
            for i in range(2):
                for j in range(2):
                    y = wp.clamp(top + i, 0, size - 1)
                    x = wp.clamp(left + j, 0, size - 1)
                    nearness = (1.0 - wp.abs(row - float(top + i))) * (1.0 - wp.abs(column - float(left + j)))
                    weight = weights[view, y, x] * nearness
                    inverse = 1.0 / depth[view, y, x]
                    lowest = wp.min(lowest, inverse)
                    highest = wp.max(highest, inverse)
                    view_colour += weight * colours[view, y, x]
                    view_weight += weight
            factor = float(1.0)
            if pixel[2] > highest + tolerance or pixel[2] < lowest - tolerance:
                factor = OCCLUDED
            colour_sum += factor * view_colour
            weight_sum += factor * view_weight
    if weight_sum > 0.0:
        gathered[index] = colour_sum / weight_sum
