"""`ivid evaluate`: scores of pictures, of scenes, of a model, and of ways of sampling."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from ivid.cli.arguments import (
    add_device,
    add_model,
    add_sampling,
    positive,
    require_file,
    require_folder,
    sampling,
    subcommand,
)
from ivid.data.staging import POSES
from ivid.pipeline.devices import check_device
from ivid.pipeline.models import read_index
from ivid.scene.files import check_writable
from ivid.scene.messages import sentence
from ivid.scene.scene import Scene


def add_arguments(parser: argparse.ArgumentParser) -> None:
    subjects = parser.add_subparsers(required=True, metavar="WHAT")
    _add_images(subcommand(subjects, "images", score_images, "FID, KID and IS of a folder of pictures"))
    geometry = subcommand(subjects, "geometry", score_geometry, "non-flatness and consistency of a folder's scenes")
    geometry.add_argument("folder", type=Path, help="scenes, .ivid or .npz, or a folder in the published layout")
    _add_scenes(subcommand(subjects, "scenes", score_scenes, "score a model against the renders it was trained on"))
    _add_steps(subcommand(subjects, "steps", score_steps, "compare samplers and numbers of steps of a model"))


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--real", type=Path, required=True, help="folder of real pictures")
    parser.add_argument("--fake", type=Path, required=True, help="folder of generated pictures")
    parser.add_argument("--network", type=Path, help="TorchScript file of the feature network (default: Inception)")
    parser.add_argument("--size", type=positive, help="side to bring all pictures to (default: as they are)")
    parser.add_argument(
        "--batch", type=positive, default=64, help="pictures in one call of the network (default: %(default)s)"
    )
    add_device(parser, "the feature network runs")


def _add_scenes(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--data", type=Path, required=True, help="folder made by prepare models")
    parser.add_argument("--per-class", type=positive, default=16, help="first views per class (default: %(default)s)")
    parser.add_argument("--scenes", type=positive, default=24, help="3x9 scenes (default: %(default)s)")
    parser.add_argument(
        "--classifier-samples",
        type=positive,
        default=100_000,
        help="pictures to train the classifier on, where there is none yet (default: %(default)s)",
    )
    parser.add_argument(
        "--nearest",
        type=Path,
        metavar="FILE",
        help="write a picture of samples above the training renders nearest to them",
    )
    parser.add_argument(
        "--assets", type=Path, metavar="FOLDER", help="the folder of 3D assets, to compare novel views with true ones"
    )
    add_sampling(parser)


def _add_steps(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--data", type=Path, help="folder made by prepare models, by whose classifier first views are judged"
    )
    parser.add_argument(
        "--assets",
        type=Path,
        nargs="+",
        default=[],
        metavar="CLASS/FILE",
        help="3D assets, to compare further views with true ones",
    )
    choices = "SAMPLER:STEPS[:GUIDANCE[:LOW-HIGH]], several separated by commas (default: %(default)s)"
    parser.add_argument("--first", metavar="LIST", default="ddim:50,ddim:20,ddim:10", help=f"of first views: {choices}")
    parser.add_argument(
        "--novel", metavar="LIST", default="ddim:50,ddim:10,ddim:5", help=f"of further views: {choices}"
    )
    parser.add_argument("--per-class", type=positive, default=16, help="first views per class (default: %(default)s)")
    parser.add_argument("--scenes", type=positive, default=6, help="3x9 scenes (default: %(default)s)")
    parser.add_argument(
        "--poses", default="studio", choices=sorted(POSES), help="how --assets are seen and lit (default: %(default)s)"
    )


def score_images(options: argparse.Namespace) -> None:
    require_folder(options.real)
    require_folder(options.fake)
    if options.network:
        require_file(options.network)
    check_device(options.device)

    from ivid.evaluation import evaluate_images

    print(evaluate_images(options.real, options.fake, options.network, options.size, options.batch, options.device))


def score_geometry(options: argparse.Namespace) -> int:
    require_folder(options.folder)

    from tqdm import tqdm

    from ivid.evaluation.folders import geometry_scores
    from ivid.export.batch import scene_files
    from ivid.published.scene_file import open_scene

    complaints = []

    def readable() -> Iterator[Scene]:
        for path in tqdm(scene_files(options.folder), unit="scene", dynamic_ncols=True):
            try:
                yield open_scene(path)
            except (ValueError, OSError) as error:
                complaints.append(f"{path} not scored: {sentence(error)}")

    print(geometry_scores(readable()))
    for complaint in complaints:
        print(complaint, file=sys.stderr)
    return 1 if complaints else 0


def score_scenes(options: argparse.Namespace) -> None:
    require_folder(options.data)
    if options.assets:
        require_folder(options.assets)
    if options.nearest:
        check_writable(options.nearest)
    model = read_index(options.model).config
    asked = sampling(options, model)
    asked.resolved(model.sampling, model.timesteps)

    from ivid.evaluation.scenes import EvaluationSettings, evaluate_scenes
    from ivid.pipeline.loading import load_pipeline
    from ivid.pipeline.models import model_folder

    pipeline = load_pipeline(model_folder(options.model))
    settings = EvaluationSettings(
        options.per_class,
        options.scenes,
        options.classifier_samples,
        options.nearest,
        options.assets,
        asked,
    )
    for what, value in evaluate_scenes(pipeline, options.data, settings):
        print(f"{what:58} {value}", flush=True)


def score_steps(options: argparse.Namespace) -> None:
    if options.data:
        require_folder(options.data)
    for asset in options.assets:
        require_file(asset)
    model = read_index(options.model).config

    from itertools import chain

    from ivid.evaluation.steps import Choice, compare_first_views, compare_novel_views

    first, novel = ([Choice.parse(part) for part in text.split(",") if part] for text in (options.first, options.novel))
    for asked in (*(choice.first() for choice in first), *(choice.novel() for choice in novel)):
        asked.resolved(model.sampling, model.timesteps)

    from ivid.pipeline.loading import load_pipeline
    from ivid.pipeline.models import model_folder

    pipeline = load_pipeline(model_folder(options.model))
    rows = chain(
        compare_first_views(pipeline, first, options.per_class, options.data),
        compare_novel_views(pipeline, novel, options.scenes, options.assets, options.poses) if novel else (),
    )
    for what, value in rows:
        print(f"{what:58} {value}", flush=True)
