"""Wrong input is told in one sentence before any work is done, and before torch is imported."""

import errno
import json
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from ivid.cli import build_parser
from ivid.cli.generate import checked
from ivid.cli.scene_maker import SceneMaker
from ivid.diffusion.weights_file import WEIGHTS_FILE
from ivid.export.folders import PublishedLayout
from ivid.pipeline.devices import check_device
from ivid.pipeline.model_files import view_size
from ivid.pipeline.models import read_index
from ivid.pipeline.sampling import Sampling
from ivid.published.scene_file import load_published_scene
from ivid.scene.cameras import VIEW_SETS, Camera, read_view_set
from ivid.scene.fingerprint import MODEL
from ivid.scene.messages import sentence
from ivid.scene.scene import Scene
from tests.support.synthetic import synthetic_scene
from tests.support.tiny_model import save_tiny_model
from viewer.addresses import check_address

ROOT = Path(__file__).resolve().parent.parent
LOWPOLY = read_index("lowpoly").config

SENTENCES = [  # arguments, exit status, what is said; {d} is a folder with a file, a scene and a picture
    ("generate --out {d}/o --class submarine", 2, "no class 'submarine'"),
    ("generate --out {d}/o --class house,submarine", 2, "no class 'submarine'"),
    ("generate --out {d}/o --class 99", 2, "an index from 0 to"),
    ("generate --out {d}/o --class ²", 2, "no class '²'"),
    ("generate --out {d}/o --seeds x", 2, "seeds are integers"),
    ("generate --out {d}/o --seeds ٣", 2, "seeds are integers"),
    ("generate --out {d}/o --seeds 99999999999999999999999999", 2, "seeds are integers"),
    ("generate --out {d}/o --seeds 9999999999999999999", 2, "at most 2^63 - 1"),
    ("generate --out {d}/o --seeds 5-2", 2, "runs backwards"),
    ("generate --out {d}/o --seeds 3 --num-samples 4", 2, "--seeds has no effect with --num-samples"),
    ("generate --out {d}/o --fov 40", 2, "--fov has no effect without --from-rgbd or --from-photo"),
    ("generate --out {d}/o --from-photo {d}/none.jpg", 2, "there is no file or folder {d}/none.jpg"),
    ("generate --out {d}/o --from-photo {d}/file", 2, "file is no picture that can be read"),
    ("generate --out {d}/o --from-photo {d}/p.png --no-fit", 2, "--no-fit has no effect without --from-rgbd"),
    ("generate --out {d}/o --from-photo {d}/p.png --from-rgbd {d}/p.png {d}/p.png", 2, "choose one"),
    ("generate --out {d}/o --estimator {d}", 2, "--estimator has no effect without --from-photo"),
    ("generate --out {d}/o --no-fit --depth-kind metric", 2, "--no-fit and --depth-kind have no effect"),
    ("generate --out {d}/o --from-rgbd {d}/p.png {d}/none.npy", 2, "there is no file or folder {d}/none.npy"),
    ("generate --out {d}/o --from-rgbd {d} {d}/file", 2, "{d}: Is a directory"),
    ("generate --out {d}/o --from-rgbd {d}/p.png {d}/p.png", 2, "p.png is a RGB picture"),
    ("generate --out {d}/o --from-rgbd {d}/p.png {d}/p.png --first-steps 3", 2, "--first-steps has no effect with"),
    (
        "generate --out {d}/o --views 4x4",
        2,
        f"no view set '4x4'; choose one of {', '.join(VIEW_SETS)}, or give a .json",
    ),
    ("generate --out {d}/o --views 1x1", 2, "or give a .json file of cameras"),
    ("generate --out {d}/o --views {d}/none.json", 2, "there is no file or folder {d}/none.json"),
    ("generate --out {d}/o --views {d}/many.JSON", 2, "1 to 1000 cameras, got 1001 of them"),
    ("generate --out {d}/o --first-steps 0", 2, "first_steps must be an integer from 1 to"),
    ("generate --out {d}/o --guidance 99", 2, "guidance must lie between 0 and 20"),
    ("generate --out {d}/o --upsample all", 2, "the model lowpoly has no upsampler"),
    ("generate --out {d}/o --model {d}/none", 2, "there is no model '{d}/none'"),
    ("generate --out {d}/o --model {d}", 2, "is not a model: it has no model_index.json"),
    ("generate --out {d}/o --model imagenet128 --class submarines", 2, "no class 'submarines'"),
    ("generate --out {d}/file", 2, "{d}/file: Not a directory"),
    ("generate --out {d}/file/o", 2, "{d}/file: Not a directory"),
    ("generate --out /proc/o", 2, "/proc"),
    ("generate --out {d}/o --device foo", 2, "there is no device 'foo'"),
    ("sheet --out {d}/x.xyz", 2, "a sheet is a .png file, not .xyz"),
    ("sheet --out {d}/file/x.png", 2, "{d}/file: Not a directory"),
    ("sheet --out {d}/x.png --class submarine", 2, "no class 'submarine'"),
    ("render {d}/none --out {d}/x.mp4", 2, "there is no file or folder {d}/none"),
    ("render {d}/s.ivid", 2, "--out is missing"),
    ("render {d}/s.ivid --out {d}/x.xyz", 2, "video is written as .mp4 or .webm or .gif or .webp, not as '.xyz'"),
    ("render {d}/s.ivid --out {d}/x.mp4 --size 65", 2, "must be even, got 65"),
    ("render {d}/s.ivid --out {d}/x.mp4 --kind gif", 2, "--kind has no effect on a single scene"),
    ("render {d}/s.ivid --out {d}/x.png --fps 3 --loop", 2, "--fps and --loop have no effect on a picture"),
    ("render {d}/s.ivid --out {d}/x.mp4 --trajectory orbit --keyframes k", 2, "name two paths"),
    ("render {d} --size 65", 2, "must be even, got 65"),
    ("render {d} --fps 500", 2, "1 to 120 frames per second"),
    ("render {d} --trajectory random --frames 3", 2, "--frames has no effect on a picture"),
    ("render {d} --out {d}/file", 2, "{d}/file: Not a directory"),
    ("export {d}/s.ivid --out {d}/x.xyz", 2, "the suffix '.xyz' says no kind of export"),
    ("export {d}/s.ivid --out {d}/file/x.ply", 2, "{d}/file: Not a directory"),
    ("export {d}/none.ivid --out {d}/x.ply", 2, "there is no file or folder {d}/none.ivid"),
    ("export {d}/file --out {d}/x.ply", 2, "file cannot be opened as a scene"),
    ("view {d}/s.ivid --window --port 3", 2, "have no effect on a window"),
    ("view {d}/s.ivid --port 99999", 2, "a port lies between 0 and 65535"),
    ("view {d}/none.ivid", 2, "there is no file or folder {d}/none.ivid"),
    ("app --port 99999", 2, "it must be from 1 to 65535, got '99999'"),
    ("app --host 192.0.2.7", 2, "192.0.2.7 is no address of this machine"),
    ("app --host no.such.host.invalid", 2, "there is no host 'no.such.host.invalid'"),
    ("app --device meta", 2, "there is no device 'meta'"),
    ("convert {d}/none {d}/none --out {d}/o", 2, "there is no file or folder {d}/none"),
    ("convert {d}/file {d}/file --out {d}", 2, "{d} is there already and is not an empty folder"),
    ("prepare models {d}/none --out {d}/o", 2, "there is no file or folder {d}/none"),
    ("prepare models {d} --out {d}/file", 2, "{d}/file: Not a directory"),
    ("prepare models {d} --out {d}/o --only {d}/p.png", 2, "{d}/p.png is no text file in UTF-8"),
    ("prepare photos {d}/none --out {d}/o", 2, "there is no file or folder {d}/none"),
    ("train {d}/none --data {d} --out {d}/o", 2, "there is no file or folder {d}/none"),
    ("train {d}/file --data {d} --out {d}/o", 2, "not valid JSON"),
    ("bundle {d}/file {d}/none {d} --data {d} --out {d}/o", 2, "there is no file or folder {d}/none"),
    ("evaluate images --real {d} --fake {d}/none", 2, "there is no file or folder {d}/none"),
    ("evaluate scenes --data {d}/none", 2, "there is no file or folder {d}/none"),
    ("evaluate steps --data {d} --model {d}/none", 2, "there is no model"),
]
DRIVER = """
import contextlib, io, json, sys
from ivid.cli import main
for arguments in json.load(sys.stdin):
    told = io.StringIO()
    with contextlib.redirect_stderr(told):
        code = main(arguments)
    loaded = sorted({"torch", "warp", "gradio", "diffusers"} & set(sys.modules))
    print(json.dumps([code, told.getvalue(), loaded]), flush=True)
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What the commands of SENTENCES say, one process for all of them: exit status, message, large modules loaded."""
    folder = tmp_path_factory.mktemp("checks")
    (folder / "file").write_text("mine")
    (folder / "many.JSON").write_text(json.dumps([{"yaw": 0, "pitch": 0}] * 1001))
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(folder / "p.png")
    synthetic_scene(16).save(folder / "s.ivid")
    before = sorted(folder.iterdir())
    commands = [line.format(d=folder).split() for line, _, _ in SENTENCES]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input=json.dumps(commands),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(folder.iterdir()) == before
    return folder, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("index", range(len(SENTENCES)), ids=[line for line, _, _ in SENTENCES])
def test_wrong_input_is_one_sentence_without_torch(told, index):
    folder, answers = told
    _, expected_code, expected = SENTENCES[index]
    code, message, loaded = answers[index]
    assert code == expected_code
    assert expected.format(d=folder) in message
    assert message.startswith("ivid: ")
    assert message.count("\n") == 1
    assert "Errno" not in message
    assert loaded == []


class TestWhatIsThere:
    """A scene in a used folder is skipped if it was made in the same way; else it is an error."""

    def options(self, out, *more):
        return build_parser(["generate"]).parse_args(["generate", "--out", str(out), "--class", "house", *more])

    @pytest.fixture(params=["plain", "published"])
    def made(self, request, tmp_path):
        """A scene as `generate --views uncond` leaves it, and what is said of options with which it is asked for."""
        layout = ("--layout", request.param)
        work = checked(self.options(tmp_path, "--views", "uncond", *layout))
        assert len(work.missing) == 1
        views = synthetic_scene(16, "uncond").views
        settings = {**work.resolved.as_settings(), MODEL: work.model_fingerprint}
        scene = Scene(views, (0.6, 5.0), "lowpoly", "house", 0, "uncond", settings)
        work.layout.write(work.requests[0], scene, [])
        return lambda *more: checked(self.options(tmp_path, *layout, *more))

    def test_made_in_the_same_way_it_is_skipped(self, made):
        assert made("--views", "uncond").missing == []
        assert [request.seed for request in made("--views", "uncond", "--seeds", "0-1,0").missing] == [1]
        assert len(made("--views", "uncond", "--overwrite").missing) == 1

    @pytest.mark.parametrize(
        ("more", "difference"),
        [
            (("--views", "uncond", "--sampler", "unipc"), "sampler .* in place of 'unipc'"),
            (
                ("--views", "uncond", "--from-rgbd", "{root}/rgbd_house.png", "{root}/rgbd_house_depth.png"),
                "first view",
            ),
        ],
    )
    def test_made_in_another_way_it_is_refused(self, made, more, difference):
        more = [each.format(root=ROOT / "assets") for each in more]
        with pytest.raises(ValueError, match=f"is there, but was made with .*{difference}.*--overwrite"):
            made(*more)
        assert len(made(*more, "--overwrite").missing) == 1

    @pytest.mark.parametrize(
        "more",
        [("--views", "3x9"), ("--views", "uncond", "--first-steps", "3"), ("--views", "uncond", "--guidance", "7")],
    )
    def test_other_settings_are_another_folder_or_refused(self, made, tmp_path, more):
        if any(tmp_path.glob("viewset_*")):  # the published layout has a folder for each of these
            assert len(made(*more).missing) == 1
        else:
            with pytest.raises(ValueError, match="is there, but was made with"):
                made(*more)

    def test_another_model_is_refused(self, made, tmp_path, monkeypatch):
        index = read_index("lowpoly")
        other = replace(index, config=replace(index.config, name="other"))
        monkeypatch.setattr("ivid.cli.generate.read_index", lambda _: other)
        with pytest.raises(ValueError, match="was made with model 'lowpoly' in place of 'other'"):
            made("--views", "uncond")

    def test_another_model_of_the_same_name_is_refused(self, tmp_path):
        model, out = save_tiny_model(tmp_path / "model"), tmp_path / "out"
        options = self.options(out, "--model", str(model), "--views", "uncond")
        work = checked(options)
        assert list(SceneMaker(work, 1, "cpu", None).made(work.missing, lambda *_: None))
        assert checked(options).missing == []
        path = out / "house_seed00000.ivid"
        tensors = load_file(model / "novel_view_unet" / WEIGHTS_FILE)
        tensors["conv_out.bias"] += 0.1
        save_file(tensors, model / "novel_view_unet" / WEIGHTS_FILE)
        with pytest.raises(ValueError, match="is there, but was made with another model of the same name"):
            checked(options)
        scene = Scene.load(path)
        replace(scene, settings={name: scene.settings[name] for name in scene.settings if name != MODEL}).save(path)
        with pytest.raises(ValueError, match="with a model of which its file has no more than the name"):
            checked(options)

    def test_a_worker_with_another_model_is_refused(self, tmp_path):
        work = checked(self.options(tmp_path / "out", "--model", str(save_tiny_model(tmp_path / "model"))))
        maker = SceneMaker(replace(work, model_fingerprint="0" * 16), 1, "cpu", None)
        with pytest.raises(ValueError, match="is another model here than where the work was begun"):
            maker.load()

    def test_another_picture_is_another_scene(self, tmp_path):
        pair = [str(ROOT / "assets" / name) for name in ("rgbd_house.png", "rgbd_house_depth.png")]
        first, same, wider = (
            checked(self.options(tmp_path, "--from-rgbd", *pair, *more)).settings["first_view"]
            for more in ((), (), ("--fov", "50"))
        )
        assert first == same != wider

    def test_what_cannot_be_read_is_not_taken_for_a_scene(self, tmp_path):
        (tmp_path / "house_seed00000.ivid").write_bytes(b"half")
        with pytest.raises(ValueError, match="is there, but cannot be read"):
            checked(self.options(tmp_path))

    def test_cameras_of_a_file_are_compared(self, tmp_path):
        cameras = tmp_path / "c.json"
        out = tmp_path / "out"
        cameras.write_text('\ufeff[{"yaw": 0, "pitch": 0}]', encoding="utf-8")
        work = checked(self.options(out, "--views", str(cameras)))
        scene = synthetic_scene(16, "uncond")
        settings = {**work.resolved.as_settings(), **work.settings, MODEL: work.model_fingerprint}
        work.layout.write(
            work.requests[0],
            replace(scene, model="lowpoly", class_name="house", view_set="custom", settings=settings),
            [],
        )
        assert checked(self.options(out, "--views", str(cameras))).missing == []
        cameras.write_text('[{"yaw": 0, "pitch": 0.1}]')
        with pytest.raises(ValueError, match="was made with other cameras"):
            checked(self.options(out, "--views", str(cameras)))


def test_a_published_file_with_a_record_is_read_as_before(tmp_path):
    """numpy, which the authors' program uses, finds the array `data` and nothing is in its way."""
    scene = synthetic_scene(16, "uncond")
    layout = PublishedLayout.of_sampling(
        tmp_path, "uncond", Sampling().resolved(LOWPOLY.sampling, LOWPOLY.timesteps), False
    )
    work = checked(build_parser(["generate"]).parse_args(["generate", "--out", str(tmp_path), "--class", "house"]))
    layout.write(work.requests[0], scene, [])
    path = layout.scene_file(work.requests[0])
    with np.load(path, allow_pickle=False) as archive:
        assert "data" in archive.files
    assert np.array_equal(load_published_scene(path).views[0].depth, scene.views[0].depth)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"yaw": 0, "pitch": 0, "fov": 40}, "unknown 'fov'; there are yaw, pitch, radius, fov_y_deg"),
        ({"yaw": 0}, "neither world_to_view nor yaw and pitch"),
        ({"yaw": 0, "pitch": 0, "radius": 0.05}, "radius must be above 0.05"),
        ({"yaw": 0, "pitch": 0, "radius": -1}, "radius must be above 0.05"),
        ({"yaw": 0, "pitch": 0, "fov_y_deg": 0.5}, "from 1 to 170 degrees, got 0.5"),
        ({"yaw": 0, "pitch": 0, "fov_y_deg": 171}, "from 1 to 170 degrees, got 171"),
        ({"yaw": "left", "pitch": 0}, "its yaw must be a finite number"),
        ({"yaw": True, "pitch": 0}, "its yaw must be a finite number"),
        ({"yaw": None, "pitch": 0}, "its yaw must be a finite number"),
        ({"yaw": float("nan"), "pitch": 0}, "its yaw must be a finite number"),
        ({"world_to_view": [[1, 2], [3]]}, "four rows of four numbers"),
        ({"world_to_view": np.eye(4).tolist(), "yaw": 0}, "unknown 'yaw'; there are world_to_view, fov_y_deg"),
        ({"world_to_view": np.zeros((4, 4)).tolist()}, "must be a rotation and a translation"),
        ("far", "must be an object"),
    ],
)
def test_view_sets_say_what_is_wrong(tmp_path, entry, message):
    (tmp_path / "v.json").write_text(json.dumps([{"yaw": 0, "pitch": 0}, entry]))
    with pytest.raises(ValueError, match=f"camera 1 of .*v.json is unusable: .*{message}"):
        read_view_set(tmp_path / "v.json")


def test_view_sets_are_read_with_a_byte_order_mark(tmp_path):
    (tmp_path / "v.json").write_text(json.dumps([{"yaw": 0.1, "pitch": 0, "fov_y_deg": 1}]), encoding="utf-8-sig")
    assert read_view_set(tmp_path / "v.json") == [Camera.orbit(0.1, 0, fov_y_deg=1)]


@pytest.mark.parametrize("device", ["foo", "meta", "cuda:", "CPU", "cuda:9999", "privateuseone"])
def test_devices_that_are_none(device):
    with pytest.raises(ValueError, match=f"there is no device '{device}' here; choose one of cpu"):
        check_device(device)


def test_a_port_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"port {port} of 127.0.0.1 is in use; choose another"):
            check_address("127.0.0.1", port)
    check_address("127.0.0.1", port)
    check_address("localhost", 0)


def test_the_size_of_a_models_views_is_known_without_loading_it():
    assert view_size(ROOT / "ckpts" / "lowpoly") == 128


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "a.ply"), "there is no file or folder a.ply"),
        (PermissionError(errno.EACCES, "x", b"a.ply"), "a.ply: Permission denied"),
        (OSError(errno.EINVAL, "Invalid argument"), "the system says: Invalid argument"),
        (OSError("encoder error -2"), "encoder error -2"),
        (ValueError(""), "something failed without a word (ValueError)"),
        (MemoryError(), "there is not enough memory for that"),
        (RuntimeError("first\nsecond"), "first"),
    ],
)
def test_errors_are_sentences(error, told):
    assert sentence(error) == told
