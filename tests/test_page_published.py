"""The page with a model of the published layout: a thousand classes, and views that can be enlarged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from ivid.cli import main
from ivid.page.fields import fast_label
from ivid.page.jobs import GenerationJob, JobQueue
from ivid.page.registry import ModelCard, ModelRegistry
from ivid.page.requests import GenerationRequest, link_to, read_link, read_request, request_of
from ivid.pipeline.loading import load_pipeline
from ivid.pipeline.sampling import FAST_SAMPLING, Sampling
from ivid.pipeline.upsampling import upsampled
from ivid.scene.scene import Scene
from tests.support.page_server import Served, finished, serving_page
from tests.support.page_visits import done, status, take, visit
from tests.support.published_network import write_files
from tests.support.synthetic import synthetic_scene
from tests.support.tiny_model import save_tiny_model
from tests.support.viewer_browser import until

GOLDFISH = {"model": "thousand", "class_label": "goldfish, Carassius auratus", "view_set": "uncond"}
FEW_STEPS = {"first_steps": 2, "novel_steps": 2, "guidance": 0.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("imagenet")
    uncond, cond, upsampler = write_files(folder)
    out = folder / "thousand"
    assert main(["convert", str(uncond), str(cond), "--upsampler", str(upsampler), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def models(model) -> ModelRegistry:
    return ModelRegistry([str(model)])


@pytest.fixture(scope="module")
def served(model, tmp_path_factory) -> Iterator[Served]:
    with serving_page(tmp_path_factory.mktemp("page"), model=model) as served:
        yield served


def test_only_models_with_an_upsampler_offer_it(models, tmp_path):
    assert models.first.upsampler
    plain = ModelRegistry([str(save_tiny_model(tmp_path / "tiny"))])
    assert not plain.first.upsampler
    assert not ModelCard.read("imagenet128").upsampler
    request = read_request(models, {**GOLDFISH, "seed": "1", "upsample": True})
    assert request.upsample
    link = dict(part.split("=") for part in link_to(request)[1:].split("&"))
    assert read_link(models, link | {"class": request.class_label})[0]["upsample"] is True
    assert "larger views" in read_link(plain, {"seed": "1", "upsample": "True"})[1]
    with pytest.raises(ValueError, match="tiny has no upsampler"):
        read_request(plain, {"class_label": "tree", "seed": "1", "view_set": "uncond", "upsample": True})


def test_models_of_many_evaluations_offer_a_preset_of_few(models, tmp_path):
    card = models.first
    request = read_request(models, {**GOLDFISH, "seed": "1", "fast": True})
    assert request.sampling == FAST_SAMPLING
    link = dict(part.split("=") for part in link_to(request)[1:].split("&"))
    assert link["fast"] == "True"
    assert not link.keys() & {"first_steps", "novel_steps", "sampler", "guidance"}
    fields, complaint = read_link(models, link | {"class": request.class_label})
    assert not complaint
    assert read_request(models, fields) == request
    changed = read_request(models, {**GOLDFISH, "seed": "1", "fast": True, "novel_steps": 3, "guidance": 3.0})
    assert changed.sampling == FAST_SAMPLING.changed(novel_steps=3)
    record = changed.sampling.resolved(card.config.sampling, 1000).as_settings()
    scene = replace(synthetic_scene(32, "uncond"), model=card.name, class_name=GOLDFISH["class_label"], seed=1)
    scene = replace(scene, view_set="uncond", settings=record)
    assert replace(request_of(models, scene), so_far=None) == changed

    assert fast_label(models, card) == "Fast: about 260 evaluations in place of 4,600"
    models.evaluation_s[card.name, "sampling"] = 1.0
    assert fast_label(models, card) == "Fast: about 260 evaluations (3 min) in place of 4,600 (38 min)"
    del models.evaluation_s[card.name, "sampling"]

    plain = ModelRegistry([str(save_tiny_model(tmp_path / "tiny"))])
    assert plain.first.fast is None
    assert "fewer evaluations" in read_link(plain, {"seed": "1", "fast": "True"})[1]
    few = read_request(plain, {"class_label": "tree", "seed": "1", "view_set": "uncond", "fast": True})
    assert (few.fast, few.sampling) == (False, Sampling())


def test_an_enlarged_scene_is_what_the_upsampler_makes(models, model):
    request = GenerationRequest("thousand", "goldfish", 4, "random", Sampling(**FEW_STEPS), upsample=True)
    job, seen = GenerationJob(request, models, JobQueue()), set()
    while not (now := job.progress()).over:
        seen.add((now.phase, len(now.views), len(now.upsampled)))
        time.sleep(0.005)
    assert now.phase == "done", now.message
    assert {("upsampling", 2, 0), ("upsampling", 2, 1)} <= seen
    scene, pipeline = job.scene(), load_pipeline(model)
    assert scene is not None
    assert scene.settings["upsampled"] == "all"
    plain = pipeline("goldfish", 4, "random", **FEW_STEPS)
    expected = upsampled(pipeline, plain, novel_steps=FEW_STEPS["novel_steps"], guidance=0.0)
    for ours, theirs in zip(scene.views, expected.views, strict=True):
        np.testing.assert_array_equal(ours.rgb, theirs.rgb)


def test_the_first_view_alone_can_be_enlarged(models, model):
    request = read_request(models, {**GOLDFISH, **FEW_STEPS, "seed": "4", "upsample": True})
    job = GenerationJob(request, models, JobQueue())
    assert finished(job).phase == "done"
    scene, pipeline = job.scene(), load_pipeline(model)
    assert scene is not None
    plain = pipeline("goldfish", 4, "random", **FEW_STEPS)
    expected = upsampled(pipeline, plain, "first", novel_steps=FEW_STEPS["novel_steps"], guidance=0.0)
    assert len(scene.views) == len(expected.views) == 1
    np.testing.assert_array_equal(scene.views[0].rgb, expected.views[0].rgb)


def test_stopped_while_it_is_enlarged_the_scene_stays_as_it_was(models):
    request = GenerationRequest("thousand", "goldfish", 4, "random", Sampling(**FEW_STEPS), upsample=True)
    job = GenerationJob(request, models, JobQueue())
    while not job.progress().upsampled:
        time.sleep(0.005)
    job.stop()
    assert finished(job).phase == "stopped"
    scene = job.scene()
    assert scene is not None
    assert (scene.size, len(scene.views)) == (128, 2)


def test_a_class_of_a_thousand_is_searched_for_and_its_views_enlarged(browser, served, tmp_path):
    with visit(browser, f"{served.url}?theme=light") as page:
        served.models.load(served.model)
        menu = page.locator("#ivid-class input")
        began = time.monotonic()
        menu.click()
        page.keyboard.type("auratus goldfish")  # any order; what was there gives way
        option = page.get_by_role("option", name="goldfish, Carassius auratus")
        expect(option).to_be_visible()
        expect(page.get_by_role("listbox").get_by_role("option")).to_have_count(1)
        assert time.monotonic() - began < 20  # a second or two where nothing else runs
        option.click()
        expect(menu).to_have_value("goldfish, Carassius auratus")

        page.locator("#ivid-advanced > button").click()
        page.get_by_label("Two views").check()
        page.get_by_label("Steps, first view").fill("2")
        page.get_by_label("Steps, others").fill("3")
        page.get_by_label("Views twice as large").check()
        page.locator("#ivid-generate").click()
        expect(status(page)).to_contain_text("Enlarging view")
        expect(page.locator(".ivid-field button[data-state=making]")).to_have_count(1)
        expect(status(page)).to_contain_text("Done: 2 views")
        expect(done(page)).to_have_count(2)
        scene = Scene.load(take(page, "Scene", tmp_path))
        assert (scene.size, scene.class_name) == (256, "goldfish, Carassius auratus")
        viewer = "document.querySelector('#ivid-viewer .ivid-viewer').ividViewer"
        until(page, f"{viewer}.renderer.size === 256")
