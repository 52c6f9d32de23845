"""`ivid graphs`: a model's networks for ONNX Runtime."""

from __future__ import annotations

import argparse

from ivid.pipeline.models import model_folder
from ivid.scene.files import check_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="lowpoly, imagenet128, or a model folder")


def run(options: argparse.Namespace) -> None:
    folder = model_folder(options.model)
    check_writable(folder, folder=True)

    from ivid.pipeline.graphs import write_graphs

    for path in write_graphs(folder):
        print(path)
