"""Print a table of measurements, medians of several runs, beside the goal each one has."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys

SUITES = ("startup", "fusion", "sampling", "published", "exports", "splats", "viewer", "page", "site")


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="NAME", help=f"which of {', '.join(SUITES)} (default: all)")
    names = parser.parse_args().suites or SUITES
    unknown = sorted(set(names) - set(SUITES))
    if unknown:
        print(f"there is no benchmark {', '.join(unknown)}; choose from {', '.join(SUITES)}", file=sys.stderr)
        return 2
    print(f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, Python {platform.python_version()}\n")
    print(f"| {'what':58} | {'measured':>14} | {'goal':>14} |\n|{'-' * 60}|{'-' * 15}:|{'-' * 15}:|")
    for name in names:
        for what, value, unit, goal in importlib.import_module(f"benchmarks.{name}").rows():
            number = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
            print(f"| {what:58} | {number:>9} {unit:4} | {goal:>14} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
