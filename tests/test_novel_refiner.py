"""Further views refined from what is known and guessed, without noise, and scenes of a named object."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from ivid.diffusion.blending import Blending
from ivid.diffusion.conditioning import ConditionBatch
from ivid.diffusion.refining import ALMOST_CLEAN, NovelViewRefiner, known_or_guessed
from ivid.diffusion.sampling import make_scheduler
from ivid.pipeline.config import ModelConfig
from ivid.pipeline.events import ViewDone
from ivid.pipeline.pipeline import IvidPipeline
from ivid.scene.cameras import view_set
from tests.support.tiny_model import CLASSES, PATCH, tiny_network, tiny_pipeline


def refining_pipeline(**config) -> IvidPipeline:
    pipeline = tiny_pipeline(novel_steps=1)
    pipeline.novel_refiner_unet = tiny_network(14, len(CLASSES), seed=3)
    pipeline.config = ModelConfig.from_dict(config, pipeline.config)
    return pipeline


def some_condition(seed: int, size: int = 8) -> ConditionBatch:
    draw = torch.Generator().manual_seed(seed)
    mask_rgb, mask = (torch.rand(2, 1, size, size, generator=draw) < 0.5 for _ in range(2))
    rgb, depth, floor = (torch.rand(2, channels, size, size, generator=draw) for channels in (3, 1, 1))
    return ConditionBatch(rgb * mask_rgb, depth * mask, mask, mask_rgb, floor)


def test_what_is_known_stands_and_guesses_stay_behind_the_floor():
    known, guess = some_condition(1), 3 * torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    joined = known_or_guessed(guess, known).numpy()
    for n in range(2):
        for row in range(8):
            for column in range(8):
                at = (n, slice(None), row, column)
                colour = known.rgb[at] * 2 - 1 if known.mask_rgb[n, 0, row, column] else guess[at][:3].clamp(-1, 1)
                np.testing.assert_allclose(joined[at][:3], colour, atol=1e-6)
                if known.mask[n, 0, row, column]:
                    depth = known.depth[n, 0, row, column] * 2 - 1
                else:
                    depth = max(guess[at][3].clamp(-1, 1), known.depth_floor[n, 0, row, column] * 2 - 1)
                assert joined[at][3] == pytest.approx(float(depth), abs=1e-6)


def test_a_guess_counts_where_only_views_of_less_trust_show_a_colour():
    known, guess = some_condition(1), torch.rand(2, 4, 8, 8, generator=torch.Generator().manual_seed(2)) * 2 - 1
    trusted = (torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(3)) * 4).floor() / 3
    plain = known_or_guessed(guess, known)
    torch.testing.assert_close(known_or_guessed(guess, known, 0.25), plain)  # all are trusted alike
    mixed = known_or_guessed(guess, replace(known, trusted=trusted), 0.25)
    torch.testing.assert_close(mixed[:, 3:], plain[:, 3:])
    for n, row, column in np.ndindex(2, 8, 8):
        at = (n, slice(0, 3), row, column)
        weight = 0.25 * float(known.mask_rgb[n, 0, row, column]) * (1 - float(trusted[n, 0, row, column]))
        expected = (1 - weight) * plain[at] + weight * guess[at]
        torch.testing.assert_close(mixed[at], expected)


def test_a_refiner_of_further_views_corrects_what_is_known_and_guessed():
    unet, known = tiny_network(14, 0, seed=3), some_condition(1, 32)
    guess = torch.randn(2, 4, 32, 32, generator=torch.Generator().manual_seed(2))
    start = known_or_guessed(guess, known)
    told = torch.cat([start, guess, known.channels(torch.zeros(2, 4, 32, 32))], dim=1)
    with torch.no_grad():
        correction = unet(pixel_unshuffle(told, PATCH), torch.full((2,), ALMOST_CLEAN)).sample
        refined = NovelViewRefiner(unet, known)(guess)
    torch.testing.assert_close(refined, start + pixel_shuffle(correction, PATCH), atol=1e-4, rtol=0)
    assert not torch.allclose(refined, start, atol=1e-2)


def test_what_trusted_views_show_alone_is_known_where_they_show_more_than_half_of_a_pixel():
    known = some_condition(1)
    assert known.trusted_alone() is known  # all are trusted alike
    trusted = (torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(3)) * 4).floor() / 3
    alone = replace(known, trusted=trusted).trusted_alone()
    for n, row, column in np.ndindex(2, 8, 8):
        at, shown = (n, slice(None), row, column), bool(trusted[n, 0, row, column] > 0.5)
        assert bool(alone.mask[at]) == (shown and bool(known.mask[at]))
        assert bool(alone.mask_rgb[at]) == (shown and bool(known.mask_rgb[at]))
        np.testing.assert_array_equal(alone.rgb[at], known.rgb[at] if alone.mask_rgb[at] else np.zeros(3))
        np.testing.assert_array_equal(alone.depth[at], known.depth[at] if alone.mask[at] else np.zeros(1))


def test_a_further_view_is_the_mean_of_two_predictions_of_which_one_was_mirrored():
    pipeline = refining_pipeline(
        novel_view_noise=False, novel_view_mirroring=True, novel_view_trust=1e-6, sampling={"novel_steps": 1}
    )
    pipeline.novel_refiner_unet = None
    pipeline.config = replace(pipeline.config, blending=Blending(0.0, 0.0, 0.0, 0.0), consistency=False)
    *_, last = (
        e
        for e in pipeline.stream("house", 1, [view_set("3x9")[place] for place in (0, 9, 21)])
        if isinstance(e, ViewDone)
    )
    known = ConditionBatch.stack([last.condition])
    assert known.trusted_alone().mask.sum() < known.mask.sum()
    label = torch.tensor([CLASSES.index("house")])
    (timestep,) = make_scheduler("ddim", pipeline.config.schedule, 1).timesteps

    def predicted(condition: ConditionBatch, mirrored: bool) -> torch.Tensor:
        channels = torch.cat([torch.zeros(1, 4, 32, 32), condition.channels(torch.zeros(1, 4, 32, 32))], dim=1)
        channels = torch.from_numpy(channels.numpy()[..., ::-1].copy()) if mirrored else channels
        denoiser = pipeline.denoiser(pipeline.novel_view_unet, make_scheduler("ddim", pipeline.config.schedule, 1))
        with torch.no_grad():
            clean = denoiser(channels[:, :4], timestep[None], label, condition=channels[:, 4:])
        return torch.from_numpy(clean.numpy()[..., ::-1].copy()) if mirrored else clean

    clean = (predicted(known, False) + predicted(known.trusted_alone(), True)) / 2
    rgb = (clean[0, :3].permute(1, 2, 0).clamp(-1, 1) + 1) / 2
    np.testing.assert_allclose(last.view.rgb, rgb.numpy(), atol=1e-4)


def test_a_pipeline_refines_further_views_and_not_the_first():
    plain = refining_pipeline()
    plain.novel_refiner_unet = None
    before, after = plain("house", 1, "random"), refining_pipeline()("house", 1, "random")
    np.testing.assert_array_equal(before.views[0].rgb, after.views[0].rgb)
    assert not np.array_equal(before.views[1].rgb, after.views[1].rgb)


def test_the_other_refiner_is_asked_of_first_views_only():
    pipeline = refining_pipeline(refiner={"start": 1000})
    pipeline.refiner_unet = tiny_network(14, len(CLASSES), seed=4)
    asked = []
    pipeline.refiner_unet.register_forward_pre_hook(lambda *_: asked.append(1))
    pipeline("house", 1, "random", first_steps=2)
    assert len(asked) == 2


def test_further_views_without_noise_depend_on_the_views_so_far_alone():
    pipeline = refining_pipeline(novel_view_noise=False)
    first = pipeline("house", 1, "uncond").views[0]
    drawn = [pipeline("house", seed, "3x9", first_view=first).views[5].rgb for seed in (1, 2)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    noisy = refining_pipeline()
    drawn = [noisy("house", seed, "3x9", first_view=first).views[5].rgb for seed in (1, 2)]
    assert not np.array_equal(drawn[0], drawn[1])


def test_a_model_with_all_networks_is_read_as_it_was_written(tmp_path):
    pipeline = refining_pipeline(novel_view_noise=False)
    pipeline.save_pretrained(tmp_path)
    again = IvidPipeline.from_pretrained(tmp_path)
    assert again.config == pipeline.config
    assert set(again.networks) == {"first_view_unet", "novel_view_unet", "novel_refiner_unet"}
    one, other = (model("tree", 1, "random") for model in (pipeline, again))
    np.testing.assert_array_equal(one.views[1].rgb, other.views[1].rgb)


NAMED = {
    "instances": [[1, 2], [0], []],
    "instance_names": ["tree/oak", "house/hut", "house/villa"],
    "novel_instances": True,
}


def told(pipeline: IvidPipeline, **arguments) -> set[int]:
    """Labels that the novel-view network is told."""
    labels = []
    hook = pipeline.novel_view_unet.register_forward_pre_hook(
        lambda _module, _inputs, named: labels.append(int(named["class_labels"][0])), with_kwargs=True
    )
    for event in pipeline.stream("house", 0, "random", **arguments):
        if isinstance(event, ViewDone) and event.view_index == 1:
            break
    hook.remove()
    return set(labels)


def test_a_named_object_is_drawn_and_told_of_a_given_first_view():
    pipeline = tiny_pipeline()
    pipeline.config = ModelConfig.from_dict({"labels": NAMED}, pipeline.config)
    first = pipeline("house", 0, "uncond").views[0]
    assert told(pipeline, first_view=first) == {len(CLASSES)}
    assert told(pipeline, first_view=first, instance="house/villa") == {2}
    assert {next(iter(told(pipeline, instance=name))) for name in ("house/hut", "house/villa")} == {1, 2}


def test_an_object_that_is_not_known_is_refused():
    pipeline = tiny_pipeline()
    with pytest.raises(ValueError, match="it knows no objects by name"):
        pipeline.stream("house", 0, instance="house/hut")
    pipeline.config = ModelConfig.from_dict({"labels": NAMED}, pipeline.config)
    with pytest.raises(ValueError, match="knows no object 'house/barn'; it knows tree/oak and 2 more"):
        pipeline.stream("house", 0, instance="house/barn")
    with pytest.raises(ValueError, match="tree/oak is not of the class house"):
        pipeline.stream("house", 0, instance="tree/oak")


def test_views_are_sampled_in_the_order_of_the_model():
    order = (0, *range(26, 0, -1))
    pipeline = refining_pipeline(view_orders={"3x9": order}, novel_view_noise=False)
    events = [event for event in pipeline.stream("house", 1) if isinstance(event, ViewDone)]
    assert [event.view.camera for event in events] == [view_set("3x9")[place] for place in order]
    first = events[0].view
    named = pipeline("house", 1, [view_set("3x9")[0], view_set("3x9")[26]], first_view=first)
    np.testing.assert_array_equal(named.views[1].rgb, events[1].view.quantised().rgb)
