"""Declaring commands and their arguments."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any


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


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """The options of sampling; what is left out is the model's own."""
    parser.add_argument("--first-steps", type=int, metavar="N", help="network evaluations of the first view")
    parser.add_argument("--novel-steps", type=int, metavar="N", help="network evaluations of every further view")
    parser.add_argument("--guidance", type=float, metavar="S", help="classifier-free guidance; 0 is none")
    parser.add_argument("--sampler", help="ddim, ddpm, dpm++ or unipc, for all views")


def sampling(options: argparse.Namespace) -> dict[str, Any]:
    """What `add_sampling` read, as `IvidPipeline.stream` takes it."""
    return {name: getattr(options, name) for name in ("first_steps", "novel_steps", "guidance", "sampler")}
