"""The page with a model of the published layout: a thousand classes, and views that can be enlarged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from ivid.cli import main
from ivid.page import wishes
from ivid.page.making import Making, Turnstile, Wish
from ivid.page.models import ModelCard, Shelf
from ivid.pipeline.loading import load_pipeline
from ivid.pipeline.upsampling import upsampled
from ivid.scene.scene import Scene
from tests.support.page_server import Served, finished, serving_page
from tests.support.page_visits import done, status, take, visit
from tests.support.published_network import write_files
from tests.support.tiny_model import save_tiny_model

FEW_STEPS = {"first_steps": 2, "novel_steps": 2, "guidance": 0.0}


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("imagenet")
    uncond, cond, upsampler = write_files(folder)
    out = folder / "thousand"
    assert main(["convert", str(uncond), str(cond), "--upsampler", str(upsampler), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="module")
def shelf(model) -> Shelf:
    return Shelf([str(model)])


@pytest.fixture(scope="module")
def served(model, tmp_path_factory) -> Iterator[Served]:
    with serving_page(tmp_path_factory.mktemp("page"), model=model) as served:
        yield served


def test_only_models_with_an_upsampler_offer_it(shelf, tmp_path):
    assert shelf.first.upsampler
    plain = Shelf([str(save_tiny_model(tmp_path / "tiny"))])
    assert not plain.first.upsampler
    assert not ModelCard.read("imagenet128").upsampler
    wish = wishes.read_wish(shelf, "thousand", "goldfish, Carassius auratus", "1", "uncond", upsample=True)
    assert wish.upsample
    link = dict(part.split("=") for part in wishes.link_to(wish)[1:].split("&"))
    assert wishes.linked_fields(shelf, link | {"class": wish.class_label})[0]["upsample"] is True
    assert "larger views" in wishes.linked_fields(plain, {"seed": "1", "upsample": "True"})[1]
    with pytest.raises(ValueError, match="tiny has no upsampler"):
        wishes.read_wish(plain, None, "tree", "1", "uncond", upsample=True)


def test_an_enlarged_scene_is_what_the_upsampler_makes(shelf, model):
    wish = Wish("thousand", "goldfish", 4, "random", upsample=True, **FEW_STEPS)
    making, seen = Making(wish, shelf, Turnstile()), set()
    while not (now := making.progress()).over:
        seen.add((now.phase, len(now.views), len(now.large)))
        time.sleep(0.005)
    assert now.phase == "done", now.message
    assert {("enlarging", 2, 0), ("enlarging", 2, 1)} <= seen
    scene, pipeline = making.scene(), load_pipeline(model)
    assert scene is not None
    assert scene.settings["upsampled"] == "all"
    plain = pipeline("goldfish", 4, "random", **FEW_STEPS)
    expected = upsampled(pipeline, plain, steps=FEW_STEPS["novel_steps"], guidance=0.0)
    for ours, theirs in zip(scene.views, expected.views, strict=True):
        np.testing.assert_array_equal(ours.rgb, theirs.rgb)


def test_the_first_view_alone_can_be_enlarged(shelf, model):
    wish = wishes.read_wish(shelf, "thousand", "goldfish, Carassius auratus", "4", "uncond", 2, 2, 0.0, upsample=True)
    making = Making(wish, shelf, Turnstile())
    assert finished(making).phase == "done"
    scene, pipeline = making.scene(), load_pipeline(model)
    assert scene is not None
    plain = pipeline("goldfish", 4, "random", **FEW_STEPS)
    expected = upsampled(pipeline, plain, "first", steps=FEW_STEPS["novel_steps"], guidance=0.0)
    assert len(scene.views) == len(expected.views) == 1
    np.testing.assert_array_equal(scene.views[0].rgb, expected.views[0].rgb)


def test_stopped_while_it_is_enlarged_the_scene_stays_as_it_was(shelf):
    wish = Wish("thousand", "goldfish", 4, "random", upsample=True, **FEW_STEPS)
    making = Making(wish, shelf, Turnstile())
    while not making.progress().large:
        time.sleep(0.005)
    making.stop()
    assert finished(making).phase == "stopped"
    scene = making.scene()
    assert scene is not None
    assert (scene.size, len(scene.views)) == (128, 2)


def test_a_class_of_a_thousand_is_searched_for_and_its_views_enlarged(browser, served, tmp_path):
    with visit(browser, f"{served.url}?theme=light") as page:
        served.shelf.pipeline(served.model)
        menu = page.locator("#ivid-class input")
        began = time.monotonic()
        menu.click()
        page.keyboard.press("Control+A")
        page.keyboard.type("carassius")
        option = page.get_by_role("option", name="goldfish, Carassius auratus")
        expect(option).to_be_visible()
        expect(page.get_by_role("option")).to_have_count(1)
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
        page.wait_for_function(f"{viewer}.renderer.size === 256")
