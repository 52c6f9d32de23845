"""How good a model trained on renders is: first views against renders, scenes against themselves and the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from ivid.data.renders import Renders, class_of_asset
from ivid.evaluation.classifier import (
    ImageClassifier,
    accuracy,
    features,
    load_classifier,
    predict,
    save_classifier,
    train_classifier,
)
from ivid.evaluation.distances import mmd, nearest_neighbours
from ivid.evaluation.geometry import ground_plane_fit, non_flatness, reprojection_consistency
from ivid.pipeline.batch import generate, plan
from ivid.pipeline.pipeline import IvidPipeline
from ivid.pipeline.sampling import Sampling
from ivid.scene.cameras import Camera
from ivid.scene.depth import decode
from ivid.scene.files import written_aside
from ivid.scene.scene import Scene
from ivid.scene.view import View, quantised

Row = tuple[str, str]  # what, value

CLASSIFIER_SAMPLES = 100_000
YAWS_RAD = (0.15, 0.3, 0.6)
_MOST_TRAINING_RENDERS = 5000  # that samples are compared with
_MOST_DEPTH_MAPS = 200
_OUTERMOST = 6  # of the views of the set 3x9: those at yaw 0.6 and -0.6
_ENDS_RAD = (-0.6, 0.6)  # yaws of fused pictures
REDRAWN_STEPS = 5


@dataclass(frozen=True)
class EvaluationSettings:
    """How much is sampled, and how.

    Attributes:
        per_class: first views per class.
        scenes: how many 3x9 scenes, one per class in turn.
        classifier_samples: pictures the classifier is shown, counting repetitions.
        nearest: a picture to write, of samples above the training renders nearest to them.
        assets: the folder of 3D assets the renders were made of; without it, nothing is compared with true views.
        sampling: how the scenes are sampled.
    """

    per_class: int = 16
    scenes: int = 24
    classifier_samples: int = CLASSIFIER_SAMPLES
    nearest: Path | None = None
    assets: Path | None = None
    sampling: Sampling = field(default_factory=Sampling)


def evaluate_scenes(
    pipeline: IvidPipeline, data: str | Path, settings: EvaluationSettings = EvaluationSettings()
) -> Iterator[Row]:
    """Score a model against the renders it was trained on and those held out.

    Args:
        pipeline: the model; its classes are those of the renders.
        data: folder of renders. A classifier trained on them is kept there as `classifier.safetensors`.
        settings: how much, and how.

    Yields:
        rows of a table, as they are known.

    Raises:
        ValueError: the model has other classes than the renders.
    """
    train, held_out = Renders.open(data), Renders.open(data, "held_out")
    if list(train.classes) != pipeline.class_names:
        raise ValueError(f"the model's classes are not those of {data}")
    classifier = classifier_of(train, data, settings.classifier_samples)

    requests = plan(pipeline.config, ";".join(pipeline.class_names), range(settings.per_class))
    batch = min(16, settings.per_class)
    made = generate(pipeline, requests, batch, view_set="uncond", sampling=settings.sampling)
    views = [scene.views[0] for _, scene, _ in made]
    labels = np.array([request.class_index for request in requests])
    yield from _pictures(classifier, train, held_out, np.stack([view.rgb for view in views]), labels, settings)
    yield from _depths(views, held_out, pipeline)

    wanted = plan(
        pipeline.config, ";".join(pipeline.class_names), range(-(-settings.scenes // len(pipeline.class_names)))
    )
    wanted = sorted(wanted, key=lambda request: request.seed)[: settings.scenes]
    scenes = [scene for _, scene, _ in generate(pipeline, wanted, sampling=settings.sampling)]
    yield from _consistency("generated", scenes)
    yield from _outermost(classifier, scenes, [request.class_index for request in wanted])
    if settings.assets is not None:
        held = [settings.assets / name for name in _one_per_class(held_out, settings.scenes)]
        yield from _true_scenes(pipeline, held, held_out.poses)
        known = [settings.assets / name for name in _one_per_class(train, settings.scenes)]
        for kind, chosen in (("known", known), ("held-out", held)):
            yield from _closeness(pipeline, kind, chosen, held_out.poses, settings.sampling)
        yield from _closeness(pipeline, "redrawn", known, held_out.poses, settings.sampling, REDRAWN_STEPS)


def _pictures(
    classifier: ImageClassifier,
    train: Renders,
    held_out: Renders,
    pictures: np.ndarray,
    labels: np.ndarray,
    settings: EvaluationSettings,
) -> Iterator[Row]:
    reached = accuracy(classifier, held_out.rgb, held_out.labels)
    yield "classifier on renders of held-out assets", f"{reached:.1%}"
    named = float((predict(classifier, pictures) == labels).mean())
    yield f"classifier on {len(pictures)} generated first views", f"{named:.1%} ({named / reached:.0%} of the former)"

    chosen = compared_renders(train)
    seen, unseen, generated = (features(classifier, rgb) for rgb in (train.rgb[chosen], held_out.rgb, pictures))
    yield "MMD to training renders, x 1000", f"{1000 * mmd(seen, generated)[0]:.1f}"
    yield "MMD to held-out renders, x 1000", f"{1000 * mmd(unseen, generated)[0]:.1f}"
    yield "MMD between training and held-out renders, x 1000", f"{1000 * mmd(seen, unseen)[0]:.1f}"
    indices, distances = nearest_neighbours(generated, seen)
    _, usual = nearest_neighbours(unseen[:: max(1, len(unseen) // 200)], seen)
    yield "distance to the nearest training render", f"{np.median(distances):.3f} (held-out: {np.median(usual):.3f})"
    if settings.nearest is not None:
        first_of_class = slice(None, None, settings.per_class)
        _write_pairs(settings.nearest, pictures[first_of_class], train.rgb[chosen[indices[first_of_class]]])


def _depths(views: Sequence[View], held_out: Renders, pipeline: IvidPipeline) -> Iterator[Row]:
    apart = max(1, len(held_out) // _MOST_DEPTH_MAPS)
    truth = [decode(held_out[index][1], held_out.depth_range) for index in range(0, len(held_out), apart)]
    made = non_flatness([view.depth for view in views], pipeline.depth_range)
    yield "non-flatness of first views", f"{made:.2f} (renders: {non_flatness(truth, held_out.depth_range):.2f})"
    errors = list(_ground_errors(views, pipeline))
    yield "ground plane error, of the depth extent", f"{np.median(errors):.2%}" if errors else "no ground"


def _consistency(which: str, scenes: Sequence[Scene]) -> Iterator[Row]:
    psnr, depth = mean_consistency(scenes)
    yield f"neighbouring views of {len(scenes)} {which} scenes", f"{psnr:.1f} dB, depth error {depth:.2%}"


def _outermost(classifier: ImageClassifier, scenes: Sequence[Scene], labels: Sequence[int]) -> Iterator[Row]:
    """Of the views that are furthest from the first one, where least of it is seen: is the object still there?"""
    pictures = np.stack([view.rgb for scene in scenes for view in _outermost_views(scene)])
    wanted = np.repeat(labels, _OUTERMOST)
    named = float((predict(classifier, pictures) == wanted).mean())
    yield f"classifier on {len(pictures)} outermost views of those", f"{named:.1%}"
    from ivid.evaluation.truth import fused_picture

    ends = [(scene, Camera.orbit(yaw, 0.0)) for scene in scenes for yaw in _ENDS_RAD]
    fused = quantised(np.stack([fused_picture(scene.views, camera) for scene, camera in ends]))
    named = float((predict(classifier, fused) == np.repeat(labels, len(_ENDS_RAD))).mean())
    yield f"classifier on {len(fused)} fused pictures at yaw ±0.6", f"{named:.1%}"


def _outermost_views(scene: Scene) -> list[View]:
    """The views of a scene that are furthest to the side of its first one."""
    return sorted(scene.views, key=lambda view: abs(view.camera.position[0]))[-_OUTERMOST:]


def mean_consistency(scenes: Sequence[Scene]) -> tuple[float, float]:
    """How well neighbouring views agree, on average over scenes: colour in dB, relative depth error."""
    scores = [reprojection_consistency(scene) for scene in scenes]
    return float(np.mean([s.psnr_db for s in scores])), float(np.mean([s.depth_error for s in scores]))


def compared_renders(train: Renders) -> np.ndarray:
    """Indices of the training renders that generated pictures are compared with; always the same ones."""
    count = min(len(train), _MOST_TRAINING_RENDERS)
    return np.sort(np.random.default_rng(0).choice(len(train), count, replace=False))


def _true_scenes(pipeline: IvidPipeline, assets: Sequence[Path], poses: str) -> Iterator[Row]:
    from ivid.evaluation.truth import true_scene  # needs OpenGL

    threshold = pipeline.config.depth.edge_threshold
    scenes = [true_scene(asset, 0, pipeline.size, pipeline.depth_range, threshold, poses) for asset in assets]
    yield from _consistency("true", scenes)


def _closeness(
    pipeline: IvidPipeline, kind: str, assets: Sequence[Path], poses: str, sampling: Sampling, redrawn_steps: int = 0
) -> Iterator[Row]:
    """Of 3x9 scenes to the true ones, from true or redrawn first views of assets, each with a seed of its own."""
    from ivid.evaluation.truth import scene_metrics  # needs OpenGL

    scores = [scene_metrics(pipeline, asset, n, poses, sampling, redrawn_steps) for n, asset in enumerate(assets)]

    def mean(name: str, yaw: float | None = None) -> float:
        return float(np.mean([score.mean(name, yaw) for score in scores]))

    what = f"{len(assets)} {kind} scenes"
    yield f"26 views of {what} to the true ones", f"{mean('psnr_db'):.2f} dB, SSIM {mean('ssim'):.3f}"
    for yaw in YAWS_RAD:
        yield f"at yaw ±{yaw}, {what}", f"{mean('psnr_db', yaw):.2f} dB, SSIM {mean('ssim', yaw):.3f}"
    fused = np.mean([score.fused_psnr_db for score in scores])
    yield f"fused, {what}, to fused true views", f"{fused:.2f} dB"
    first = np.mean([score.first_psnr_db for score in scores])
    yield f"at the first camera, {what}, to its view", f"{first:.2f} dB"
    specks, true = (np.mean([getattr(score, name) for score in scores]) for name in ("specks", "true_specks"))
    yield f"specks in {what}", f"{specks:.3%} (true views: {true:.3%})"


def _one_per_class(renders: Renders, count: int) -> list[str]:
    """Assets of the renders, a first one of every class, then a second one, ..."""
    by_class = [[name for name in renders.asset_names if class_of_asset(name) == label] for label in renders.classes]
    longest = max(map(len, by_class))
    return [names[turn] for turn in range(longest) for names in by_class if turn < len(names)][:count]


def classifier_of(train: Renders, data: str | Path, samples: int = CLASSIFIER_SAMPLES) -> ImageClassifier:
    """The classifier of a folder of renders: read from there, or trained on `samples` pictures and kept there."""
    path = Path(data) / "classifier.safetensors"
    if path.exists():
        return load_classifier(path)
    classifier = train_classifier(train, samples=samples)
    save_classifier(classifier, path)
    return classifier


def _ground_errors(views: Sequence[View], pipeline: IvidPipeline) -> Iterator[float]:
    for view in views:
        try:
            yield ground_plane_fit(view, pipeline.depth_range).error
        except ValueError:  # an object that hides its ground says nothing of the ground's flatness
            continue


def _write_pairs(path: Path, samples: np.ndarray, references: np.ndarray) -> None:
    size = samples.shape[1:3]
    rows = [Image.fromarray(np.concatenate(list(row), axis=1)) for row in (samples, references)]
    drawn = Image.new("RGB", (rows[0].width, 2 * size[0]))
    drawn.paste(rows[0])
    drawn.paste(rows[1].resize(rows[0].size), (0, size[0]))  # the renders may be of another size
    with written_aside(path) as aside:
        drawn.save(aside)
