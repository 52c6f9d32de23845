"""`ivid convert`: the authors' published weights as a model folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from ivid.cli.arguments import require_file
from ivid.scene.files import check_new_folder, check_writable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("uncond", type=Path, help="imagenet128_uncond.pt")
    parser.add_argument("cond", type=Path, help="imagenet128_cond.pt")
    parser.add_argument("--upsampler", type=Path, metavar="FILE", help="weights of an upsampler, if there is one")
    parser.add_argument("--out", type=Path, required=True, help="the model folder")


def run(options: argparse.Namespace) -> None:
    for path in (options.uncond, options.cond, options.upsampler):
        if path is not None:
            require_file(path)
    check_new_folder(options.out)
    check_writable(options.out, folder=True)

    from ivid.pipeline.conversion import convert_files

    print(convert_files(options.uncond, options.cond, options.out, upsampler=options.upsampler))
