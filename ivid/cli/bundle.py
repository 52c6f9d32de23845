"""`ivid bundle`: trained networks together in a model folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from ivid.cli.arguments import require_file, require_folder
from ivid.cli.train import open_data
from ivid.scene.files import check_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="how the model samples: a file like those in configs/models/")
    parser.add_argument("first_view", type=Path, help="run folder of the first-view network")
    parser.add_argument("novel_view", type=Path, help="run folder of the novel-view network")
    parser.add_argument("--refiner", type=Path, metavar="RUN", help="run folder of a refiner")
    parser.add_argument("--novel-refiner", type=Path, metavar="RUN", help="run folder of a refiner of further views")
    parser.add_argument("--upsampler", type=Path, metavar="RUN", help="run folder of an upsampler")
    parser.add_argument("--data", type=Path, required=True, help="what they were trained on")
    parser.add_argument("--out", type=Path, required=True, help="the model folder")
    parser.add_argument(
        "--no-graphs",
        action="store_true",
        help="leave out the graphs by which ONNX Runtime evaluates the networks; ivid graphs writes them later",
    )


def run(options: argparse.Namespace) -> None:
    require_file(options.config)
    runs = options.first_view, options.novel_view, options.refiner, options.novel_refiner, options.upsampler
    for folder in (*runs, options.data):
        if folder is not None:
            require_folder(folder)
    check_writable(options.out, folder=True)

    from ivid.training.packaging import bundle, read_model_config

    images = open_data(options.data, size=0)
    bundle(
        options.first_view,
        options.novel_view,
        options.out,
        read_model_config(options.config),
        class_names=images.classes,
        depth_range=images.depth_range,
        refiner=options.refiner,
        novel_refiner=options.novel_refiner,
        upsampler=options.upsampler,
        graphs=not options.no_graphs,
    )
    print(options.out)
