"""How fusion computes: threads, processes, bands, kept meshes, shading modes, a kernel cache that cannot be written."""

import gc
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from ivid.fusion import FusionRenderer, aggregate_conditions, forward_backward_warp, random_warp_camera, rasteriser
from ivid.fusion import mesh as meshes
from ivid.fusion.mesh import MeshSettings, MeshStore, default_erosion_radius
from ivid.fusion.resample import reduced
from ivid.fusion.runtime import kernel_device
from ivid.scene.cameras import Camera
from ivid.scene.view import View
from tests.support.synthetic import DEPTH_RANGE, synthetic_scene

pytestmark = pytest.mark.slow

SIZE = 32
TARGET = Camera.orbit(0.22, 0.07)


def scene_views(count=9):
    return list(synthetic_scene(size=SIZE, view_set="3x9").views[:count])


def copied(view):
    """The same view as another object, so with no mesh yet."""
    return View(view.rgb, view.depth, view.camera, view.edge_threshold)


def warped_rgb(seed):
    view = scene_views(1)[0]
    camera = random_warp_camera(np.random.default_rng(seed))
    return forward_backward_warp(view.rgb, view.depth, camera, DEPTH_RANGE).rgb


def condition_rgb(_):
    return aggregate_conditions(scene_views(3), TARGET, DEPTH_RANGE).rgb


def same(one, other):
    np.testing.assert_array_equal(one.rgb, other.rgb)
    np.testing.assert_array_equal(one.depth, other.depth)
    np.testing.assert_array_equal(one.mask, other.mask)


@pytest.mark.parametrize("shading", ["fragment", "fast"])
@pytest.mark.parametrize("threads", [2, 5])
def test_the_number_of_threads_does_not_change_the_picture(threads, shading):
    views = scene_views()
    one, many = (FusionRenderer(threads=n).render(views, TARGET, 48, 2, shading=shading) for n in (1, threads))
    same(one, many)


@pytest.mark.parametrize("shading", ["fragment", "pixel", "fast"])
def test_bands_of_bounded_memory_do_not_change_the_picture(monkeypatch, shading):
    views = scene_views()
    whole = FusionRenderer().render(views, TARGET, 48, 2, shading=shading)
    for rows in (11, 24):  # as many output rows of all views: more of a few
        monkeypatch.setattr(rasteriser, "BAND_BYTES", 8 * len(views) * 96 * 2 * rows)
        for threads in (1, 2):
            same(FusionRenderer(threads=threads).render(views, TARGET, 48, 2, shading=shading), whole)


def test_shading_once_per_pixel_stays_close_and_sees_the_same():
    """At 5x, colours differ a little, depths hardly (where views disagree on who is hidden), masks not at all."""
    views = list(synthetic_scene(size=64, view_set="3x9").views)
    renderer = FusionRenderer()
    fragment, pixel = (renderer.render(views, TARGET, 64, 5, shading=mode) for mode in ("fragment", "pixel"))
    assert (fragment.mask == pixel.mask).mean() > 0.999
    both = fragment.mask & pixel.mask
    error = ((fragment.rgb - pixel.rgb)[both] ** 2).mean()
    assert 0 < error < 10**-3.2
    np.testing.assert_allclose(fragment.depth[both], pixel.depth[both], rtol=1e-5)


def test_one_sample_per_pixel_is_the_same_in_both_shading_modes():
    views, renderer = scene_views(), FusionRenderer()
    same(renderer.render(views, TARGET, 40), renderer.render(views, TARGET, 40, shading="pixel"))


def test_a_renderer_serves_several_threads_at_once():
    renderer, views = FusionRenderer(), scene_views()
    targets = [Camera.orbit(0.05 * k, 0.01 * k) for k in range(-4, 5)]
    expected = [renderer.render(views, target, 32) for target in targets]
    with ThreadPoolExecutor(4) as pool:
        for got, want in zip(
            pool.map(lambda target: renderer.render(views, target, 32), targets), expected, strict=True
        ):
            same(got, want)
        warps = list(pool.map(warped_rgb, range(8)))
    for seed, got in enumerate(warps):
        np.testing.assert_array_equal(got, warped_rgb(seed))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_data_loader_workers_compute_the_same(method):
    """A forked worker inherits a started Warp and a thread pool whose threads do not exist in it."""
    expected = warped_rgb(3), condition_rgb(0)
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1, mp_context=context) as workers:
        np.testing.assert_array_equal(workers.submit(warped_rgb, 3).result(timeout=240), expected[0])
        np.testing.assert_array_equal(workers.submit(condition_rgb, 0).result(timeout=240), expected[1])


def test_meshes_are_built_once_per_view_and_die_with_it(monkeypatch):
    built = []
    original = MeshStore._build_one
    monkeypatch.setattr(
        MeshStore, "_build_one", lambda store, slot, *rest: (built.append(slot), original(store, slot, *rest))
    )
    renderer, views = FusionRenderer(threads=1), [copied(view) for view in scene_views(5)]
    first = renderer.render(views, TARGET, 24)
    same(renderer.render(views, TARGET, 24), first)
    assert len(built) == 5
    renderer.render([*views, copied(views[0])], TARGET, 24)
    assert len(built) == 6
    del views[1:]
    gc.collect()
    again = [copied(view) for view in scene_views(5)]
    same(renderer.render(again, TARGET, 24), first)
    assert len(set(built)) <= 8  # slots of views that are gone are used again


def test_a_store_keeps_no_more_views_than_it_may(monkeypatch):
    monkeypatch.setattr(meshes, "IDLE_VIEWS", 6)
    monkeypatch.setattr(meshes, "IDLE_BYTES", 0)
    settings = MeshSettings(ring="pixels", ring_px=8, erosion_radius=1)
    store = MeshStore(SIZE, settings, kernel_device(None), threads=1)
    views = [copied(view) for view in scene_views(9) for _ in range(2)]
    for view in views:
        store.slots([view])
    assert store.arrays.quads.shape[0] <= 8
    slots = store.slots(views[:16])  # more at once than may stay: all get a place
    assert len(set(slots)) == 16
    grown, fresh = store.arrays, MeshStore(SIZE, settings, kernel_device(None), threads=1)
    (alone,) = fresh.slots([views[3]])
    for name in ("points", "normals", "flags", "quads", "colours"):
        np.testing.assert_array_equal(
            getattr(grown, name).numpy()[slots[3]], getattr(fresh.arrays, name).numpy()[alone]
        )


def test_a_store_keeps_as_many_views_as_its_memory_holds(monkeypatch):
    monkeypatch.setattr(meshes, "IDLE_VIEWS", 2)
    settings = MeshSettings(ring="pixels", ring_px=8, erosion_radius=1)
    side = MeshStore(SIZE, settings, kernel_device(None), threads=1)
    held = sum(array.capacity for array in vars(side.arrays).values())
    assert held == side.mesh_bytes * len(side._last_use)
    monkeypatch.setattr(meshes, "IDLE_BYTES", 12 * side.mesh_bytes)
    store = MeshStore(SIZE, settings, kernel_device(None), threads=1)
    views = [copied(view) for view in scene_views(9) for _ in range(2)]
    for view in views:
        store.slots([view])
    assert store.arrays.quads.shape[0] == 12


def test_a_surface_is_covered_without_holes_or_doubles():
    """A flat view fills every sample of its own picture at any enlargement: the fill rule leaves no seam."""
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (SIZE, SIZE, 3)).astype(np.uint8)
    for yaw, radius in ((0.0, 0.9), (0.013, 0.8), (0.1, 0.7)):
        view = View(rgb, np.full((SIZE, SIZE), 1.0), Camera.orbit(0, 0))
        for size in (31, 32, 96, 333):
            drawn = FusionRenderer(threads=1).render([view], Camera.orbit(yaw, 0.0, radius), size, 1, padding_px=0)
            middle = slice(size // 5, -size // 5)
            assert drawn.mask[middle, middle].all()


def test_truncation_keeps_whole_levels_and_lanczos_is_pillows():
    view = scene_views(1)[0]
    whole = View(view.rgb, np.full((SIZE, SIZE), 1.0), view.camera)
    large = FusionRenderer().render([whole], view.camera, SIZE, 3).rgb
    repeated = np.repeat(np.repeat(view.rgb, 3, axis=0), 3, axis=1)
    np.testing.assert_allclose(large, reduced(repeated, SIZE), atol=1e-6)


def test_erosion_radius_follows_the_size():
    assert [default_erosion_radius(size) for size in (16, 32, 64, 128, 256)] == [1, 1, 2, 3, 6]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "at least 1"),
        ({"supersample": 0}, "at least 1"),
        ({"size": 20_000}, "at most"),
        ({"planes": (0.0, 5.0)}, "near < far"),
        ({"planes": (2.0, 1.0)}, "near < far"),
        ({"erosion_radius": -1}, "erosion radius"),
        ({"shading": "flat"}, "fragment, pixel or fast"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FusionRenderer().render(scene_views(1), TARGET, **{"size": 16, **options})


def test_devices_and_threads_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="no device 'cuda:77'"):
        FusionRenderer("cuda:77")
    with pytest.raises(ValueError, match="at least one thread"):
        FusionRenderer(threads=0)


def test_it_works_quietly_where_no_kernel_cache_can_be_made(tmp_path):
    """As a user without a writable home would start it; silent on both streams but for what is printed."""
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    code = (
        "import numpy as np; from ivid.scene import Camera; from ivid.fusion import forward_backward_warp as warp;"
        "print(warp(np.zeros((8, 8, 3), np.uint8), np.ones((8, 8)), Camera.orbit(0.1, 0), (0.5, 100)).mask.any())"
    )
    environment = {**os.environ, "WARP_CACHE_PATH": str(blocked / "cache"), "TMPDIR": str(tmp_path)}
    ran = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=500)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "True"
    assert ran.stderr == ""
    assert not list(tmp_path.glob("ivid-kernels-*"))


def test_faint_triangles_weigh_least_everywhere():
    """Random points of every triangle that is known to be faint: none faces its camera within ln(1e4) / 20 radians."""
    view = copied(scene_views(2)[1])
    store = MeshStore(SIZE, MeshSettings(ring="pixels", ring_px=8, erosion_radius=1), kernel_device(None), threads=1)
    (slot,) = store.slots([view])
    points, normals, quads = (getattr(store.arrays, name).numpy()[slot] for name in ("points", "normals", "quads"))
    rng, side, faint_ones = np.random.default_rng(0), SIZE + 2, 0
    for quad, bits in enumerate(quads):
        top_left = quad // (SIZE + 1) * side + quad % (SIZE + 1)
        tl, tr, bl, br = top_left, top_left + 1, top_left + side, top_left + side + 1
        halves = ((tl, bl, br), (tl, br, tr)) if bits & 1 else ((tl, bl, tr), (tr, bl, br))
        for half, corners in enumerate(halves):
            if not (bits >> (1 + 3 * half)) & 4:
                continue
            faint_ones += 1
            shares = rng.dirichlet(np.ones(3), 50)
            normal, point = shares @ normals[list(corners)], shares @ points[list(corners)]
            cosine = -(normal * point).sum(1) / np.linalg.norm(normal, axis=1) / np.linalg.norm(point, axis=1)
            assert np.arccos(cosine.clip(0, 1)).min() > np.log(1e4) / 20
    assert 0.1 < faint_ones / (2 * quads.size) < 0.9
