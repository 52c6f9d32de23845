"""The page without a browser: requests and links, the queue, jobs, the files of a scene."""

import gc
import shutil
import subprocess
import sys
import threading
import time
import types
import weakref
from dataclasses import replace

import numpy as np
import pytest

from ivid.export import KINDS
from ivid.page import exports, inference
from ivid.page import sessions as sessions_module
from ivid.page.assets import SceneAssets, new_folder
from ivid.page.examples import Examples, open_for_page, open_uploaded
from ivid.page.jobs import GenerationJob, JobQueue
from ivid.page.knobs import SIZES, knobs_of
from ivid.page.networks import InThisProcess
from ivid.page.registry import ModelCard, ModelRegistry
from ivid.page.requests import GenerationRequest, InputPicture, link_to, read_link, read_request, request_of
from ivid.page.sessions import Session, Sessions
from ivid.pipeline.loading import load_pipeline
from ivid.pipeline.locations import bundled
from ivid.pipeline.sampling import Sampling
from ivid.scene.fingerprint import fingerprint
from ivid.scene.rgbd import load_rgbd
from tests.support.estimator import save_photo, use_fake_estimator
from tests.support.page_server import finished
from tests.support.synthetic import synthetic_scene
from tests.support.tiny_model import CLASSES, SIZE, save_tiny_model


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = save_tiny_model(tmp_path_factory.mktemp("model") / "tiny")
    return ModelRegistry([str(folder)], networks=InThisProcess())


def test_the_page_is_built_without_torch():
    code = "import sys, ivid.page.layout; assert 'torch' not in sys.modules and 'diffusers' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_card_is_what_the_model_says(models):
    card = models.first
    assert card.class_names == CLASSES
    chosen = card.sampling
    assert (chosen.first_steps, chosen.novel_steps, chosen.guidance, card.most_steps) == (4, 2, 0.0, 1000)


def test_a_model_that_is_fetched_has_a_card_before():
    card = ModelCard.read("imagenet128")
    assert len(card.class_names) == 1000
    assert (card.sampling.first_steps, card.sampling.novel_steps, card.sampling.guidance) == (1000, 50, 3.0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seed": "-1"}, "seed must be an integer"),
        ({"seed": "3.5"}, "seed must be an integer"),
        ({"seed": ""}, "got nothing"),
        ({"seed": str(2**63)}, "2\\^63"),
        ({"class_label": None}, "pick a class"),
        ({"view_set": "spiral"}, "no view set 'spiral'"),
        ({"first_steps": 0}, "first view must be an integer from 1 to 1000"),
        ({"novel_steps": 2.5}, "further views must be an integer from 1 to 1000"),
        ({"model": "other"}, "no model 'other'"),
        ({"depth": "depth.png"}, "give its colours too"),
    ],
)
def test_a_wrong_field_is_named(models, fields, message):
    given = {"model": None, "class_label": "house", "seed": "1", "view_set": "3x9", **fields}
    with pytest.raises(ValueError, match=message):
        read_request(models, given)


def test_a_link_asks_for_the_same_again(models):
    request = GenerationRequest(
        models.first.name,
        "car, automobile",
        12,
        "random",
        Sampling().changed(first_steps=5, guidance=1.5, sampler="ddim"),
    )
    query = dict(pair.split("=", 1) for pair in link_to(request)[1:].split("&"))
    from urllib.parse import unquote_plus

    fields, complaint = read_link(models, {key: unquote_plus(value) for key, value in query.items()})
    assert not complaint
    assert read_request(models, fields) == request


def test_a_link_to_what_is_not_here_says_so(models):
    fields, complaint = read_link(models, {"seed": "1", "class": "spaceship", "first_steps": "many"})
    assert "spaceship" in complaint
    assert "first_steps many" in complaint
    assert fields["seed"] == "1"
    assert "class_label" not in fields
    assert read_link(models, {"__theme": "dark"}) == ({}, "")


@pytest.mark.parametrize(
    "settings", [{}, {"novel_steps": 3}, {"guidance": 1.5}, {"sampler": "ddpm"}, {"guidance": 2.0, "sampler": "unipc"}]
)
def test_a_scene_tells_the_request_that_makes_it(models, settings):
    request = GenerationRequest(models.first.name, "tree", 6, "random", Sampling().changed(**settings))
    job = GenerationJob(request, models, JobQueue())
    assert finished(job).phase == "done"
    scene = job.scene()
    assert scene is not None
    again = request_of(models, scene)
    assert replace(again, so_far=None) == request
    assert (again.key, again.no_link) == (request.key, "")


def test_a_scene_that_no_link_makes_says_why(models, tmp_path):
    scene = synthetic_scene(SIZE, "random")
    with pytest.raises(ValueError, match="this page does not have the scene's model"):
        request_of(models, scene)
    card = models.first
    sampled = card.sampling.as_settings()
    ours = replace(scene, model=card.name, class_name="tree", seed=1, view_set="random", settings=sampled)
    assert request_of(models, ours).class_label == "tree"
    for change, message in [
        ({"class_name": "spaceship"}, "has no class 'spaceship'"),
        ({"seed": None}, "does not say how"),
        ({"settings": {}}, "does not say how"),
        ({"settings": {**sampled, "model_fingerprint": "0" * 16}}, "another model of the name tiny"),
        ({"settings": {**sampled, "novel_sampler": "unipc"}}, "cannot say how the scene was sampled"),
    ]:
        with pytest.raises(ValueError, match=message):
            request_of(models, replace(ours, **change))


def test_a_job_goes_on_with_a_scene(models):
    card = models.first
    whole = load_pipeline(card.source)("tree", 8, "random", novel_steps=3)
    half = replace(whole, views=whole.views[:1])
    job = GenerationJob(request_of(models, half), models, JobQueue())
    assert len(job.progress().views) >= 1  # what is there is shown at once
    progress, scene = finished(job), job.scene()
    assert (progress.phase, len(progress.views)) == ("done", 2)
    assert scene is not None
    np.testing.assert_array_equal(scene.views[0].rgb, whole.views[0].rgb)
    assert np.abs(scene.views[1].rgb.astype(int) - whole.views[1].rgb).mean() < 2  # the file's colours are rounded
    assert scene.settings == whole.settings


def test_the_queue_lets_one_through_at_a_time_in_order():
    queue, order, inside, crowd = JobQueue(), [], [], []

    def pass_through(job):
        with queue.turn(job, lambda: False):
            inside.append(job)
            crowd.append(len(inside))
            time.sleep(0.01)
            inside.remove(job)
            order.append(job)

    with queue.turn("first", lambda: False):
        threads = []
        for number in range(4):
            threads.append(threading.Thread(target=pass_through, args=(number,)))
            threads[-1].start()
            while queue.ahead(number) != number + 1:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3]
    assert max(crowd) == 1


def test_who_gives_up_waiting_holds_nobody_up():
    queue = JobQueue(places=2)
    with queue.turn("first", lambda: False):
        with queue.turn("second", lambda: True) as through:
            assert not through
        assert queue.ahead("second") == 0
        with queue.turn("third", lambda: True), pytest.raises(ValueError, match="waiting"):
            queue.turn("fourth", lambda: True).__enter__()


def test_a_job_generates_what_the_pipeline_makes(models):
    job = GenerationJob(GenerationRequest(models.first.name, "tree", 4, "random"), models, JobQueue())
    assert finished(job).phase == "done"
    expected, scene = load_pipeline(models.first.source)("tree", 4, "random"), job.scene()
    assert scene is not None
    assert (scene.class_name, scene.seed, scene.view_set) == ("tree", 4, "random")
    for ours, theirs in zip(scene.views, expected.views, strict=True):
        np.testing.assert_array_equal(ours.rgb, theirs.rgb)
        np.testing.assert_array_equal(ours.depth, theirs.depth)


def test_stopping_keeps_the_views_that_are_done(models):
    job = GenerationJob(
        GenerationRequest(models.first.name, "tree", 4, sampling=Sampling(novel_steps=100)), models, JobQueue()
    )
    while not job.progress().views:
        time.sleep(0.005)
    job.stop()
    progress, scene = finished(job), job.scene()
    assert progress.phase == "stopped"
    assert scene is not None
    assert 1 <= len(scene.views) == len(progress.views) < 27


def test_a_scene_made_for_a_program_is_held_by_nobody_when_it_is_done(models):
    session, request = Session(), GenerationRequest(models.first.name, "tree", 4, "uncond")
    with session.beside(request, models, JobQueue()) as job:
        finished(job)
    held = weakref.ref(job)
    del job
    deadline = time.monotonic() + 10
    while held() is not None and time.monotonic() < deadline:  # the thread that made it ends a moment later
        gc.collect()
        time.sleep(0.02)
    assert held() is None


def test_how_far_a_download_is_is_told(models, monkeypatch):
    import ivid.pipeline.models
    from ivid.page.status import progress_status

    folder, go_on = models.first.source, threading.Event()

    def slowly(source, tell):
        tell("Downloading weights.pt: 34 %")
        assert go_on.wait(60)
        return folder

    monkeypatch.setattr(ivid.pipeline.models, "model_folder", slowly)
    fresh = ModelRegistry([folder], networks=InThisProcess())
    job = GenerationJob(GenerationRequest(fresh.first.name, "tree", 4, "uncond"), fresh, JobQueue())
    while not (progress := job.progress()).message:
        assert not progress.over
        time.sleep(0.005)
    assert progress_status(job.request, progress, 0.0)["text"] == "Downloading weights.pt: 34 % …"
    go_on.set()
    assert finished(job).phase == "done"
    assert not fresh.download_messages


def test_what_the_model_refuses_is_told(models):
    job = GenerationJob(GenerationRequest(models.first.name, "spaceship", 4), models, JobQueue())
    progress = finished(job)
    assert progress.phase == "failed"
    assert "has no class 'spaceship'" in progress.message
    assert job.scene() is None


def test_a_scene_begins_with_a_picture(models, tmp_path):
    from PIL import Image

    view = synthetic_scene(SIZE, "uncond").views[0]
    Image.fromarray(view.rgb).save(tmp_path / "photo.png")
    np.save(tmp_path / "depth.npy", view.depth)
    picture = InputPicture(tmp_path / "photo.png", tmp_path / "depth.npy")
    job = GenerationJob(GenerationRequest(models.first.name, "tree", 4, "random", picture=picture), models, JobQueue())
    assert finished(job).phase == "done"
    scene = job.scene()
    assert scene is not None
    np.testing.assert_allclose(scene.views[0].rgb.astype(int), view.rgb, atol=1)
    card = models.first
    first = load_rgbd(picture.picture, tmp_path / "depth.npy", size=SIZE, depth_range=card.config.depth.range)
    assert scene.settings["first_view"] == fingerprint(first)  # as `ivid generate --from-rgbd` records it
    again = request_of(models, scene)
    assert "began with your picture" in again.no_link
    assert again.key == job.request.key != GenerationRequest(models.first.name, "tree", 4, "random").key


def test_a_photograph_is_enough(models, tmp_path, monkeypatch):
    asked, photo = use_fake_estimator(monkeypatch), save_photo(tmp_path / "photo.jpg")
    said: list[str] = []
    monkeypatch.setattr(inference, "ESTIMATORS", {})
    models.photo_view(photo, SIZE, (0.6, 5.0), said.append)
    assert asked == ["depth-anything/Depth-Anything-V2-Small-hf"]
    assert said[0] == "Downloading model.safetensors: 34 %"
    request = read_request(models, {"class_label": "tree", "seed": 4, "view_set": "random", "picture": str(photo)})
    job = GenerationJob(request, models, JobQueue())
    assert finished(job).phase == "done"
    assert len(asked) == 1  # it is kept
    scene = job.scene()
    assert scene is not None
    first = scene.views[0]
    assert first.rgb[2].mean() > 200 > 100 > first.rgb[-3].mean()  # upright
    assert np.median(first.depth[:8]) < np.median(first.depth[-8:])  # and its depth with it
    assert "began with your picture" in job.request.no_link
    assert job.request.key == request_of(models, scene).key


def test_a_depth_estimator_that_cannot_be_fetched_is_one_sentence(models, tmp_path, monkeypatch):
    def unreachable(*_, **__):
        raise OSError("[Errno -3] Temporary failure in name resolution\nand more")

    monkeypatch.setenv("IVID_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.get_hf_file_metadata", unreachable)
    fresh = ModelRegistry([models.first.source], networks=InThisProcess())
    monkeypatch.setattr(inference, "ESTIMATORS", {})
    photo = InputPicture(save_photo(tmp_path / "photo.jpg"))
    job = GenerationJob(GenerationRequest(fresh.first.name, "tree", 4, "uncond", picture=photo), fresh, JobQueue())
    progress = finished(job)
    assert progress.phase == "failed"
    assert progress.message == (
        "the depth estimator depth-anything/Depth-Anything-V2-Small-hf could not be downloaded from the hub's "
        "depth-anything/Depth-Anything-V2-Small-hf ([Errno -3] Temporary failure in name resolution); connect to the "
        "network and try again, or give a depth map along with the picture"
    )


def test_published_files_are_the_scene(tmp_path):
    scene = synthetic_scene(48)
    assets = SceneAssets.of(scene, tmp_path)
    manifest, grid = assets.manifest(), assets.grid()
    assert manifest is not None
    assert len(manifest["views"]) == len(grid["cells"]) == 27
    assert (grid["rows"], grid["columns"], grid["making"]) == (3, 9, None)
    assert (grid["cells"][0]["row"], grid["cells"][0]["column"]) == (1, 4)  # yaw and pitch 0 stand in the middle
    assert len({(cell["row"], cell["column"]) for cell in grid["cells"]}) == 27
    from pathlib import Path

    from PIL import Image

    from viewer.protocol import unpack_view

    for entry, cell, view in zip(manifest["views"], grid["cells"], scene.views, strict=True):
        np.testing.assert_array_equal(unpack_view(Path(entry["url"]).read_bytes(), view.camera).rgb, view.rgb)
        with Image.open(cell["colour"]) as colour:
            assert np.abs(np.asarray(colour.convert("RGB"), int) - view.rgb).mean() < 8
        assert Path(cell["depth"]).exists()


def test_every_kind_of_export_is_offered():
    offered = {(preset.kind, preset.suffix) for preset in exports.PRESETS.values()}
    assert offered == {(kind.name, suffix) for kind in KINDS.values() for suffix in kind.suffixes if suffix}
    assert [preset["label"] for preset in exports.preset_values()[:3]] == ["Point cloud", "Swing video", "Scene"]
    for preset in exports.PRESETS.values():
        assert set(preset.options) <= set(KINDS[preset.kind].options()), preset.name


def test_knobs_are_options_of_their_kinds_and_odd_wishes_are_refused():
    presets = exports.PRESETS
    for preset in presets.values():
        for knob in knobs_of(preset.kind, preset.suffix):
            assert knob.option in KINDS[preset.kind].options()
    assert presets["swing"].options_by({}) == presets["swing"].options_by(None) == {}
    assert presets["orbit"].options_by({"seconds": 4, "fps": 60, "video_size": 256, "up": "z"}) == {
        "trajectory": "orbit",
        "seconds": 4,
        "fps": 60,
        "size": 256,
    }
    assert presets["mesh-obj"].options_by({"triangles": 5000, "up": "z", "background": True, "detail": "coarse"}) == {
        "max_triangles": 5000,
        "up": "z",
        "keep_far": True,
        "voxel_pixels": 1.5,
    }
    assert presets["mesh-glb"].options_by({"up": "z"}) == {}  # glTF says which axis it is
    for name, wishes, message in [
        ("swing", {"fps": 61}, "Frames a second is one of 30, 10"),
        ("swing", {"video_size": True}, "Size is one of"),
        ("swing", {"seconds": 10**9}, "Duration is one of"),
        ("mesh-glb", {"triangles": "many"}, "Triangles is one of all"),
        ("swing-gif", {"fps": 60}, "Frames a second of .gif files is at most 50"),
    ]:
        with pytest.raises(ValueError, match=message):
            presets[name].options_by(wishes)


def test_the_sizes_of_files_are_about_what_is_said(tmp_path):
    from ivid.export import export_scene

    scene = open_for_page(bundled("assets") / "house_seed00003.ivid")
    for kind, suffix, expected in [("points", ".ply", 16.7 * (1 + 26 * 0.17)), ("scene", ".ivid", 27 * 3.6)]:
        export_scene(scene, tmp_path / f"file{suffix}", kind)
        said = SIZES[kind, suffix]
        assert expected == pytest.approx(said.each * (1 + 26 * said.grow if said.what == "surface" else 27))
        assert (tmp_path / f"file{suffix}").stat().st_size == pytest.approx(expected * scene.size**2, rel=0.3)


def test_files_are_called_by_letters_of_any_script():
    scene = replace(synthetic_scene(SIZE, "uncond"), class_name="Häuschen am See, Haus", seed=7)
    assert exports.file_stem(scene, "_mesh") == "häuschen-am-see_seed00007_mesh"


def test_examples_are_opened_by_name_alone(tmp_path):
    synthetic_scene(48, "uncond").save(tmp_path / "still.ivid")
    (tmp_path / "broken.ivid").write_bytes(b"nothing")
    examples = Examples(tmp_path)
    assert [tile["name"] for tile in examples.tiles()] == ["still"]
    assert len(examples.get("still").scene.views) == 1
    for name in ("../still", "other"):
        with pytest.raises(ValueError, match="no example"):
            examples.get(name)
    examples.close()


def test_a_file_that_is_gone_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"gone\.ivid cannot be read"):
        open_for_page(tmp_path / "gone.ivid")


def test_sessions_keep_few_folders_and_delete_them_at_the_end():
    sessions = Sessions()
    session = sessions.of("someone")
    assert sessions.of("someone") is session
    assert sessions.of("another") is not session
    folders = [session.folder() for _ in range(6)]
    assert [folder.exists() for folder in folders] == [False, False, True, True, True, True]
    sessions.close()
    assert not any(folder.exists() for folder in folders)


def test_only_sessions_whose_page_is_closed_are_forgotten(monkeypatch):
    monkeypatch.setattr(sessions_module, "KEPT_S", -1.0)  # everything is late
    sessions = Sessions()
    looking = sessions.of("looking")
    looking.connected = True
    program = sessions.of("program")
    assert sessions.of("looking") is looking
    assert sessions.of("program") is not program
    sessions.leave("looking")
    assert sessions.of("looking") is not looking
    sessions.close()


def test_only_what_a_browser_has_uploaded_is_opened_for_it(tmp_path):
    synthetic_scene(SIZE, "uncond").save(tmp_path / "mine.ivid")
    with pytest.raises(ValueError, match="has not been uploaded"):
        open_uploaded(str(tmp_path / "mine.ivid"))
    folder = new_folder()
    synthetic_scene(SIZE, "uncond").save(folder / "sent.ivid")
    assert len(open_uploaded(str(folder / "sent.ivid")).views) == 1
    shutil.rmtree(folder)


def test_a_lent_gpu_is_asked_for_where_there_is_one(monkeypatch):
    asked = []

    def gpu(duration):
        asked.append(duration)
        return lambda function: types.SimpleNamespace(wrapped=function)

    assert inference.on_gpu(inference.stream) is inference.stream
    monkeypatch.setitem(sys.modules, "spaces", types.SimpleNamespace(GPU=gpu, __spec__=object()))
    assert inference.on_gpu(inference.stream).wrapped is inference.stream
    assert asked == [inference.GPU_SECONDS]
