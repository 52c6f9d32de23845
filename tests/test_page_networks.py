"""Networks in a process of their own: it makes the same scenes, can be stopped, and may die."""

import os
import signal
import sys
import time

import numpy as np
import psutil
import pytest

from ivid.page.jobs import GenerationJob, JobQueue
from ivid.page.networks import InOwnProcess
from ivid.page.registry import ModelRegistry
from ivid.page.requests import GenerationRequest
from ivid.pipeline.events import Preview, ViewDone
from ivid.pipeline.loading import load_pipeline
from ivid.pipeline.sampling import Sampling
from tests.support.page_server import finished
from tests.support.processes import running
from tests.support.tiny_model import SIZE, save_tiny_model

LONG = Sampling(novel_steps=1000)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    models = ModelRegistry([str(save_tiny_model(tmp_path_factory.mktemp("model") / "tiny"))])
    models.load(models.first.name)  # however long that takes where others keep the processor busy
    return models


def job_of(models: ModelRegistry, sampling: Sampling | None = None, **changes) -> GenerationJob:
    request = GenerationRequest(models.first.name, "tree", 4, "random", sampling or Sampling(), **changes)
    return GenerationJob(request, models, JobQueue())


def process_of(models: ModelRegistry) -> psutil.Process:
    assert isinstance(models.networks, InOwnProcess)
    return psutil.Process(models.networks.pid)


def until_sampling(job: GenerationJob) -> None:
    while job.progress().preview is None:
        assert not job.progress().over
        time.sleep(0.005)


def test_scenes_are_what_the_pipeline_makes_and_previews_come_on_the_way(models):
    job = job_of(models)
    assert finished(job).phase == "done"
    assert process_of(models).pid != os.getpid()
    expected, scene = load_pipeline(models.first.source)("tree", 4, "random"), job.scene()
    assert scene is not None
    for ours, theirs in zip(scene.views, expected.views, strict=True):
        np.testing.assert_array_equal(ours.rgb, theirs.rgb)
        np.testing.assert_array_equal(ours.depth, theirs.depth)
    told = []
    arguments = {"class_label": "tree", "seed": 4, "view_set": "random"}
    models.networks.run("sample", told.append, models.first.source, arguments)
    assert [type(event) for event in told] == [*[Preview] * 4, ViewDone, *[Preview] * 2, ViewDone]
    assert told[0].rgb.shape == (SIZE, SIZE, 3)


def test_stopping_ends_the_sampling_and_the_next_scene_begins(models):
    job = job_of(models, LONG)
    until_sampling(job)
    process = process_of(models)
    job.stop()
    assert finished(job).phase == "stopped"
    assert finished(job_of(models)).phase == "done"
    assert process_of(models) == process


def test_who_listens_may_end_a_task_by_any_exception(models):
    models.load(models.first.name)

    def listen(event):
        raise LookupError("nobody can hear this")

    arguments = {"class_label": "tree", "seed": 4, "sampling": LONG}
    began = time.monotonic()
    with pytest.raises(LookupError, match="nobody can hear this"):
        models.networks.run("sample", listen, models.first.source, arguments)
    assert time.monotonic() - began < 30  # 26,000 evaluations would take longer
    with pytest.raises(ValueError, match="'spaceship'"):
        models.networks.run("sample", listen, models.first.source, arguments | {"class_label": "spaceship"})
    with pytest.raises(RuntimeError, match="not loaded any more"):
        models.networks.run("sample", listen, "another", arguments)


def test_a_process_that_is_killed_is_one_sentence_and_comes_back(models):
    job = job_of(models, LONG)
    until_sampling(job)
    process_of(models).kill()
    progress = finished(job)
    assert progress.phase == "failed"
    assert progress.message == "the process that makes scenes was killed by SIGKILL; please try again"
    assert not models.is_loaded(models.first.name)
    assert finished(job_of(models)).phase == "done"

    process_of(models).kill()  # while nobody uses it
    while models.is_loaded(models.first.name):
        time.sleep(0.01)
    assert finished(job_of(models)).phase == "done"


SERVER = """
import contextlib, signal, sys, threading
from ivid.page.registry import ModelRegistry

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in a shell's background begins without
    models = ModelRegistry([sys.argv[1]])
    if sys.argv[2] == "busy":
        models.load(models.first.name)
        assert not {"torch", "diffusers", "onnxruntime"} & set(sys.modules)
        tell = lambda _: print(models.networks.pid, flush=True)
        arguments = {"class_label": "tree", "seed": 1, "novel_steps": 1000}
        models.networks.run("sample", tell, models.first.source, arguments)
    with contextlib.suppress(RuntimeError):
        models.networks.run("nothing that there is", print)
    print(models.networks.pid, flush=True)
    threading.Event().wait()
"""


@pytest.mark.parametrize(("what", "how"), [("busy", signal.SIGKILL), ("idle", signal.SIGINT)])
def test_the_process_ends_with_its_server_which_needs_no_torch(models, tmp_path, what, how):
    (tmp_path / "server.py").write_text(SERVER)
    command = [sys.executable, tmp_path / "server.py", models.first.source, what]
    with running(command, env={**os.environ, "PYTHONPATH": os.getcwd()}) as server:
        networks = psutil.Process(int(server.until(r"(?m)^(\d+)\n")[1]))
        server.process.send_signal(how)
        server.process.wait(60)
        networks.wait(60)
