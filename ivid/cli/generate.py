"""`ivid generate`: scenes from classes and seeds."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ivid.cli.arguments import add_device, add_model, add_sampling, number, positive, sampling
from ivid.scene.cameras import VIEW_SETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--class",
        "--classes",
        dest="classes",
        default="mod",
        metavar="CLASS",
        help="name or index, a list of them, mod (class = seed mod N), uniform (index mod N) or random "
        "(default: %(default)s)",
    )
    parser.add_argument("--seeds", default="0", help="integers and ranges: 3 or 0-9,12 (default: %(default)s)")
    parser.add_argument(
        "--num-samples",
        type=positive,
        metavar="N",
        help="N scenes, of seeds 0 to N - 1, in place of --seeds; the published layout numbers its files",
    )
    parser.add_argument(
        "--views",
        default="3x9",
        help=f"a view set, {', '.join(VIEW_SETS)}, or a .json file of cameras (default: %(default)s)",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the scenes and their pictures")
    parser.add_argument(
        "--layout",
        choices=("plain", "published"),
        default="plain",
        help="plain: a scene file and a grid picture each; published: the folders of the authors' program "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--batch",
        type=positive,
        default=1,
        metavar="B",
        help="scenes, or views to enlarge, in one network call (default: %(default)s)",
    )
    parser.add_argument(
        "--processes", type=positive, metavar="N", help="share the work among so many (default: one per GPU)"
    )
    add_sampling(parser)
    parser.add_argument(
        "--from-rgbd", nargs=2, type=Path, metavar=("PICTURE", "DEPTH"), help="start from a picture and its depth map"
    )
    parser.add_argument(
        "--depth-kind",
        choices=("metric", "disparity"),
        default="metric",
        help="what DEPTH holds (default: %(default)s)",
    )
    parser.add_argument(
        "--fov", type=number(1, 170), metavar="DEG", help="vertical field of view of PICTURE in degrees (default: 45)"
    )
    parser.add_argument("--no-fit", action="store_true", help="keep DEPTH's scale; else it is fitted to the model")
    parser.add_argument(
        "--upsample",
        choices=("all", "first"),
        help="make views twice as large, if the model has an upsampler: all of them, or the first and no other",
    )
    add_device(parser, "the networks run")


def run(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from ivid.export.folders import PlainLayout, PublishedLayout
    from ivid.pipeline.batch import generate, parse_seeds, plan
    from ivid.pipeline.loading import load_pipeline
    from ivid.pipeline.models import model_folder
    from ivid.pipeline.processes import Share, helper_count, helpers
    from ivid.pipeline.upsampling import check_upsampler, upsampled
    from ivid.scene.cameras import read_view_set, view_set
    from ivid.scene.rgbd import load_rgbd

    share = Share.of_environment()
    seeds = list(range(options.num_samples)) if options.num_samples else parse_seeds(options.seeds)
    chosen_views = read_view_set(options.views) if options.views.endswith(".json") else options.views
    views = len(view_set(chosen_views) if isinstance(chosen_views, str) else chosen_views)
    if options.upsample == "first":  # no other view would be kept
        chosen_views, views = "uncond" if isinstance(chosen_views, str) else chosen_views[:1], 1
    pipeline = load_pipeline(model_folder(options.model), options.device or share.device())
    if options.upsample:
        check_upsampler(pipeline)
    asked = sampling(options)
    chosen = pipeline.sampling(asked)
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
    wanted = plan(pipeline, options.classes, seeds, classes_take_turns=bool(options.num_samples))
    evaluations = (0 if first_view else chosen.first_steps) + chosen.novel_steps * (views - 1)
    if options.upsample:
        evaluations += chosen.novel_steps * views
    layout = PlainLayout(options.out)
    if options.layout == "published":
        name = chosen_views if isinstance(chosen_views, str) else Path(options.views).stem
        layout = PublishedLayout.of_sampling(options.out, name, chosen, bool(options.num_samples))
    with helpers(helper_count(options.processes, options.device), options.arguments) as share:
        mine = share.part(wanted, options.batch)
        requests = [request for request in mine if not layout.scene_file(request).exists()]
        if len(requests) < len(mine):
            print(f"{len(mine) - len(requests)} of {len(mine)} scenes are there already", file=sys.stderr)
        with tqdm(total=evaluations * len(requests), unit="step", dynamic_ncols=True, disable=share.index > 0) as bar:

            def on_evaluation(request, preview) -> None:
                bar.set_description(f"{request.name} view {preview.view_index + 1}/{views}", refresh=False)
                bar.update()

            for request, scene, events in generate(
                pipeline, requests, options.batch, on_evaluation, first_view, view_set=chosen_views, sampling=asked
            ):
                if options.upsample:
                    scene = upsampled(
                        pipeline,
                        scene,
                        options.upsample,
                        asked,
                        options.batch,
                        lambda preview, request=request: on_evaluation(request, preview),
                    )
                layout.write(request, scene, events)
                bar.write(str(layout.scene_file(request)))
