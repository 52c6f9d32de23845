"""Commands that make data, networks and models, and score them: prepare, train, bundle, convert, evaluate."""

from __future__ import annotations

import argparse
from pathlib import Path

from ivid.cli.arguments import add_sampling, command, positive, sampling
from ivid.data.staging import POSES


def add_commands(commands) -> None:
    _add_prepare(commands)
    _add_train(commands)
    _add_bundle(commands)
    _add_convert(commands)
    _add_evaluate(commands)


def _add_prepare(commands) -> None:
    sources = commands.add_parser("prepare", help="make training data").add_subparsers(required=True, metavar="SOURCE")
    parser = command(sources, "models", _prepare_models, "render RGBD images of 3D models: FOLDER/CLASS/*.glb")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=positive, default=40_000, help="how many (default: 40000)")
    parser.add_argument("--size", type=positive, default=128, help="side in pixels (default: 128)")
    parser.add_argument(
        "--held-out", type=float, default=0.1, metavar="SHARE", help="share of models kept for evaluation"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--poses",
        default="around",
        choices=sorted(POSES),
        help="from where models are seen and lit: around, three-quarter as in a catalogue, or studio, where the camera "
        "hardly moves (default: around)",
    )
    parser.add_argument(
        "--only", type=Path, metavar="FILE", help="list of the models to train on, CLASS/FILE.glb a line (default: all)"
    )
    parser.add_argument("--workers", type=positive, help="processes (default: one per core)")

    parser = command(sources, "photos", _prepare_photos, "estimate the depth of photographs: FOLDER/[CLASS/]*")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--estimator",
        default="Intel/dpt-beit-large-512",
        help="a depth estimator of the hub, such as depth-anything/Depth-Anything-V2-Large-hf, or a folder "
        "(default: Intel/dpt-beit-large-512)",
    )
    parser.add_argument("--batch", type=positive, default=8, help="pictures estimated together (default: 8)")
    parser.add_argument("--device", help="such as cuda:1 (default: a GPU if there is one)")


def _prepare_photos(options: argparse.Namespace) -> None:
    from ivid.data.photos import prepare_photos

    report = prepare_photos(options.folder, options.out, options.estimator, options.batch, options.device)
    print(f"{report.prepared} photographs prepared, {report.found_done} were there, {len(report.skipped)} skipped")
    for path, reason in report.skipped:
        print(f"  {path}: {reason}")


def _prepare_models(options: argparse.Namespace) -> None:
    from ivid.data.models import render_models

    render_models(
        options.folder,
        options.out,
        size=options.size,
        images=options.images,
        held_out_share=options.held_out,
        seed=options.seed,
        poses=options.poses,
        only=_lines(options.only) if options.only else None,
        workers=options.workers,
    )


def _lines(path: Path) -> list[str]:
    """The lines of a file of names that are not blank; names may contain spaces."""
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _add_train(commands) -> None:
    parser = command(commands, "train", _train, "train the first-view or the novel-view network")
    parser.add_argument("config", type=Path, help="a file like those in configs/")
    parser.add_argument("--data", type=Path, required=True, help="a folder made by prepare")
    parser.add_argument(
        "--further", type=Path, metavar="DATA", help="make the samples with a condition of this folder in its place"
    )
    parser.add_argument("--out", type=Path, required=True, help="the run's folder; a run that is there goes on")
    parser.add_argument("--size", type=positive, help="side to bring photographs to (default: the config's, or 128)")
    parser.add_argument("--max-minutes", type=float, help="save and stop after so long")


def _train(options: argparse.Namespace) -> None:
    from ivid.training.config import TrainingConfig
    from ivid.training.loop import train

    config = TrainingConfig.read(options.config)
    max_seconds = options.max_minutes * 60 if options.max_minutes else None
    size = options.size or config.size or 128
    further = _open_data(options.further, size) if options.further else None
    train(config, _open_data(options.data, size), options.out, max_seconds, further)


def _open_data(folder: Path, size: int):
    from ivid.data.photo_dataset import PhotoDataset, is_photo_dataset
    from ivid.data.renders import Renders

    return PhotoDataset(folder, size) if is_photo_dataset(folder) else Renders.open(folder)


def _add_bundle(commands) -> None:
    parser = command(commands, "bundle", _bundle, "put trained networks together into a model folder")
    parser.add_argument("config", type=Path, help="how the model samples: a file like those in configs/models/")
    parser.add_argument("first_view", type=Path, help="run folder of the first-view network")
    parser.add_argument("novel_view", type=Path, help="run folder of the novel-view network")
    parser.add_argument("--refiner", type=Path, metavar="RUN", help="run folder of a refiner")
    parser.add_argument("--upsampler", type=Path, metavar="RUN", help="run folder of an upsampler")
    parser.add_argument("--data", type=Path, required=True, help="what they were trained on")
    parser.add_argument("--out", type=Path, required=True, help="the model folder")


def _bundle(options: argparse.Namespace) -> None:
    from ivid.training.packaging import bundle, read_model_config

    images = _open_data(options.data, size=0)
    bundle(
        options.first_view,
        options.novel_view,
        options.out,
        read_model_config(options.config),
        class_names=images.classes,
        depth_range=images.depth_range,
        refiner=options.refiner,
        upsampler=options.upsampler,
    )
    print(options.out)


def _add_convert(commands) -> None:
    parser = command(commands, "convert", _convert, "make the authors' published weights into a model folder")
    parser.add_argument("uncond", type=Path, help="imagenet128_uncond.pt")
    parser.add_argument("cond", type=Path, help="imagenet128_cond.pt")
    parser.add_argument("--upsampler", type=Path, metavar="FILE", help="weights of an upsampler, if there is one")
    parser.add_argument("--out", type=Path, required=True, help="the model folder")


def _convert(options: argparse.Namespace) -> None:
    from ivid.pipeline.models import convert_files

    print(convert_files(options.uncond, options.cond, options.out, upsampler=options.upsampler))


def _add_evaluate(commands) -> None:
    kinds = commands.add_parser("evaluate", help="score pictures or a model").add_subparsers(
        required=True, metavar="WHAT"
    )
    parser = command(kinds, "images", _evaluate_images, "FID, KID and IS of a folder of pictures")
    parser.add_argument("--real", type=Path, required=True, help="folder of real pictures")
    parser.add_argument("--fake", type=Path, required=True, help="folder of generated pictures")
    parser.add_argument("--network", type=Path, help="TorchScript file of the feature network (default: Inception)")
    parser.add_argument("--size", type=positive, help="side to bring all pictures to")
    parser.add_argument("--batch", type=positive, default=64)
    parser.add_argument("--device")
    parser = command(kinds, "geometry", _evaluate_geometry, "non-flatness and consistency of the scenes of a folder")
    parser.add_argument("folder", type=Path, help="scenes, .ivid or .npz, or a folder in the published layout")
    parser = command(kinds, "scenes", _evaluate_scenes, "score a model against the renders it was trained on")
    parser.add_argument("--model", default="lowpoly", help="name of a model, or its folder (default: lowpoly)")
    parser.add_argument("--data", type=Path, required=True, help="folder made by prepare models")
    parser.add_argument("--per-class", type=positive, default=16, help="first views per class (default: 16)")
    parser.add_argument("--scenes", type=positive, default=12, help="3x9 scenes (default: 12)")
    parser.add_argument("--classifier-samples", type=positive, default=100_000, help="pictures to train the judge on")
    parser.add_argument("--nearest", type=Path, help="picture of samples above the training renders nearest to them")
    parser.add_argument("--models", type=Path, help="the folder of 3D models, to compare novel views with true ones")
    add_sampling(parser)
    parser = command(kinds, "steps", _evaluate_steps, "compare samplers and numbers of steps of a model")
    parser.add_argument("--model", default="lowpoly", help="name of a model, or its folder (default: lowpoly)")
    parser.add_argument("--data", type=Path, required=True, help="folder made by prepare models")
    choices = "SAMPLER:STEPS or SAMPLER:STEPS:GUIDANCE, several separated by commas"
    parser.add_argument("--first", metavar="LIST", default="ddim:50,ddim:20,ddim:10", help=f"first views: {choices}")
    parser.add_argument(
        "--novel", metavar="LIST", default="ddim:50,ddim:10,ddim:5", help=f"of further views: {choices}"
    )
    parser.add_argument("--per-class", type=positive, default=16, help="first views per class (default: 16)")
    parser.add_argument("--scenes", type=positive, default=6, help="3x9 scenes (default: 6)")


def _evaluate_images(options: argparse.Namespace) -> None:
    from ivid.evaluation import evaluate_images

    print(evaluate_images(options.real, options.fake, options.network, options.size, options.batch, options.device))


def _evaluate_geometry(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ivid.evaluation.folders import geometry_scores
    from ivid.export.batch import scene_files
    from ivid.published.scene_file import open_scene

    files = tqdm(scene_files(options.folder), unit="scene", dynamic_ncols=True)
    print(geometry_scores(open_scene(path) for path in files))


def _evaluate_scenes(options: argparse.Namespace) -> None:
    from ivid.evaluation.scenes import EvaluationSettings, evaluate_scenes
    from ivid.pipeline.loading import load_pipeline
    from ivid.pipeline.models import model_folder

    pipeline = load_pipeline(model_folder(options.model))
    settings = EvaluationSettings(
        options.per_class,
        options.scenes,
        options.classifier_samples,
        options.nearest,
        options.models,
        sampling(options),
    )
    for what, value in evaluate_scenes(pipeline, options.data, settings):
        print(f"{what:58} {value}", flush=True)


def _evaluate_steps(options: argparse.Namespace) -> None:
    from itertools import chain

    from ivid.evaluation.steps import Choice, compare_first_views, compare_novel_views
    from ivid.pipeline.loading import load_pipeline
    from ivid.pipeline.models import model_folder

    pipeline = load_pipeline(model_folder(options.model))
    first, novel = ([Choice.parse(part) for part in text.split(",")] for text in (options.first, options.novel))
    rows = chain(
        compare_first_views(pipeline, options.data, first, options.per_class),
        compare_novel_views(pipeline, novel, options.scenes),
    )
    for what, value in rows:
        print(f"{what:58} {value}", flush=True)
