"""`ivid train`: a network, from a configuration and data."""

from __future__ import annotations

import argparse
from pathlib import Path

from ivid.cli.arguments import number, positive, require_file, require_folder
from ivid.scene.files import check_writable
from ivid.training.trackers import TRACKERS, check_trackers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, help="a file like those in configs/")
    parser.add_argument("--data", type=Path, required=True, help="a folder made by prepare")
    parser.add_argument(
        "--further",
        type=Path,
        metavar="DATA",
        help="make the samples with a condition of this folder in its place; or use those prepare rollouts put there",
    )
    parser.add_argument("--out", type=Path, required=True, help="the run's folder; a run that is there goes on")
    parser.add_argument("--size", type=positive, help="side to bring photographs to (default: the config's, or 128)")
    parser.add_argument(
        "--max-minutes", type=number(0), metavar="M", help="save and stop after so long (default: never)"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="a field of the config in place of the file's, such as steps=100; can be repeated",
    )
    parser.add_argument(
        "--override",
        nargs="+",
        default=[],
        metavar="FIELD",
        help="fields of the config, or data and further, in which the run that is there may differ; the log records it",
    )
    parser.add_argument(
        "--report-to",
        nargs="+",
        choices=TRACKERS,
        default=[],
        help="trackers to report to beside TensorBoard's files: wandb, trackio, mlflow (default: none)",
    )


def run(options: argparse.Namespace) -> None:
    check_trackers(options.report_to)

    from ivid.training.config import TrainingConfig

    require_file(options.config)
    config = TrainingConfig.read(options.config, TrainingConfig.changes(options.set))
    for folder in (options.data, options.further):
        if folder is not None:
            require_folder(folder)
    check_writable(options.out, folder=True)
    size = options.size or config.size or 128
    further = open_further(options.further, options.data, size) if options.further else None
    data = open_data(options.data, size)

    from ivid.training.loop import train

    max_seconds = options.max_minutes * 60 if options.max_minutes else None
    train(config, data, options.out, max_seconds, further, options.override, options.report_to)


def open_further(folder: Path, data: Path, size: int):
    """Training data of further views: of either kind, or recorded of the renders `data`."""
    from ivid.data.recorded_views import RecordedViews, is_recorded
    from ivid.data.renders import Renders

    return RecordedViews(folder, Renders.open(data)) if is_recorded(folder) else open_data(folder, size)


def open_data(folder: Path, size: int):
    """Training data of either kind; photographs are brought to `size` pixels a side."""
    from ivid.data.photo_dataset import PhotoDataset, is_photo_dataset
    from ivid.data.renders import Renders

    return PhotoDataset(folder, size) if is_photo_dataset(folder) else Renders.open(folder)
