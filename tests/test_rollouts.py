"""True views of scenes, rollouts recorded of them, and training on the records."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ivid.cli import main
from ivid.data.recorded_views import RecordedViews
from ivid.data.renders import Renders
from ivid.data.training_set import Augmentation, TrainingSamples
from ivid.diffusion.conditioning import ConditionBatch
from ivid.diffusion.refining import known_or_guessed
from ivid.diffusion.sampling import make_scheduler
from ivid.pipeline.config import ModelConfig
from ivid.pipeline.labels import SceneLabel
from ivid.pipeline.pictures import to_pictures, to_sample
from ivid.pipeline.pipeline import IvidPipeline
from ivid.pipeline.streaming import redrawn_views
from ivid.scene.cameras import view_set_angles
from ivid.scene.depth import encode
from ivid.training.config import TrainingConfig
from ivid.training.loop import train
from ivid.training.networks import build_unet
from ivid.training.packaging import bundle
from ivid.training.rollouts import Rollout, RolloutSettings, record_rollouts
from tests.support.synthetic import synthetic_view
from tests.support.tiny_model import CLASSES, tiny_network, tiny_pipeline
from tests.support.tiny_renders import UNET
from tests.support.tiny_training import CONFIG

SIZE, VIEWS, RANGE = 32, 6, (0.5, 4.0)
ASSETS = ("house/a.glb", "house/b.glb", "tree/c.glb")


@pytest.fixture(scope="module")
def renders(tmp_path_factory) -> Renders:
    """Four scenes that all are the synthetic one, in other brightness, each with six views."""
    folder = tmp_path_factory.mktemp("renders")
    angles = view_set_angles("3x9")[:VIEWS]
    rgb, depth = np.zeros((4, VIEWS, SIZE, SIZE, 3), np.uint8), np.zeros((4, VIEWS, SIZE, SIZE), np.uint16)
    from ivid.scene.cameras import Camera

    for number, angle in enumerate(angles):
        view = synthetic_view(Camera.orbit(*angle), SIZE)
        for scene in range(4):
            rgb[scene, number] = view.quantised().rgb // (1 + scene)
            depth[scene, number] = np.rint(encode(view.depth.astype(np.float64), RANGE) * 65535)
    for split in ("train", "held_out"):
        arrays = {
            "rgb": rgb[:, 0],
            "depth": depth[:, 0],
            "label": np.array([0, 0, 1, 1]),
            "model": np.array([0, 1, 2, 2]),
            "yaw": np.zeros(4, np.float32),
            "view_rgb": rgb[:, 1:],
            "view_depth": depth[:, 1:],
            "view_angle": np.repeat(np.array(angles[1:], np.float32)[None], 4, 0),
        }
        for name, array in arrays.items():
            np.save(folder / f"{split}_{name}.npy", array)
    manifest = {
        "format": "ivid-renders",
        "version": 3,
        "size": SIZE,
        "classes": CLASSES[:2],
        "images": {"train": 4, "held_out": 4},
        "models": {"train": ASSETS, "held_out": ASSETS},
        "depth_range": RANGE,
        "fov_y_deg": 45.0,
        "poses": "studio",
        "views": VIEWS,
        "seed": 0,
    }
    (folder / "renders.json").write_text(json.dumps(manifest))
    return Renders.open(folder)


@pytest.fixture(scope="module")
def pipeline() -> IvidPipeline:
    model = tiny_pipeline(novel_steps=1)
    labels = {"instances": [[0, 1], [2], []], "instance_names": ASSETS, "novel_instances": True}
    model.config = ModelConfig.from_dict({"depth": {"range": RANGE}, "labels": labels}, model.config)
    return model


SETTINGS = RolloutSettings(seed=3, views=4)


@pytest.fixture(scope="module")
def recorded(pipeline, renders, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("recorded") / "views"
    record_rollouts(pipeline, renders, out, 6, SETTINGS, batch=2, progress=False)
    return out


def test_true_views_are_given_with_their_cameras(renders):
    view = renders.scene_view(2, 3, trust=0.5, edge_threshold=0.04)
    assert (view.trust, view.edge_threshold) == (0.5, 0.04)
    np.testing.assert_array_equal(view.rgb, renders.view_rgb[2, 2])
    np.testing.assert_array_equal(renders.scene_view(2, 0).rgb, renders.rgb[2])


def test_a_record_is_what_was_known_of_a_view(recorded, renders, pipeline):
    records = RecordedViews(recorded, renders)
    assert len(records) == 6 * 4
    for number in (0, 5):
        rollout = Rollout.draw(number, renders.by_instance(), SETTINGS)
        first = renders.scene_view(rollout.scene, 0, edge_threshold=pipeline.config.depth.edge_threshold)
        target = renders.scene_view(rollout.scene, rollout.views[0])
        wanted = pipeline.condition([first], target.camera)
        record = records.view(number * 4, np.random.default_rng(0), mirrored=False)
        np.testing.assert_allclose(record.rgb, target.rgb / 255, atol=1e-6)
        np.testing.assert_allclose(record.condition.rgb, wanted.rgb, atol=0.003)
        np.testing.assert_allclose(record.condition.depth_floor, wanted.depth_floor, atol=1e-4)
        np.testing.assert_array_equal(record.condition.mask, wanted.mask)
        np.testing.assert_array_equal(record.condition.mask_rgb, wanted.mask_rgb)
        assert record.label == renders.labels[rollout.scene]


def test_later_views_know_what_was_drawn_or_what_is_true(renders, pipeline, tmp_path):
    def second(**shares: float) -> np.ndarray:
        settings = replace(SETTINGS, any_order=0.0, unlabelled=0.0, **shares)
        record_rollouts(pipeline, renders, tmp_path / str(shares), 1, settings, progress=False)
        return RecordedViews(tmp_path / str(shares), renders).view(1, np.random.default_rng(0), False).condition.rgb

    rollout = Rollout.draw(0, renders.by_instance(), replace(SETTINGS, any_order=0.0, all_true=1.0))
    known = [renders.scene_view(rollout.scene, view, rollout.trust) for view in (0, rollout.views[0])]
    known[0] = replace(known[0], trust=1.0)
    true = second(all_true=1.0)
    np.testing.assert_allclose(
        true, pipeline.condition(known, renders.scene_camera(rollout.scene, rollout.views[1])).rgb, atol=0.003
    )
    assert np.abs(second(all_true=0.0, half_true=0.0) - true).max() > 0.05


def test_first_views_can_have_the_faults_of_drawn_ones(renders, pipeline, tmp_path):
    def first_condition(**changes) -> np.ndarray:
        out = tmp_path / str(changes)
        record_rollouts(
            pipeline, renders, out, 2, replace(SETTINGS, unlabelled=0.0, **changes), batch=2, progress=False
        )
        return RecordedViews(out, renders).view(0, np.random.default_rng(0), False).condition.rgb

    true = first_condition()
    one, three = (first_condition(redrawn=1.0, redrawn_steps=(steps, steps)) for steps in (1, 3))
    for other in (one, three):
        assert np.abs(true - other).max() > 0.05
    assert np.abs(one - three).max() > 0.01
    np.testing.assert_array_equal(true, first_condition(redrawn=0.0))


def test_redrawn_views_are_those_of_a_loop_over_the_last_steps(renders, pipeline):
    """DDIM from the noised view, written out."""
    view, steps, settings = renders.scene_view(1, 0), 2, pipeline.sampling()
    label, seed = SceneLabel(0, 1), 7
    (drawn,) = redrawn_views(pipeline, [view], [label], [torch.Generator().manual_seed(seed)], settings, steps)
    scheduler = make_scheduler("ddim", pipeline.config.schedule, settings.first_steps)
    kept = [int(t) for t in scheduler.timesteps][-steps:]
    alphas = [float(scheduler.alphas_cumprod[t]) for t in kept]
    noise = torch.randn(4, SIZE, SIZE, generator=torch.Generator().manual_seed(seed))
    x_t = (alphas[0] ** 0.5 * to_sample(view, RANGE) + (1 - alphas[0]) ** 0.5 * noise)[None]
    denoiser = pipeline.denoiser(pipeline.first_view_unet, scheduler)
    clean = x_t
    for number, timestep in enumerate(kept):
        with torch.no_grad():
            clean = denoiser(x_t, torch.tensor([timestep]), torch.tensor([1]), settings.guidance)
        if number < steps - 1:
            epsilon = (x_t - alphas[number] ** 0.5 * clean) / (1 - alphas[number]) ** 0.5
            x_t = alphas[number + 1] ** 0.5 * clean + (1 - alphas[number + 1]) ** 0.5 * epsilon
    rgb, depth = to_pictures(clean, pipeline.config.depth)
    np.testing.assert_allclose(drawn.rgb, rgb[0], atol=1e-4)
    np.testing.assert_allclose(drawn.depth, depth[0], rtol=1e-3)


def test_rollouts_are_drawn_in_orders_of_all_kinds(renders):
    rollouts = [Rollout.draw(n, renders, RolloutSettings(views=5)) for n in range(300)]
    yaws = np.abs([angle for angle, _ in view_set_angles("3x9")])
    outwards = np.mean([np.all(np.diff(yaws[list(each.views)]) >= 0) for each in rollouts])
    inwards = np.mean([np.all(np.diff(yaws[list(each.views)]) <= 0) for each in rollouts])
    assert 0.25 < outwards < 0.5
    assert 0.25 < inwards < 0.5
    assert np.mean([all(each.true) for each in rollouts]) == pytest.approx(0.21, abs=0.07)
    assert np.mean([not any(each.true) for each in rollouts]) == pytest.approx(0.56, abs=0.08)
    assert np.mean([each.label is None for each in rollouts]) == pytest.approx(0.12, abs=0.06)
    assert all(0.01 <= each.trust <= 0.04 for each in rollouts)
    assert [each.scene for each in rollouts[:8]] == [0, 1, 2, 3, 0, 1, 2, 3]


def test_a_stopped_run_goes_on_and_another_one_is_refused(recorded, renders, pipeline, tmp_path, monkeypatch):
    calls, condition = [], pipeline.condition

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 12:
            raise KeyboardInterrupt
        return condition(*arguments)

    monkeypatch.setattr(pipeline, "condition", interrupted)
    with pytest.raises(KeyboardInterrupt):
        record_rollouts(pipeline, renders, tmp_path / "out", 6, SETTINGS, batch=2, progress=False)
    with pytest.raises(ValueError, match="only 8 of 24 views"):
        RecordedViews(tmp_path / "out", renders)
    record_rollouts(pipeline, renders, tmp_path / "out", 6, SETTINGS, batch=2, progress=False)
    for path in recorded.glob("*.npy"):
        assert path.read_bytes() == (tmp_path / "out" / path.name).read_bytes(), path.name
    with pytest.raises(ValueError, match="recorded in another way"):
        record_rollouts(pipeline, renders, tmp_path / "out", 6, replace(SETTINGS, seed=4), progress=False)


def test_what_cannot_be_recorded_is_refused(renders, pipeline, tmp_path):
    with pytest.raises(ValueError, match="holds 6 of each; render more"):
        record_rollouts(pipeline, renders, tmp_path / "out", 1, RolloutSettings(views=6), progress=False)


def test_what_the_model_does_not_know_is_drawn_without_a_label(renders, pipeline, tmp_path):
    strange = tiny_pipeline(novel_steps=1)
    names = ["house/z.glb", "house/y.glb", "tree/x.glb"]
    changes = {"labels": {**asdict(pipeline.config.labels), "instance_names": names}}
    strange.config = ModelConfig.from_dict(changes, pipeline.config)
    settings = replace(SETTINGS, all_true=0.0, half_true=0.0, any_order=0.0)
    record_rollouts(strange, renders, tmp_path / "strange", 2, settings, progress=False)
    record_rollouts(pipeline, renders, tmp_path / "none", 2, replace(settings, unlabelled=1.0), progress=False)
    for path in (tmp_path / "none").glob("*.npy"):
        assert path.read_bytes() == (tmp_path / "strange" / path.name).read_bytes()


def test_a_mirrored_record_is_mirrored_throughout(recorded, renders):
    records, rng = RecordedViews(recorded, renders), np.random.default_rng(0)
    plain, turned = (records.view(7, rng, mirrored) for mirrored in (False, True))
    np.testing.assert_array_equal(plain.rgb, turned.rgb[:, ::-1])
    np.testing.assert_array_equal(plain.d, turned.d[:, ::-1])
    for name in ("rgb", "depth", "mask", "mask_rgb", "depth_floor"):
        np.testing.assert_array_equal(getattr(plain.condition, name), getattr(turned.condition, name)[:, ::-1])


def test_views_of_which_little_is_known_are_drawn_more_often(recorded, renders):
    records, rng = RecordedViews(recorded, renders, prefer_unknown=True), np.random.default_rng(0)
    unknown = np.array(
        [1 - RecordedViews(recorded, renders).view(n, rng, False).condition.mask_rgb.mean() for n in range(24)]
    )
    drawn = [1 - records.view(0, rng, False).condition.mask_rgb.mean() for _ in range(400)]
    weights = unknown + 0.03
    assert np.mean(drawn) == pytest.approx((weights * unknown).sum() / weights.sum(), abs=3 * unknown.std() / 20)


NOVEL = replace(
    CONFIG, network="novel_view", patch_size=4, steps=2, labels="instance", novel_view_noise=False, known_weight=0.1
)


def test_known_pixels_count_less_in_the_loss(recorded, renders):
    from accelerate import Accelerator

    from ivid.diffusion.schedules import alphas_cumprod
    from ivid.training.objective import Objective
    from ivid.training.tasks import NovelView

    images = renders.by_instance()
    samples = TrainingSamples(images, Augmentation(), RecordedViews(recorded, images))
    batch = torch.utils.data.default_collate([samples[n] for n in range(3)])
    unet = build_unet(NOVEL, SIZE, len(images.classes), images.instances)
    told = []
    unet.register_forward_pre_hook(lambda _module, inputs: told.append(inputs[:2]))
    task = NovelView(NOVEL, alphas_cumprod(NOVEL.scheduler), images.instances)
    loss = Objective(task, unet, Accelerator(cpu=True)).loss(batch, torch.Generator().manual_seed(1))
    (inputs, timesteps) = told[0]
    known = ConditionBatch.of_training(batch)
    with torch.no_grad():
        drawn = torch.nn.functional.pixel_shuffle(unet(inputs, timesteps, class_labels=batch["label"]).sample, 4)
    assert set(timesteps.tolist()) == {999}
    assert inputs[:, : 4 * 16].abs().max() == 0
    masks = torch.cat([known.mask_rgb.expand(-1, 3, -1, -1), known.mask], 1).numpy()
    total = count = 0.0
    for at in np.ndindex(masks.shape):
        weight = 0.1 if masks[at] else 1.0
        total += weight * float(drawn[at] - batch["clean"][at]) ** 2
        count += weight
    assert loss.item() == pytest.approx(total / count, rel=1e-3)


def test_networks_learn_of_records_and_become_a_model(recorded, renders, tmp_path):
    train(replace(CONFIG, patch_size=4, steps=1, labels="instance"), renders, tmp_path / "first")
    train(NOVEL, renders, tmp_path / "novel", further=RecordedViews(recorded, renders))
    refines = (str(tmp_path / "novel" / "unet"),)
    config = replace(NOVEL, network="novel_refiner", refines=refines, loss="smooth_l1", known_weight=1.0)
    train(config, renders, tmp_path / "refiner", further=RecordedViews(recorded, renders))
    images = renders.by_instance()
    bundle(
        tmp_path / "first",
        tmp_path / "novel",
        tmp_path / "model",
        {"novel_view_noise": False, "sampling": {"novel_steps": 1, "first_steps": 1, "guidance": 0.0}},
        renders.classes,
        renders.depth_range,
        novel_refiner=tmp_path / "refiner",
    )
    model = IvidPipeline.from_pretrained(tmp_path / "model", torch.float32)
    assert model.config.labels.instance_names == images.asset_names
    scene = model("house", 1, "random", first_view=renders.scene_view(0, 0), instance="house/a.glb")
    assert len(scene.views) == 2
    assert main(
        [
            "prepare",
            "rollouts",
            str(tmp_path / "model"),
            "--data",
            str(renders.folder),
            "--out",
            str(tmp_path / "again"),
            "--scenes",
            "1",
            "--views",
            "2",
        ]
    ) in (0, None)
    assert len(RecordedViews(tmp_path / "again", renders)) == 2


def test_a_refiner_of_further_views_begins_with_what_is_known_and_guessed(recorded, renders, tmp_path):
    tiny_network(14, len(ASSETS), seed=5).save_pretrained(tmp_path / "start")
    tiny_network(10, len(ASSETS), seed=2).save_pretrained(tmp_path / "novel")
    config = replace(
        NOVEL,
        network="novel_refiner",
        refines=(str(tmp_path / "novel"),),
        unet={**UNET, "block_out_channels": [32, 64]},
        init_from=str(tmp_path / "start"),
    )
    unet = build_unet(config, SIZE, len(ASSETS), renders.by_instance().instances)
    from ivid.diffusion.refining import NovelViewRefiner

    records, rng = RecordedViews(recorded, renders), np.random.default_rng(0)
    known = ConditionBatch.stack([records.view(n, rng, False).condition for n in range(2)])
    guess = torch.randn(2, 4, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        refined = NovelViewRefiner(unet, known, torch.tensor([0, 1]))(guess)
    torch.testing.assert_close(refined, known_or_guessed(guess, known))


def test_configs_of_refiners_name_what_they_refine():
    with pytest.raises(ValueError, match="a novel_refiner network needs 1 folders"):
        replace(NOVEL, network="novel_refiner")
    with pytest.raises(ValueError, match="a novel_view network needs 0 folders"):
        replace(NOVEL, refines=("a",))
    assert TrainingConfig.parse(json.loads(NOVEL.to_json())) == NOVEL
