"""The command line: `python -m ivid generate | render | export | prepare | train | bundle | ...`.

Arguments are declared here; the work is done elsewhere and imported when a command needs it, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ivid.cameras import TRAJECTORIES, VIEW_SETS

Command = Callable[[argparse.Namespace], None]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it succeeded, 2 when its input was wrong, 130 when it was interrupted."""
    options = build_parser().parse_args(arguments)
    try:
        options.command(options)
    except KeyboardInterrupt:
        print("stopped; what was finished is kept", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        print(f"ivid: {_sentence(error)}", file=sys.stderr)
        return 2
    return 0


def _sentence(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"there is no file or folder {error.filename}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ivid", description=__import__("ivid").__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_generate(commands)
    _add_sheet(commands)
    _add_render(commands)
    _add_export(commands)
    _add_prepare(commands)
    _add_train(commands)
    _add_bundle(commands)
    _add_convert(commands)
    _add_evaluate(commands)
    return parser


def _command(commands, name: str, run: Command, help: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=help, description=help)
    parser.set_defaults(command=run)
    return parser


def _add_generate(commands) -> None:
    parser = _command(commands, "generate", _generate, "make scenes from classes and seeds")
    parser.add_argument("--model", default="lowpoly", help="name of a model, or its folder (default: lowpoly)")
    parser.add_argument(
        "--class",
        dest="classes",
        default="mod",
        metavar="CLASS",
        help="name or index, a list of them, mod, uniform or random",
    )
    parser.add_argument("--seeds", default="0", help="integers and ranges: 3 or 0-9,12 (default: 0)")
    parser.add_argument("--num-samples", type=_positive, metavar="N", help="make N scenes, seeds 0 to N - 1")
    parser.add_argument(
        "--views", default="3x9", help=f"{', '.join(VIEW_SETS)}, or a .json file of cameras (default: 3x9)"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the scenes and their grid pictures")
    parser.add_argument("--batch", type=_positive, default=1, metavar="B", help="scenes in one network call")
    parser.add_argument("--first-steps", type=int, metavar="N", help="network evaluations of the first view")
    parser.add_argument("--novel-steps", type=int, metavar="N", help="network evaluations of every further view")
    parser.add_argument("--guidance", type=float, metavar="S", help="classifier-free guidance; 0 is none")
    parser.add_argument("--sampler", help="ddim, ddpm, dpm++ or unipc, for all views")
    parser.add_argument("--from-rgbd", nargs=2, type=Path, metavar=("PICTURE", "DEPTH"), help="start from a picture")
    parser.add_argument("--depth-kind", choices=("metric", "disparity"), default="metric", help="what DEPTH holds")
    parser.add_argument("--fov", type=float, metavar="DEG", help="vertical field of view of PICTURE")
    parser.add_argument("--no-fit", action="store_true", help="keep DEPTH's scale; else it is fitted to the model")
    parser.add_argument("--upsample", choices=("all", "first"), help="enlarge the views, if the model has an upsampler")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ...")


def _generate(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ivid.cameras import read_view_set, view_set
    from ivid.checkpoints import model_folder
    from ivid.data.rgbd import load_rgbd
    from ivid.export import export_scene
    from ivid.generation import generate, parse_seeds, plan, skip_existing
    from ivid.pipeline import load_pipeline
    from ivid.upsampling import upsampled

    seeds = list(range(options.num_samples)) if options.num_samples else parse_seeds(options.seeds)
    chosen_views = read_view_set(options.views) if options.views.endswith(".json") else options.views
    views = len(view_set(chosen_views) if isinstance(chosen_views, str) else chosen_views)
    pipeline = load_pipeline(model_folder(options.model), options.device)
    settings = {name: getattr(options, name) for name in ("first_steps", "novel_steps", "guidance", "sampler")}
    chosen = pipeline.settings(**settings)
    first_view = None
    if options.from_rgbd:
        first_view = load_rgbd(
            *options.from_rgbd,
            depth_kind=options.depth_kind,
            size=pipeline.size,
            depth_range=pipeline.depth_range,
            fov_y_deg=options.fov,
            fit=not options.no_fit,
        )
    wanted = plan(pipeline, options.classes, seeds)
    requests = skip_existing(wanted, options.out)
    if len(requests) < len(wanted):
        print(f"{len(wanted) - len(requests)} of {len(wanted)} scenes are there already", file=sys.stderr)
    evaluations = (0 if first_view else chosen.first_steps) + chosen.novel_steps * (views - 1)
    with tqdm(total=evaluations * len(requests), unit="step", dynamic_ncols=True) as bar:

        def on_evaluation(request, preview) -> None:
            bar.set_description(f"{request.name} view {preview.view_index + 1}/{views}", refresh=False)
            bar.update()

        for request, scene, _ in generate(
            pipeline, requests, options.batch, on_evaluation, first_view, view_set=chosen_views, **settings
        ):
            if options.upsample:
                scene = upsampled(pipeline, scene, options.upsample, options.novel_steps, options.guidance)
            export_scene(scene, options.out / f"{request.name}.png", "grid")
            scene.save(options.out / f"{request.name}.ivid")
            bar.write(f"{options.out / request.name}.ivid")


def _add_sheet(commands) -> None:
    parser = _command(commands, "sheet", _sheet, "draw first views, a row per class and a column per seed")
    parser.add_argument("--model", default="lowpoly", help="name of a model, or its folder (default: lowpoly)")
    parser.add_argument(
        "--class", dest="classes", metavar="LIST", help="classes, separated by semicolons (default: all)"
    )
    parser.add_argument("--seeds", default="0-7", help="integers and ranges (default: 0-7)")
    parser.add_argument("--out", type=Path, required=True, help="a .png file")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ...")


def _sheet(options: argparse.Namespace) -> None:
    import numpy as np
    from PIL import Image
    from tqdm import tqdm

    from ivid.checkpoints import model_folder
    from ivid.files import written_aside
    from ivid.generation import generate, parse_seeds, plan
    from ivid.pipeline import load_pipeline

    pipeline = load_pipeline(model_folder(options.model), options.device)
    seeds = parse_seeds(options.seeds)
    requests = plan(pipeline, options.classes or ";".join(pipeline.class_names), seeds)
    made = generate(pipeline, requests, batch=len(seeds), view_set="uncond")
    pictures = [scene.views[0].rgb for _, scene, _ in tqdm(made, total=len(requests), unit="view", dynamic_ncols=True)]
    rows = [np.concatenate(pictures[i : i + len(seeds)], axis=1) for i in range(0, len(pictures), len(seeds))]
    with written_aside(options.out) as aside:
        Image.fromarray(np.concatenate(rows)).save(aside)
    print(options.out)


def _add_render(commands) -> None:
    parser = _command(commands, "render", _render, "render a video of a scene along a trajectory")
    parser.add_argument("scene", type=Path)
    parser.add_argument("--trajectory", choices=TRAJECTORIES, default="swing")
    parser.add_argument("--out", type=Path, required=True, help="a .mp4, .webm, .gif or .webp file")
    parser.add_argument("--size", type=_positive, default=512, help="side of the video in pixels (default: 512)")
    parser.add_argument("--frames", type=_positive, default=60)
    parser.add_argument("--fps", type=_positive, default=30)
    parser.add_argument("--what", choices=("colour", "depth", "both"), default="colour")


def _render(options: argparse.Namespace) -> None:
    _export_with_bar(
        options.scene,
        options.out,
        "video",
        trajectory=options.trajectory,
        size=options.size,
        frames=options.frames,
        fps=options.fps,
        what=options.what,
    )


def _add_export(commands) -> None:
    parser = _command(commands, "export", _export, "write a scene as points, a mesh, a video, ...")
    parser.add_argument("scene", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="the file; its suffix says the kind")
    parser.add_argument(
        "--as", dest="kind", help="the kind, where the suffix leaves a choice: points, mesh, splats, ..."
    )


def _export(options: argparse.Namespace) -> None:
    _export_with_bar(options.scene, options.out, options.kind)


def _export_with_bar(path: Path, out: Path, kind: str | None, **settings) -> None:
    from tqdm import tqdm

    from ivid.export import export_scene
    from ivid.published_scene import open_scene

    scene = open_scene(path)
    with tqdm(desc=out.name, dynamic_ncols=True) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        export_scene(scene, out, kind, progress=progress, **settings)
    print(out)


def _add_prepare(commands) -> None:
    sources = commands.add_parser("prepare", help="make training data").add_subparsers(required=True, metavar="SOURCE")
    parser = _command(sources, "models", _prepare_models, "render RGBD images of 3D models: FOLDER/CLASS/*.glb")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=_positive, default=40_000, help="how many (default: 40000)")
    parser.add_argument("--size", type=_positive, default=128, help="side in pixels (default: 128)")
    parser.add_argument(
        "--held-out", type=float, default=0.1, metavar="SHARE", help="share of models kept for evaluation"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=_positive, help="processes (default: one per core)")

    parser = _command(sources, "photos", _prepare_photos, "estimate the depth of photographs: FOLDER/[CLASS/]*")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--estimator", default="Intel/dpt-beit-large-512", help="a depth estimator of the hub, or a folder"
    )
    parser.add_argument("--batch", type=_positive, default=8)
    parser.add_argument("--device")


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
        workers=options.workers,
    )


def _add_train(commands) -> None:
    parser = _command(commands, "train", _train, "train the first-view or the novel-view network")
    parser.add_argument("config", type=Path, help="a file like those in configs/")
    parser.add_argument("--data", type=Path, required=True, help="a folder made by prepare")
    parser.add_argument("--out", type=Path, required=True, help="the run's folder; a run that is there goes on")
    parser.add_argument("--size", type=_positive, default=128, help="side to bring photographs to (default: 128)")
    parser.add_argument("--max-minutes", type=float, help="save and stop after so long")


def _train(options: argparse.Namespace) -> None:
    from ivid.data.photo_dataset import PhotoDataset, is_photo_dataset
    from ivid.data.renders import Renders
    from ivid.training import train
    from ivid.training_config import TrainingConfig

    config = TrainingConfig.read(options.config)
    photographs = is_photo_dataset(options.data)
    images = PhotoDataset(options.data, options.size) if photographs else Renders.open(options.data)
    train(config, images, options.out, options.max_minutes * 60 if options.max_minutes else None)


def _add_bundle(commands) -> None:
    parser = _command(commands, "bundle", _bundle, "put two trained networks together into a model folder")
    parser.add_argument("config", type=Path, help="how the model samples: a file like those in configs/models/")
    parser.add_argument("first_view", type=Path, help="run folder of the first-view network")
    parser.add_argument("novel_view", type=Path, help="run folder of the novel-view network")
    parser.add_argument("--data", type=Path, required=True, help="what they were trained on")
    parser.add_argument("--out", type=Path, required=True, help="the model folder")


def _bundle(options: argparse.Namespace) -> None:
    from ivid.bundling import bundle, read_model_config
    from ivid.data.renders import Renders

    images = Renders.open(options.data)
    bundle(
        options.first_view,
        options.novel_view,
        options.out,
        read_model_config(options.config),
        class_names=images.classes,
        depth_range=images.depth_range,
    )
    print(options.out)


def _add_convert(commands) -> None:
    parser = _command(commands, "convert", _convert, "make the authors' published weights into a model folder")
    parser.add_argument("uncond", type=Path, help="imagenet128_uncond.pt")
    parser.add_argument("cond", type=Path, help="imagenet128_cond.pt")
    parser.add_argument("--out", type=Path, required=True, help="the model folder")


def _convert(options: argparse.Namespace) -> None:
    from ivid.checkpoints import convert_files

    print(convert_files(options.uncond, options.cond, options.out))


def _add_evaluate(commands) -> None:
    kinds = commands.add_parser("evaluate", help="score pictures or a model").add_subparsers(
        required=True, metavar="WHAT"
    )
    parser = _command(kinds, "images", _evaluate_images, "FID, KID and IS of a folder of pictures")
    parser.add_argument("--real", type=Path, required=True, help="folder of real pictures")
    parser.add_argument("--fake", type=Path, required=True, help="folder of generated pictures")
    parser.add_argument("--network", type=Path, help="TorchScript file of the feature network (default: Inception)")
    parser.add_argument("--size", type=_positive, help="side to bring all pictures to")
    parser.add_argument("--batch", type=_positive, default=64)
    parser.add_argument("--device")
    parser = _command(kinds, "scenes", _evaluate_scenes, "score a model against the renders it was trained on")
    parser.add_argument("--model", default="lowpoly", help="name of a model, or its folder (default: lowpoly)")
    parser.add_argument("--data", type=Path, required=True, help="folder made by prepare models")
    parser.add_argument("--per-class", type=_positive, default=16, help="first views per class (default: 16)")
    parser.add_argument("--scenes", type=_positive, default=12, help="3x9 scenes (default: 12)")
    parser.add_argument("--classifier-samples", type=_positive, default=100_000, help="pictures to train the judge on")
    parser.add_argument("--nearest", type=Path, help="picture of samples above the training renders nearest to them")


def _evaluate_images(options: argparse.Namespace) -> None:
    from ivid.evaluation import evaluate_images

    print(evaluate_images(options.real, options.fake, options.network, options.size, options.batch, options.device))


def _evaluate_scenes(options: argparse.Namespace) -> None:
    from ivid.checkpoints import model_folder
    from ivid.evaluation.scenes import evaluate_scenes
    from ivid.pipeline import load_pipeline

    pipeline = load_pipeline(model_folder(options.model))
    settings = (options.per_class, options.scenes, options.classifier_samples, options.nearest)
    for what, value in evaluate_scenes(pipeline, options.data, *settings):
        print(f"{what:52} {value}", flush=True)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive integer")
    return value
