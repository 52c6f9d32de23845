"""`ivid generate`: scenes from classes and seeds."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from ivid.cli.arguments import (
    add_backend,
    add_device,
    add_model,
    add_processes,
    add_sampling,
    cluster_of,
    positive,
    refuse,
    sampling,
)
from ivid.cli.cluster_work import made_on_cluster
from ivid.cli.first_view import add_picture, check_picture, first_view_of
from ivid.cli.scene_maker import SceneMaker, Work
from ivid.export.folders import PlainLayout, PublishedLayout
from ivid.export.records import difference
from ivid.export.remote import RemoteLayout, check_address, is_address
from ivid.pipeline.batch import SceneRequest, parse_seeds, plan
from ivid.pipeline.cluster import Cluster
from ivid.pipeline.devices import check_backend
from ivid.pipeline.models import known_fingerprint, read_index
from ivid.pipeline.processes import Share, helper_count, helpers
from ivid.scene.cameras import VIEW_SETS, Camera, read_view_set, view_set
from ivid.scene.files import check_writable
from ivid.scene.fingerprint import FIRST_VIEW, MODEL, fingerprint


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
    parser.add_argument("--seeds", help="integers and ranges: 3 or 0-9,12 (default: 0)")
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
    parser.add_argument(
        "--out", required=True, help="folder for the scenes and their pictures, or its address: s3://, hf://, ..."
    )
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
    add_processes(parser, "the work")
    add_sampling(parser)
    add_picture(parser)
    parser.add_argument(
        "--upsample",
        choices=("all", "first"),
        help="make views twice as large, if the model has an upsampler: all of them, or the first and no other",
    )
    parser.add_argument(
        "--overwrite",
        action="store_true",
        help="make scenes again that are there; else those made in the same way are skipped, and others are an error",
    )
    add_device(parser, "the networks run")
    add_backend(parser)


def run(options: argparse.Namespace) -> None:
    cluster = cluster_of(options)
    work = checked(options)
    if len(work.missing) < len(work.requests) and Share.of_environment().index == 0:
        there = len(work.requests) - len(work.missing)
        print(f"{there} of {len(work.requests)} scenes are there already, made in the same way", file=sys.stderr)
    if work.missing and cluster:
        make_on_cluster(work, options, cluster)
    elif work.missing:
        make(work, options)


def checked(options: argparse.Namespace) -> Work:
    """What the options ask for; nothing heavy is imported to find out.

    Raises:
        ValueError: an option is wrong, or has no effect, or a scene is there that was made in another way.
        OSError: a file cannot be read, or the scenes could not be written.
    """
    check_backend(options.backend, options.device)
    if options.num_samples:
        refuse(options, ["seeds"], "with --num-samples, which makes scenes of seeds 0 to N - 1")
    check_picture(options)
    seeds = list(range(options.num_samples)) if options.num_samples else parse_seeds(options.seeds or "0")
    of_file = options.views.lower().endswith(".json")
    cameras = read_view_set(options.views) if of_file else _named_view_set(options.views)
    chosen_views = cameras if of_file else options.views
    set_name = Path(options.views).stem if of_file else options.views
    if options.upsample == "first":  # no other view would be kept
        cameras = cameras[:1]
        chosen_views = cameras if of_file else "uncond"
    remote = is_address(options.out)
    if remote:
        check_address(options.out)
    else:
        check_writable(options.out, folder=True)

    index = read_index(options.model)
    asked = sampling(options, index.config)
    resolved = asked.resolved(index.config.sampling, index.config.timesteps)
    requests = plan(index.config, options.classes, seeds, classes_take_turns=bool(options.num_samples))
    if options.upsample and "upsampler_unet" not in index.networks:
        raise ValueError(f"the model {index.config.name} has no upsampler")
    first_view = first_view_of(options, index)
    settings = {} if first_view is None else {FIRST_VIEW: fingerprint(first_view)}
    if not isinstance(chosen_views, str):
        settings["cameras"] = fingerprint(cameras)
    folder = Path() if remote else Path(options.out)
    if options.layout == "published":
        layout = PublishedLayout.of_sampling(folder, set_name, resolved, bool(options.num_samples))
    else:
        layout = PlainLayout(folder)
    work = Work(
        model=options.model,
        requests=requests,
        missing=requests,
        layout=RemoteLayout(options.out, layout) if remote else layout,
        view_set=chosen_views,
        views=len(cameras),
        sampling=asked,
        resolved=resolved,
        first_view=first_view,
        upsample=options.upsample,
        settings=settings,
        model_fingerprint=known_fingerprint(options.model),
    )
    return work if options.overwrite else replace(work, missing=_missing(work, index.config.name))


def _named_view_set(name: str) -> list[Camera]:
    try:
        return view_set(name)
    except ValueError as error:
        raise ValueError(f"{error}, or give a .json file of cameras") from None


def _missing(work: Work, model_name: str) -> list[SceneRequest]:
    """The requests whose scenes are not there.

    Raises:
        ValueError: one is there that was made in another way, or cannot be read.
    """
    missing = []
    settings = {**work.resolved.as_settings(), **work.settings}
    if work.upsample:
        settings["upsampled"] = work.upsample
    if work.model_fingerprint:
        settings[MODEL] = work.model_fingerprint
    for request in work.requests:
        found = work.layout.record(request)
        if found is None:
            missing.append(request)
            continue
        wanted = {
            "model": model_name,
            "class_name": request.class_label or "",
            "seed": request.seed,
            "view_set": work.view_set if isinstance(work.view_set, str) else "custom",
            "settings": settings,
        }
        differs = difference(found, wanted)
        if differs:
            file = work.layout.scene_file(request)
            raise ValueError(f"{file} is there, but was made {differs}; choose another --out, or --overwrite it")
    return missing


def make(work: Work, options: argparse.Namespace) -> None:
    """Make the scenes that are missing, shared among processes, and write them as they are done."""
    from tqdm import tqdm

    from ivid.pipeline.devices import check_device

    check_device(options.device)
    device = options.device or Share.of_environment().device()
    maker = SceneMaker(work, options.batch, device, options.backend)
    maker.load()
    missing = {request.name for request in work.missing}
    with helpers(helper_count(options.processes, options.device), options.arguments) as share:
        requests = [request for request in share.part(work.requests, options.batch) if request.name in missing]
        total = work.evaluations * len(requests)
        with tqdm(total=total, unit="step", dynamic_ncols=True, disable=share.index > 0) as bar:

            def on_evaluation(request, preview) -> None:
                bar.set_description(f"{request.name} view {preview.view_index + 1}/{work.views}", refresh=False)
                bar.update()

            for file in maker.made(requests, on_evaluation):
                bar.write(str(file))


def make_on_cluster(work: Work, options: argparse.Namespace, cluster: Cluster) -> None:
    """The same by the workers of a Ray cluster, each of which holds the model."""
    from tqdm import tqdm

    work, folders = work.shared()
    maker = SceneMaker(work, options.batch, options.device, options.backend)
    starts = range(0, len(work.missing), options.batch)
    batches = [work.missing[start : start + options.batch] for start in starts]
    steps = work.evaluations * len(work.missing)
    for files in made_on_cluster(cluster, maker, batches, folders, steps=steps, unit="step"):
        for file in files:
            tqdm.write(str(file))
