"""`ivid sheet`: first views of many classes and seeds in one picture."""

from __future__ import annotations

import argparse
from pathlib import Path

from ivid.cli.arguments import add_device, add_model


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--class",
        "--classes",
        dest="classes",
        metavar="LIST",
        help="names or indices of classes, separated by semicolons (default: all)",
    )
    parser.add_argument("--seeds", default="0-7", help="integers and ranges: 3 or 0-9,12 (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, help="the picture to write, a .png file")
    add_device(parser, "the networks run")


def run(options: argparse.Namespace) -> None:
    import numpy as np
    from PIL import Image
    from tqdm import tqdm

    from ivid.pipeline.batch import generate, parse_seeds, plan
    from ivid.pipeline.loading import load_pipeline
    from ivid.pipeline.models import model_folder
    from ivid.scene.files import written_aside

    pipeline = load_pipeline(model_folder(options.model), options.device)
    seeds = parse_seeds(options.seeds)
    requests = plan(pipeline, options.classes or ";".join(pipeline.class_names), seeds)
    made = generate(pipeline, requests, batch=len(seeds), view_set="uncond")
    pictures = [scene.views[0].rgb for _, scene, _ in tqdm(made, total=len(requests), unit="view", dynamic_ncols=True)]
    rows = [np.concatenate(pictures[i : i + len(seeds)], axis=1) for i in range(0, len(pictures), len(seeds))]
    with written_aside(options.out) as aside:
        Image.fromarray(np.concatenate(rows)).save(aside)
    print(options.out)
