"""Files that somebody else made, damaged or built to do harm: refused with one sentence, in little memory."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import tempfile
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from ivid.published import open_scene
from ivid.scene import Camera, Scene, SceneFileError, View
from ivid.scene.rgbd import MAX_SIDE, load_rgbd, read_depth, resized_square

SIDE = 8


def whole_scene() -> dict[str, bytes]:
    """The members of a sound scene file of two views."""
    rng = np.random.default_rng(0)
    views = [
        View(
            rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8),
            np.full((SIDE, SIDE), 1.5, np.float32),
            Camera.orbit(yaw, 0),
        )
        for yaw in (0.0, 0.3)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "whole.ivid"
        Scene(views, model="m", class_name="c", seed=1, view_set="custom").save(path)
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}


WHOLE = whole_scene()
HEADER = json.loads(WHOLE["scene.json"])


def write(path: Path, members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00", length: int | None = None) -> bytes:
    text = header.encode("latin-1") + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text) if length is None else length) + text + data


def png(width: int, height: int, bit_depth: int = 8, colour_type: int = 2) -> bytes:
    """A PNG that declares a size, and holds next to nothing."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    declared = struct.pack(">IIBBBBB", width, height, bit_depth, colour_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", declared) + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")
    )


def refused(path: Path) -> str:
    """The sentence with which a scene file is refused; at most 64 MB are allocated on the way."""
    tracemalloc.start()
    try:
        with pytest.raises(SceneFileError) as caught:
            open_scene(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    sentence = str(caught.value)
    assert sentence.startswith(path.name)
    assert "\n" not in sentence
    assert "0x" not in sentence
    assert len(sentence) < 400
    assert peak < 64e6
    return sentence


STRANGE = {
    "null": "null",
    "true": "true",
    "word": '"x"',
    "list": "[]",
    "object": "{}",
    "negative": "-1",
    "infinite": "1e400",
    "enormous": "1" + "0" * 400,
    "nan": "NaN",
    "nested": "[" * 50 + "]" * 50,
}
FIELDS = ("format", "version", "size", "depth_range", "views", "seed", "settings")
ACCEPTED = {("seed", "null"), ("seed", "negative"), ("settings", "object")}


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("field", FIELDS)
def test_header_fields_of_another_kind(tmp_path, field, strange):
    if (field, strange) in ACCEPTED:
        pytest.skip("allowed there")
    text = json.dumps({**HEADER, field: "@"}).replace('"@"', STRANGE[strange])
    refused(write(tmp_path / "a.ivid", WHOLE | {"scene.json": text.encode()}))


CAMERA_FIELDS = ("world_to_view", "fov_y_deg", "edge_threshold")


@pytest.mark.parametrize("strange", STRANGE)
@pytest.mark.parametrize("field", CAMERA_FIELDS)
def test_camera_fields_of_another_kind(tmp_path, field, strange):
    views = [HEADER["views"][0], {**HEADER["views"][1], field: "@"}]
    text = json.dumps({**HEADER, "views": views}).replace('"@"', STRANGE[strange])
    if (field, strange) in {("edge_threshold", "true"), ("fov_y_deg", "true")}:
        pytest.skip("Python counts true as 1, which is in range")
    named = "is too large" if strange in ("infinite", "enormous") else "view 1"
    assert named in refused(write(tmp_path / "a.ivid", WHOLE | {"scene.json": text.encode()}))


@pytest.mark.parametrize("missing", ["version", "size", "views", "depth_range", "format"])
def test_header_fields_that_are_missing(tmp_path, missing):
    header = {name: value for name, value in HEADER.items() if name != missing}
    refused(write(tmp_path / "a.ivid", WHOLE | {"scene.json": json.dumps(header).encode()}))


@pytest.mark.parametrize(
    "planes", [[1, 1], [5, 0.5], [0, 4], [-1, 4], [1e-300, 1e300], [0.5, 1e12], [1e-9, 4], [1], [1, 2, 3]]
)
def test_depth_ranges_outside_sane_planes(tmp_path, planes):
    header = {**HEADER, "depth_range": planes}
    assert "depth" in refused(write(tmp_path / "a.ivid", WHOLE | {"scene.json": json.dumps(header).encode()}))


TEXTS = [b"", b"null", b"[]", b"{", b"{'a': 1}", b"\xff\xfe", b"[" * 100_000, b'{"format": "ivid-scene"', bytes(1000)]


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
def test_headers_that_are_no_json_object(tmp_path, text):
    refused(write(tmp_path / "a.ivid", WHOLE | {"scene.json": text}))


DATA = bytes(SIDE * SIDE * 4)
NPY = {
    "empty": b"",
    "text": b"hello, world, hello",
    "magic only": b"\x93NUMPY",
    "version 9": npy("{}", version=b"\x09\x00"),
    "no header": npy("", length=0),
    "length beyond the end": npy("{'descr': '<f4'", length=60000),
    "unclosed parenthesis": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (8, 8"),
    "unclosed string": npy("{'descr': '<f4, 'fortran_order': False, 'shape': (8, 8)}"),
    "huge shape": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999, 99999999)}", DATA),
    "shape beyond integers": npy(f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({10**30}, 8)}}", DATA),
    "negative shape": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-8, 8)}", DATA),
    "shape of booleans": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (True, True)}", DATA),
    "shape of floats": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (8.0, 8)}", DATA),
    "shape is a list": npy("{'descr': '<f4', 'fortran_order': False, 'shape': [8, 8]}", DATA),
    "many axes": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1," * 60 + ")}", DATA),
    "flat": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (64,)}", DATA),
    "other size": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4, 16)}", DATA),
    "cut short": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (8, 8)}", DATA[:100]),
    "zeros": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (8, 8)}", DATA),
    "objects": npy("{'descr': '|O', 'fortran_order': False, 'shape': (8, 8)}", b"cos\nsystem\n(S'true'\ntR."),
    "strings": npy("{'descr': '<U4', 'fortran_order': False, 'shape': (8, 8)}", DATA * 4),
    "a record": npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (8, 8)}", DATA),
    "an unknown type": npy("{'descr': '<f3', 'fortran_order': False, 'shape': (8, 8)}", DATA),
    "a type with a shape": npy("{'descr': '(9999,9999)<f4', 'fortran_order': False, 'shape': (8, 8)}", DATA),
    "doubles": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (8, 8)}", DATA * 2),
    "complex": npy("{'descr': '<c8', 'fortran_order': False, 'shape': (8, 8)}", DATA * 2),
    "a call": npy("__import__('os').system('true')"),
    "deep nesting": npy("(" * 900),
    "another key": npy("{'descr': '<f4', 'fortran_order': False, 'shape': (8, 8), 'x': 1}", DATA),
    "no dictionary": npy("['descr']"),
    "an archive": b"PK\x03\x04" + bytes(100),
}


@pytest.mark.parametrize("content", NPY.values(), ids=NPY)
def test_depth_arrays_of_a_scene(tmp_path, content):
    assert "view 1" in refused(write(tmp_path / "a.ivid", WHOLE | {"001.npy": content}))


@pytest.mark.parametrize("content", NPY.values(), ids=NPY)
def test_depth_maps_of_a_picture(tmp_path, content):
    (tmp_path / "d.npy").write_bytes(content)
    if content in (NPY["other size"], NPY["doubles"], NPY["zeros"]):
        assert read_depth(tmp_path / "d.npy").ndim == 2
        return
    with pytest.raises(ValueError, match=r"d\.npy") as caught:
        read_depth(tmp_path / "d.npy")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", NPY.values(), ids=NPY)
def test_data_of_a_published_scene(tmp_path, content):
    refused(write(tmp_path / "a.npz", {"data.npy": content}))


def _palette() -> bytes:
    stream = io.BytesIO()
    Image.new("P", (SIDE, SIDE)).save(stream, "PNG")
    return stream.getvalue()


PNG = {
    "empty": b"",
    "text": b"hello",
    "signature only": WHOLE["000.png"][:8],
    "cut short": WHOLE["000.png"][:60],
    "60000 square": png(60000, 60000),
    "2^31 wide": png(2**31 - 1, 1),
    "no width": png(0, 8),
    "16 bits": png(SIDE, SIDE, 16),
    "grey": png(SIDE, SIDE, 8, 0),
    "palette": _palette(),
    "no pixels": png(SIDE, SIDE)[:-12],
    "wrong checksum": WHOLE["000.png"][:30] + b"\0\0\0\0" + WHOLE["000.png"][34:],
    "a GIF": b"GIF89a" + bytes(50),
}


@pytest.mark.parametrize("content", PNG.values(), ids=PNG)
def test_pictures_of_a_scene(tmp_path, content):
    assert "view 1" in refused(write(tmp_path / "a.ivid", WHOLE | {"001.png": content}))


@pytest.mark.parametrize("content", PNG.values(), ids=PNG)
def test_pictures_to_begin_with(tmp_path, content):
    if content in (PNG["palette"], PNG["grey"], PNG["wrong checksum"], PNG["no pixels"]):
        pytest.skip("pictures that may be begun with, or whose damage Pillow mends")
    (tmp_path / "p.png").write_bytes(content)
    np.save(tmp_path / "d.npy", np.ones((SIDE, SIDE), np.float32))
    with pytest.raises(ValueError, match=r"p\.png|picture's shape"):
        load_rgbd(tmp_path / "p.png", tmp_path / "d.npy", size=SIDE, depth_range=(0.5, 4))


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_corrupt_members_of_any_compression(tmp_path, compression):
    path = write(tmp_path / "a.ivid", WHOLE, compression)
    content = bytearray(path.read_bytes())
    for offset in range(60, 400):
        content[offset] ^= 0x5A
    path.write_bytes(bytes(content))
    refused(path)


@pytest.mark.parametrize("kind", ["text", "nothing", "half", "other members", "bomb"])
@pytest.mark.parametrize("suffix", [".ivid", ".npz"])
def test_archives(tmp_path, kind, suffix):
    path = write(tmp_path / f"a{suffix}", WHOLE)
    match kind:
        case "text":
            path.write_text("hello")
        case "nothing":
            path.write_bytes(b"")
        case "half":
            path.write_bytes(path.read_bytes()[:300])
        case "other members":
            write(path, {"readme.txt": b"hello"})
        case "bomb":
            write(
                path,
                WHOLE | {"scene.json": bytes(30_000_000)} if suffix == ".ivid" else {"data.npy": b"\0" * 30_000_000},
            )
    refused(path)


@pytest.mark.parametrize("suffix", [".ivid", ".npz"])
def test_pipes_devices_and_folders_are_not_read(tmp_path, suffix):
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"device{suffix}").symlink_to("/dev/zero")
    (tmp_path / f"folder{suffix}").mkdir()
    for name, what in (("pipe", "a pipe"), ("device", "a device"), ("folder", "a folder")):
        assert f"it is {what}" in refused(tmp_path / f"{name}{suffix}")


def test_pictures_and_depth_maps_are_regular_files_too(tmp_path):
    Image.new("RGB", (SIDE, SIDE)).save(tmp_path / "p.png")
    np.save(tmp_path / "d.npy", np.ones((SIDE, SIDE), np.float32))
    for suffix in (".png", ".npy", ".exr"):
        os.mkfifo(tmp_path / f"pipe{suffix}")
        with pytest.raises(ValueError, match="a pipe, not a file"):
            load_rgbd(tmp_path / "p.png", tmp_path / f"pipe{suffix}", size=SIDE, depth_range=(0.5, 4))
    with pytest.raises(ValueError, match="a pipe, not a file"):
        load_rgbd(tmp_path / "pipe.png", tmp_path / "d.npy", size=SIDE, depth_range=(0.5, 4))


def test_a_published_scene_of_zeros_is_held_in_memory_once(tmp_path):
    size = 100_000_000
    write(
        tmp_path / "zeros.npz", {"data.npy": npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", bytes(size))}
    )
    tracemalloc.start()
    try:
        with pytest.raises(SceneFileError):
            open_scene(tmp_path / "zeros.npz")
        assert tracemalloc.get_traced_memory()[1] < 2.2 * size  # zipfile joins the parts it has read
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", [(MAX_SIDE, 1), (1, MAX_SIDE), (3000, 7)])
def test_very_long_pictures_are_cropped_before_they_are_enlarged(shape):
    tracemalloc.start()
    try:
        square = resized_square(Image.new("RGB", shape, (9, 9, 9)), 128, Image.Resampling.LANCZOS)
        assert tracemalloc.get_traced_memory()[1] < 10e6
    finally:
        tracemalloc.stop()
    assert square.shape == (128, 128, 3)
    assert (square == 9).all()


@pytest.mark.parametrize("shape", [(300, 211), (211, 300), (128, 128), (57, 190)])
@pytest.mark.parametrize("resampling", [Image.Resampling.LANCZOS, Image.Resampling.NEAREST])
def test_cropping_first_gives_what_cropping_last_does(shape, resampling):
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, 3), np.uint8)
    image, size = Image.fromarray(pixels), 64
    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    left, top = (width - size) // 2, (height - size) // 2
    whole = np.array(image.resize((width, height), resampling).crop((left, top, left + size, top + size)))
    difference = np.abs(resized_square(image, size, resampling).astype(int) - whole)
    if resampling == Image.Resampling.NEAREST:
        assert (difference == 0).mean() > 0.98  # a centre between two pixels may fall to either
    else:
        assert difference.max() <= 1


def test_more_pixels_than_are_read(tmp_path):
    (tmp_path / "p.png").write_bytes(png(12000, 12000))
    np.save(tmp_path / "d.npy", np.ones((SIDE, SIDE), np.float32))
    with pytest.raises(ValueError, match=r"p\.png is 12000x12000; at most .* 100,000,000"):
        load_rgbd(tmp_path / "p.png", tmp_path / "d.npy", size=SIDE, depth_range=(0.5, 4))


def test_a_grey_picture_of_16_bits_keeps_its_greys(tmp_path):
    levels = np.linspace(0, 65535, SIDE * SIDE).astype(np.uint16).reshape(SIDE, SIDE)
    Image.fromarray(levels).save(tmp_path / "p.png")
    np.save(tmp_path / "d.npy", np.ones((SIDE, SIDE), np.float32))
    view = load_rgbd(tmp_path / "p.png", tmp_path / "d.npy", size=SIDE, depth_range=(0.5, 4))
    assert np.array_equal(view.rgb[..., 0], levels // 257)


def test_depth_that_single_precision_cannot_hold_is_said(tmp_path):
    np.save(tmp_path / "d.npy", np.array([[1.0, 1e200]]))
    with pytest.raises(ValueError, match=r"d\.npy holds 1e\+200, which is more than 32-bit numbers"):
        read_depth(tmp_path / "d.npy")


def exr(path: Path, channels: dict[str, np.ndarray]) -> Path:
    openexr = pytest.importorskip("OpenEXR")
    openexr.File({}, {name: values.astype(np.float32) for name, values in channels.items()}).write(str(path))
    return path


@pytest.mark.parametrize(
    "name", ["Z", "depth", "Depth", "ViewLayer.Depth.Z", "ViewLayer.Combined.Z", "image.Depth.V", "beauty.Z"]
)
def test_the_depth_channel_of_an_exr_is_found_in_its_layer(tmp_path, name):
    depth, red = np.full((4, 4), 2.0), np.full((4, 4), 0.5)
    path = exr(tmp_path / "d.exr", {"R": red, "G": red / 2, "B": red, "ViewLayer.Combined.R": red, name: depth})
    assert (read_depth(path) == 2.0).all()


def test_red_is_depth_only_in_a_grey_exr(tmp_path):
    grey, other = np.full((4, 4), 2.0), np.full((4, 4), 0.25)
    assert (read_depth(exr(tmp_path / "alone.exr", {"R": grey})) == 2.0).all()
    assert (read_depth(exr(tmp_path / "grey.exr", {"R": grey, "G": grey, "B": grey})) == 2.0).all()
    with pytest.raises(ValueError, match=r"colour\.exr has no depth channel .*B, G, R"):
        read_depth(exr(tmp_path / "colour.exr", {"R": grey, "G": other, "B": other}))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("stored", [True, False])
def test_exif_turns_the_depth_map_with_the_picture(tmp_path, orientation, stored):
    rng = np.random.default_rng(orientation)
    pixels = np.repeat(rng.integers(0, 256, (6, 9, 1), np.uint8), 3, axis=2)
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "p.png", exif=exif)
    from PIL import ImageOps

    with Image.open(tmp_path / "p.png") as opened:
        upright = np.asarray(ImageOps.exif_transpose(opened))[..., 0]
    swaps = orientation >= 5
    if stored and not swaps:
        pytest.skip("the shape does not tell how the depth map lies: it is taken as upright")
    depth = (pixels[..., 0] if stored else upright).astype(np.float32) + 1
    np.save(tmp_path / "d.npy", depth)
    view = load_rgbd(tmp_path / "p.png", tmp_path / "d.npy", size=6, depth_range=(0.5, 300), fit=False)
    assert np.array_equal(view.depth, view.rgb[..., 0].astype(np.float32) + 1)


def test_a_turned_square_says_what_is_assumed(tmp_path, caplog):
    image = Image.fromarray(np.zeros((SIDE, SIDE, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "p.png", exif=exif)
    np.save(tmp_path / "d.npy", np.ones((SIDE, SIDE), np.float32))
    load_rgbd(tmp_path / "p.png", tmp_path / "d.npy", size=SIDE, depth_range=(0.5, 4))
    assert "taken as upright" in caplog.text


MEMBERS = tuple(WHOLE)


def mutated(content: bytes, seed: int) -> bytes:
    """Some bytes changed, repeated, left out or put in, at places and with values that the seed draws."""
    rng = random.Random(seed)
    result = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(result) + 1)
        span = rng.choice((1, 1, 2, 4, 16, 64))
        match rng.randrange(5):
            case 0:
                result[place : place + span] = rng.randbytes(span)
            case 1:
                del result[place : place + span]
            case 2:
                result[place:place] = result[place : place + span]
            case 3:
                result[place : place + span] = rng.choice((b"\xff", b"\x00", b"9", b"(", b'"', b"-")) * span
            case 4:
                del result[place:]
    return bytes(result)


@settings(max_examples=1500, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
@given(member=st.sampled_from((*MEMBERS, "the archive")), seed=st.integers(0, 2**32))
def test_fuzzed_scene_files_are_read_or_refused(tmp_path, member, seed):
    path = tmp_path / "fuzzed.ivid"
    if member == "the archive":
        path.write_bytes(mutated(write(path, WHOLE).read_bytes(), seed))
    else:
        write(path, WHOLE | {member: mutated(WHOLE[member], seed)})
    try:
        scene = Scene.load(path)
    except SceneFileError as error:
        sentence = str(error)
    else:
        sentence = f"fuzzed.ivid has {len(scene.views)} views"
    assert sentence.startswith("fuzzed.ivid")
