"""A model's config, as files hold it now and held it before, and how a caller's wishes fill it in."""

import json
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from ivid.pipeline.config import NETWORKS, OLD_NAMES, LabelConfig, ModelConfig, ModelIndex
from ivid.pipeline.sampling import FAST_SAMPLING, PUBLISHED_SAMPLING, ResolvedSampling, Sampling, fast_sampling
from ivid.scene.cameras import view_set

BEFORE = Path(__file__).parent / "support" / "model_index_0.1.json"


def test_an_index_written_before_is_read_with_its_old_names(tmp_path):
    (tmp_path / "model_index.json").write_text(BEFORE.read_text())
    index = ModelIndex.read(tmp_path)
    assert index.networks == NETWORKS[:3]
    config, old = index.config, json.loads(BEFORE.read_text())
    assert (config.name, config.prediction_type, config.schedule) == ("lowpoly", "sample", old["schedule"])
    assert config.sampling == Sampling(8, 3, 0.5, 0.0, "ddim", "ddim")
    assert (config.depth.range, config.depth.edge_threshold) == ((0.5, 4.0), 0.05)
    assert (config.depth.mask_discontinuities, config.depth.snap_to_far) == (False, 0.02)
    assert config.depth.flying_pixel_threshold == 0.06
    assert vars(config.blending) == old["pull"]
    assert list(config.labels.classes) == old["class_names"]
    assert [list(each) for each in config.labels.instances or ()] == old["kinds"]
    assert (config.labels.novel_instances, config.labels.horizontal_flip, config.refiner.start) == (True, True, 600)


def test_every_old_name_stands_for_a_field_there_is():
    for place in OLD_NAMES.values():
        value = ModelConfig()
        for name in place.split("."):
            assert is_dataclass(value)
            assert name in {each.name for each in fields(value)}
            value = getattr(value, name)


def test_an_index_is_read_as_it_was_written(tmp_path):
    (tmp_path / "model_index.json").write_text(BEFORE.read_text())
    index = ModelIndex.read(tmp_path)
    index.write(tmp_path)
    assert ModelIndex.read(tmp_path) == index
    written = json.loads((tmp_path / "model_index.json").read_text())
    assert written["depth"]["range"] == [0.5, 4.0]
    assert not written.keys() & OLD_NAMES.keys()
    assert written["upsampler_unet"] == [None, None]


def test_what_values_leave_out_is_that_of_the_base():
    base = ModelConfig(name="base", labels=LabelConfig(("cat",)))
    config = ModelConfig.from_dict({"labels": {"horizontal_flip": True}, "far_margin": 0.1}, base)
    assert (config.name, config.labels) == ("base", LabelConfig(("cat",), horizontal_flip=True))
    assert config.depth.snap_to_far == 0.1
    assert base == ModelConfig(name="base", labels=LabelConfig(("cat",)))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"colour": 1}, "no colour; it has name, schedule"),
        ({"pull": {"rbg": 0.1}}, "no blending.rbg; it has rgb, depth"),
        ({"pull": 3}, "blending must be an object"),
        ({"blending": {"rgb": 2}}, "rgb must lie between 0 and 1, got 2"),
        ({"labels": []}, "labels must be an object"),
        ({"class_names": ["a"], "kinds": [[1], [2]]}, "for each of its classes"),
        ({"depth_range": [4, 0.5]}, "0 < near < far, got 4.0 and 0.5"),
        ({"depth": {"range": "far"}}, "two numbers, got 'far'"),
        ({"mirror": 1}, "horizontal_flip must be true or false"),
        ({"edge_threshold": 0}, "edge_threshold must be positive"),
        ({"depth": {"decontamination_px": 5}}, "decontamination_px must be an integer from 0 to 4, got 5"),
        ({"depth": {"decontamination_px": 2.5}}, "decontamination_px must be an integer from 0 to 4, got 2.5"),
        ({"depth": {"decontamination_px": True}}, "decontamination_px must be an integer from 0 to 4, got True"),
        ({"depth": {"decontamination_px": 2}}, "decontamination_px needs depth.flying_pixel_threshold"),
        ({"depth": {"erosion_radius": -1}}, "erosion_radius must be an integer from 0 to 1024, got -1"),
        ({"refiner": {"guess_weight": 1.5}}, "guess_weight must be a number from 0 to 1, got 1.5"),
        ({"novel_view_mirroring": True}, "novel_view_mirroring needs novel_view_noise to be false"),
        ({"refiner": {"guess_weight": 0.5}}, "needs a novel_view_trust of at most 0.001, got 1.0"),
        ({"refiner": {"guess_weight": 0.5}, "novel_view_trust": 0.02}, "of at most 0.001, got 0.02"),
        ({"refine_below": "late"}, "refiner.start must be a number"),
        ({"schedule": {}}, "num_train_timesteps"),
        ({"first_steps": 1001}, "from 1 to 1000, got 1001"),
        ({"sampling": {"first_sampler": "euler"}}, "no sampler 'euler'"),
    ],
)
def test_configs_that_are_none_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        ModelConfig.from_dict(values)


def test_what_is_asked_for_goes_before_what_the_model_says():
    model = Sampling(8, 3, 0.5, 0.0, "ddim", "unipc")
    assert Sampling().resolved(model, 1000) == ResolvedSampling(8, 3, 0.5, 0.0, "ddim", "unipc")
    asked = Sampling().changed(first_steps=20, guidance=2.0, sampler="ddpm", novel_steps=None)
    assert asked.resolved(model, 1000) == ResolvedSampling(20, 3, 2.0, 2.0, "ddpm", "ddpm")  # guidance is of all views
    assert Sampling(novel_guidance=1.0, guidance=2.0).resolved(model, 1000).novel_guidance == 1.0
    assert asked.changed(first_sampler="ddim").first_sampler == "ddim"


def test_the_published_rule_for_the_first_view():
    assert Sampling().resolved(PUBLISHED_SAMPLING, 1000).first_sampler == "ddpm"
    assert Sampling(first_steps=999).resolved(PUBLISHED_SAMPLING, 1000).first_sampler == "ddim"


def test_evaluations_of_a_scene_count_guided_ones_twice():
    published = Sampling().resolved(PUBLISHED_SAMPLING, 1000)
    assert published.evaluations(27, 1000) == 2 * (1000 + 26 * 50)
    assert published.evaluations(27, 1000, first_view=True) == 2 * 26 * 50
    assert Sampling(guidance=0.0).resolved(PUBLISHED_SAMPLING, 1000).evaluations(2, 1000) == 1050
    half = Sampling(first_steps=10, novel_steps=4, guidance_interval=(0.0, 0.5)).resolved(PUBLISHED_SAMPLING, 1000)
    assert half.evaluations(2, 1000) == 15 + 6  # of timesteps 99, 199, ... those up to 499; of 249, 499, 749, 999 two


def test_the_fast_preset_is_for_models_that_take_many_evaluations():
    fast = fast_sampling(PUBLISHED_SAMPLING, 1000)
    assert fast is FAST_SAMPLING
    resolved = fast.resolved(PUBLISHED_SAMPLING, 1000)
    assert resolved.guidance == 3.0
    assert 200 <= resolved.evaluations(27, 1000) <= 300
    assert fast_sampling(Sampling(8, 1, 0.5, 0.0, "ddim", "ddim"), 1000) is None
    assert fast_sampling(PUBLISHED_SAMPLING, 10) is None


def test_settings_hold_a_guidance_interval_only_where_it_leaves_something_out():
    everywhere = Sampling().resolved(PUBLISHED_SAMPLING, 1000)
    assert "guidance_interval" not in everywhere.as_settings()
    inside = Sampling(guidance_interval=(0.2, 0.7)).resolved(PUBLISHED_SAMPLING, 1000)
    assert inside.as_settings()["guidance_interval"] == [0.2, 0.7]
    for each in (everywhere, inside):
        assert ResolvedSampling.of_settings(json.loads(json.dumps(each.as_settings()))) == each
    with pytest.raises(KeyError):
        ResolvedSampling.of_settings({"first_steps": 3})


@pytest.mark.parametrize("wrong", [(0.5, 0.5), (0.7, 0.2), (0, 1.1), (0,), "01", (False, True), ("a", "b"), 3])
def test_a_guidance_interval_is_two_shares(wrong):
    with pytest.raises(ValueError, match="guidance_interval must be two numbers, 0 <= low < high <= 1"):
        Sampling(guidance_interval=wrong).resolved(PUBLISHED_SAMPLING, 1000)


def test_an_unknown_field_of_sampling_is_named():
    with pytest.raises(ValueError, match="no argument first_step; sampling takes first_steps"):
        Sampling().changed(first_step=3)


def test_reading_a_config_loads_no_torch():
    code = "import sys, ivid.pipeline.config; sys.exit(any(m in sys.modules for m in ('torch', 'diffusers', 'warp')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_model_may_sample_the_views_of_a_set_in_another_order(tmp_path):
    order = [0, *range(26, 0, -1)]
    config = ModelConfig.from_dict({"view_orders": {"3x9": order}})
    assert [camera in config.cameras("3x9", 0)[:2] for camera in (view_set("3x9")[0], view_set("3x9")[26])] == [
        True,
        True,
    ]
    assert config.cameras("3x9", 0)[26] == view_set("3x9")[1]
    assert config.cameras("random", 3) == ModelConfig().cameras("random", 3) == view_set("random", 3)
    ModelIndex(config, NETWORKS[:2]).write(tmp_path)
    assert ModelIndex.read(tmp_path).config == config
    for wrong in (order[1:], order[::-1], [0, *range(1, 26), 25], "3x9"):
        with pytest.raises(ValueError, match=r"view_orders\.3x9 must be 0 and then the numbers from 1 to 26"):
            ModelConfig.from_dict({"view_orders": {"3x9": wrong}})
    with pytest.raises(ValueError, match="no view set '4x4'"):
        ModelConfig.from_dict({"view_orders": {"4x4": [0]}})
