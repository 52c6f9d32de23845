import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from ivid.scene.cameras import Camera
from ivid.scene.scene import Scene
from ivid.scene.scene_file import SceneFileError
from ivid.scene.view import View
from tests.support.synthetic import synthetic_scene


@pytest.fixture
def scene():
    return synthetic_scene(size=16, view_set="3x9")


@pytest.fixture
def saved(scene, tmp_path):
    path = tmp_path / "some.ivid"
    scene.save(path)
    return path


def rewrite(path, changes):
    """The archive again, with members replaced by bytes, or removed (None)."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members.update(changes)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            if content is not None:
                archive.writestr(name, content)


def change_header(path, **values):
    with zipfile.ZipFile(path) as archive:
        header = json.loads(archive.read("scene.json"))
    header.update(values)
    rewrite(path, {"scene.json": json.dumps(header).encode()})


def npy(array, allow_pickle=False):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def test_a_saved_scene_loads_without_loss(scene, tmp_path):
    full = Scene(scene.views, (0.5, 4.0), "lowpoly", "house", 3, "3x9", {"first_steps": 20})
    full.save(tmp_path / "a.ivid")
    loaded = Scene.load(tmp_path / "a.ivid")
    for before, after in zip(full.views, loaded.views, strict=True):
        np.testing.assert_array_equal(before.rgb, after.rgb)
        np.testing.assert_array_equal(before.depth, after.depth)
        assert before.camera == after.camera
    for name in ("depth_range", "model", "class_name", "seed", "view_set", "settings", "size"):
        assert getattr(loaded, name) == getattr(full, name)


def test_trust_is_kept_and_is_1_where_a_file_has_none(scene, saved, tmp_path):
    trusts = [1.0, *np.linspace(1, 1e-3, len(scene.views) - 1)]
    views = [replace(view, trust=float(trust)) for view, trust in zip(scene.views, trusts, strict=True)]
    Scene(views, scene.depth_range).save(tmp_path / "a.ivid")
    assert [view.trust for view in Scene.load(tmp_path / "a.ivid").views] == trusts
    with zipfile.ZipFile(saved) as archive:
        entries = json.loads(archive.read("scene.json"))["views"]
    change_header(saved, views=[{name: e[name] for name in ("world_to_view", "fov_y_deg")} for e in entries])
    assert all(view.trust == 1 for view in Scene.load(saved).views)


@pytest.mark.parametrize("trust", [0, -1, 1.5, float("nan"), "much"])
def test_trust_out_of_range_is_refused(saved, trust):
    with zipfile.ZipFile(saved) as archive:
        entries = json.loads(archive.read("scene.json"))["views"]
    entries[3]["trust"] = trust
    change_header(saved, views=entries)
    with pytest.raises(SceneFileError, match=r"view 3"):
        Scene.load(saved)


def test_the_same_scene_gives_the_same_bytes(scene, tmp_path):
    scene.save(tmp_path / "a.ivid")
    scene.save(tmp_path / "b.ivid")
    assert (tmp_path / "a.ivid").read_bytes() == (tmp_path / "b.ivid").read_bytes()


def test_the_archive_opens_with_common_tools(saved, scene):
    with zipfile.ZipFile(saved) as archive:
        picture = np.array(Image.open(io.BytesIO(archive.read("000.png"))))
        depth = np.load(io.BytesIO(archive.read("000.npy")), allow_pickle=False)
    np.testing.assert_array_equal(picture, scene.views[0].rgb)
    np.testing.assert_array_equal(depth, scene.views[0].depth)


def test_a_failed_save_keeps_what_was_there(saved, scene, monkeypatch):
    before = saved.read_bytes()
    monkeypatch.setattr(np, "save", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        scene.save(saved)
    assert saved.read_bytes() == before
    assert [entry.name for entry in saved.parent.iterdir()] == [saved.name]


def test_a_truncated_file_is_refused(saved):
    saved.write_bytes(saved.read_bytes()[:-100])
    with pytest.raises(SceneFileError, match=r"some.ivid .* no scene file, or is damaged"):
        Scene.load(saved)


def test_damage_inside_is_found(saved):
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 0xFF
    saved.write_bytes(bytes(content))
    with pytest.raises(SceneFileError, match=r"some.ivid"):
        Scene.load(saved)


def test_another_kind_of_file_is_refused(tmp_path):
    path = tmp_path / "picture.ivid"
    Image.new("RGB", (4, 4)).save(path, "PNG")
    with pytest.raises(SceneFileError, match="no scene file"):
        Scene.load(path)


def test_another_zip_is_refused(tmp_path):
    path = tmp_path / "other.ivid"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(SceneFileError, match=r"no scene\.json"):
        Scene.load(path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": "something"}, "ivid-scene format"),
        ({"version": 99}, "version 99"),
        ({"size": 10**6}, "size 1000000"),
        ({"size": "16"}, "size '16'"),
        ({"size": 32}, "not RGB 32x32"),
        ({"views": [0] * 10**6}, "1000000 views"),
        ({"views": []}, "0 views"),
        ({"views": None}, "no list of views"),
        ({"depth_range": [5, 1]}, "near < far"),
        ({"depth_range": None}, "cannot be opened"),
        ({"seed": "x"}, "seed must be an integer"),
    ],
)
def test_headers_that_claim_nonsense_are_refused(saved, values, message):
    change_header(saved, **values)
    with pytest.raises(SceneFileError, match=message):
        Scene.load(saved)


def test_cameras_that_are_not_finite_are_refused(saved):
    change_header(saved, views=[{"world_to_view": [[float("nan")] * 4] * 4, "fov_y_deg": 45}])
    with pytest.raises(SceneFileError, match=r"camera of view 0.*not finite"):
        Scene.load(saved)


def test_a_decompression_bomb_is_refused_before_it_is_unpacked(saved):
    rewrite(saved, {"000.npy": bytes(200_000_000)})
    assert saved.stat().st_size < 1_000_000
    with pytest.raises(SceneFileError, match=r"000\.npy is larger than a scene needs"):
        Scene.load(saved)


def test_a_header_bomb_is_refused(saved):
    rewrite(saved, {"scene.json": b" " * 50_000_000})
    with pytest.raises(SceneFileError, match=r"scene\.json is larger"):
        Scene.load(saved)


def test_a_picture_bomb_is_refused(saved):
    stream = io.BytesIO()
    Image.new("RGB", (8000, 8000)).save(stream, "PNG")
    rewrite(saved, {"000.png": stream.getvalue()})
    with pytest.raises(SceneFileError, match=r"000\.png is larger|not RGB"):
        Scene.load(saved)


def test_pickles_are_not_opened(saved):
    rewrite(saved, {"000.npy": npy(np.array([{"a": 1}], dtype=object), allow_pickle=True)})
    with pytest.raises(SceneFileError, match="nothing is unpickled"):
        Scene.load(saved)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, -1.0])
def test_depth_must_be_finite_and_positive(saved, scene, value):
    depth = scene.views[3].depth.copy()
    depth[2, 5] = value
    rewrite(saved, {"003.npy": npy(depth)})
    with pytest.raises(SceneFileError, match=r"view 3: .*finite and positive; 1 values"):
        Scene.load(saved)


def test_a_missing_view_is_named(saved):
    rewrite(saved, {"007.png": None})
    with pytest.raises(SceneFileError, match=r"no 007\.png"):
        Scene.load(saved)


def test_a_missing_file_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        Scene.load(tmp_path / "none.ivid")


def test_float_colours_are_quantised_in_a_scene():
    view = View(np.full((4, 4, 3), 0.5, np.float32), np.ones((4, 4), np.float32), Camera.orbit(0, 0))
    assert view.rgb.dtype == np.float32
    stored = Scene([view]).views[0].rgb
    assert stored.dtype == np.uint8
    assert (stored == 128).all()


def test_views_of_different_sizes_are_refused():
    views = [View(np.zeros((s, s, 3), np.uint8), np.ones((s, s), np.float32), Camera.orbit(0, 0)) for s in (4, 8)]
    with pytest.raises(ValueError, match="one size, got 4, 8"):
        Scene(views)


@pytest.mark.parametrize("shape", [(4, 4), (4, 5, 3), (4, 4, 4)])
def test_views_of_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"rgb \[S, S, 3\]"):
        View(np.zeros(shape, np.uint8), np.ones((4, 4), np.float32), Camera.orbit(0, 0))


def test_scenes_can_be_read_without_torch():
    import subprocess
    import sys

    heavy = {"torch", "diffusers", "open3d", "pyrender"}
    code = f"import sys, ivid.scene.scene, viewer; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
