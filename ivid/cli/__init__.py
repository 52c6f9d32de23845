"""The command line: `ivid COMMAND ...`, or `python -m ivid COMMAND ...`.

Every command is a module of this package with two functions: `add_arguments(parser)` declares its options, and
`run(options)` does the work. Only the module of the command that is called is imported, and it imports what the work
needs once its options are checked, so `--help` and wrong options are answered at once.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Collection, Sequence

from ivid.cli.arguments import Parser
from ivid.scene.messages import FAILURES, sentence

COMMANDS = {
    "generate": "make scenes from classes and seeds",
    "sheet": "draw first views, a row per class and a column per seed",
    "render": "render a scene, or all scenes of a folder, along a camera path",
    "export": "write a scene as points, a mesh, splats, a video, a page, ...",
    "view": "look at a scene, or compare two, in the browser or in a window",
    "app": "serve the page, on which scenes are generated, looked at and exported",
    "prepare": "make training data of 3D models or of photographs",
    "train": "train a network",
    "bundle": "put trained networks together into a model folder",
    "graphs": "write the graphs by which ONNX Runtime evaluates the networks of a model",
    "convert": "make the authors' published weights into a model folder",
    "site": "write a model as a static site, whose page makes scenes in the browser",
    "evaluate": "score pictures, scenes or a model",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command of `ivid`.

    Args:
        arguments: of the command line; those of this process when None.

    Returns:
        0 when it succeeded, 1 when some of its files could not be made, 2 when its input was wrong, 130 when it was
        interrupted.
    """
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    named = [argument for argument in arguments if argument in COMMANDS]
    return _run(build_parser(named[:1]), arguments)


def main_of(command: str, program: str, arguments: Sequence[str] | None = None) -> int:
    """Run one command that stands alone, as `program`; otherwise as `main`."""
    parser = Parser(prog=program)
    _declare(parser, command)
    return _run(parser, sys.argv[1:] if arguments is None else list(arguments))


def build_parser(declared: Collection[str] = tuple(COMMANDS)) -> Parser:
    """The parser of all commands; the options of those in `declared` only, because declaring takes imports."""
    parser = Parser(prog="ivid", description=(importlib.import_module("ivid").__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, purpose in COMMANDS.items():
        command = commands.add_parser(name, help=purpose, description=purpose)
        if name in declared:
            _declare(command, name)
    return parser


def _declare(parser: Parser, command: str) -> None:
    module = importlib.import_module(f"{__name__}.{command}")
    parser.set_defaults(run=getattr(module, "run", None))
    module.add_arguments(parser)


def _run(parser: Parser, arguments: list[str]) -> int:
    try:
        options = parser.parse_args(arguments)
        options.arguments = arguments
        return options.run(options) or 0
    except KeyboardInterrupt:
        print("stopped; what was finished is kept", file=sys.stderr)
        return 130
    except FAILURES as error:
        print(f"{parser.prog}: {sentence(error)}", file=sys.stderr)
        return 2
