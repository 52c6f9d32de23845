"""How good a model trained on renders is: its first views against renders, its scenes against themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from ivid.data.renders import Renders
from ivid.depth import decode
from ivid.evaluation.classifier import (
    ImageClassifier,
    accuracy,
    features,
    load_classifier,
    predict,
    save_classifier,
    train_classifier,
)
from ivid.evaluation.distances import kid, nearest_neighbours
from ivid.evaluation.geometry import ground_plane_fit, non_flatness, reprojection_consistency
from ivid.files import written_aside
from ivid.generation import generate, plan
from ivid.pipeline import IvidPipeline
from ivid.scene import Scene, View

Row = tuple[str, str]  # what, value


def evaluate_scenes(
    pipeline: IvidPipeline,
    data: str | Path,
    per_class: int = 16,
    scenes: int = 12,
    classifier_samples: int = 100_000,
    nearest: str | Path | None = None,
) -> Iterator[Row]:
    """Score a model against the renders it was trained on and those held out.

    Args:
        pipeline: the model; its classes are those of the renders.
        data: folder of renders. A classifier trained on them is kept there as `classifier.safetensors`.
        per_class: first views per class.
        scenes: how many 3x9 scenes, one per class in turn.
        classifier_samples: pictures the classifier is shown, counting repetitions.
        nearest: a picture to write, of samples above the training renders nearest to them.

    Yields:
        rows of a table, as they are known.

    Raises:
        ValueError: the model has other classes than the renders.
    """
    train, held_out = Renders.open(data), Renders.open(data, "held_out")
    if list(train.classes) != pipeline.class_names:
        raise ValueError(f"the model's classes are not those of {data}")
    judge = _classifier(train, Path(data) / "classifier.safetensors", classifier_samples)
    reached = accuracy(judge, held_out.rgb, held_out.labels)
    yield "classifier on renders of held-out models", f"{reached:.1%}"

    requests = plan(pipeline, ";".join(pipeline.class_names), range(per_class))
    views = [scene.views[0] for _, scene, _ in generate(pipeline, requests, min(16, per_class), view_set="uncond")]
    pictures = np.stack([view.rgb for view in views])
    labels = np.array([request.class_index for request in requests])
    named = float((predict(judge, pictures) == labels).mean())
    yield f"classifier on {len(views)} generated first views", f"{named:.1%} ({named / reached:.0%} of the former)"

    rng = np.random.default_rng(0)
    chosen = np.sort(rng.choice(len(train), min(len(train), 5000), replace=False))
    seen, generated = features(judge, train.rgb[chosen]), features(judge, pictures)
    yield "KID to training renders, x 1000", f"{1000 * kid(seen, generated)[0]:.1f}"
    unseen = features(judge, held_out.rgb)
    yield "KID to held-out renders, x 1000", f"{1000 * kid(unseen, generated)[0]:.1f}"
    yield "KID between training and held-out renders, x 1000", f"{1000 * kid(seen, unseen)[0]:.1f}"
    indices, distances = nearest_neighbours(generated, seen)
    _, usual = nearest_neighbours(unseen[:: max(1, len(unseen) // 200)], seen)
    yield "distance to the nearest training render", f"{np.median(distances):.3f} (held-out: {np.median(usual):.3f})"
    if nearest is not None:
        _write_pairs(nearest, pictures[::per_class], train.rgb[chosen[indices[::per_class]]])

    truth = [
        decode(held_out[i][1], held_out.depth_range) for i in range(0, len(held_out), max(1, len(held_out) // 200))
    ]
    flatness = (
        non_flatness([view.depth for view in views], pipeline.depth_range),
        non_flatness(truth, train.depth_range),
    )
    yield "non-flatness of first views", f"{flatness[0]:.2f} (renders: {flatness[1]:.2f})"
    yield "ground plane error, of the depth extent", f"{np.median(list(_ground_errors(views, pipeline))):.2%}"

    listed = ";".join(pipeline.class_names)
    made: list[Scene] = [scene for _, scene, _ in generate(pipeline, plan(pipeline, listed, [0])[:scenes])]
    scores = [reprojection_consistency(scene) for scene in made]
    yield f"neighbouring views of {len(made)} scenes, colour", f"{np.mean([s.psnr_db for s in scores]):.1f} dB"
    yield "neighbouring views, depth error", f"{np.mean([s.depth_error for s in scores]):.2%}"


def _classifier(train: Renders, path: Path, samples: int) -> ImageClassifier:
    if path.exists():
        return load_classifier(path)
    judge = train_classifier(train, samples=samples)
    save_classifier(judge, path)
    return judge


def _ground_errors(views: list[View], pipeline: IvidPipeline) -> Iterator[float]:
    for view in views:
        try:
            yield ground_plane_fit(view, pipeline.depth_range).error
        except ValueError:  # an object that hides its ground says nothing of the ground's flatness
            continue


def _write_pairs(path: str | Path, samples: np.ndarray, references: np.ndarray) -> None:
    rows = [np.concatenate(list(row), axis=1) for row in (samples, references)]
    with written_aside(path) as aside:
        Image.fromarray(np.concatenate(rows)).save(aside)
