"""Distances between sets of features, geometry of scenes, folders of pictures, and the classifier."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import linalg

from ivid.evaluation import classifier as naming
from ivid.evaluation import (
    evaluate_images,
    fid,
    ground_plane_fit,
    inception_score,
    mmd,
    nearest_neighbours,
    neighbouring_views,
    non_flatness,
    reprojection_consistency,
)
from ivid.evaluation import images as folders
from ivid.scene.cameras import Camera, view_set
from ivid.scene.scene import Scene
from ivid.scene.view import View
from tests.support.synthetic import DEPTH_RANGE, WORLD_TO_STAGE, synthetic_view


def two_sets(dimensions: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(dimensions, dimensions))
    return rng.normal(size=(150, dimensions)), rng.normal(0.3, 1.2, (170, dimensions)) @ mixing


class TestDistances:
    def test_fid_is_the_formula(self) -> None:
        a, b = two_sets()
        root = linalg.sqrtm(np.cov(a, rowvar=False) @ np.cov(b, rowvar=False)).real
        expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(np.cov(a, rowvar=False) + np.cov(b, rowvar=False))
        assert fid(a, b) == pytest.approx(expected - 2 * np.trace(root), rel=1e-6)
        assert fid(a, a) == pytest.approx(0, abs=1e-8)

    def test_kid_is_the_formula(self) -> None:
        a, b = two_sets()
        b = b[: len(a)]

        def kernel(x: np.ndarray, y: np.ndarray) -> float:
            return (x @ y / len(x) + 1) ** 3

        n = len(a)
        within = sum(kernel(s[i], s[j]) for s in (a, b) for i in range(n) for j in range(n) if i != j)
        across = sum(kernel(x, y) for x in a for y in b)
        mean, deviation = mmd(a, b)
        assert mean == pytest.approx(within / (n * (n - 1)) - 2 * across / n**2, rel=1e-6)
        assert deviation == 0

    def test_kid_of_subsets_repeats_and_leaves_other_random_numbers_alone(self) -> None:
        a, b = two_sets()
        torch.manual_seed(5)
        expected = torch.rand(1)
        torch.manual_seed(5)
        first = mmd(a, b, subsets=20, subset_size=50)
        assert torch.equal(torch.rand(1), expected)
        assert first == mmd(a, b, subsets=20, subset_size=50)
        assert first[1] > 0
        assert first[0] == pytest.approx(mmd(a, b[:150])[0], rel=0.3)

    def test_inception_score_is_the_formula(self) -> None:
        rng = np.random.default_rng(0)
        p = rng.dirichlet([0.3] * 7, 90)
        p[0] = np.eye(7)[3]  # a class that is certain
        q = np.maximum(p, 1e-30)
        expected = math.exp(np.mean([(row * np.log(row / q.mean(0))).sum() for row in q]))
        assert inception_score(p, splits=1) == (pytest.approx(expected, rel=1e-5), 0)
        mean, deviation = inception_score(p, splits=3)
        assert mean == pytest.approx(expected, rel=0.15)
        assert deviation > 0
        assert inception_score(np.eye(5).repeat(8, 0), splits=1)[0] == pytest.approx(5)

    def test_nearest_neighbours(self) -> None:
        a, b = two_sets()
        indices, distances = nearest_neighbours(a, b)
        table = np.linalg.norm(a[:, None] - b[None], axis=-1)
        np.testing.assert_array_equal(indices, table.argmin(1))
        np.testing.assert_allclose(distances, table.min(1))

    def test_bad_input(self) -> None:
        a, b = two_sets()
        with pytest.raises(ValueError, match=r"got \(150, 6\) and \(170, 5\)"):
            fid(a, b[:, :5])
        with pytest.raises(ValueError, match="at least 2 samples"):
            mmd(a[:1], b)
        with pytest.raises(ValueError, match="finite"):
            fid(a, b * np.nan)
        with pytest.raises(ValueError, match="sum to 1"):
            inception_score(np.ones((20, 3)))
        with pytest.raises(ValueError, match="as many samples"):
            inception_score(np.ones((5, 1)))


class TestNonFlatness:
    def test_flat_and_even_depths(self) -> None:
        assert non_flatness([np.full((8, 8), 2.0)], (0.6, 5.0)) == pytest.approx(1)
        even = np.linspace(0.6, 5.0, 64 * 64, endpoint=False).reshape(64, 64)
        assert non_flatness([even], (0.6, 5.0)) == pytest.approx(64)
        assert non_flatness([even, np.full((8, 8), 9.0)], (0.6, 5.0)) == pytest.approx(32.5)  # clamped to the far plane

    def test_it_is_the_formula(self) -> None:
        depth = np.random.default_rng(0).gamma(2, 0.8, (32, 32))
        counts = [0] * 64
        for z in depth.ravel():
            counts[min(63, int((min(max(z, 0.6), 5.0) - 0.6) / 4.4 * 64))] += 1
        entropy = -sum(n / 1024 * math.log(n / 1024) for n in counts if n)
        assert non_flatness([depth], (0.6, 5.0)) == pytest.approx(math.exp(entropy), rel=1e-9)
        with pytest.raises(ValueError, match="at least one"):
            non_flatness([], (0.6, 5.0))


@pytest.fixture(scope="module")
def scene() -> Scene:
    """Three neighbouring views of a scene of exact geometry."""
    cameras = [Camera.orbit(yaw, pitch) for yaw, pitch in ((0, 0), (0.15, 0), (0, 0.15))]
    return Scene([synthetic_view(camera, 64) for camera in cameras], depth_range=DEPTH_RANGE)


class TestConsistency:
    def with_view(self, scene: Scene, rgb: np.ndarray | None = None, depth: np.ndarray | None = None) -> Scene:
        """The scene with its second view changed."""
        old = scene.views[1]
        new = View(old.rgb if rgb is None else rgb, old.depth if depth is None else depth, old.camera)
        return Scene([scene.views[0], new, *scene.views[2:]], depth_range=DEPTH_RANGE)

    def test_neighbours_on_the_grid(self) -> None:
        cameras = view_set("3x9")
        pairs = neighbouring_views(cameras)
        places = {
            (
                round(math.asin(c.position[0] / math.cos(math.asin(c.position[1]))) / 0.15),
                round(math.asin(c.position[1]) / 0.15),
            ): i
            for i, c in enumerate(cameras)
        }
        expected = {
            (i, places[yaw + a, pitch + b])
            for (yaw, pitch), i in places.items()
            for a, b in ((1, 0), (-1, 0), (0, 1), (0, -1))
            if (yaw + a, pitch + b) in places
        }
        assert set(pairs) == expected
        assert len(pairs) == len(expected)
        assert neighbouring_views(cameras[:1]) == []

    def test_true_views_agree(self, scene: Scene) -> None:
        found = reprojection_consistency(scene)
        assert found.psnr_db > 25
        assert found.depth_error < 0.01
        assert 0.5 < found.shared < 1

    def test_disagreement_shows(self, scene: Scene) -> None:
        true = reprojection_consistency(scene)
        shifted = np.roll(scene.views[1].rgb, 3, axis=1)
        assert reprojection_consistency(self.with_view(scene, rgb=shifted)).psnr_db < true.psnr_db - 2
        nearer = np.clip(scene.views[1].depth * 0.9, *DEPTH_RANGE)
        assert reprojection_consistency(self.with_view(scene, depth=nearer)).depth_error > true.depth_error + 0.02
        farther = np.clip(scene.views[1].depth * 1.3, *DEPTH_RANGE)
        assert reprojection_consistency(self.with_view(scene, depth=farther)).depth_error > true.depth_error + 0.02

    def test_the_figures_are_those_of_known_noise(self, scene: Scene) -> None:
        """Planes of one grey each, facing the first camera: both figures can be told without rendering."""
        camera = Camera.orbit(0, 0)
        views = [
            View(np.full((32, 32, 3), grey, np.uint8), np.full((32, 32), depth, np.float32), camera)
            for grey, depth in ((100, 2.0), (120, 1.9))
        ]
        found = reprojection_consistency(Scene(views, depth_range=DEPTH_RANGE), pairs=[(0, 1)])
        assert found.psnr_db == pytest.approx(-20 * math.log10(20 / 255), abs=1e-3)
        assert found.depth_error == pytest.approx(0.05, abs=1e-4)
        assert found.shared > 0.85
        same = reprojection_consistency(Scene([views[0]] * 2, depth_range=DEPTH_RANGE), pairs=[(0, 1)])
        assert same.psnr_db == math.inf
        assert same.depth_error < 1e-6

    def test_what_is_hidden_does_not_count(self) -> None:
        """Seen from the side a wall hides the ground behind it; that is no disagreement."""
        pair = [synthetic_view(Camera.orbit(yaw, 0), 64) for yaw in (0, 0.6)]
        found = reprojection_consistency(Scene(pair, depth_range=DEPTH_RANGE))
        assert found.depth_error < 0.02
        assert found.shared > 0.3

    def test_one_view_is_not_enough(self, scene: Scene) -> None:
        with pytest.raises(ValueError, match="at least two"):
            reprojection_consistency(Scene(scene.views[:1], depth_range=DEPTH_RANGE))


class TestGround:
    def test_the_true_ground_is_found(self) -> None:
        for camera in (Camera.orbit(0, 0), Camera.orbit(0.45, -0.1)):
            view = synthetic_view(camera, 64)
            plane = ground_plane_fit(view, DEPTH_RANGE)
            np.testing.assert_allclose(plane.normal, WORLD_TO_STAGE[1], atol=1e-3)
            assert plane.error < 1e-3
            assert plane.pixels > 300

    def test_the_error_is_the_noise(self) -> None:
        view = synthetic_view(Camera.orbit(0, 0), 64)
        rng = np.random.default_rng(0)
        below = view.camera.unproject(view.depth)
        noise = 0.03 * rng.standard_normal(view.depth.shape)
        rays = (below - view.camera.position) / view.depth[..., None]
        along_normal = rays @ WORLD_TO_STAGE[1]
        depth = np.clip(view.depth + noise / along_normal, 0.3, 4.94).astype(np.float32)
        noisy = View(view.rgb, np.where(view.depth < 4.9, depth, view.depth), view.camera)
        error = ground_plane_fit(noisy, DEPTH_RANGE).error * np.ptp(noisy.depth[noisy.depth < 4.95])
        assert 0.6 * 0.03 < error < 1.05 * 0.03  # the farthest 5 % are left out

    def test_a_curved_ground_is_told(self) -> None:
        view = synthetic_view(Camera.orbit(0, 0), 64)
        columns = np.linspace(-1, 1, 64)
        bent = View(view.rgb, (view.depth * (1 + 0.4 * columns**2)).clip(*DEPTH_RANGE).astype(np.float32), view.camera)
        assert ground_plane_fit(bent, DEPTH_RANGE).error > 10 * ground_plane_fit(view, DEPTH_RANGE).error

    def test_without_ground(self) -> None:
        sky = View(np.zeros((32, 32, 3), np.uint8), np.full((32, 32), 5.0, np.float32), Camera.orbit(0, 0))
        with pytest.raises(ValueError, match="only 0 pixels"):
            ground_plane_fit(sky, DEPTH_RANGE)


class FeatureNetwork(torch.nn.Module):
    """Block means of a picture, and class probabilities from them, behind the interface of the Inception file."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.output = torch.nn.Linear(12, 5)

    def forward(
        self, img: torch.Tensor, return_features: bool = False, use_fp16: bool = False, no_output_bias: bool = False
    ) -> torch.Tensor:
        values = torch.nn.functional.adaptive_avg_pool2d(img.float() / 255, [2, 2]).flatten(1)
        if return_features:
            return values
        logits = values @ self.output.weight.T * 20
        if not no_output_bias:
            logits = logits + 1000
        return logits.softmax(1)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "small.pt"
    torch.jit.script(FeatureNetwork()).save(str(path))
    return path


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Real pictures of several shapes in folders, and square generated ones."""
    monkeypatch.setenv("IVID_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    real, fake = tmp_path / "real", tmp_path / "fake"
    for index in range(40):
        (real / f"c{index % 3}").mkdir(parents=True, exist_ok=True)
        height, width = 24 + index % 5, 20 + index % 7
        array = rng.integers(0, 256, (3, 3, 3), np.uint8)
        Image.fromarray(array).resize((width, height)).save(real / f"c{index % 3}" / f"{index}.png")
    fake.mkdir()
    for index in range(30):
        array = rng.integers(0, 200, (3, 3, 3), np.uint8)
        Image.fromarray(array).resize((16, 16)).save(fake / f"{index}.png")
    return real, fake


class TestFolders:
    def test_the_scores_are_those_of_the_features(self, pictures: tuple[Path, Path], network: Path) -> None:
        scores = evaluate_images(*pictures, network=network, batch_size=7, device="cpu")
        model = FeatureNetwork()

        def evaluated(folder: Path, **how: bool) -> np.ndarray:
            rows = []
            for path in sorted(folder.rglob("*.png")):
                with Image.open(path) as image:
                    side = min(image.size)
                    left, top = (image.width - side) // 2, (image.height - side) // 2
                    square = image.crop((left, top, left + side, top + side)).resize((16, 16), Image.Resampling.LANCZOS)
                tensor = torch.from_numpy(np.array(square)).permute(2, 0, 1)[None]
                with torch.no_grad():
                    rows.append(model(tensor, **how).numpy()[0])
            return np.array(rows)

        real, fake = (evaluated(folder, return_features=True) for folder in pictures)
        assert scores.fid == pytest.approx(fid(real, fake), rel=1e-4)
        assert (scores.kid, scores.kid_deviation) == pytest.approx(mmd(real, fake), rel=1e-4)
        expected = inception_score(evaluated(pictures[1], no_output_bias=True))
        assert (scores.inception_score, scores.inception_score_deviation) == pytest.approx(expected, rel=1e-4)
        assert (scores.real_pictures, scores.fake_pictures) == (40, 30)
        assert "FID" in str(scores)

    def test_pictures_that_are_being_written_do_not_count(self, tmp_path: Path) -> None:
        for name in ("one.png", "two.png", ".three-half.png"):
            Image.new("RGB", (8, 8)).save(tmp_path / name)
        assert [path.name for path in folders.pictures_in(tmp_path)] == ["one.png", "two.png"]

    def test_features_are_kept_until_a_picture_changes(
        self, pictures: tuple[Path, Path], network: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        read = []
        original = folders.square

        def counted(path: Path, side: int) -> np.ndarray:
            read.append(path.parent.name)
            return original(path, side)

        monkeypatch.setattr(folders, "square", counted)
        first = evaluate_images(*pictures, network=network, device="cpu")
        assert len(read) == 40 + 2 * 30
        read.clear()
        assert evaluate_images(*pictures, network=network, device="cpu") == first
        assert read == []
        Image.new("RGB", (16, 16), "red").save(pictures[1] / "3.png")
        assert evaluate_images(*pictures, network=network, device="cpu") != first
        assert read == ["fake"] * 60

    def test_a_missing_network_says_which_file_to_put_where(
        self, pictures: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def offline(url: str, _: str) -> None:
            raise URLError("no network")

        monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
        with pytest.raises(ValueError, match="could not be downloaded") as caught:
            evaluate_images(*pictures)
        assert str(tmp_path / "cache" / "inception-2015-12-05.pt") in str(caught.value)
        assert "https://" in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_the_network_is_downloaded_once(
        self, pictures: tuple[Path, Path], network: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        downloads = []

        def served(url: str, destination: str) -> None:
            downloads.append(url)
            Path(destination).write_bytes(network.read_bytes())

        monkeypatch.setattr(torch.hub, "download_url_to_file", served)
        first = evaluate_images(*pictures, device="cpu")
        assert evaluate_images(*pictures, device="cpu") == first
        assert len(downloads) == 1

    def test_bad_input(self, pictures: tuple[Path, Path], network: Path, tmp_path: Path) -> None:
        real, fake = pictures
        with pytest.raises(ValueError, match="there is no feature network"):
            evaluate_images(real, fake, network=tmp_path / "absent.pt")
        (tmp_path / "text.pt").write_text("no")
        with pytest.raises(ValueError, match="no TorchScript network"):
            evaluate_images(real, fake, network=tmp_path / "text.pt")
        torch.jit.script(torch.nn.Flatten()).save(str(tmp_path / "flatten.pt"))
        with pytest.raises(ValueError, match="takes no return_features"):
            evaluate_images(real, fake, network=tmp_path / "flatten.pt")
        with pytest.raises(ValueError, match="there is no folder"):
            evaluate_images(tmp_path / "absent", fake, network=network)
        (tmp_path / "none").mkdir()
        with pytest.raises(ValueError, match="has 0 pictures"):
            evaluate_images(real, tmp_path / "none", network=network)
        Image.new("RGB", (20, 20)).save(fake / "odd.png")
        with pytest.raises(ValueError, match="must be of one size"):
            evaluate_images(real, fake, network=network)
        Image.new("RGB", (20, 16)).save(fake / "odd.png")
        with pytest.raises(ValueError, match="must be square"):
            evaluate_images(real, fake, network=network)
        (fake / "odd.png").write_text("no")
        with pytest.raises(ValueError, match="no readable picture"):
            evaluate_images(real, fake, network=network)


def shapes(count: int, seed: int) -> SimpleNamespace:
    """Discs, bars and crosses in any colour and place."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    rows, columns = np.mgrid[:32, :32]
    rgb = np.empty((count, 32, 32, 3), np.uint8)
    for index, label in enumerate(labels):
        y, x = np.abs(rows - rng.integers(10, 22)), np.abs(columns - rng.integers(10, 22))
        inside = (y**2 + x**2 < 36, (y < 8) & (x < 3), ((y < 8) & (x < 2)) | ((x < 8) & (y < 2)))[label]
        back, front = rng.integers(0, 120, 3), rng.integers(136, 256, 3)
        rgb[index] = np.where(inside[..., None], front, back) + rng.integers(0, 8, (32, 32, 1))
    return SimpleNamespace(rgb=rgb, labels=labels, classes=("disc", "bar", "cross"))


@pytest.fixture(scope="module")
def model() -> naming.ImageClassifier:
    return naming.train_classifier(shapes(300, 0), samples=1600, batch_size=32, device="cpu", widths=(8, 16, 24, 32))


@pytest.mark.training
class TestClassifier:
    def test_it_learns_to_name_what_it_has_not_seen(self, model: naming.ImageClassifier) -> None:
        unseen = shapes(150, 1)
        assert naming.accuracy(model, unseen.rgb, unseen.labels) > 0.85
        noise = np.random.default_rng(2).permutation(unseen.labels)
        assert naming.accuracy(model, unseen.rgb, noise) < 0.6

    def test_features_tell_classes_apart(self, model: naming.ImageClassifier) -> None:
        seen, unseen = shapes(120, 3), shapes(60, 4)
        references, queries = naming.features(model, seen.rgb, batch_size=50), naming.features(model, unseen.rgb)
        assert references.shape == (120, 32)
        assert references.dtype == np.float32
        nearest, _ = nearest_neighbours(queries, references)
        assert (seen.labels[nearest] == unseen.labels).mean() > 0.8
        discs = references[seen.labels == 0]
        assert mmd(discs[::2], discs[1::2])[0] < mmd(discs, references[seen.labels == 2])[0]

    def test_the_same_seed_gives_the_same_network(self) -> None:
        data = shapes(40, 0)
        runs = [
            naming.train_classifier(data, samples=64, batch_size=16, device="cpu", widths=(8, 8, 8), seed=s)
            for s in (1, 1, 2)
        ]
        first, second, other = (naming.features(run, data.rgb) for run in runs)
        np.testing.assert_array_equal(first, second)
        assert not np.array_equal(first, other)

    def test_saved_and_read(self, model: naming.ImageClassifier, tmp_path: Path) -> None:
        naming.save_classifier(model, tmp_path / "classifier.safetensors")
        read = naming.load_classifier(tmp_path / "classifier.safetensors")
        data = shapes(8, 5)
        np.testing.assert_array_equal(naming.features(read, data.rgb), naming.features(model, data.rgb))
        assert read.classes == ("disc", "bar", "cross")
        (tmp_path / "text.safetensors").write_text("no")
        with pytest.raises(ValueError, match="is no classifier"):
            naming.load_classifier(tmp_path / "text.safetensors")

    def test_it_is_small(self) -> None:
        model = naming.ImageClassifier([f"class {i}" for i in range(12)])
        assert sum(p.numel() for p in model.parameters()) <= 3_000_000
        assert model(torch.zeros(2, 3, 128, 128)).shape == (2, 12)

    def test_bad_input(self, model: naming.ImageClassifier) -> None:
        with pytest.raises(ValueError, match="at least two classes"):
            naming.train_classifier(SimpleNamespace(rgb=np.zeros((0, 8, 8, 3)), labels=np.zeros(0), classes=("a",)))
        with pytest.raises(ValueError, match="no pictures"):
            naming.features(model, np.zeros((0, 32, 32, 3), np.uint8))
