"""Published scenes: read without unpickling, written so that the published kind of program reads them."""

from __future__ import annotations

import builtins
import copyreg
import io
import os
import pickle
import struct
import sys
import types
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ivid.published.scene_file import load_published_scene, open_scene, save_published_scene
from ivid.scene.cameras import Camera, view_set
from ivid.scene.scene import Scene
from ivid.scene.scene_file import SceneFileError
from ivid.scene.view import View

SIZE = 16


def random_scene() -> Scene:
    """Noise seen by the cameras of 3x9: no value is left to chance agreement."""
    rng = np.random.default_rng(0)
    views = [
        View(
            rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8),
            rng.uniform(0.6, 5.0, (SIZE, SIZE)).astype(np.float32),
            camera,
        )
        for camera in view_set("3x9")
    ]
    return Scene(views)


class FakeMatrix:
    """What PyGLM's mat4 looks like to pickle, where PyGLM is not at hand: no arguments, a state of column tuples."""

    def __init__(self, *values: float) -> None:
        self.columns = [tuple(values[i : i + 4]) for i in range(0, 16, 4)]

    def __setstate__(self, state: Any) -> None:
        self.columns = [tuple(column) for column in state]


@pytest.fixture
def fake_glm(monkeypatch: pytest.MonkeyPatch) -> type[FakeMatrix]:
    """A module `glm` whose mat4x4 pickles as PyGLM's does."""

    class mat4x4(FakeMatrix):
        __module__, __qualname__ = "glm", "mat4x4"

        def __reduce_ex__(self, _: Any) -> Any:
            return copyreg.__newobj__, (mat4x4,), tuple(self.columns)  # type: ignore[attr-defined]

    module = types.ModuleType("glm")
    module.mat4x4 = mat4x4  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "glm", module)
    return mat4x4


def png(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


def published_entry(view: View, matrix: Callable[..., Any]) -> dict[str, Any]:
    """A view the way method §12 describes it."""
    return {
        "color": png(view.rgb),
        "depth": png(view.depth.view(np.uint8).reshape(view.size, view.size, 4)),
        "fov": view.camera.fov_y_deg,
        "modelview": matrix(*np.asarray(view.camera.world_to_view, np.float32).T.ravel().tolist()),
    }


def assert_same_views(ours: Scene, theirs: Scene) -> None:
    assert len(ours.views) == len(theirs.views)
    for one, other in zip(ours.views, theirs.views, strict=True):
        np.testing.assert_array_equal(one.rgb, other.rgb)
        np.testing.assert_array_equal(one.depth, other.depth)
        np.testing.assert_allclose(one.camera.world_to_view, other.camera.world_to_view, atol=1e-6)
        assert one.camera.fov_y_deg == other.camera.fov_y_deg


def write_npz(path: Path, pickled: bytes, shape: tuple[int, ...] = (1,)) -> Path:
    """An .npz whose `data` is an array of objects with this pickle."""
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(member, {"descr": "|O", "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.npy", member.getvalue() + pickled)
    return path


class TestReading:
    def test_a_scene_that_pyglm_pickled(self, tmp_path: Path) -> None:
        glm = pytest.importorskip("glm", reason="PyGLM writes the pickle")
        scene = random_scene()
        path = tmp_path / "scene_class207_seed00012.npz"
        np.savez(path, data=[published_entry(view, glm.mat4) for view in scene.views])  # type: ignore[arg-type]
        loaded = load_published_scene(path)
        assert_same_views(loaded, scene)
        assert (loaded.class_name, loaded.seed, loaded.view_set) == ("class 207", 12, "3x9")
        assert loaded.depth_range == (0.6, 5.0)
        assert_same_views(open_scene(path), scene)

    @pytest.mark.parametrize("protocol", [2, 3, 4, 5])
    @pytest.mark.parametrize("axes", [0, 1])
    def test_every_protocol_and_shape(
        self, tmp_path: Path, fake_glm: type[FakeMatrix], protocol: int, axes: int
    ) -> None:
        scene = random_scene()
        entries = [published_entry(view, fake_glm) for view in scene.views[:2]]
        array = np.empty((2,) if axes else (), object)
        array[...] = entries if axes else None
        if not axes:
            array[()] = entries
        if protocol == 2:  # stores bytes as text, which no program of this kind writes
            with pytest.raises(SceneFileError, match=r"_codecs\.encode"):
                load_published_scene(write_npz(tmp_path / "old.npz", pickle.dumps(array, protocol), array.shape))
            return
        path = write_npz(tmp_path / "scene.npz", pickle.dumps(array, protocol), array.shape)
        assert_same_views(load_published_scene(path), Scene(scene.views[:2]))

    def test_names_of_numpy_before_version_2(self, tmp_path: Path, fake_glm: type[FakeMatrix]) -> None:
        scene = random_scene()
        array = np.empty(1, object)
        array[0] = published_entry(scene.views[0], fake_glm) | {"fov": np.float64(45.0)}
        pickled = pickle.dumps(array, 3).replace(b"numpy._core.", b"numpy.core.")
        assert_same_views(load_published_scene(write_npz(tmp_path / "a.npz", pickled)), Scene(scene.views[:1]))

    @pytest.mark.parametrize("form", ["arguments", "columns", "flat state", "bytes"])
    def test_other_ways_to_pickle_a_matrix(self, tmp_path: Path, fake_glm: type[FakeMatrix], form: str) -> None:
        view = random_scene().views[5]

        def reduce(self: FakeMatrix, _: Any) -> Any:
            flat = [value for column in self.columns for value in column]
            return {
                "arguments": (type(self), tuple(flat)),
                "columns": (type(self), tuple(self.columns)),
                "flat state": (type(self), (), flat),
                "bytes": (type(self), (), struct.pack("<16f", *flat)),
            }[form]

        fake_glm.__reduce_ex__ = reduce  # type: ignore[method-assign, assignment]
        array = np.empty(1, object)
        array[0] = published_entry(view, fake_glm)
        assert_same_views(load_published_scene(write_npz(tmp_path / "a.npz", pickle.dumps(array, 4))), Scene([view]))


class TestWriting:
    def test_round_trip(self, tmp_path: Path) -> None:
        scene = random_scene()
        save_published_scene(scene, tmp_path / "scene_class003_00042.npz")
        loaded = load_published_scene(tmp_path / "scene_class003_00042.npz")
        assert_same_views(loaded, scene)
        assert (loaded.class_name, loaded.seed) == ("class 3", None)  # a running index is no seed

    def test_a_program_that_unpickles_reads_it(self, tmp_path: Path, fake_glm: type[FakeMatrix]) -> None:
        scene = random_scene()
        save_published_scene(scene, tmp_path / "scene.npz")
        data = np.load(tmp_path / "scene.npz", allow_pickle=True)["data"]
        assert data.shape == (27,)
        for entry, view in zip(data, scene.views, strict=True):
            assert isinstance(entry["modelview"], fake_glm)
            np.testing.assert_allclose(np.array(entry["modelview"].columns).T, view.camera.world_to_view, atol=1e-6)
            assert entry["fov"] == 45.0
            rgba = np.array(Image.open(io.BytesIO(entry["depth"])))
            np.testing.assert_array_equal(np.frombuffer(rgba.tobytes(), np.float32), view.depth.ravel())
            np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(entry["color"]))), view.rgb)

    def test_pyglm_reads_it(self, tmp_path: Path) -> None:
        glm = pytest.importorskip("glm", reason="PyGLM reads the pickle")
        view = View(np.zeros((4, 4, 3), np.uint8), np.ones((4, 4), np.float32), Camera.orbit(0.3, -0.1))
        save_published_scene(Scene([view]), tmp_path / "scene.npz")
        matrix = np.load(tmp_path / "scene.npz", allow_pickle=True)["data"][0]["modelview"]
        assert isinstance(matrix, glm.mat4)
        np.testing.assert_allclose(np.array(matrix.to_list()).T, view.camera.world_to_view, atol=1e-6)


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


class TestHostileFiles:
    @pytest.mark.parametrize(
        ("function", "arguments", "name"),
        [
            (os.system, ("touch RAN",), f"{os.name}.system"),
            (builtins.exec, ("open('RAN', 'w')",), "builtins.exec"),
            (np.fromfile, ("/etc/hostname",), "numpy.fromfile"),
            (getattr, ("", "join"), "builtins.getattr"),
        ],
    )
    def test_refused_by_name(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: Any, arguments: tuple, name: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        for place in ("color", "fov", "modelview"):
            array = np.empty(1, object)
            array[0] = {"color": b"", "depth": b"", "fov": 45.0, "modelview": None, place: Calls(function, *arguments)}
            path = write_npz(tmp_path / "evil.npz", pickle.dumps(array, 4))
            with pytest.raises(SceneFileError, match=rf"evil\.npz is refused: it tries to load {name}"):
                load_published_scene(path)
        assert not (tmp_path / "RAN").exists()

    def test_attributes_behind_allowed_names_are_refused(self, tmp_path: Path) -> None:
        for name in (b"mat4x4.__init__.__globals__", b"mat4x4.__class__"):
            pickled = pickle.PROTO + b"\x04" + pickle.GLOBAL + b"glm\n" + name + b"\n" + pickle.STOP
            with pytest.raises(SceneFileError, match=r"is refused: it tries to load glm\.mat4x4"):
                load_published_scene(write_npz(tmp_path / "a.npz", pickled))

    def test_stand_ins_cannot_be_changed(self, tmp_path: Path, fake_glm: type[FakeMatrix]) -> None:
        good = tmp_path / "good.npz"
        save_published_scene(random_scene(), good)
        change = pickle.EMPTY_DICT + pickle.MARK + pickle.BINUNICODE + struct.pack("<I", 5) + b"_call"
        change += pickle.NONE + pickle.SETITEMS
        for target in (b"numpy\ndtype\n", b"numpy.core.multiarray\n_reconstruct\n", b"glm\nmat4x4\n"):
            for state in (change, pickle.NONE + change + pickle.TUPLE2):
                pickled = pickle.PROTO + b"\x04" + pickle.GLOBAL + target + state + pickle.BUILD + pickle.STOP
                with pytest.raises(SceneFileError):
                    load_published_scene(write_npz(tmp_path / "a.npz", pickled))
        assert_same_views(load_published_scene(good), random_scene())

    def test_claims_of_size_cost_nothing(self, tmp_path: Path) -> None:
        memo = pickle.PROTO + b"\x04" + pickle.NONE + pickle.LONG_BINPUT + b"\xff\xff\xff\x7f" + pickle.STOP
        with pytest.raises(SceneFileError, match="larger than a scene can be"):
            load_published_scene(write_npz(tmp_path / "memo.npz", memo))
        claim = pickle.PROTO + b"\x04" + pickle.BINBYTES8 + struct.pack("<Q", 1 << 40) + b"x" + pickle.STOP
        with pytest.raises(SceneFileError, match="cannot be read"):
            load_published_scene(write_npz(tmp_path / "claim.npz", claim))
        level: Any = 1.0
        for _ in range(12):
            level = [level] * 10  # 10¹² numbers, told in a hundred bytes
        glm = pickle.GLOBAL + b"glm\nmat4x4\n" + pickle.EMPTY_TUPLE + pickle.NEWOBJ
        nested = pickle.dumps(level, 4)
        laughs = nested[:2] + glm + nested[2:].removesuffix(pickle.STOP) + pickle.BUILD + pickle.STOP
        with pytest.raises(SceneFileError, match=r"not 4x4|cannot be read"):
            load_published_scene(write_npz(tmp_path / "laughs.npz", laughs))
        many = pickle.dumps([None] * 1_000_000, 4)
        with pytest.raises(SceneFileError, match="larger than a scene can be"):
            load_published_scene(write_npz(tmp_path / "many.npz", many))


class TestOtherFiles:
    @pytest.fixture
    def entry(self, fake_glm: type[FakeMatrix]) -> dict[str, Any]:
        return published_entry(random_scene().views[0], fake_glm)

    def refused(self, path: Path, entry: Any, why: str) -> None:
        array = np.empty(1, object)
        array[0] = entry
        with pytest.raises(SceneFileError, match=why) as caught:
            load_published_scene(write_npz(path / "a.npz", pickle.dumps(array, 4)))
        assert "\n" not in str(caught.value)

    def test_damaged_views_are_named(self, tmp_path: Path, entry: dict[str, Any], fake_glm: type[FakeMatrix]) -> None:
        self.refused(tmp_path, {"color": entry["color"]}, "view 0: it has no depth, fov, modelview")
        self.refused(tmp_path, [1, 2], "view 0: it is not a dictionary|2 views|not a list")
        self.refused(tmp_path, entry | {"color": entry["color"][:200]}, "its color is no readable PNG")
        self.refused(tmp_path, entry | {"color": entry["depth"]}, "its color is RGBA")
        self.refused(tmp_path, entry | {"fov": "wide"}, "its fov is not a number")
        self.refused(tmp_path, entry | {"fov": float("nan")}, "field of view")
        self.refused(tmp_path, entry | {"modelview": fake_glm(*[0.0] * 16)}, "rotation and a translation")
        self.refused(tmp_path, entry | {"modelview": fake_glm(*[float("nan")] * 16)}, "not finite")
        self.refused(tmp_path, entry | {"modelview": [1.0] * 16}, "its modelview is not a 4x4 matrix")
        depth = np.full((SIZE, SIZE), np.nan, np.float32).view(np.uint8).reshape(SIZE, SIZE, 4)
        self.refused(tmp_path, entry | {"depth": png(depth)}, "depth must be finite and positive")
        self.refused(tmp_path, entry | {"color": png(np.zeros((2, 2049, 3), np.uint8))}, "at most 2048")

    def test_files_of_another_kind(self, tmp_path: Path, entry: dict[str, Any]) -> None:
        (tmp_path / "text.npz").write_text("no archive")
        np.savez(tmp_path / "other.npz", weights=np.zeros(3))
        np.savez(tmp_path / "numbers.npz", data=np.zeros(3))
        save_published_scene(random_scene(), tmp_path / "whole.npz")
        (tmp_path / "cut.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:5000])
        write_npz(tmp_path / "half.npz", pickle.dumps([entry], 4)[:-300])
        for name, why in {
            "text.npz": "no .npz file",
            "other.npz": "no array `data`",
            "numbers.npz": "an array of float64",
            "cut.npz": "damaged",
            "half.npz": "cannot be read",
        }.items():
            with pytest.raises(SceneFileError, match=why) as caught:
                load_published_scene(tmp_path / name)
            assert "\n" not in str(caught.value)
        with pytest.raises(FileNotFoundError):
            load_published_scene(tmp_path / "absent.npz")

    def test_our_own_files_open_too(self, tmp_path: Path) -> None:
        random_scene().save(tmp_path / "scene.ivid")
        assert_same_views(open_scene(tmp_path / "scene.ivid"), random_scene())
