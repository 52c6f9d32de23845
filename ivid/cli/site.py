"""`ivid site`: a model as a static site that makes scenes in the browser."""

from __future__ import annotations

import argparse
from pathlib import Path

from ivid.pipeline.models import model_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", help="lowpoly, or a model folder")
    parser.add_argument("--out", type=Path, required=True, help="the site's folder: new, empty, or a site to replace")
    parser.add_argument(
        "--onnxruntime-web",
        type=Path,
        metavar="FOLDER",
        help="the npm package onnxruntime-web (default: node_modules of the checkout, or else fetched once by npm)",
    )


def run(options: argparse.Namespace) -> None:
    from ivid.site.folder import check_site_folder, write_site

    check_site_folder(options.out)
    site = write_site(model_folder(options.model), options.out, options.onnxruntime_web)
    total, fetched = site.bytes / 1e6, site.model_bytes / 1e6
    print(f"{site.folder}: {total:.0f} MB; every visitor fetches {fetched:.0f} MB of networks once")
