import io
import json
import math
import pickle
import struct
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DModel
from PIL import Image
from safetensors.torch import load_file
from tensorboardX.proto.event_pb2 import Event
from torch.nn import functional

from ivid.cli import main
from ivid.data.pairs import PairSettings, gaussian_blur_3x3
from ivid.data.renders import Kinds
from ivid.data.training_set import Augmentation, TrainingSamples
from ivid.diffusion.denoiser import Denoiser
from ivid.diffusion.enlarging import enlarged, training_condition
from ivid.pipeline.loading import load_pipeline
from ivid.pipeline.upsampling import upsampled
from ivid.scene.cameras import Camera
from ivid.training.config import TrainingConfig
from ivid.training.labels import known_labels
from ivid.training.loop import LOSS_SCALING, train
from ivid.training.networks import build_unet
from ivid.training.packaging import bundle
from tests.support.tiny_renders import SIZE, UNET, Discs, write_renders

CONFIG = TrainingConfig(
    network="first_view",
    unet=UNET,
    scheduler={"beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample"},
    fold=2,
    weighting="v",
    batch_size=8,
    steps=6,
    learning_rate=2e-3,
    ema_decay=0.9,
    log_every=2,
    save_every=3,
    sample_every=100,
    sample_steps=2,
)


def weights(folder: Path):
    return {name: value for name, value in UNet2DModel.from_pretrained(folder).state_dict().items()}


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_a_killed_run_resumes_to_the_identical_weights(tmp_path, optimiser):
    whole, parts, config = tmp_path / "whole", tmp_path / "parts", replace(CONFIG, optimiser=optimiser)
    train(config, Discs(), whole)
    train(replace(config, steps=3), Discs(), parts)
    assert json.loads((parts / "state" / "step.json").read_text())["step"] == 3
    train(config, Discs(), parts)
    assert json.loads((parts / "state" / "step.json").read_text())["step"] == 6
    one, other = weights(whole / "unet"), weights(parts / "unet")
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=0, msg=name)


def test_a_run_killed_while_saving_goes_on_from_the_state_before(tmp_path):
    run = tmp_path / "run"
    train(replace(CONFIG, steps=3), Discs(), run)
    (run / "state").rename(run / "state.replaced")  # between the two renames of a save
    train(replace(CONFIG, steps=4), Discs(), run)
    assert json.loads((run / "state" / "step.json").read_text())["step"] == 4


def test_half_precision_scales_the_loss_as_published():
    weight = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.SGD([weight], lr=1.0)
    scaler = torch.amp.GradScaler("cpu", **LOSS_SCALING.to_kwargs())
    exponents = []
    for overflow in (False, False, True, False):
        optimiser.zero_grad()
        scaler.scale((weight * (float("inf") if overflow else 1.0)).sum()).backward()
        scaler.step(optimiser)
        scaler.update()
        exponents.append(math.log2(scaler.get_scale()))
    assert exponents == pytest.approx([20.001, 20.002, 19.002, 19.003], abs=1e-4)
    assert weight.item() == pytest.approx(-3.0)  # three steps were taken, and one was left out


def test_it_stops_when_the_time_is_up_and_saves(tmp_path):
    train(replace(CONFIG, steps=10_000), Discs(), tmp_path / "run", max_seconds=1.0)
    step = json.loads((tmp_path / "run" / "state" / "step.json").read_text())["step"]
    assert 1 <= step < 10_000


def test_it_learns(tmp_path):
    run = tmp_path / "run"
    config = replace(CONFIG, steps=300, save_every=300, log_every=20, sample_every=300, sample_steps=5, batch_size=16)
    train(config, Discs(), run)
    losses = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert len(losses) == 15
    assert np.mean(losses[-3:]) < 0.4 * losses[0]
    sheet = Image.open(run / "samples" / "00000300.png")
    assert sheet.size == (8 * SIZE, 2 * SIZE)
    curves, pictures = tensorboard(run / "tensorboard")
    assert curves["loss"] == pytest.approx(dict(zip(range(20, 301, 20), losses, strict=True)))
    assert set(curves) == {"loss", "learning_rate", "samples_per_second"}
    np.testing.assert_array_equal(np.array(Image.open(io.BytesIO(pictures[300]))), np.array(sheet))


def tensorboard(folder: Path) -> tuple[dict[str, dict[int, float]], dict[int, bytes]]:
    """Curves by name and step, and pictures by step, of the records that TensorBoard would read."""
    curves: dict[str, dict[int, float]] = {}
    pictures = {}
    for path in sorted(folder.iterdir()):
        content, at = path.read_bytes(), 0
        while at < len(content):  # length, its checksum (4 bytes), record, its checksum (4 bytes)
            (length,) = struct.unpack_from("<Q", content, at)
            event = Event.FromString(content[at + 12 : at + 12 + length])
            at += length + 16
            for value in event.summary.value:
                if value.HasField("image"):
                    pictures[event.step] = value.image.encoded_image_string
                else:
                    curves.setdefault(value.tag, {})[event.step] = value.simple_value
    return curves, pictures


def test_workers_make_the_same_training_pairs(tmp_path):
    images = write_renders(tmp_path / "data")
    assert len(pickle.dumps(images)) < 1000  # workers map the files themselves
    config = replace(CONFIG, network="novel_view", steps=3, sample_every=3, pairs=PairSettings(edge_threshold=0.2))
    train(config, images, tmp_path / "alone")
    train(replace(config, loader_workers=2), images, tmp_path / "helped")
    one, other = weights(tmp_path / "alone" / "unet"), weights(tmp_path / "helped" / "unet")
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=0, atol=0, msg=name)
    assert Image.open(tmp_path / "alone" / "samples" / "00000003.png").size == (12 * SIZE, 6 * SIZE)


def test_the_upsampler_trains(tmp_path):
    run = tmp_path / "run"
    config = replace(CONFIG, network="upsampler", steps=200, save_every=200, sample_every=200, log_every=20)
    train(config, Discs(), run)
    losses = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert np.mean(losses[-3:]) < 0.4 * losses[0]
    assert UNet2DModel.from_pretrained(run / "unet").config["in_channels"] == 8 * CONFIG.fold**2
    assert Image.open(run / "samples" / "00000200.png").size == (12 * SIZE, 6 * SIZE)


def test_a_refiner_learns_to_correct_what_it_refines(tmp_path):
    images = write_renders(tmp_path / "data")
    first, novel, run = tmp_path / "first", tmp_path / "novel", tmp_path / "run"
    train(replace(CONFIG, steps=60, save_every=60), images, first)
    train(replace(CONFIG, network="novel_view", steps=60, save_every=60), images, novel)
    config = replace(
        CONFIG,
        network="refiner",
        refines=(str(first / "unet"), str(novel / "unet")),
        timesteps=(0, 300),
        steps=200,
        save_every=200,
        sample_every=200,
        log_every=20,
        pairs=PairSettings(edge_threshold=0.2),
    )
    train(config, images, run)
    losses = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert np.mean(losses[-3:]) < 0.5 * losses[0]
    refiner = UNet2DModel.from_pretrained(run / "unet")
    assert (refiner.config["in_channels"], refiner.config["num_class_embeds"]) == (14 * CONFIG.fold**2, None)
    assert Image.open(run / "samples" / "00000200.png").size == (12 * SIZE, 6 * SIZE)


def test_the_upsampler_is_told_a_blurred_half_size_picture():
    clean = torch.rand(2, 4, 8, 8) * 2 - 1
    told = training_condition(clean, torch.tensor([0.0, 0.8]))
    halved = clean.reshape(2, 4, 4, 2, 4, 2).mean(dim=(3, 5))
    torch.testing.assert_close(told[0], enlarged(halved)[0])
    blurred = gaussian_blur_3x3(halved[1, :3].permute(1, 2, 0).numpy(), 0.8)
    low = torch.cat([torch.from_numpy(blurred).permute(2, 0, 1).float(), halved[1, 3:]])
    torch.testing.assert_close(told[1], enlarged(low[None])[0], rtol=1e-4, atol=1e-5)


def test_the_null_class_stays_zero(tmp_path):
    train(replace(CONFIG, label_dropout=0.5), Discs(), tmp_path / "run")
    embedding = weights(tmp_path / "run" / "unet")["class_embedding.weight"]
    assert embedding.shape[0] == 3
    assert (embedding[-1] == 0).all()
    assert (embedding[:-1] != 0).any()


def test_weights_are_saved_in_half_precision(tmp_path):
    train(replace(CONFIG, steps=1), Discs(), tmp_path / "run")
    stored = load_file(tmp_path / "run" / "unet" / "diffusion_pytorch_model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16}


def test_the_novel_view_network_starts_as_the_first_view_network(tmp_path):
    train(replace(CONFIG, steps=2), Discs(), tmp_path / "run")
    source = UNet2DModel.from_pretrained(tmp_path / "run" / "unet")
    novel = build_unet(replace(CONFIG, network="novel_view", init_from=str(tmp_path / "run" / "unet")), SIZE, 2)
    x, condition = torch.randn(2, 16, 8, 8), torch.randn(2, 24, 8, 8)
    labels = torch.tensor([0, 2])
    with torch.no_grad():
        expected = source(x, 500, class_labels=labels).sample
        actual = novel(torch.cat([x, condition], dim=1), 500, class_labels=labels).sample
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-5)


def test_a_network_of_larger_blocks_starts_as_the_smaller_one_on_reduced_pictures(tmp_path):
    train(replace(CONFIG, steps=2), Discs(), tmp_path / "run")
    source = UNet2DModel.from_pretrained(tmp_path / "run" / "unet")
    larger = build_unet(replace(CONFIG, fold=6, init_from=str(tmp_path / "run" / "unet")), 3 * SIZE, 2)
    labels, small = torch.tensor([0, 2]), torch.randn(2, 4, SIZE, SIZE)
    noise = torch.randn(2, 4, 3 * SIZE, 3 * SIZE)
    noise -= functional.interpolate(functional.avg_pool2d(noise, 3), scale_factor=3)  # of which reducing leaves nothing
    large = functional.interpolate(small, scale_factor=3) + noise
    with torch.no_grad():
        expected = source(functional.pixel_unshuffle(small, 2), 500, class_labels=labels).sample
        actual = larger(functional.pixel_unshuffle(large, 6), 500, class_labels=labels).sample
    drawn = functional.interpolate(functional.pixel_shuffle(expected, 2), scale_factor=3)
    torch.testing.assert_close(functional.pixel_shuffle(actual, 6), drawn, rtol=1e-4, atol=1e-5)


def test_a_network_told_kinds_starts_as_the_one_told_classes(tmp_path):
    train(replace(CONFIG, steps=2), Discs(), tmp_path / "run")
    source = UNet2DModel.from_pretrained(tmp_path / "run" / "unet")
    kinds = Kinds(classes=(0, 0, 1, 1), models=(0, 0, 1, 1), sides=(0, 1, 0, 1), model_names=("red/a", "green/a"))
    finer = build_unet(replace(CONFIG, init_from=str(tmp_path / "run" / "unet")), SIZE, 4, kinds)
    known, told = (unet.get_parameter("class_embedding.weight").detach() for unet in (source, finer))
    assert (told[-1] == 0).all()
    marks = told[:-1] - known[[0, 0, 1, 1]]
    assert marks.std(dim=1).numpy() == pytest.approx(0.4 * 2**0.5, abs=0.12)
    torch.testing.assert_close(marks[0] - marks[1], marks[2] - marks[3])  # sides are marked alike in all models
    x = torch.randn(2, 16, 8, 8)
    with torch.no_grad():
        expected = source(x, 500, class_labels=torch.tensor([2, 2])).sample
        torch.testing.assert_close(finer(x, 500, class_labels=torch.tensor([4, 4])).sample, expected)


def test_kinds_are_models_seen_from_a_side(tmp_path):
    images = write_renders(tmp_path / "data")
    finer = images.by_kind(sides=2)
    assert finer.kinds == Kinds((0, 0, 1, 1, 0, 0, 1, 1), (0, 0, 1, 1, 2, 2, 3, 3), (0, 1) * 4, images.model_names)
    assert finer.kinds.shown == ["red/disc"] * 2 + ["green/disc"] * 2 + ["red/ball"] * 2 + ["green/ball"] * 2
    for index in range(len(images)):
        label = finer[index][2]
        assert finer.kinds.models[label] == images.models[index]
        assert finer.kinds.classes[label] == images.labels[index]
        assert finer.kinds.sides[label] == (images.yaws_rad[index] > 0)
    travelled = pickle.loads(pickle.dumps(finer))
    assert travelled.kinds == finer.kinds
    np.testing.assert_array_equal(travelled.labels, finer.labels)
    assert set(images.by_kind(1).labels) == {0, 1, 2, 3}


def test_a_network_told_kinds_becomes_a_model_of_classes(tmp_path):
    images = write_renders(tmp_path / "data")
    first, novel, out = tmp_path / "first", tmp_path / "novel", tmp_path / "discs"
    told = replace(CONFIG, steps=400, save_every=400, labels="kind", sides=2, batch_size=16)
    train(told, images, first)
    assert weights(first / "unet")["class_embedding.weight"].shape[0] == 9
    train(replace(CONFIG, steps=2, network="novel_view"), images, novel)
    arguments = ["--data", str(images.folder), "--out", str(out)]
    assert main(["bundle", "configs/models/lowpoly.json", str(first), str(novel), *arguments]) == 0
    pipeline = load_pipeline(out)
    assert (pipeline.class_names, pipeline.config.labels.instances) == (["red", "green"], ((0, 1, 4, 5), (2, 3, 6, 7)))
    for label, strong, weak in (("red", 0, 1), ("green", 1, 0)):
        colours = pipeline(label, 3, "uncond").views[0].rgb.reshape(-1, 3)
        colours = colours[np.argsort(np.ptp(colours, axis=1))[-20:]].astype(float)  # the disc's
        assert (colours[:, strong] > colours[:, weak]).mean() > 0.9
    refining = replace(
        told, network="refiner", refines=(str(first / "unet"), str(novel / "unet")), steps=3, save_every=3, fold=2
    )
    train(refining, images, tmp_path / "refiner")
    assert weights(tmp_path / "refiner" / "unet")["class_embedding.weight"].shape[0] == 9
    with_details = [
        str(first),
        str(novel),
        "--refiner",
        str(tmp_path / "refiner"),
        *arguments[:3],
        str(tmp_path / "whole"),
    ]
    assert main(["bundle", "configs/models/lowpoly.json", *with_details]) == 0
    whole, asked = load_pipeline(tmp_path / "whole"), []
    whole.refiner_unet.register_forward_pre_hook(
        lambda _, __, named: asked.append(named["class_labels"]), with_kwargs=True
    )
    whole("green", 3, "random")
    assert asked
    assert {int(labels) in (2, 3, 6, 7) for labels in asked} == {True}
    train(replace(refining, init_from=str(tmp_path / "refiner" / "unet")), images, tmp_path / "refined further")
    assert len(weights(tmp_path / "refined further" / "unet")) == len(weights(tmp_path / "refiner" / "unet"))
    with pytest.raises(ValueError, match="must be renders"):
        train(told, Discs(), tmp_path / "none")
    with pytest.raises(ValueError, match="told the class"):
        replace(told, network="upsampler")


def test_a_network_told_kinds_starts_as_one_that_knows_more_of_them(tmp_path):
    told = replace(CONFIG, steps=2, labels="kind", sides=2)
    train(told, write_renders(tmp_path / "data"), tmp_path / "run")
    start = tmp_path / "run" / "unet"
    known = UNet2DModel.from_pretrained(start).get_parameter("class_embedding.weight").detach()
    shown = known_labels(start)
    assert shown is not None
    assert len(shown) == len(known) - 1
    some = Kinds(classes=(1, 0), models=(0, 1), sides=(0, 0), model_names=("green/ball", "red/disc"))
    fewer = (
        build_unet(replace(told, init_from=str(start)), SIZE, 2, some).get_parameter("class_embedding.weight").detach()
    )
    for row, name in zip(fewer, some.shown, strict=False):
        torch.testing.assert_close(row, known[[k for k, its in enumerate(shown) if its == name]].mean(0))
    assert (fewer[-1] == 0).all()
    strange = Kinds(classes=(1, 0), models=(0, 1), sides=(0, 0), model_names=("green/ball", "red/dragon"))
    with pytest.raises(ValueError, match="does not know red/dragon"):
        build_unet(replace(told, init_from=str(start)), SIZE, 2, strange)


def test_a_model_is_bundled_of_networks_told_kinds(tmp_path, monkeypatch):
    images = write_renders(tmp_path / "data")
    first, novel, out = tmp_path / "first", tmp_path / "novel", tmp_path / "discs"
    told = replace(CONFIG, steps=2, labels="kind")
    train(told, images, first)
    train(replace(told, network="novel_view"), images, novel)
    trained = weights(novel / "unet")["class_embedding.weight"]
    for run, names in ((first, [3, 0]), (novel, [0, 1, 2, 3])):  # as if the first had been shown two of the models
        (run / "unet" / "labels.json").write_text(json.dumps([images.model_names[k] for k in names]))
    arguments = ["configs/models/lowpoly.json", str(first), str(novel), "--data", str(images.folder), "--out", str(out)]
    assert main(["bundle", *arguments]) == 0
    pipeline = load_pipeline(out)
    assert (pipeline.config.labels.instances, pipeline.config.labels.novel_instances) == (((1,), (0,)), True)
    bundled = weights(out / "novel_view_unet")["class_embedding.weight"]  # loaded, they have the processor's precision
    torch.testing.assert_close(bundled, trained[[3, 0, 4]])

    labels = []
    evaluate = Denoiser.__call__

    def noted(self, x_t, timesteps, class_labels=None, *others, **named):
        labels.append(class_labels.tolist())
        return evaluate(self, x_t, timesteps, class_labels, *others, **named)

    monkeypatch.setattr(Denoiser, "__call__", noted)
    cameras = [Camera.orbit(0.0, 0.0), Camera.orbit(0.2, 0.0)]
    scene = pipeline("red", 3, cameras)
    assert labels
    assert all(its == [1] for its in labels)
    labels.clear()
    pipeline("red", 3, cameras, first_view=scene.views[0])  # nobody knows of what kind that is
    assert labels
    assert all(its == [2] for its in labels)
    (novel / "unet" / "labels.json").write_text(json.dumps(list(images.model_names[:3])))
    with pytest.raises(ValueError, match="does not know green/ball"):
        bundle(first, novel, out, {}, images.classes, images.depth_range)


def test_another_architecture_is_no_start(tmp_path):
    train(replace(CONFIG, steps=1), Discs(), tmp_path / "run")
    wider = replace(CONFIG, unet=UNET | {"block_out_channels": [16, 24]}, init_from=str(tmp_path / "run" / "unet"))
    with pytest.raises(ValueError, match=r"differs in \d+ tensors"):
        build_unet(wider, SIZE, 2)


def test_a_folder_with_another_run_is_left_alone(tmp_path):
    train(replace(CONFIG, steps=1), Discs(), tmp_path / "run")
    with pytest.raises(ValueError, match="another fold"):
        train(replace(CONFIG, fold=4), Discs(), tmp_path / "run")


def test_sample_n_is_always_the_same_and_labels_drop_out():
    samples = TrainingSamples(Discs(), Augmentation(seed=5, label_dropout=0.25))
    for n in (0, 17):
        np.testing.assert_array_equal(samples[n]["clean"], samples[n]["clean"])
    drawn = [samples[n] for n in range(400)]
    assert np.mean([s["label"] == 2 for s in drawn]) == pytest.approx(0.25, abs=0.08)
    assert drawn[0]["clean"].shape == (4, SIZE, SIZE)
    assert drawn[0]["clean"].dtype == np.float32
    assert all(np.abs(s["clean"]).max() <= 1 for s in drawn)


def test_first_views_can_stay_as_they_are_where_further_views_are_mirrored():
    settings = Augmentation(seed=3, pairs=PairSettings(), pair_share=0.5, flip_first_views=False)
    mirrored = TrainingSamples(Discs(), settings)
    turned = {True: 0, False: 0}
    for n in range(24):
        sample, rng = mirrored[n], np.random.default_rng((3, n))
        rgb, _, _ = mirrored.images[int(rng.integers(len(mirrored.images)))]
        same = np.array_equal(sample["clean"][:3].transpose(1, 2, 0), np.float32(rgb) / 255 * 2 - 1)
        turned[bool(sample["masks"].any())] += not same
    assert turned[True] > 0
    assert turned[False] == 0


def test_samples_with_a_condition_can_be_made_of_other_images(tmp_path):
    settings = Augmentation(seed=3, flip=False, label_dropout=0.0, pairs=PairSettings(), pair_share=0.5)

    class Black(Discs):
        def __getitem__(self, index):
            rgb, d, label = super().__getitem__(index)
            return rgb * 0, d, label

    samples, alone = TrainingSamples(Discs(), settings, Black()), TrainingSamples(Discs(), settings)
    for n in range(16):
        if samples[n]["masks"].any():
            assert samples[n]["clean"][:3].max() == -1
        else:
            np.testing.assert_array_equal(samples[n]["clean"], alone[n]["clean"])
    with pytest.raises(ValueError, match="of another size"):
        train(replace(CONFIG, network="novel_view"), Discs(), tmp_path, further=Discs(SIZE * 2))
    with pytest.raises(ValueError, match="no use for images"):
        train(CONFIG, Discs(), tmp_path, further=Discs())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ('{"network": "first_view", "unet": {}, "scheduler": {}, "noise_bias": 0}', "noise_bias must be positive"),
        ('{"network": "first_view", "unet": {}, "scheduler": {}, "labels": "colour"}', "class or kind"),
        ('{"network": "first_view", "unet": {}, "scheduler": {}, "loss": "l3"}', "loss must be l2 or l1"),
        ('{"network": "first_view", "unet": {}, "scheduler": {}, "sides": 0}', "sides must be at least 1"),
        ("[]", "JSON object"),
        ('{"network": "first_view", "unet": {}, "scheduler": {}, "depht": 1}', "depht"),
        ('{"network": "third_view", "unet": {}, "scheduler": {}}', "first_view, novel_view, refiner, upsampler"),
        ('{"network": "first_view"}', "not a training config"),
        ('{"network": "refiner", "unet": {}, "scheduler": {}}', "needs the networks it refines"),
    ],
)
def test_configs_that_are_none_are_refused(tmp_path, text, message):
    path = tmp_path / "config.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        TrainingConfig.read(path)


def test_three_runs_become_a_model(tmp_path):
    images = write_renders(tmp_path / "data")
    first, novel = tmp_path / "first", tmp_path / "novel"
    train(replace(CONFIG, steps=2), images, first)
    train(replace(CONFIG, steps=2, network="novel_view", init_from=str(first / "unet")), images, novel)
    refiner = tmp_path / "refiner"
    train(
        replace(CONFIG, steps=2, network="refiner", refines=(str(first / "unet"), str(novel / "unet"))), images, refiner
    )
    arguments = ["--data", str(images.folder), "--refiner", str(refiner), "--out", str(tmp_path / "discs")]
    (tmp_path / "discs").mkdir()
    (tmp_path / "discs" / "README.md").write_text("the card")
    assert main(["bundle", "configs/models/lowpoly.json", str(first), str(novel), *arguments]) == 0
    pipeline = load_pipeline(tmp_path / "discs")
    assert (pipeline.size, pipeline.class_names, pipeline.depth_range) == (SIZE, ["red", "green"], (0.5, 4.0))
    assert pipeline.refiner_unet.config["in_channels"] == 14 * CONFIG.fold**2
    scene = pipeline("red", 1, "random")
    assert (
        scene.views[1].edge_threshold == json.loads(Path("configs/models/lowpoly.json").read_text())["edge_threshold"]
    )
    assert (tmp_path / "discs" / "README.md").read_text() == "the card"
    assert main(["bundle", "configs/models/lowpoly.json", str(novel), str(first), *arguments]) == 2


def test_photographs_become_a_model_with_an_upsampler(tmp_path):
    rng, data = np.random.default_rng(0), tmp_path / "data"
    for kind in ("images", "depths"):
        (data / kind / "cat").mkdir(parents=True)
    for name in range(4):
        Image.fromarray(rng.integers(0, 256, (70, 80, 3), np.uint8)).save(data / "images" / "cat" / f"{name}.png")
        np.savez(data / "depths" / "cat" / f"{name}.npz", rng.uniform(1000, 9000, (70, 80)).astype(np.float16))
    runs = {}
    for network, size in (("first_view", SIZE), ("novel_view", SIZE), ("upsampler", 2 * SIZE)):
        config = tmp_path / f"{network}.json"
        config.write_text(json.dumps(asdict(replace(CONFIG, network=network, steps=2, log_every=1))))
        runs[network] = str(tmp_path / network)
        arguments = ["--data", str(data), "--out", runs[network], "--size", str(size)]
        assert main(["train", str(config), *arguments]) == 0
    bundled = ["bundle", "configs/models/imagenet128.json", runs["first_view"], runs["novel_view"], "--data", str(data)]
    out = tmp_path / "cats"
    assert main([*bundled, "--upsampler", runs["novel_view"], "--out", str(out)]) == 2
    assert main([*bundled, "--upsampler", runs["upsampler"], "--out", str(out)]) == 0
    pipeline = load_pipeline(out)
    assert (pipeline.size, pipeline.class_names, pipeline.depth_range) == (SIZE, ["cat"], (0.6, 5.0))
    assert pipeline.sampling().first_sampler == "ddpm"
    scene = pipeline("cat", 1, "uncond", first_steps=2)
    assert upsampled(pipeline, scene, novel_steps=2).size == 2 * SIZE


@pytest.mark.parametrize("path", sorted(Path("configs").glob("*.json")), ids=lambda p: p.stem)
def test_the_configs_here_can_be_read(path):
    config = TrainingConfig.read(path)
    assert config.steps > 0
