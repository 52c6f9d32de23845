"""Photographs: estimating disparity, the data folder, and reading it as training images."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ivid.data import photos
from ivid.data.photo_dataset import PhotoDataset, is_photo_dataset
from ivid.data.photos import DisparityEstimator, prepare_photos
from ivid.scene.depth import STORED_DISPARITY_UNIT

SIZE = 32


@pytest.fixture(scope="module")
def estimators(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Tiny random depth estimators of the two known kinds, saved the way transformers saves them."""
    from transformers import (
        BeitConfig,
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        Dinov2Config,
        DPTConfig,
        DPTForDepthEstimation,
    )
    from transformers.models.dpt.image_processing_pil_dpt import DPTImageProcessorPil

    stages = {"neck_hidden_sizes": [8] * 4, "fusion_hidden_size": 8}
    body = {"hidden_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2, "intermediate_size": 32}

    def saved(kind: str, **settings: object) -> Path:
        folder = tmp_path_factory.mktemp(kind)
        torch.manual_seed(0)
        if kind == "dpt":
            patch = 16
            backbone = BeitConfig(
                **body,
                image_size=64,
                patch_size=patch,
                out_features=[f"stage{n}" for n in range(1, 5)],
                reshape_hidden_states=False,
                use_relative_position_bias=True,
            )
            config = DPTConfig(backbone_config=backbone, reassemble_factors=[4, 2, 1, 0.5], **stages)
            model = DPTForDepthEstimation(config)
            last, typical, spread = model.head.head[-2], 4000.0, 1000.0  # MiDaS disparities are thousands
        else:
            patch = 14
            backbone = Dinov2Config(
                **body,
                image_size=56,
                patch_size=patch,
                out_features=[f"stage{n}" for n in range(1, 5)],
                reshape_hidden_states=False,
                apply_layernorm=True,
            )
            config = DepthAnythingConfig(
                backbone_config=backbone, patch_size=patch, reassemble_hidden_size=16, head_hidden_size=8, **stages
            )
            config.update(settings)
            model = DepthAnythingForDepthEstimation(config)
            last, typical, spread = model.head.conv3, 0.5, 0.1
        for name, parameter in model.named_parameters():  # as initialised, the output hardly depends on the picture
            if not name.startswith("backbone") and parameter.ndim > 1:
                torch.nn.init.kaiming_normal_(parameter)
        with torch.no_grad():
            last.bias.zero_()
            last.weight.abs_()
            raw = model(torch.randn(1, 3, 4 * patch, 4 * patch)).predicted_depth
            last.weight.mul_(spread / raw.std())
            last.bias.fill_(typical - spread)
        model.save_pretrained(folder)
        side = 4 * patch
        processor = DPTImageProcessorPil(
            size={"height": side, "width": side}, keep_aspect_ratio=True, ensure_multiple_of=2 * patch
        )
        processor.save_pretrained(folder)
        return folder

    return saved


@pytest.fixture(scope="module")
def midas(estimators: Callable[..., Path]) -> DisparityEstimator:
    return DisparityEstimator(str(estimators("dpt")), "cpu")


def picture(seed: int, width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A smooth random picture, so that JPEG keeps it."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (4, 5, len(mode)), np.uint8)
    return Image.fromarray(small.squeeze(), mode).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture
def by_class(tmp_path: Path) -> Path:
    """A folder of photographs of two classes, of all kinds, three of them unusable."""
    folder = tmp_path / "photos"
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
    picture(0, 80, 60).save(folder / "cat" / "plain.jpg", quality=90)
    picture(1, 60, 80).save(folder / "cat" / "upright.png")
    sideways = picture(2, 90, 60)
    exif = sideways.getexif()
    exif[0x0112] = 6  # the camera was held sideways
    sideways.save(folder / "cat" / "sideways.jpg", exif=exif, quality=95)
    picture(3, 64, 64, "L").save(folder / "dog" / "grey.png")
    picture(4, 64, 48).convert("CMYK").save(folder / "dog" / "print.jpg")
    picture(5, 70, 50).save(folder / "dog" / "same.jpg")
    picture(6, 70, 50).save(folder / "dog" / "same.png")
    (folder / "dog" / "text.jpg").write_text("not a picture")
    (folder / "dog" / "cut.jpg").write_bytes((folder / "cat" / "plain.jpg").read_bytes()[:700])
    (folder / "dog" / "notes.txt").write_text("not a photograph either")
    return folder


class TestPreparing:
    def test_a_folder_with_classes(self, by_class: Path, tmp_path: Path, midas: DisparityEstimator) -> None:
        out = tmp_path / "data"
        report = prepare_photos(by_class, out, midas, batch_size=2)
        assert (report.prepared, report.found_done) == (6, 0)
        assert [path.name for path, _ in report.skipped] == ["cut.jpg", "same.png", "text.jpg"]
        assert "same name as same.jpg" in report.skipped[1][1]
        assert sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()) == [
            "dataset.json",
            *(f"depths/cat/{name}.npz" for name in ("plain", "sideways", "upright")),
            *(f"depths/dog/{name}.npz" for name in ("grey", "print", "same")),
            *(f"images/cat/{name}.JPEG" for name in ("plain", "sideways", "upright")),
            *(f"images/dog/{name}.JPEG" for name in ("grey", "print", "same")),
        ]
        for depth in out.rglob("*.npz"):
            with np.load(depth) as archive:
                assert archive.files == ["arr_0"]
                disparity = archive["arr_0"]
            with Image.open(out / "images" / depth.relative_to(out / "depths").with_suffix(".JPEG")) as image:
                assert image.format == "JPEG"
                assert image.getexif().get(0x0112, 1) == 1
                assert disparity.shape == (image.height, image.width)
            assert disparity.dtype == np.float16
            assert np.ptp(disparity) > 100
            assert 0 <= disparity.min() <= disparity.max() < 65504
        copied = (out / "images" / "cat" / "plain.JPEG").read_bytes()
        assert copied == (by_class / "cat" / "plain.jpg").read_bytes()
        with Image.open(out / "images" / "cat" / "sideways.JPEG") as turned:
            assert turned.size == (60, 90)
            expected = picture(2, 90, 60).rotate(-90, expand=True)
            assert np.abs(np.asarray(turned, float) - np.asarray(expected, float)).mean() < 4

    def test_the_disparity_does_not_depend_on_the_batch(
        self, by_class: Path, tmp_path: Path, midas: DisparityEstimator
    ) -> None:
        """What is stored is what the library's own depth pipeline says of each picture alone."""
        from transformers import pipeline

        prepare_photos(by_class, tmp_path / "data", midas, batch_size=3)
        alone = pipeline("depth-estimation", model=midas._model, image_processor=midas._processor, device="cpu")
        for path in sorted(by_class.glob("cat/*")):
            with np.load(tmp_path / "data" / "depths" / "cat" / f"{path.stem}.npz") as archive:
                stored = archive["arr_0"].astype(np.float32)
            expected = alone(photos.upright(path))["predicted_depth"].numpy()
            np.testing.assert_allclose(stored, np.maximum(expected, 0), rtol=2e-3)

    def test_interrupted_runs_go_on(self, by_class: Path, tmp_path: Path, midas: DisparityEstimator) -> None:
        out = tmp_path / "data"
        prepare_photos(by_class, out, midas)
        (out / "depths" / "cat" / "plain.npz").unlink()
        (out / "images" / "dog" / "grey.JPEG").unlink()
        kept = out / "depths" / "dog" / "same.npz"
        before = kept.stat().st_mtime_ns
        report = prepare_photos(by_class, out, midas)
        assert (report.prepared, report.found_done) == (2, 4)
        assert kept.stat().st_mtime_ns == before
        for path, _ in report.skipped:
            path.unlink()
        report = prepare_photos(by_class, out, "an estimator that is not loaded, because nothing is left to do")
        assert (report.prepared, report.found_done, report.skipped) == (0, 6, [])

    def test_without_classes_and_in_place(self, tmp_path: Path, midas: DisparityEstimator) -> None:
        images = tmp_path / "data" / "images"
        images.mkdir(parents=True)
        picture(0, 50, 40).save(images / "a.webp")
        picture(1, 40, 50).save(images / "b.v2.png")
        report = prepare_photos(images, tmp_path / "data", midas)
        assert report.prepared == 2
        assert sorted(path.name for path in images.iterdir()) == ["a.webp", "b.v2.png"]
        data = PhotoDataset(tmp_path / "data", SIZE)
        assert (len(data), data.classes, data[1][2]) == (2, [], 0)
        assert "labels" not in json.loads((tmp_path / "data" / "dataset.json").read_text())

    def test_depth_anything_is_scaled_to_the_near_plane(
        self, by_class: Path, tmp_path: Path, estimators: Callable[..., Path]
    ) -> None:
        prepare_photos(by_class, tmp_path / "data", str(estimators("depth_anything")), device="cpu")
        for path in (tmp_path / "data" / "depths").rglob("*.npz"):
            with np.load(path) as archive:
                assert archive["arr_0"].max() == pytest.approx(2 * STORED_DISPARITY_UNIT, rel=1e-3)

    def test_metric_depth_is_inverted(self, estimators: Callable[..., Path]) -> None:
        folder = estimators("depth_anything", depth_estimation_type="metric", max_depth=20)
        estimator = DisparityEstimator(str(folder), "cpu")
        tensor = estimator.network_input(picture(0, 64, 48))
        (disparity,) = estimator.disparities([tensor], [(48, 64)])
        with torch.no_grad():
            metres = estimator._model(tensor[None]).predicted_depth
        assert 0 < metres.min() < metres.max() <= 20
        nearest, farthest = STORED_DISPARITY_UNIT / float(metres.min()), STORED_DISPARITY_UNIT / float(metres.max())
        assert disparity.max() == pytest.approx(nearest, rel=0.05)
        assert disparity.min() == pytest.approx(farthest, rel=0.05)

    def test_estimators_stored_in_half_precision_work(self, estimators: Callable[..., Path], tmp_path: Path) -> None:
        from transformers import AutoImageProcessor, AutoModelForDepthEstimation

        whole, halved = estimators("dpt"), tmp_path / "halved"
        AutoModelForDepthEstimation.from_pretrained(whole).half().save_pretrained(halved)
        AutoImageProcessor.from_pretrained(whole).save_pretrained(halved)
        found = []
        for folder in (whole, halved):
            estimator = DisparityEstimator(str(folder), "cpu")
            found += estimator.disparities([estimator.network_input(picture(0, 64, 48))], [(48, 64)])
        np.testing.assert_allclose(found[0], found[1], rtol=0.02)

    def test_pictures_are_not_kept_in_memory(
        self, tmp_path: Path, midas: DisparityEstimator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Photographs of a camera are a hundred times larger than what the network sees of them."""
        import gc
        import weakref

        folder, decoded, most = tmp_path / "photos", [], 0
        folder.mkdir()
        for index in range(12):
            picture(index, 64, 64).save(folder / f"{index}.jpg")
        original = photos.upright

        def watched(path: Path) -> Image.Image:
            nonlocal most
            image = original(path)
            decoded.append(weakref.ref(image))
            gc.collect()
            most = max(most, sum(each() is not None for each in decoded))
            return image

        monkeypatch.setattr(photos, "upright", watched)
        prepare_photos(folder, tmp_path / "data", midas, batch_size=12, workers=2)
        assert most <= 4

    def test_bad_input_is_one_sentence(self, by_class: Path, tmp_path: Path, midas: DisparityEstimator) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(ValueError, match="there is no folder"):
            prepare_photos(tmp_path / "absent", tmp_path / "data", midas)
        with pytest.raises(ValueError, match="no photographs in"):
            prepare_photos(tmp_path / "empty", tmp_path / "data", midas)
        with pytest.raises(ValueError, match="must not lie inside"):
            prepare_photos(by_class, by_class / "data", midas)
        with pytest.raises(ValueError, match="could not be loaded") as caught:
            prepare_photos(by_class, tmp_path / "data", str(tmp_path / "empty"))
        assert "\n" not in str(caught.value)
        picture(0, 50, 40).save(by_class / "stray.jpg")
        with pytest.raises(ValueError, match="all in one folder per class"):
            prepare_photos(by_class, tmp_path / "data", midas)
        broken = tmp_path / "broken"
        broken.mkdir()
        (broken / "a.jpg").write_text("no")
        with pytest.raises(ValueError, match="none of the 1 photographs"):
            prepare_photos(broken, tmp_path / "data", midas)


class TestReading:
    @pytest.fixture
    def published(self, tmp_path: Path) -> Path:
        """A data folder in the published layout, without dataset.json."""
        rng = np.random.default_rng(0)
        for label, name in enumerate(("n01440764", "n02123045")):
            (tmp_path / "images" / name).mkdir(parents=True)
            (tmp_path / "depths" / name).mkdir(parents=True)
            for index, (width, height) in enumerate(((50, 40), (33, 71), (SIZE, SIZE))):
                picture(10 * label + index, width, height).save(tmp_path / "images" / name / f"{index}.JPEG")
                disparity = rng.uniform(10, 30_000 if index else 9_000, (height, width)).astype(np.float16)
                np.savez(tmp_path / "depths" / name / f"{index}.npz", disparity)
        return tmp_path

    def test_pictures_and_depths(self, published: Path) -> None:
        data = PhotoDataset(published, SIZE)
        assert data.classes == ["n01440764", "n02123045"]
        assert data.depth_range == (0.5, 100.0)
        assert [data[i][2] for i in range(6)] == [0, 0, 0, 1, 1, 1]
        for item in range(6):
            rgb, d, _ = data[item]
            image_path, depth_path = data.index.images[item], data.index.depths[item]
            with Image.open(published / image_path) as image:
                whole = image.convert("RGB")
            with np.load(published / depth_path) as archive:
                disparity = archive["arr_0"].astype(np.float64)
            expected_rgb, expected_d = slow_item(whole, disparity)
            np.testing.assert_array_equal(rgb, expected_rgb)
            np.testing.assert_allclose(d, expected_d, atol=1e-6)
            assert (rgb.dtype, d.dtype, d.shape) == (np.uint8, np.float32, (SIZE, SIZE))

    def test_the_index_is_made_once_and_kept(self, published: Path) -> None:
        assert is_photo_dataset(published)
        (published / "depths" / "n01440764" / "1.npz").unlink()  # a picture that has no disparity is left out
        first = PhotoDataset(published, SIZE)
        index = json.loads((published / "dataset.json").read_text())
        assert index["labels"] == {"n01440764": 0, "n02123045": 1}
        assert index["images"][1] == "images/n01440764/2.JPEG"
        assert index["depths"][1] == "depths/n01440764/2.npz"
        index["labels"] = {"n01440764": 1, "n02123045": 0}  # one's own is believed
        (published / "dataset.json").write_text(json.dumps(index))
        second = PhotoDataset(published, SIZE)
        assert second.classes == ["n02123045", "n01440764"]
        assert [second[0][2], first[0][2]] == [1, 0]

    def test_it_trains(self, published: Path) -> None:
        from ivid.data.training_set import Augmentation, TrainingSamples

        sample = TrainingSamples(PhotoDataset(published, SIZE), Augmentation())[3]
        assert sample["clean"].shape == (4, SIZE, SIZE)
        assert np.abs(sample["clean"]).max() <= 1
        assert sample["label"] in (0, 1, 2)

    def test_damage_is_named(self, published: Path, tmp_path: Path) -> None:
        data = PhotoDataset(published, SIZE)
        (published / "images" / "n01440764" / "0.JPEG").write_text("no")
        (published / "depths" / "n01440764" / "1.npz").write_text("no")
        np.savez(published / "depths" / "n01440764" / "2.npz", np.full((4, 4), np.inf, np.float16))
        with pytest.raises(ValueError, match=r"images/n01440764/0\.JPEG is no readable picture"):
            data[0]
        with pytest.raises(ValueError, match=r"depths/n01440764/1\.npz is no readable disparity"):
            data[1]
        with pytest.raises(ValueError, match=r"depths/n01440764/2\.npz must hold finite"):
            data[2]
        good = json.loads((published / "dataset.json").read_text())
        for change in (
            {"images": good["images"][:-1]},
            {"images": ["../../etc/passwd.JPEG", *good["images"][1:]]},
            {"labels": {"n01440764": 0}},
            {"labels": {"n01440764": 0, "n02123045": 7}},
            {"depths": None},
        ):
            (published / "dataset.json").write_text(json.dumps(good | change))
            with pytest.raises(ValueError, match=r"dataset\.json is damaged"):
                PhotoDataset(published, SIZE)
        (published / "dataset.json").write_text("{")
        with pytest.raises(ValueError, match=r"dataset\.json is damaged"):
            PhotoDataset(published, SIZE)
        with pytest.raises(ValueError, match="needs the folders images and depths"):
            PhotoDataset(tmp_path / "images", SIZE)


def slow_item(whole: Image.Image, disparity: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The crop and the codec of method §3 and §11, pixel by pixel."""
    scaled = disparity / 6250
    if scaled.max() > 2:
        scaled = scaled / scaled.max() * 2
    scaled = np.maximum(scaled, 1e-3)
    d = np.clip((scaled - 2) / (0.01 - 2), 0, 1)
    ratio = SIZE / min(whole.size)
    width, height = int(whole.width * ratio + 1e-9), int(whole.height * ratio + 1e-9)
    left, top = int(np.rint((width - SIZE) / 2)), int(np.rint((height - SIZE) / 2))
    rgb = np.asarray(whole.resize((width, height), Image.Resampling.LANCZOS))[top : top + SIZE, left : left + SIZE]
    rows = [int((row + top + 0.5) * whole.height / height) for row in range(SIZE)]
    columns = [int((column + left + 0.5) * whole.width / width) for column in range(SIZE)]
    return rgb, np.array([[d[row, column] for column in columns] for row in rows])


def test_nothing_is_logged_as_a_warning(by_class: Path, tmp_path: Path, midas: DisparityEstimator) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepare_photos(by_class, tmp_path / "data", midas)
