"""The surface behind the exports: samples, merging, the fused distance field; held against slow twins."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivid.export.surface import (
    SAME_SURFACE,
    PointCloud,
    contract,
    edge_pixels,
    expand,
    merged,
    scene_maps,
    surface_samples,
    voxel_size,
)
from ivid.export.tsdf import fuse_surface, integrated, surface_colours
from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene
from ivid.scene.view import View
from tests.support.synthetic import DEPTH_RANGE, SPHERE_CENTRE, WORLD_TO_STAGE, distance_to_surface, synthetic_scene

RNG = np.random.default_rng(1)
SPHERE_WORLD = WORLD_TO_STAGE.T @ SPHERE_CENTRE


@cache
def maps_of(size=64):
    return scene_maps(synthetic_scene(size))


@cache
def samples():
    return surface_samples(maps_of())


@given(st.lists(st.floats(-50, 50), min_size=3, max_size=3))
@settings(deadline=None)
def test_expanding_undoes_contracting(point):
    point = np.array(point)
    inside = contract(point)
    assert np.linalg.norm(inside) < 1
    assert np.allclose(expand(inside), point, atol=1e-9)


def test_a_pixel_is_of_one_size_in_contracted_space():
    for distance in (1.0, 2.0, 4.0):  # behind the orbit centre, seen from distance 1
        pixel = 0.01 * (1 + distance)
        pair = contract(np.array([[0, 0, -distance], [pixel, 0, -distance]]))
        assert np.linalg.norm(pair[1] - pair[0]) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("threshold", [0.03, 0.15])
def test_edges_are_those_of_the_slow_twin(threshold):
    depth = RNG.uniform(0.9, 1.1, (12, 12)).astype(np.float32)
    depth[4:9, 3:8] = 2.5
    depth[9:] = np.linspace(4, 4.5, 12)  # steep in metres, not in 1/metres
    view = View(np.zeros((12, 12, 3), np.uint8), depth, Camera.orbit(0, 0), threshold)
    points = view.camera.unproject(depth)
    expected = np.zeros((12, 12), bool)
    for i in range(11):
        for j in range(11):
            a, b, c, d = (i, j), (i, j + 1), (i + 1, j), (i + 1, j + 1)
            falling = np.linalg.norm(points[a] - points[d]) < np.linalg.norm(points[b] - points[c])
            for triangle in ((a, b, d), (a, c, d)) if falling else ((a, b, c), (b, c, d)):
                z = [float(depth[each]) for each in triangle]
                if max(z) - min(z) > threshold and 1 / min(z) - 1 / max(z) > threshold:
                    for each in triangle:
                        expected[each] = True
    assert np.array_equal(edge_pixels(view), expected)
    assert 0 < expected.sum() < 144


def test_normals_and_weights_are_those_of_the_analytic_scene():
    own = maps_of()[0]
    camera = own.view.camera
    on_sphere = np.linalg.norm(own.points - SPHERE_WORLD, axis=-1) < 0.161
    clear = on_sphere & (own.weights > 1e-6)
    assert clear.sum() > 100
    expected = (own.points - SPHERE_WORLD)[clear]
    expected /= np.linalg.norm(expected, axis=-1, keepdims=True)
    assert (own.normals[clear] * expected).sum(-1).min() > 0.99
    towards = camera.position - own.points[clear]
    towards /= np.linalg.norm(towards, axis=-1, keepdims=True)
    angle = np.arccos(np.clip((own.normals[clear] * towards).sum(-1), 0, 1))
    assert np.allclose(own.weights[clear], np.maximum(np.exp(-20 * angle), 1e-4), rtol=2e-2)


def test_samples_lie_on_the_surface_and_none_in_the_sky():
    assert len(samples()) > 10_000
    distance = distance_to_surface(samples().points)
    assert np.quantile(distance, 0.99) < 1e-3
    assert np.linalg.norm(samples().points, axis=-1).max() < 4.5
    assert np.allclose(np.linalg.norm(samples().normals, axis=-1), 1, atol=1e-4)
    assert ((samples().normals * samples().towards).sum(-1) > 0).mean() > 0.99


def test_what_most_views_look_through_is_dropped():
    scene = synthetic_scene(64)
    first = scene.views[0]
    depth = first.depth.copy()
    depth[5:15, 5:15] = 0.8  # a plate in the air that no other view has seen
    maps = scene_maps(Scene([View(first.rgb, depth, first.camera), *scene.views[1:]], DEPTH_RANGE))
    assert (maps[0].weights[6:14, 6:14] > 0).all()
    plate = first.camera.unproject(depth)[7:13, 7:13].reshape(-1, 3)
    found = surface_samples(maps).points
    nearest = np.linalg.norm(found[:, None] - plate[None, ::7], axis=-1).min()
    assert nearest > 0.1


def test_background_becomes_surface_where_there_is_nothing_else():
    rgb = np.full((16, 16, 3), 200, np.uint8)
    scene = Scene([View(rgb, np.full((16, 16), 5.0, np.float32), Camera.orbit(0, 0))], DEPTH_RANGE)
    assert len(surface_samples(scene_maps(scene))) == 256
    sky = synthetic_scene(64)
    assert len(surface_samples(scene_maps(sky, keep_far=True))) > len(samples())


def test_a_scene_of_nothing_but_edges_is_refused():
    depth = np.where(np.indices((16, 16)).sum(0) % 2, 0.7, 4.0).astype(np.float32)
    scene = Scene([View(np.zeros((16, 16, 3), np.uint8), depth, Camera.orbit(0, 0))], DEPTH_RANGE)
    with pytest.raises(ValueError, match="shows no surface"):
        scene_maps(scene)


def test_merging_is_the_weighted_mean_per_voxel():
    count, voxel = 300, 0.08
    cloud = PointCloud(
        points=RNG.normal(0, 0.3, (count, 3)).astype(np.float32),
        normals=np.tile(np.float32([0, 0, 1]), (count, 1)),
        colours=RNG.uniform(0, 1, (count, 3)).astype(np.float32),
        weights=RNG.uniform(1e-6, 1, count).astype(np.float32),
        footprints=np.full(count, 0.01, np.float32),
        towards=np.tile(np.float32([0, 0, 1]), (count, 1)),
    )
    groups = {}
    for index, cell in enumerate(np.floor(contract(cloud.points) / voxel).astype(int)):
        groups.setdefault(tuple(cell), []).append(index)
    result = merged(cloud, voxel)
    expected = np.array(
        [np.average(cloud.colours[group], axis=0, weights=cloud.weights[group]) for group in groups.values()]
    )
    assert 10 < len(groups) < count
    assert len(result) == len(groups)
    order, expected_order = np.lexsort(result.colours.T), np.lexsort(expected.T)
    assert np.allclose(result.colours[order], expected[expected_order], atol=1e-5)


def slow_distance(maps, voxel, truncation):
    """Mean truncated distance and sum of weights of one voxel, in world coordinates and plain numpy."""
    point = expand(voxel.astype(np.float64))
    stretch, outward = 1 + np.linalg.norm(point), point / np.linalg.norm(point)
    values, weights = [], []
    for each in maps:
        camera, size = each.view.camera, each.view.size
        x, y, z = camera.world_to_view[:3, :3] @ point + camera.world_to_view[:3, 3]
        column = int(np.floor(size * (0.5 + camera.focal * x / -z)))
        row = int(np.floor(size * (0.5 - camera.focal * y / -z)))
        if not (0 <= row < size and 0 <= column < size) or each.weights[row, column] == 0:
            continue
        depth = 1e6 if each.background[row, column] else each.view.depth[row, column]
        towards = camera.position - point
        seen = camera.position - towards * depth / -z  # where the ray through the voxel meets its pixel's depth
        normal = each.normals[row, column].astype(np.float64)
        radial = (normal @ outward) * outward
        length = np.linalg.norm(stretch * (normal - radial) + stretch**2 * radial)
        signed = normal @ (point - seen) / (length * truncation)
        along = np.linalg.norm(towards) * (depth / -z - 1) / (stretch * truncation)
        if along > 3:
            signed = 1.0
        if signed > -1 and along > -3:
            values.append(min(signed, 1))
            weights.append(each.weights[row, column])
    return (np.average(values, weights=weights), sum(weights)) if weights else (0.0, 0.0)


def test_the_fused_distance_is_that_of_the_slow_twin():
    maps = maps_of()[:5]
    points = samples().points[::400]
    voxels = contract(points + RNG.normal(0, 0.02, points.shape)).astype(np.float32)
    distance, total = integrated(maps, voxels, 0.05)
    expected = np.array([slow_distance(maps, voxel, 0.05) for voxel in voxels])
    same_pixels = np.isclose(total, expected[:, 1], rtol=1e-3)  # on a border, rounding decides which pixel it is
    assert same_pixels.mean() > 0.95
    assert (total > 0).sum() > 50
    assert np.allclose(distance[same_pixels], expected[same_pixels, 0], atol=2e-3)


def test_surface_colours_are_those_of_the_slow_twin():
    maps = maps_of()[:4]
    points = samples().points[::500] + np.float32(1e-4)
    colours = surface_colours(maps, points)
    for point, colour in zip(points, colours, strict=True):
        numerator, denominator = np.zeros(3), 0.0
        for each in maps:
            camera, size = each.view.camera, each.view.size
            x, y, z = camera.world_to_view[:3, :3] @ point + camera.world_to_view[:3, 3]
            column, row = size * (0.5 + camera.focal * x / -z) - 0.5, size * (0.5 - camera.focal * y / -z) - 0.5
            if not (-0.5 <= row <= size - 0.5 and -0.5 <= column <= size - 0.5):
                continue
            corners = [(int(np.floor(row)) + i, int(np.floor(column)) + j) for i in (0, 1) for j in (0, 1)]
            shares = [(1 - abs(row - i)) * (1 - abs(column - j)) for i, j in corners]
            pixels = [tuple(np.clip(corner, 0, size - 1)) for corner in corners]
            depths = [1e6 if each.background[pixel] else each.view.depth[pixel] for pixel in pixels]
            inverse = 1 / np.array(depths)
            same = inverse.min() - SAME_SURFACE <= -1 / z <= inverse.max() + SAME_SURFACE
            for share, pixel in zip(shares, pixels, strict=True):
                weight = share * each.weights[pixel] * (1 if same else 1e-16)
                numerator += weight * each.view.rgb[pixel] / 255
                denominator += weight
        if denominator:
            assert np.allclose(colour, numerator / denominator, atol=2e-3)


def test_the_fused_surface_is_the_analytic_one():
    maps = maps_of()
    surface = fuse_surface(maps, samples().points, voxel_size(maps))
    assert len(surface.triangles) > 10_000
    near = np.linalg.norm(surface.vertices, axis=-1) < 0.8
    distance = distance_to_surface(surface.vertices[near])
    assert np.median(distance) < 2e-3
    assert np.quantile(distance, 0.95) < 0.015  # a pixel is 0.013 wide at the orbit centre
    corners = surface.vertices[surface.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    towards = np.array([0, 0, 1]) - corners.mean(axis=1)
    assert ((normals * towards).sum(-1) > 0).mean() > 0.9  # counter-clockwise from where the cameras are


def test_a_mesh_can_be_simplified():
    maps = maps_of()
    surface = fuse_surface(maps, samples().points, 2 * voxel_size(maps), max_triangles=1500)
    assert 1000 < len(surface.triangles) <= 1500
