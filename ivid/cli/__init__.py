"""The command line: `python -m ivid generate | render | export | prepare | train | bundle | ...`.

Arguments are declared in `ivid.cli`; the work is imported when a command needs it, so that `--help` is quick.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ivid.cli import making, showing, training


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it succeeded, 2 when its input was wrong, 130 when it was interrupted."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    options = build_parser().parse_args(arguments)
    options.arguments = arguments
    try:
        options.command(options)
    except KeyboardInterrupt:
        print("stopped; what was finished is kept", file=sys.stderr)
        return 130
    except (ValueError, OSError, RuntimeError, ImportError) as error:
        print(f"ivid: {_sentence(error)}", file=sys.stderr)
        return 2
    return 0


def _sentence(error: Exception) -> str:
    if isinstance(error, FileNotFoundError) and error.filename:
        return f"there is no file or folder {error.filename}"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ivid", description=__import__("ivid").__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in (making, showing, training):
        group.add_commands(commands)
    return parser
