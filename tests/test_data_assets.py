"""Rendering 3D models into training data: geometry against ray tracing, determinism, resuming, the data on disk."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys

import numpy as np
import pytest
import trimesh

from ivid.cli import main
from ivid.data import rendering
from ivid.data.assets import split_assets
from ivid.data.rendering import render_assets
from ivid.data.renders import MANIFEST, UNFINISHED, Renders
from ivid.data.staging import Appearance, linear_from_srgb, oklch, srgb_from_linear
from ivid.data.true_views import DEPTH_RANGE, render_views, renderer_of
from ivid.scene.cameras import Camera, view_set
from ivid.scene.depth import decode

pytestmark = pytest.mark.slow

SIZE = 32
BOX = np.array([0.6, 0.3, 1.0])


def coloured(mesh: trimesh.Trimesh, colour: tuple[int, int, int]) -> trimesh.Trimesh:
    mesh.visual.vertex_colors = np.tile([*colour, 255], (len(mesh.vertices), 1))
    return mesh


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two classes, five boxes and three cones, of different shapes and colours."""
    root = tmp_path_factory.mktemp("models")
    (root / "box").mkdir()
    (root / "cone").mkdir()
    (root / "LICENSE.md").write_text("no model")
    for k in range(5):
        box = coloured(trimesh.creation.box(BOX * [1, 1 + k, 1]), (200, 40 * k, 60))
        box.apply_translation([0, BOX[1] * (1 + k) / 2, 0])
        box.export(root / "box" / f"box_{k}.glb")
    for k in range(3):
        cone = trimesh.creation.cone(0.3, 0.5 + 0.2 * k, sections=8)
        cone.apply_transform(trimesh.transformations.rotation_matrix(-math.pi / 2, [1, 0, 0]))
        coloured(cone, (40, 160, 60)).export(root / "cone" / f"cone_{k}.glb")
    return root


@pytest.fixture(scope="module")
def rendered(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("data") / "renders"
    render_assets(folder, out, size=SIZE, images=31, seed=5, workers=1, progress=False)
    return out


def appearance(**changes) -> Appearance:
    return dataclasses.replace(Appearance.draw(np.random.default_rng(1)), **changes)


def ray_traced(look: Appearance, camera: Camera, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Depth [S, S] of the box on its ground by intersecting every ray, and which pixels see the box: the slow twin."""
    scale = look.diagonal / np.linalg.norm(BOX)
    half = BOX * scale / 2
    ground = -half[1] - look.hover * look.diagonal
    stage_from_scene = look.scene_from_stage.T
    eye = stage_from_scene @ camera.position
    points = camera.unproject(np.ones((size, size))) @ stage_from_scene.T
    depth, on_box = np.full((size, size), np.inf), np.zeros((size, size), bool)
    for row in range(size):
        for column in range(size):
            ray = points[row, column] - eye  # one metre deep, so that the parameter along it is the depth
            if ray[1] < 0:
                depth[row, column] = (ground - eye[1]) / ray[1]
            entries = np.sort(np.stack([(-half - eye) / ray, (half - eye) / ray]), axis=0)
            enter, leave = entries[0].max(), entries[1].min()
            if 0 < enter < leave:
                depth[row, column], on_box[row, column] = enter, True
    return np.clip(depth, *DEPTH_RANGE), on_box


def away_from_edges(depth: np.ndarray, on_box: np.ndarray) -> np.ndarray:
    """Pixels whose 3x3 neighbours see the same thing without a crease."""
    padded = np.pad(1 / depth, 1, mode="edge")
    curve = np.abs(padded[1:-1, :-2] + padded[1:-1, 2:] - 2 / depth) + np.abs(
        padded[:-2, 1:-1] + padded[2:, 1:-1] - 2 / depth
    )
    sides = np.pad(on_box, 1, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(sides, (3, 3))
    return (curve < 1e-6) & (windows.all(axis=(2, 3)) | ~windows.any(axis=(2, 3)))


@pytest.mark.parametrize(
    ("yaw", "pitch", "hover", "camera"),
    [
        (0.0, 0.2, 0.0, Camera.orbit(0.0, 0.0)),
        (0.7, 0.5, 0.0, Camera.orbit(0.0, 0.0)),
        (2.5, 0.3, 0.2, Camera.orbit(0.6, 0.15)),
        (4.0, 0.3, 0.1, Camera.orbit(-0.45, -0.15)),
    ],
)
def test_depth_is_that_of_ray_tracing(folder, yaw, pitch, hover, camera):
    look = appearance(yaw_rad=yaw, pitch_rad=pitch, hover=hover, diagonal=0.7)
    view = renderer_of(SIZE).render(folder / "box/box_0.glb", look, [camera])[0]
    depth, on_box = ray_traced(look, camera, SIZE)
    plain = away_from_edges(depth, on_box)
    assert on_box[plain].sum() > 30
    assert (~on_box[plain]).sum() > 300
    np.testing.assert_allclose(view.depth[plain], depth[plain], rtol=2e-4)
    assert np.mean(np.abs(view.depth - depth) < 0.01) > 0.9  # the rest are edges, where the twin takes one sample


def test_rays_find_what_opengl_finds(folder):
    cameras = [Camera.orbit(0.0, 0.0), Camera.orbit(0.6, 0.15)]
    for seed, name in enumerate(("box/box_1.glb", "cone/cone_0.glb")):
        look = Appearance.draw(np.random.default_rng(seed), poses="studio")
        opengl = renderer_of(64).render(folder / name, look, cameras)
        rays = renderer_of(64, "rays").render(folder / name, look, cameras)
        for one, other in zip(opengl, rays, strict=True):
            assert np.abs(one.rgb.astype(float) - other.rgb).mean() < 1
            close = np.abs(one.depth - other.depth) < 1e-3
            assert close.mean() > 0.995  # but for pixels on an edge, which may fall to either side
            assert one.depth[close].std() > 0.1


def test_pictures_say_that_rays_were_cast(folder, tmp_path):
    render_assets(folder, tmp_path, size=16, images=2, rasteriser="rays", workers=1, progress=False)
    assert json.loads((tmp_path / MANIFEST).read_text())["how"].startswith("ray-cast")
    with pytest.raises(ValueError, match="no rasteriser 'magic'; choose one of opengl, rays"):
        render_assets(folder, tmp_path / "other", size=16, images=2, rasteriser="magic", progress=False)


def test_box_seen_from_the_front_is_half_its_length_nearer_than_the_orbit_centre(folder):
    look = appearance(yaw_rad=0.0, pitch_rad=0.0, hover=0.0, diagonal=0.8)
    view = renderer_of(SIZE).render(folder / "box/box_0.glb", look)[0]
    front = 1 - 0.8 / np.linalg.norm(BOX) * BOX[2] / 2
    np.testing.assert_allclose(
        view.depth[SIZE // 2 - 1 : SIZE // 2 + 1, SIZE // 2 - 1 : SIZE // 2 + 1], front, rtol=1e-4
    )


def test_stored_ground_fits_one_plane(rendered):
    data = Renders.open(rendered)
    camera = Camera.orbit(0.0, 0.0)
    for index in range(1, 13, 2):  # cones: they do not reach the lowest rows
        depth = decode(data[index][1].astype(np.float64), data.depth_range)
        lowest = camera.unproject(depth)[-3:].reshape(-1, 3)
        middle = lowest.mean(axis=0)
        normal = np.linalg.svd(lowest - middle)[2][-1]
        assert np.abs((lowest - middle) @ normal).max() < 2e-4
        tilt = math.degrees(math.acos(abs(normal[1])))
        assert 8 <= tilt <= 32.1


def test_training_cameras_keep_the_ground_behind_the_near_plane(tmp_path):
    (tmp_path / "flat").mkdir()
    for k in range(3):
        slab = coloured(trimesh.creation.box([1.0, 0.02 + 0.05 * k, 1.0]), (90, 90, 200))
        slab.export(tmp_path / "flat" / f"slab_{k}.glb")
    render_assets(tmp_path, tmp_path / "out", size=SIZE, images=40, workers=1, progress=False)
    data = Renders.open(tmp_path / "out")
    assert data.depth.min() > 0
    look = appearance(pitch_rad=0.14, hover=0.0)
    framed = renderer_of(SIZE).framed(tmp_path / "flat/slab_0.glb", look, 0.5)
    view = renderer_of(SIZE).render(tmp_path / "flat/slab_0.glb", framed, depth_range=(0.1, 4.0))[0]
    half_a_row = np.diff(1 / view.depth[-2:].astype(np.float64), axis=0) / 2
    np.testing.assert_allclose(1 / (1 / view.depth[-1] + half_a_row), 0.5, rtol=1e-3)
    steep = appearance(pitch_rad=0.5)
    assert renderer_of(SIZE).framed(tmp_path / "flat/slab_0.glb", steep, 0.5).pitch_rad == 0.5


def test_sky_and_far_ground_lie_at_the_far_plane(folder):
    look = appearance(pitch_rad=math.radians(10))
    view = renderer_of(SIZE).render(folder / "cone/cone_0.glb", look)[0]
    assert np.all(view.depth[0] == np.float32(DEPTH_RANGE[1]))
    assert view.depth.max() == np.float32(DEPTH_RANGE[1])


def test_the_shadow_falls_away_from_the_light(folder):
    look = appearance(pitch_rad=0.5, yaw_rad=0.0, hover=0.0, to_light=np.array([0.6, 0.8, 0.0]))
    lit_from_right = renderer_of(SIZE).render(folder / "box/box_4.glb", look)[0]
    ground = srgb_from_linear(look.ground.astype(np.float32)).astype(int)
    row = lit_from_right.rgb[26].astype(int)
    assert row[4, 1] < ground[1] - 40  # left of the box, behind it as the light sees it
    assert np.abs(row[-4] - ground).max() < 12


def test_faces_towards_the_light_are_brighter(folder):
    def centre(to_light):
        look = appearance(yaw_rad=0.0, pitch_rad=0.2, to_light=np.array(to_light), hue_rad=0.0)
        return renderer_of(SIZE).render(folder / "box/box_0.glb", look)[0].rgb[17, 16].astype(int)

    assert centre([0.0, 0.6, 0.8])[0] > centre([0.0, 0.6, -0.8])[0] + 40


def test_pictures_are_class_balanced_and_models_are_split(rendered, folder):
    train, held_out = Renders.open(rendered), Renders.open(rendered, split="held_out")
    assert (len(train), len(held_out), train.size) == (31, 2, SIZE)
    assert train.classes == ("box", "cone")
    assert np.abs(np.diff(np.bincount(train.labels))) <= 1
    assert not set(train.asset_names) & set(held_out.asset_names)
    assert {name.split("/")[0] for name in held_out.asset_names} == {"box", "cone"}
    assert len(train.asset_names) + len(held_out.asset_names) == 8
    for data in (train, held_out):
        for label, model in zip(data.labels, data.assets, strict=True):
            assert data.asset_names[model].split("/")[0] == data.classes[label]
    assert len(np.unique(train.assets)) == len(train.asset_names)
    rgb, depth, label = train[3]
    assert (rgb.dtype, rgb.shape, depth.dtype, depth.shape) == (np.uint8, (SIZE, SIZE, 3), np.float32, (SIZE, SIZE))
    assert 0 <= depth.min() < depth.max() <= 1
    assert label == 1


def test_every_picture_differs(rendered):
    data = Renders.open(rendered)
    assert len({data.rgb[k].tobytes() for k in range(len(data))}) == len(data)


def test_workers_do_not_change_the_data(folder, rendered, tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "_SHARD", 16)
    render_assets(folder, tmp_path / "two", size=SIZE, images=31, seed=5, workers=2, progress=False)
    assert_same(tmp_path / "two", rendered)


def assert_same(one, other):
    names = sorted(path.name for path in other.iterdir())
    assert sorted(path.name for path in one.iterdir()) == names
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


@pytest.mark.parametrize("killed_at", ["a shard", "the renaming"])
def test_a_killed_run_goes_on(folder, rendered, tmp_path, monkeypatch, killed_at):
    monkeypatch.setattr(rendering, "_SHARD", 10)
    out, shards = tmp_path / "out", []
    real_shard, real_replace = rendering._render_shard, rendering.os.replace

    def counted(*arguments):
        if killed_at == "a shard" and len(shards) == 2:
            raise KeyboardInterrupt
        shards.append(arguments[-2:])
        return real_shard(*arguments)

    def failing(source, target):
        if "label" in str(source):
            raise KeyboardInterrupt
        real_replace(source, target)

    def run():
        render_assets(folder, out, size=SIZE, images=31, seed=5, workers=1, progress=False)

    with monkeypatch.context() as patch:
        patch.setattr(rendering, "_render_shard", counted)
        if killed_at == "the renaming":
            patch.setattr(rendering.os, "replace", failing)
        with pytest.raises(KeyboardInterrupt):
            run()
    with pytest.raises(ValueError, match="not finished"):
        Renders.open(out)
    before = len(shards)
    monkeypatch.setattr(rendering, "_render_shard", lambda *a: shards.append(a[-2:]) or real_shard(*a))
    run()
    assert before == (2 if killed_at == "a shard" else 5)
    assert len(shards) == len(set(shards)) == 5
    assert_same(out, rendered)
    run()  # complete: nothing is rendered again
    assert len(shards) == 5


def test_other_settings_do_not_overwrite_renders(folder, rendered, tmp_path):
    with pytest.raises(ValueError, match="made in another way"):
        render_assets(folder, rendered, size=SIZE, images=31, seed=6, workers=1, progress=False)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="is a file"):
        render_assets(folder, tmp_path / "file", size=SIZE, images=31, progress=False)


def test_held_out_models_do_not_depend_on_the_number_of_pictures(folder):
    assert split_assets(folder, 0.1) == split_assets(folder, 0.1)
    names, assets = split_assets(folder, 0.4, ["cone", "box"])
    assert names == ["cone", "box"]
    assert sum(model.startswith("box/") for model in assets["held_out"]) == 2
    assert sum(model.startswith("cone/") for model in assets["held_out"]) == 1


def test_three_quarter_views_show_the_front_from_one_side_and_are_told_apart(folder, tmp_path):
    drawn = [Appearance.draw(np.random.default_rng(seed), "box", "three-quarter") for seed in range(200)]
    yaws = np.degrees([look.yaw_rad for look in drawn])
    assert -15 <= yaws.min() < 10 < 60 < yaws.max() <= 85
    assert np.median(yaws) == pytest.approx(35, abs=5)
    light = np.degrees([math.atan2(look.to_light[0], look.to_light[2]) for look in drawn]) - yaws
    beside = np.abs((light + 180) % 360 - 180)
    assert 15 <= beside.min() < beside.max() <= 110
    render_assets(folder, tmp_path, size=SIZE, images=8, poses="three-quarter", workers=1, progress=False)
    assert Renders.open(tmp_path).poses == "three-quarter"
    with pytest.raises(ValueError, match="made in another way"):
        render_assets(folder, tmp_path, size=SIZE, images=8, workers=1, progress=False)


def test_some_models_are_trained_on_and_the_same_are_held_out(folder, tmp_path):
    _, assets = split_assets(folder, 0.1)
    only = [next(name for name in assets["train"] if name.startswith(f"{label}/")) for label in ("cone", "box")]
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(only) + "\n\n")
    arguments = ["--size", str(SIZE), "--images", "8", "--workers", "1", "--only", str(listed)]
    assert main(["prepare", "models", str(folder), "--out", str(tmp_path / "out"), *arguments]) == 0
    train, held_out = Renders.open(tmp_path / "out"), Renders.open(tmp_path / "out", "held_out")
    assert train.asset_names == tuple(sorted(only))
    assert held_out.asset_names == tuple(assets["held_out"])
    assert set(train.assets) == {0, 1}
    for match, wrong in (("not one of the", [*only, assets["held_out"][0]]), ("no asset of class cone", only[1:])):
        with pytest.raises(ValueError, match=match):
            render_assets(folder, tmp_path / "none", size=SIZE, images=8, only=wrong, progress=False)


def test_bad_arguments_are_named(folder, tmp_path):
    out = tmp_path / "out"
    for match, arguments in {
        "no folder": {"folder": tmp_path / "nowhere"},
        "holds no assets": {"folder": folder / "box"},
        "classes must be": {"folder": folder, "classes": ["box", "dragon"]},
        "between 0 and 1": {"folder": folder, "held_out_share": 1.0},
        "fewer than": {"folder": folder, "images": 1},
        "between 8 and 1024": {"folder": folder, "size": 4},
        "at least one worker": {"folder": folder, "workers": 0},
        "around, three-quarter": {"folder": folder, "poses": "upside-down"},
    }.items():
        with pytest.raises(ValueError, match=match):
            render_assets(**{"out": out, "size": SIZE, "images": 4, "progress": False, **arguments})
    assert not out.exists()


def test_models_that_cannot_be_drawn_are_named(tmp_path):
    (tmp_path / "class").mkdir()
    (tmp_path / "class/damaged.glb").write_bytes(b"glTF\x02\x00\x00\x00 and then nothing of use")
    trimesh.PointCloud(np.eye(3)).export(tmp_path / "class/points.ply")
    coloured(trimesh.creation.box(), (9, 9, 9)).export(tmp_path / "class/good.glb")
    for name, match in {
        "damaged.glb": "cannot be read",
        "points.ply": "no triangles",
        "missing.glb": "cannot be",
    }.items():
        with pytest.raises(ValueError, match=f"{name}.*{match}"):
            render_views(tmp_path / "class" / name, 0, [Camera.orbit(0, 0)], SIZE)
    (tmp_path / "class/damaged.glb").unlink()
    with pytest.raises(ValueError, match="only one asset"):
        split_assets(tmp_path, 0.1)


def test_folders_that_are_no_renders_are_refused(rendered, tmp_path):
    with pytest.raises(ValueError, match="no folder"):
        Renders.open(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="holds no renders"):
        Renders.open(tmp_path)
    with pytest.raises(ValueError, match="no split"):
        Renders.open(rendered, split="test")
    (tmp_path / UNFINISHED).mkdir()
    with pytest.raises(ValueError, match="not finished"):
        Renders.open(tmp_path)
    manifest = json.loads((rendered / MANIFEST).read_text())
    for match, content in {
        "cannot be read": "{",
        "does not describe": json.dumps({"format": "other"}),
        "version": json.dumps({**manifest, "version": 99}),
        "incomplete": json.dumps({key: value for key, value in manifest.items() if key != "size"}),
    }.items():
        (tmp_path / MANIFEST).write_text(content)
        with pytest.raises(ValueError, match=match):
            Renders.open(tmp_path)
    (tmp_path / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="train_rgb"):
        Renders.open(tmp_path)
    for path in rendered.glob("*.npy"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    assert len(Renders.open(tmp_path)) == 31
    depth = (rendered / "train_depth.npy").read_bytes()
    (tmp_path / "train_depth.npy").write_bytes(depth[: len(depth) // 2])
    with pytest.raises(ValueError, match="train_depth"):
        Renders.open(tmp_path)
    np.save(tmp_path / "train_depth.npy", np.zeros((31, 8, 8), np.uint16))
    with pytest.raises(ValueError, match="promises"):
        Renders.open(tmp_path)


def test_views_are_those_of_the_training_picture(folder):
    cameras = [Camera.orbit(0, 0), Camera.orbit(0.3, 0.1)]
    first, novel = render_views(folder / "box/box_1.glb", [5, 3], cameras, SIZE)
    alone = render_views(folder / "box/box_1.glb", [5, 3], cameras[:1], SIZE)[0]
    assert np.array_equal(first.rgb, alone.rgb)
    assert np.array_equal(first.depth, alone.depth)
    assert novel.camera == cameras[1]
    assert np.abs(first.rgb.astype(int) - novel.rgb).mean() > 2
    other = render_views(folder / "box/box_1.glb", 4, cameras[:1], SIZE)[0]
    assert not np.array_equal(first.rgb, other.rgb)


@pytest.fixture(scope="module")
def scenes(folder, tmp_path_factory):
    """Renders with 30 true views of every staged scene."""
    out = tmp_path_factory.mktemp("scenes") / "renders"
    render_assets(folder, out, size=32, images=4, seed=5, views=30, workers=1, progress=False)
    return Renders.open(out)


def test_further_views_are_those_of_the_view_set_and_random_ones(scenes):
    assert scenes.view_count == 30
    for index in range(len(scenes)):
        for view, camera in enumerate(view_set("3x9")):
            np.testing.assert_allclose(
                scenes.scene_view(index, view).camera.world_to_view, camera.world_to_view, atol=1e-6
            )
    others = scenes.view_angles_rad[:, 26:]
    assert np.abs(others).max() < 0.8
    assert len(np.unique(others.reshape(-1, 2), axis=0)) == others.size // 2


def test_true_views_of_a_scene_see_one_another(scenes):
    from ivid.fusion import aggregate_conditions

    for index in range(2):
        first, truth = scenes.scene_view(index, 0, edge_threshold=0.3), scenes.scene_view(index, 1)
        condition = aggregate_conditions([first], truth.camera, scenes.depth_range, mask_discontinuities=False)
        known = condition.mask_rgb
        error = np.abs(condition.rgb - truth.rgb / 255.0)[known].mean()
        assert known.mean() > 0.5
        assert error < 0.4 * np.abs(first.rgb / 255.0 - truth.rgb / 255.0)[known].mean() + 0.01


def test_a_view_of_a_scene_can_be_trusted_less_and_must_be_there(scenes, rendered):
    view = scenes.scene_view(1, 3, trust=0.5, edge_threshold=0.04)
    assert (view.trust, view.edge_threshold) == (0.5, 0.04)
    np.testing.assert_array_equal(scenes.scene_view(1, 0).rgb, scenes.rgb[1])
    plain = Renders.open(rendered)
    assert plain.view_count == 1
    with pytest.raises(IndexError, match="no further views"):
        plain.scene_view(0, 1)
    with pytest.raises(IndexError):
        scenes.scene_view(0, 30)


def test_colour_helpers():
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(srgb_from_linear(linear_from_srgb(every)), every)
    np.testing.assert_allclose(oklch(1.0, 0.0, 0.0), 1.0, atol=1e-6)
    red = srgb_from_linear(oklch(0.6279, 0.2577, 29.23)).astype(int)  # the published coordinates of sRGB red
    assert np.abs(red - [255, 0, 0]).max() <= 3
    plain = appearance(hue_rad=0.0, saturation=1.0, brightness=1.0)
    colours = np.random.default_rng(0).uniform(0.01, 1, (50, 3))
    np.testing.assert_allclose(plain.recolour(colours), colours, atol=1e-6)


def test_reading_renders_imports_no_renderer():
    code = (
        "import sys, ivid.data.renders, ivid.data.rendering\n"
        "print([name for name in ('pyrender', 'OpenGL', 'torch', 'trimesh') if name in sys.modules])"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
