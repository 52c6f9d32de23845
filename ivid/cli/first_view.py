"""The options of `ivid generate` for a picture that a scene begins with."""

from __future__ import annotations

import argparse
from pathlib import Path

from ivid.cli.arguments import number, refuse, require_file
from ivid.pipeline.config import ModelIndex
from ivid.pipeline.model_files import view_size
from ivid.pipeline.models import model_folder
from ivid.scene.rgbd import DEPTH_KINDS, load_rgbd, read_picture
from ivid.scene.view import View


def add_picture(parser: argparse.ArgumentParser) -> None:
    """`--from-rgbd` and `--from-photo`, and what belongs to them."""
    parser.add_argument(
        "--from-rgbd", nargs=2, type=Path, metavar=("PICTURE", "DEPTH"), help="start from a picture and its depth map"
    )
    parser.add_argument(
        "--from-photo", type=Path, metavar="PICTURE", help="start from a picture alone; its depth is estimated"
    )
    parser.add_argument(
        "--estimator",
        help="a depth estimator of the hub, or a folder, for --from-photo (default: Depth Anything V2 small, which is "
        "fetched on first use)",
    )
    parser.add_argument("--depth-kind", choices=DEPTH_KINDS, help="what DEPTH holds (default: metric)")
    parser.add_argument(
        "--fov", type=number(1, 170), metavar="DEG", help="vertical field of view of PICTURE in degrees (default: 45)"
    )
    parser.add_argument("--no-fit", action="store_true", help="keep DEPTH's scale; else it is fitted to the model")


def check_picture(options: argparse.Namespace) -> None:
    """Refuse what cannot be a first view, and options without effect.

    Raises:
        ValueError, OSError: an option has no effect, or a file cannot be used.
    """
    if options.from_rgbd and options.from_photo:
        raise ValueError("--from-rgbd and --from-photo each give the first view; choose one")
    if options.from_photo:
        refuse(options, ["first_steps"], "with --from-photo, which gives the first view")
        refuse(options, ["no_fit", "depth_kind"], "without --from-rgbd")
        require_file(options.from_photo)
        read_picture(options.from_photo)
        return
    refuse(options, ["estimator"], "without --from-photo")
    if options.from_rgbd:
        refuse(options, ["first_steps"], "with --from-rgbd, which gives the first view")
        for path in options.from_rgbd:
            require_file(path)
    else:
        refuse(options, ["no_fit", "depth_kind"], "without --from-rgbd")
        refuse(options, ["fov"], "without --from-rgbd or --from-photo")


def first_view_of(options: argparse.Namespace, index: ModelIndex) -> View | None:
    """The first view that the options give; the depth of a photograph is estimated here.

    Raises:
        ValueError, OSError: the files are not usable, or there is no depth estimator.
    """
    if not options.from_rgbd and not options.from_photo:
        return None
    size, depth_range = view_size(model_folder(options.model)), index.config.depth.range
    if options.from_rgbd:
        kind, fit = options.depth_kind or "metric", not options.no_fit
        picture, depth = options.from_rgbd
        return load_rgbd(
            picture, depth, depth_kind=kind, size=size, depth_range=depth_range, fov_y_deg=options.fov, fit=fit
        )
    from ivid.data import photos
    from ivid.pipeline.hub import estimator_folder

    folder = estimator_folder(options.estimator or photos.QUICK_ESTIMATOR, lambda _: None)
    estimator = photos.DisparityEstimator(str(folder), options.device)
    return photos.photo_view(options.from_photo, estimator, size=size, depth_range=depth_range, fov_y_deg=options.fov)
