"""Declaring commands and their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def command(commands, name: str, run: Callable[[argparse.Namespace], None], help: str) -> argparse.ArgumentParser:
    """A new command among `commands` that calls `run` with its options."""
    parser = commands.add_parser(name, help=help, description=help)
    parser.set_defaults(command=run)
    return parser


def positive(text: str) -> int:
    """A positive integer, as the type of an argument."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive integer")
    return value
