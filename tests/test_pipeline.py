from dataclasses import replace

import numpy as np
import pytest
import torch

from ivid.diffusion.conditioning import ConditionBatch
from ivid.diffusion.denoiser import patch_size_of
from ivid.fusion import aggregate_conditions
from ivid.pipeline import pictures, streaming
from ivid.pipeline.batch import generate, parse_seeds, plan
from ivid.pipeline.config import ModelConfig
from ivid.pipeline.events import Preview, ViewDone
from ivid.pipeline.loading import load_pipeline
from ivid.pipeline.pipeline import IvidPipeline
from ivid.scene.cameras import Camera, view_set
from ivid.scene.depth import decode, encode
from ivid.scene.scene import Scene
from ivid.scene.view import View
from tests.support.synthetic import synthetic_scene
from tests.support.tiny_model import SIZE, save_tiny_model, tiny_pipeline


@pytest.fixture(scope="module")
def pipeline():
    return tiny_pipeline()


def changed(pipeline: IvidPipeline, **groups) -> ModelConfig:
    return ModelConfig.from_dict(groups, pipeline.config)


def same(a: Scene, b: Scene) -> bool:
    return len(a.views) == len(b.views) and all(
        np.array_equal(v.rgb, w.rgb) and np.array_equal(v.depth, w.depth) and v.camera == w.camera
        for v, w in zip(a.views, b.views, strict=True)
    )


def test_same_arguments_same_scene(pipeline):
    one = pipeline("house", 7, "random")
    assert same(one, pipeline("house", 7, "random"))
    assert not same(one, pipeline("house", 8, "random"))
    assert not same(one, pipeline("tree", 7, "random"))


def test_a_scene_knows_how_it_was_made(pipeline):
    scene = pipeline("car", 3, "random", first_steps=3, guidance=0.5)
    assert (scene.model, scene.class_name, scene.seed, scene.view_set) == ("tiny", "car, automobile", 3, "random")
    assert scene.depth_range == (0.6, 5.0)
    assert scene.settings == {
        "first_steps": 3,
        "novel_steps": 2,
        "guidance": 0.5,
        "first_sampler": "ddim",
        "novel_sampler": "ddim",
        "novel_guidance": 0.5,
    }
    assert [view.camera for view in scene.views] == view_set("random", 3)


def test_further_views_are_trusted_as_the_model_says():
    pipeline = tiny_pipeline()
    assert [view.trust for view in pipeline("house", 3, "random").views] == [1, 1]
    published = pipeline("house", 3, "3x9", novel_steps=1)
    pipeline.config = changed(pipeline, novel_view_trust=0.02)
    scene = pipeline("house", 3, "3x9", novel_steps=1)
    assert [view.trust for view in scene.views] == [1] + 26 * [0.02]
    assert np.array_equal(scene.views[1].rgb, published.views[1].rgb)
    assert not np.array_equal(scene.views[5].rgb, published.views[5].rgb)
    with pytest.raises(ValueError, match="novel_view_trust must be from 1e-06"):
        changed(pipeline, novel_view_trust=0)


def test_conditions_see_decontaminated_colours_and_views_keep_their_own(monkeypatch):
    pipeline, seen = tiny_pipeline(), []
    pipeline.config = changed(pipeline, depth={"flying_pixel_threshold": 1e-3, "decontamination_px": 2})
    condition = pipeline.condition
    monkeypatch.setattr(pipeline, "condition", lambda views, camera: seen.append(views[0]) or condition(views, camera))
    first = pipeline("house", 3, "random").views[0]
    pictures_own, d = first.quantised().rgb / np.float32(255), encode(first.depth, pipeline.config.depth.range)
    assert np.abs(seen[0].rgb - pictures_own).max() > 0.1
    assert np.abs(seen[0].rgb - pictures.decontaminated(pictures_own, d, 2, 1e-3)).max() < 1 / 255


def test_a_consistent_model_leaves_out_what_floats(monkeypatch):
    pipeline = tiny_pipeline()
    assert all(view.mask is None for view in pipeline("house", 3, "3x9", novel_steps=1).views)
    pipeline.config = changed(pipeline, consistency=True)
    to_pictures = pictures.to_pictures

    def with_a_speck(clean, *coding):
        """Every view has one at the same place of its picture, so no two are at the same place of the world."""
        rgb, depth = to_pictures(clean, *coding)
        depth[:, 10, 10] = 0.65
        return rgb, depth

    monkeypatch.setattr(pictures, "to_pictures", with_a_speck)
    scene = pipeline("house", 3, "3x9", novel_steps=1)
    assert sum(view.mask is not None and not view.mask[10, 10] for view in scene.views) > 20
    events = pipeline.stream("house", 3, "3x9", novel_steps=1)
    streamed = [event.view.mask is not None for event in events if isinstance(event, ViewDone)]
    assert streamed[:2] == [False, False]
    assert any(streamed)


def test_a_first_view_is_turned_round_where_its_subject_is(monkeypatch):
    pipeline = tiny_pipeline()
    pipeline.config = changed(pipeline, labels={"horizontal_flip": True})
    label = streaming.sample_label
    assert {label(0, seed, None, True).flipped for seed in (4, 5)} == {True, False}
    shown = []
    for mirrored in (False, True):
        monkeypatch.setattr(streaming, "sample_label", lambda *a, way=mirrored: replace(label(*a), flipped=way))
        shown.append(list(pipeline.stream("tree", 5, "random")))
    plain, turned = ([event for event in events if event.view_index == 0] for events in shown)
    for one, other in zip(plain, turned, strict=True):
        one, other = (event.view if isinstance(event, ViewDone) else event for event in (one, other))
        np.testing.assert_array_equal(one.rgb, other.rgb[:, ::-1])
        np.testing.assert_array_equal(one.depth, other.depth[:, ::-1])
    assert not np.array_equal(shown[0][-1].view.rgb, shown[1][-1].view.rgb[:, ::-1])  # its camera is the same one


def test_the_seed_draws_an_instance_of_the_class_for_the_first_view():
    pipeline = tiny_pipeline()
    pipeline.config = changed(pipeline, labels={"instances": [[1, 2], [0], [0]]})
    told = {"first": [], "novel": []}
    for role, unet in (("first", pipeline.first_view_unet), ("novel", pipeline.novel_view_unet)):

        def note(_module, _inputs, named, role=role):
            told[role].append(int(named["class_labels"][0]))

        unet.register_forward_pre_hook(note, with_kwargs=True)
    scenes = [pipeline("house", seed, "uncond", first_steps=1) for seed in range(12)]
    assert set(told["first"]) == {1, 2}
    assert same(scenes[5], pipeline("house", 5, "uncond", first_steps=1))
    told["first"].clear()
    pipeline("tree", 1, "random")
    assert set(told["first"]) == {0}
    assert set(told["novel"]) == {1}  # further views are told the class


def test_a_model_may_guide_further_views_otherwise():
    pipeline = tiny_pipeline()
    pipeline.config = changed(pipeline, sampling={"guidance": 2.0, "novel_guidance": 0.0})
    settings = pipeline.sampling()
    assert (settings.guidance, settings.novel_guidance) == (2.0, 0.0)
    assert pipeline.sampling(guidance=1.0).novel_guidance == 1.0  # what is asked for holds for all views
    batches = []
    pipeline.novel_view_unet.register_forward_pre_hook(lambda _, inputs: batches.append(len(inputs[0])))
    pipeline("house", 1, "random")
    assert set(batches) == {1}


def test_the_stream_tells_every_step_and_every_view(pipeline):
    events = list(pipeline.stream("tree", 1, "3x9"))
    done = [event for event in events if isinstance(event, ViewDone)]
    assert [event.view_index for event in done] == list(range(27))
    assert done[0].condition is None
    assert all(event.condition is not None for event in done[1:])
    first = [event for event in events if isinstance(event, Preview) and event.view_index == 0]
    assert [(event.step, event.steps) for event in first] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert sum(isinstance(event, Preview) for event in events) == 4 + 26 * 2
    assert first[-1].rgb.dtype == np.uint8
    assert first[-1].rgb.shape == (SIZE, SIZE, 3)
    np.testing.assert_array_equal(first[-1].rgb, done[0].view.quantised().rgb)
    np.testing.assert_array_equal(first[-1].depth, done[0].view.depth)


def test_closing_the_stream_stops_between_two_evaluations(pipeline, monkeypatch):
    calls = []
    forward = pipeline.first_view_unet.forward
    monkeypatch.setattr(pipeline.first_view_unet, "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
    stream = pipeline.stream("house", 1)
    next(stream)
    next(stream)
    stream.close()
    assert len(calls) == 2


def test_a_scene_does_not_depend_on_its_batch(pipeline):
    alone = pipeline("tree", 5, "random")
    views = [
        event.view
        for event in pipeline.stream_batch(["house", "tree", "car"], [4, 5, 6], "random")
        if isinstance(event, ViewDone) and event.scene_index == 1
    ]
    for one, other in zip(alone.views, views, strict=True):
        difference = np.abs(one.rgb.astype(int) - other.quantised().rgb.astype(int))
        assert np.percentile(difference, 99) <= 1
        np.testing.assert_allclose(one.depth, other.depth, rtol=1e-2)


def test_a_novel_view_follows_the_published_loop(pipeline):
    """The second view of a scene, sampled again by hand from the condition: method §6 and §7 with two DDIM steps."""
    events = [e for e in pipeline.stream("house", 9, view_set("3x9")[:2]) if isinstance(e, ViewDone)]
    condition = aggregate_conditions([events[0].view], events[1].view.camera, pipeline.depth_range)
    generator = torch.Generator().manual_seed(9)
    torch.randn(4, SIZE, SIZE, generator=generator)  # the first view's start
    x = torch.randn(1, 4, SIZE, SIZE, generator=generator)
    beta = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    alphas = torch.cumprod(1 - beta, 0)
    rgb = torch.from_numpy(condition.rgb).permute(2, 0, 1)[None]
    depth, floor = (torch.from_numpy(v)[None, None] for v in (condition.depth, condition.depth_floor))
    mask, mask_rgb = (torch.from_numpy(v)[None, None] for v in (condition.mask, condition.mask_rgb))
    known = ConditionBatch(rgb, depth, mask, mask_rgb, floor)
    patch = patch_size_of(pipeline.novel_view_unet)
    for timestep, previous in ((999, 499), (499, None)):
        noise = [torch.randn(c, SIZE, SIZE, generator=generator)[None] for c in (3, 1)]
        channels = torch.cat([x, known.channels(torch.cat(noise, dim=1))], dim=1)
        folded = torch.nn.functional.pixel_unshuffle(channels, patch)
        with torch.no_grad():
            output = pipeline.novel_view_unet(folded, timestep, class_labels=torch.tensor([0])).sample
        clean = torch.nn.functional.pixel_shuffle(output, patch)
        colour, d = clean[:, :3], clean[:, 3:]
        if previous is not None:
            colour = torch.where(mask_rgb, 0.1 * (2 * rgb - 1) + 0.9 * colour, colour)
        inside = 0.2 * (2 * depth - 1) + 0.8 * d
        outside = 0.5 * torch.maximum(d, 2 * floor - 1) + 0.5 * d
        clean = torch.cat([colour, torch.where(mask, inside, outside)], dim=1)
        if previous is not None:
            eps = (x - alphas[timestep].sqrt() * clean) / (1 - alphas[timestep]).sqrt()
            x = (alphas[previous].sqrt() * clean + (1 - alphas[previous]).sqrt() * eps).float()
    expected = ((clean[0].clamp(-1, 1) + 1) / 2).numpy()
    np.testing.assert_allclose(events[1].view.rgb, expected[:3].transpose(1, 2, 0), atol=2e-3)
    np.testing.assert_allclose(events[1].view.depth, decode(expected[3], pipeline.depth_range), rtol=5e-3)


def test_a_given_first_view_is_kept(pipeline):
    view = synthetic_scene(size=SIZE, view_set="uncond").views[0]
    scene = pipeline("house", 2, "random", first_view=view)
    np.testing.assert_array_equal(scene.views[0].rgb, view.rgb)
    np.testing.assert_array_equal(scene.views[0].depth, view.depth)
    assert len(scene.views) == 2


@pytest.mark.parametrize("sampler", ["ddim", "ddpm", "dpm++"])
@pytest.mark.parametrize("known", [1, 3])
def test_a_scene_goes_on_where_it_was_stopped(pipeline, sampler, known):
    cameras = view_set("3x9")[:4]
    whole = [
        event.view for event in pipeline.stream("tree", 5, cameras, sampler=sampler) if isinstance(event, ViewDone)
    ]
    rest = pipeline.stream("tree", 5, cameras, sampler=sampler, known_views=whole[:known])
    done = [event for event in rest if isinstance(event, ViewDone)]
    assert [event.view_index for event in done] == list(range(known, 4))
    for event in done:
        np.testing.assert_array_equal(event.view.rgb, whole[event.view_index].rgb)
        np.testing.assert_array_equal(event.view.depth, whole[event.view_index].depth)


def test_a_scene_goes_on_where_further_views_begin_without_noise():
    quiet, cameras = tiny_pipeline(), view_set("3x9")[:3]
    quiet.config = replace(quiet.config, novel_view_noise=False)
    events = quiet.stream("tree", 5, cameras, sampler="ddpm")
    whole = [event.view for event in events if isinstance(event, ViewDone)]
    rest = quiet.stream("tree", 5, cameras, sampler="ddpm", known_views=whole[:2])
    (last,) = [event.view for event in rest if isinstance(event, ViewDone)]
    np.testing.assert_array_equal(last.rgb, whole[2].rgb)
    np.testing.assert_array_equal(last.depth, whole[2].depth)


def test_a_scene_with_a_given_first_view_goes_on(pipeline):
    cameras, first = view_set("3x9")[:3], synthetic_scene(SIZE, "uncond").views[0]
    events = pipeline.stream("tree", 5, cameras, first_view=first)
    whole = [event.view for event in events if isinstance(event, ViewDone)]
    rest = pipeline.stream("tree", 5, cameras, first_view=first, known_views=whole[:2])
    (last,) = [event.view for event in rest if isinstance(event, ViewDone)]
    np.testing.assert_array_equal(last.rgb, whole[2].rgb)


def test_views_of_another_scene_are_not_gone_on_from(pipeline):
    views = synthetic_scene(SIZE).views
    with pytest.raises(ValueError, match="27 views already, its view set has 2"):
        pipeline.check_inputs("tree", 5, "random", known_views=views)
    with pytest.raises(ValueError, match="view 1 was not taken by camera 1"):
        pipeline.check_inputs("tree", 5, view_set("360"), known_views=views[:2])
    with pytest.raises(ValueError, match="view 0 must be 32x32, got 16x16"):
        pipeline.check_inputs("tree", 5, known_views=synthetic_scene(16).views[:2])


def test_a_saved_model_loads_as_it_was(tmp_path, pipeline):
    folder = save_tiny_model(tmp_path / "tiny")
    loaded = IvidPipeline.from_pretrained(folder)
    assert loaded.config == pipeline.config
    assert same(loaded("house", 1, "uncond"), pipeline("house", 1, "uncond"))
    fast = load_pipeline(folder)
    scene = fast("house", 1, "uncond")
    difference = np.abs(scene.views[0].rgb.astype(int) - pipeline("house", 1, "uncond").views[0].rgb.astype(int))
    assert np.median(difference) <= 3  # bfloat16 where the processor has it


def test_models_without_classes_take_any_label():
    free = tiny_pipeline(classes=())
    assert free.class_index("whatever") is None
    assert free(None, 1, "uncond").class_name == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_label": "submarine"}, "no class 'submarine'; it has house, tree, car"),
        ({"class_label": 3}, "index from 0 to 2, got 3"),
        ({"class_label": True}, "index from 0 to 2"),
        ({"seed": -1}, "seed must be an integer"),
        ({"seed": 1.5}, "seed must be an integer"),
        ({"seed": "7"}, "seed must be an integer"),
        ({"view_set": "4x4"}, "no view set '4x4'"),
        ({"view_set": []}, "at least one camera"),
        ({"first_steps": 0}, "first_steps must be an integer from 1 to 1000"),
        ({"novel_steps": 1001}, "novel_steps must be an integer from 1 to 1000"),
        ({"guidance": -1}, "guidance must lie between 0 and 20"),
        ({"sampler": "euler"}, "no sampler 'euler'"),
        ({"first_view": View(np.zeros((8, 8, 3), np.uint8), np.ones((8, 8)), Camera.orbit(0, 0))}, "must be 32x32"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_computed(pipeline, arguments, message):
    with pytest.raises(ValueError, match=message):
        pipeline.stream(**({"class_label": "house", "seed": 0} | arguments))
    with pytest.raises(ValueError, match=message):
        pipeline.check_inputs(**({"class_label": "house", "seed": 0} | arguments))


def test_classes_are_found_by_any_of_their_names(pipeline):
    assert [pipeline.class_index(c) for c in ("House", " tree ", "automobile", "car", 2)] == [0, 1, 2, 2, 2]


def test_a_name_of_two_classes_is_refused_unless_it_is_one_of_them():
    namesakes = tiny_pipeline(("bear, panda", "cat, panda", "cat"))
    assert [namesakes.class_index(c) for c in ("cat", "bear", "Cat, panda")] == [2, 0, 1]
    with pytest.raises(
        ValueError, match=r"'panda' may be more than one class of tiny: bear, panda \(0\); cat, panda \(1\)"
    ):
        namesakes.class_index("panda")
    names = [request.name for request in plan(namesakes.config, "0;1;2", [3])]
    assert names == ["bear_seed00003", "cat-1_seed00003", "cat-2_seed00003"]


def test_seed_lists():
    assert parse_seeds("3") == [3]
    assert parse_seeds("0-3, 7") == [0, 1, 2, 3, 7]
    for bad in ("", "a", "3-", "5-2", "-1", "1.5"):
        with pytest.raises(ValueError, match="seeds"):
            parse_seeds(bad)


def test_plans(pipeline):
    def labels(classes, seeds):
        return [(request.class_index, request.seed) for request in plan(pipeline.config, classes, seeds)]

    assert labels("mod", [4, 5]) == [(1, 4), (2, 5)]
    assert labels("uniform", [4, 5]) == [(0, 4), (1, 5)]
    assert labels("house,tree", [1, 2]) == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert labels("car, automobile", [1]) == [(2, 1)]
    assert labels("0;2", [1]) == [(0, 1), (2, 1)]
    assert labels("house; car, automobile", [1]) == [(0, 1), (2, 1)]
    assert labels("random", [9]) == labels("random", [9])
    assert plan(pipeline.config, "automobile", [3])[0].name == "car_seed00003"
    turns = plan(pipeline.config, "tree,house", range(3), classes_take_turns=True)
    assert [(request.class_index, request.seed, request.number) for request in turns] == [
        (1, 0, 0),
        (0, 1, 1),
        (1, 2, 2),
    ]
    assert [request.number for request in plan(pipeline.config, "house,tree", [7, 9])] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="no class 'boat'"):
        plan(pipeline.config, "house,boat", [1])


def test_batches_make_every_scene_once(pipeline):
    requests = plan(pipeline.config, "house", [1, 2, 3])
    evaluations = []
    made = list(generate(pipeline, requests, 2, lambda r, e: evaluations.append(r.seed), view_set="uncond"))
    assert [request.seed for request, _, _ in made] == [1, 2, 3]
    assert [scene.seed for _, scene, _ in made] == [1, 2, 3]
    assert sorted(set(evaluations)) == [1, 2, 3]
