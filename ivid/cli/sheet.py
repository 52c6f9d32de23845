"""`ivid sheet`: many classes and seeds in one picture: their first views, or their scenes turned."""

from __future__ import annotations

import argparse
from pathlib import Path

from ivid.cli.arguments import add_device, add_model, refuse
from ivid.pipeline.batch import generate, parse_seeds, plan
from ivid.pipeline.models import model_folder, read_index
from ivid.scene.files import check_writable, written_aside


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--class",
        "--classes",
        dest="classes",
        metavar="LIST",
        help="names or indices of classes, separated by semicolons, a row each; or one row of classes that are chosen "
        "by mod (seed mod N), uniform (index mod N) or random (default: all)",
    )
    parser.add_argument("--seeds", help="integers and ranges: 3 or 0-9,12 (default: 0-7, with --turn 0)")
    parser.add_argument(
        "--turn",
        action="store_true",
        help="whole scenes, a row each, fused at yaw -0.5, -0.25, 0, 0.25 and 0.5, in place of first views",
    )
    parser.add_argument(
        "--blend",
        choices=("anchored", "exact"),
        help="of --turn: views as they are at their cameras, or the published fusion (default: anchored)",
    )
    parser.add_argument("--out", type=Path, required=True, help="the picture to write, a .png file")
    add_device(parser, "the networks run")


TURN_YAWS_RAD = (-0.5, -0.25, 0.0, 0.25, 0.5)
TURN_SUPERSAMPLE = 3


def run(options: argparse.Namespace) -> None:
    if options.out.suffix.lower() != ".png":
        raise ValueError(f"a sheet is a .png file, not {options.out.suffix or 'one without a suffix'}")
    if not options.turn:
        refuse(options, ["blend"], "without --turn")
    check_writable(options.out)
    model = read_index(options.model).config
    seeds = parse_seeds(options.seeds or ("0" if options.turn else "0-7"))
    requests = plan(model, options.classes or ";".join(model.labels.classes), seeds)

    import numpy as np
    from tqdm import tqdm

    from ivid.export.stills import fused_picture, png_bytes, renderer_on
    from ivid.pipeline.devices import check_device
    from ivid.pipeline.loading import load_pipeline
    from ivid.scene.cameras import Camera

    check_device(options.device)
    pipeline = load_pipeline(model_folder(options.model), options.device)
    made = generate(pipeline, requests, batch=len(seeds), view_set="3x9" if options.turn else "uncond")
    unit = "scene" if options.turn else "view"
    scenes = (scene for _, scene, _ in tqdm(made, total=len(requests), unit=unit, dynamic_ncols=True))
    if options.turn:
        renderer, cameras = renderer_on(None), [Camera.orbit(yaw, 0.0) for yaw in TURN_YAWS_RAD]
        blend = options.blend or "anchored"
        drawn = [
            fused_picture(renderer, scene, camera, 2 * scene.size, TURN_SUPERSAMPLE, "colour", blend)
            for scene in scenes
            for camera in cameras
        ]
        columns = len(cameras)
    else:
        drawn, columns = [scene.views[0].rgb for scene in scenes], len(seeds)
    rows = [np.concatenate(drawn[i : i + columns], axis=1) for i in range(0, len(drawn), columns)]
    with written_aside(options.out) as aside:
        aside.write_bytes(png_bytes(np.concatenate(rows)))
    print(options.out)
