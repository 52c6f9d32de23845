"""`ivid prepare`: training data of 3D assets, or of photographs."""

from __future__ import annotations

import argparse
from pathlib import Path

from ivid.cli.arguments import DEVICE_HELP, device, integer, lines_of, number, positive, require_folder, subcommand
from ivid.data.rasteriser import RASTERISERS
from ivid.data.staging import POSES
from ivid.pipeline.devices import check_device
from ivid.scene.files import check_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    sources = parser.add_subparsers(required=True, metavar="SOURCE")
    _add_models(subcommand(sources, "models", prepare_models, "render RGBD images of 3D assets: FOLDER/CLASS/*.glb"))
    told = "draw scenes whose true views are known, to train novel-view networks on what they know of each view"
    _add_rollouts(subcommand(sources, "rollouts", prepare_rollouts, told))
    _add_photos(subcommand(sources, "photos", prepare_photos, "estimate the depth of photographs: FOLDER/[CLASS/]*"))


def _add_rollouts(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="the model that draws them: a name or a folder")
    parser.add_argument("--data", type=Path, required=True, help="renders with true views, from prepare models --views")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the records; records that are there are gone on with"
    )
    parser.add_argument("--scenes", type=positive, default=1000, help="how many (default: %(default)s)")
    parser.add_argument("--views", type=positive, default=8, help="of each, recorded (default: %(default)s)")
    parser.add_argument("--seed", type=integer(0), default=0, help="of what is drawn by chance (default: %(default)s)")
    parser.add_argument(
        "--redrawn",
        type=number(0, 1),
        default=0.7,
        metavar="SHARE",
        help="share of the scenes whose first view has the faults of one that the model draws (default: %(default)s)",
    )
    parser.add_argument("--batch", type=positive, default=8, help="scenes drawn together (default: %(default)s)")


def _add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="holds a folder of .glb files per class")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the data; data that are there are gone on with"
    )
    parser.add_argument("--images", type=positive, default=40_000, help="how many (default: %(default)s)")
    parser.add_argument("--size", type=positive, default=128, help="side in pixels (default: %(default)s)")
    parser.add_argument(
        "--held-out",
        type=number(0, 1),
        default=0.1,
        metavar="SHARE",
        help="share of assets kept for evaluation (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=integer(0),
        default=0,
        help="of what is drawn by chance: poses, light, colours (default: %(default)s)",
    )
    parser.add_argument(
        "--poses",
        default="around",
        choices=sorted(POSES),
        help="from where assets are seen and lit: around, three-quarter as in a catalogue, or studio, where the camera "
        "hardly moves (default: %(default)s)",
    )
    parser.add_argument(
        "--only", type=Path, metavar="FILE", help="list of the assets to train on, CLASS/FILE.glb a line (default: all)"
    )
    parser.add_argument(
        "--views",
        type=positive,
        default=1,
        metavar="N",
        help="true views of every staged scene: those of the view set 3x9, then random ones (default: %(default)s)",
    )
    parser.add_argument(
        "--rasteriser",
        default="opengl",
        choices=RASTERISERS,
        help="how triangles are found: by OpenGL, or by casting rays where there is no OpenGL (default: %(default)s)",
    )
    parser.add_argument("--workers", type=positive, help="processes (default: one per core)")


def _add_photos(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="photographs, or a folder of them per class")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for the data; photographs that are there are skipped"
    )
    parser.add_argument(
        "--estimator",
        default="Intel/dpt-beit-large-512",
        help="a depth estimator of the hub, such as depth-anything/Depth-Anything-V2-Large-hf, or a folder "
        "(default: %(default)s)",
    )
    parser.add_argument("--batch", type=positive, default=8, help="pictures estimated together (default: %(default)s)")
    parser.add_argument(
        "--device", type=device, help=f"where depth is estimated: {DEVICE_HELP} (default: a GPU if there is one)"
    )


def prepare_models(options: argparse.Namespace) -> None:
    require_folder(options.folder)
    check_writable(options.out, folder=True)
    only = lines_of(options.only) if options.only else None

    from ivid.data.rendering import render_assets

    render_assets(
        options.folder,
        options.out,
        size=options.size,
        images=options.images,
        held_out_share=options.held_out,
        seed=options.seed,
        poses=options.poses,
        only=only,
        views=options.views,
        rasteriser=options.rasteriser,
        workers=options.workers,
    )


def prepare_rollouts(options: argparse.Namespace) -> None:
    require_folder(options.data)
    check_writable(options.out, folder=True)

    from ivid.data.renders import Renders
    from ivid.pipeline.loading import load_pipeline
    from ivid.pipeline.models import model_folder
    from ivid.training.rollouts import RolloutSettings, record_rollouts

    renders = Renders.open(options.data)
    settings = RolloutSettings(options.seed, options.views, redrawn=options.redrawn)
    pipeline = load_pipeline(model_folder(options.model))
    record_rollouts(pipeline, renders, options.out, options.scenes, settings, options.batch)


def prepare_photos(options: argparse.Namespace) -> None:
    require_folder(options.folder)
    check_writable(options.out, folder=True)
    check_device(options.device)

    from ivid.data.photos import prepare_photos

    report = prepare_photos(options.folder, options.out, options.estimator, options.batch, options.device)
    print(f"{report.prepared} photographs prepared, {report.found_done} were there, {len(report.skipped)} skipped")
    for path, reason in report.skipped:
        print(f"  {path}: {reason}")
