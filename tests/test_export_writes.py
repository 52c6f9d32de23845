"""Exports whose disk is full, whose encoder fails, or whose place cannot be written."""

import errno
import resource
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest

from ivid.export import export_scene
from ivid.export.ffmpeg import ENCODERS, encode
from ivid.scene.scene import Scene
from tests.support.synthetic import synthetic_scene

SMALL_VIDEO = {"size": 128, "frames": 6, "supersample": 1, "device": "cpu"}
WRITTEN = {  # file: kind and options
    "a.ivid": ("scene", {}),
    "a.ply": ("points", {}),
    "b.ply": ("splats", {}),
    "a.splat": ("splats", {}),
    "a.glb": ("mesh", {}),
    "a.obj": ("mesh", {}),
    "c.ply": ("mesh", {}),
    "a.zip": ("nerfstudio", {}),
    "a.png": ("grid", {}),
    "b.png": ("still", {"size": 128, "device": "cpu"}),
    "c.png": ("depth", {"size": 384, "device": "cpu"}),
    "a.html": ("page", {}),
    **{f"a{suffix}": ("video", SMALL_VIDEO) for suffix in ENCODERS},
}
ROOM = 4096  # bytes: less than any of them


@pytest.fixture(scope="module")
def scene():
    whole = synthetic_scene(64)
    return Scene(whole.views[:3], whole.depth_range)


@contextmanager
def limited_file_size() -> Iterator[None]:
    """No file can grow beyond ROOM bytes; of this process alone, and as briefly as can be, for it writes a log too."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(params=["a full disk", "a limit on file sizes"])
def full(request, tmp_path):
    """A folder, and a context in which no second file of more than ROOM bytes can be written into it."""
    if request.param == "a limit on file sizes":
        yield tmp_path, limited_file_size()
        return
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={2 * ROOM}", "tmpfs", str(tmp_path)], check=False)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    yield tmp_path, nullcontext()
    subprocess.run(["umount", "-l", str(tmp_path)], check=True)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_full_disk_is_told_and_what_was_there_is_kept(full, scene, name):
    folder, no_room = full
    kind, options = WRITTEN[name]
    (folder / name).write_bytes(b"mine")
    message = r"No space left on device|File too large|encoded"
    with pytest.raises(OSError, match=message) as raised, no_room:
        export_scene(scene, folder / name, kind, **options)
    assert raised.value.errno in (errno.ENOSPC, errno.EFBIG) or kind == "video"
    assert raised.value.filename == str(folder / name) or kind == "video"
    assert [(each.name, each.read_bytes()) for each in folder.iterdir()] == [(name, b"mine")]


def test_a_capture_folder_is_not_left_half_written(full, scene):
    folder, no_room = full
    with pytest.raises(OSError, match=r"No space left on device|File too large"), no_room:
        export_scene(scene, folder / "capture", "nerfstudio")
    assert not list(folder.iterdir())


@pytest.mark.parametrize("suffix", ENCODERS)
@pytest.mark.parametrize(
    ("end", "message"),
    [
        ('truncate -s -400 "$last"', "is not complete"),
        ("exit 3", "could not be encoded"),
        ("echo 'x: No space left on device' >&2; exit 1", "No space left on device"),
    ],
)
def test_an_encoder_is_not_believed(tmp_path, monkeypatch, suffix, end, message):
    """One that loses frames and reports success, one that fails, one that says why."""
    program = tmp_path / "ffmpeg"
    real = imageio_ffmpeg.get_ffmpeg_exe()
    program.write_text(f'#!/bin/bash\n{real} "$@"\nfor last; do :; done\n{end}\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(program))
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (32, 32, 3), dtype=np.uint8) for _ in range(4)]
    with pytest.raises(OSError, match=message):
        encode(tmp_path / f"a{suffix}", frames, 4, 10)


@pytest.mark.parametrize("suffix", ENCODERS)
def test_an_encoder_that_ends_at_once_is_no_broken_pipe(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: "/bin/false")
    frames = [np.zeros((512, 512, 3), np.uint8)] * 4
    with pytest.raises(OSError, match="ffmpeg said: nothing, and stopped"):
        encode(tmp_path / f"a{suffix}", frames, 4, 10)


@pytest.mark.parametrize("suffix", ENCODERS)
@pytest.mark.parametrize("fps", [1, 12.5, 30, 120])
@pytest.mark.parametrize("moving", [0, 1, 5])
def test_frames_that_are_there_are_counted(tmp_path, suffix, fps, moving):
    """Also where nothing moves: some formats then hold fewer pictures than there are frames."""
    first = np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)
    frames = [np.roll(first, min(index, moving), axis=1) for index in range(6)]
    encode(tmp_path / f"a{suffix}", frames, 6, fps)
    if moving == 5:
        with pytest.raises(OSError, match="does not hold 9 frames"):
            encode(tmp_path / f"b{suffix}", frames, 9, fps)


class TestPlaces:
    """Where an export goes is checked before anything is computed."""

    @pytest.fixture(autouse=True)
    def no_work(self, monkeypatch):
        def work(self):
            raise AssertionError("the place was not checked first")

        monkeypatch.setattr("ivid.export.Kind.load", work)
        monkeypatch.setattr("ivid.export.Kind.options", lambda self: ())

    @pytest.mark.parametrize("name", [*WRITTEN, "folder"])
    def test_a_file_where_a_folder_should_be(self, scene, tmp_path, name):
        (tmp_path / "file").write_text("mine")
        with pytest.raises(NotADirectoryError) as raised:
            export_scene(
                scene, tmp_path / "file" / "deeper" / name, "nerfstudio" if name == "folder" else WRITTEN[name][0]
            )
        assert raised.value.filename == str(tmp_path / "file")

    def test_a_folder_where_a_file_should_be(self, scene, tmp_path):
        (tmp_path / "a.ply").mkdir()
        with pytest.raises(IsADirectoryError):
            export_scene(scene, tmp_path / "a.ply")

    @pytest.mark.parametrize("place", ["/proc/a.ply", "/sys/new/a.ply"])
    def test_a_place_where_nothing_can_be_made(self, scene, place):
        with pytest.raises(OSError, match=r"/proc|/sys"):
            export_scene(scene, place)

    def test_a_device_is_not_replaced(self, scene, tmp_path):
        (tmp_path / "a.ply").symlink_to("/dev/null")
        with pytest.raises(ValueError, match="is a device or a pipe"):
            export_scene(scene, tmp_path / "a.ply")
        assert Path("/dev/null").is_char_device()

    def test_a_name_too_long(self, scene, tmp_path):
        with pytest.raises(OSError, match="File name too long"):
            export_scene(scene, tmp_path / ("a" * 252 + ".ply"))

    def test_a_folder_in_use(self, scene, tmp_path):
        (tmp_path / "mine.txt").touch()
        with pytest.raises(ValueError, match="is there already"):
            export_scene(scene, tmp_path, "nerfstudio")


@pytest.mark.parametrize("stem", ["a" * 251, "ä" * 125 + "a", "屋" * 83 + "aa"])
@pytest.mark.parametrize("name", ["a.ply", "a.ivid", "a.png"])
def test_a_name_as_long_as_names_may_be(scene, tmp_path, stem, name):
    kind, options = WRITTEN[name]
    suffix = Path(name).suffix
    path = tmp_path / (stem.encode()[: 255 - len(suffix)].decode(errors="ignore") + suffix)
    assert len(path.name.encode()) > 250
    export_scene(scene, path, kind, **options)
    assert path.stat().st_size > 1000


def test_a_folder_name_as_long_as_names_may_be(scene, tmp_path):
    export_scene(scene, tmp_path / ("b" * 255), "nerfstudio")
    assert (tmp_path / ("b" * 255) / "transforms.json").exists()
