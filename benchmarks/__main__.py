"""Print a table of measurements, medians of several runs, beside the goal each one has."""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import platform
import sys
from collections.abc import Sequence

COMMANDS = ("load", "soak")  # with options of their own
SUITES = ("startup", "fusion", "sampling", "published", "exports", "splats", "viewer", "page", "site")
ASKED_FOR = ("gpu", "growth")
"""Suites that run only when they are named."""


def main(arguments: Sequence[str] | None = None) -> int:
    given_arguments = sys.argv[1:] if arguments is None else list(arguments)
    if given_arguments and given_arguments[0] in COMMANDS:
        return importlib.import_module(f"benchmarks.{given_arguments[0]}").main(given_arguments[1:])
    parser = argparse.ArgumentParser(
        prog="benchmarks", description=__doc__, epilog=f"Commands with options of their own: {', '.join(COMMANDS)}."
    )
    known = (*SUITES, *ASKED_FOR)
    parser.add_argument(
        "suites",
        nargs="*",
        metavar="NAME",
        help=f"which of {', '.join(known)} (default: all but {' and '.join(ASKED_FOR)})",
    )
    parser.add_argument("--device", help="of gpu: cuda, or cpu at toy size (default: cuda)")
    parser.add_argument("--out", help="of growth: the plot, .png or .svg (default: growth.svg)")
    parser.add_argument(
        "--agree",
        action="store_const",
        const=True,
        help="of site: instead, a scene of 27 views beside Python's from the same noise",
    )
    options = parser.parse_args(given_arguments)
    names = options.suites or SUITES
    unknown = sorted(set(names) - set(known))
    if unknown:
        print(f"there is no benchmark {', '.join(unknown)}; choose from {', '.join(known)}", file=sys.stderr)
        return 2
    given = {name: value for name, value in vars(options).items() if name != "suites" and value is not None}
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}\n")
    print(f"| {'what':58} | {'measured':>14} | {'goal':>14} |\n|{'-' * 60}|{'-' * 15}:|{'-' * 15}:|")
    for name in names:
        rows = importlib.import_module(f"benchmarks.{name}").rows
        taken = {option: given[option] for option in inspect.signature(rows).parameters if option in given}
        try:
            for what, value, unit, goal in rows(**taken):
                number = f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"
                print(f"| {what:58} | {number:>9} {unit:4} | {goal:>14} |", flush=True)
        except ValueError as error:
            print(error, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
