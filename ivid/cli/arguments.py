"""What the options of several commands have in common: how they are read, and how they are declared."""

from __future__ import annotations

import argparse
import errno
import math
import os
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from ivid.diffusion import SAMPLERS
from ivid.pipeline.cluster import Cluster
from ivid.pipeline.config import ModelConfig
from ivid.pipeline.devices import BACKENDS
from ivid.pipeline.processes import Share
from ivid.pipeline.sampling import LARGEST_GUIDANCE, Sampling, fast_sampling

Number = TypeVar("Number", int, float)

DEVICE_HELP = "cpu, cuda, or cuda:1 and so on for another GPU"


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one sentence, raised as ValueError."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message}; see {self.prog} --help")

    def parse_known_args(self, args=None, namespace=None):
        """As `ArgumentParser` does it; but each command complains itself of what it does not know."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return options, unknown


def subcommand(commands, name: str, run: Callable[[argparse.Namespace], int | None], help: str):
    """A parser of a command within a command, such as `prepare models`."""
    parser = commands.add_parser(name, help=help, description=help)
    parser.set_defaults(run=run)
    return parser


def integer(low: int | None = None, high: int | None = None) -> Callable[[str], int]:
    """The type of an argument that is an integer from `low` to `high`."""

    def read(text: str) -> int:
        if not re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", text):
            raise argparse.ArgumentTypeError(f"{_quoted(text)} is not an integer")
        return _within(int(text), low, high, text)

    return read


def number(low: float | None = None, high: float | None = None) -> Callable[[str], float]:
    """The type of an argument that is a finite number from `low` to `high`."""

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise argparse.ArgumentTypeError(f"{_quoted(text)} is not a finite number")
        return _within(value, low, high, text)

    return read


def positive(text: str) -> int:
    """An integer above 0, as the type of an argument."""
    return integer(1)(text)


def share_interval(text: str) -> tuple[float, float]:
    """LOW-HIGH, two numbers from 0 to 1, as the type of an argument."""
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*-\s*([0-9]*\.?[0-9]+)\s*", text)
    low, high = (float(match[1]), float(match[2])) if match else (1.0, 0.0)
    if not 0 <= low < high <= 1:
        raise argparse.ArgumentTypeError(f"it must be LOW-HIGH with 0 <= LOW < HIGH <= 1, got {_quoted(text)}")
    return low, high


def _within(value: Number, low: float | None, high: float | None, text: str) -> Number:
    if (low is not None and value < low) or (high is not None and value > high):
        bounds = f"at least {low:g}" if high is None else f"from {low:g} to {high:g}"
        raise argparse.ArgumentTypeError(f"it must be {bounds}, got {_quoted(text)}")
    return value


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")


def device(text: str) -> str:
    """The name of a device, as the type of an argument; whether there is such a device is found out later."""
    if not re.fullmatch(r"cpu|cuda(:[0-9]{1,3})?", text):
        raise argparse.ArgumentTypeError(f"there is no device {_quoted(text)}; choose {DEVICE_HELP}")
    return text


def add_model(parser: argparse.ArgumentParser) -> None:
    """`--model`."""
    parser.add_argument(
        "--model", default="lowpoly", help="lowpoly, imagenet128, or a model folder (default: %(default)s)"
    )


def add_device(parser: argparse.ArgumentParser, what: str) -> None:
    """`--device`; `what` runs on it."""
    parser.add_argument(
        "--device", type=device, help=f"where {what}: {DEVICE_HELP} (default: the first GPU, or else cpu)"
    )


def add_backend(parser: argparse.ArgumentParser) -> None:
    """`--backend`."""
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        help="what evaluates the networks: ONNX Runtime, on the CPU, or torch (default: the faster one)",
    )


def add_processes(parser: argparse.ArgumentParser, what: str) -> None:
    """`--processes` and `--ray`, among which `what` is shared."""
    parser.add_argument(
        "--processes", type=positive, metavar="N", help=f"share {what} among so many (default: one per GPU)"
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help=f"share {what} among workers of a Ray cluster: host:port, auto for the one this machine is part of, or "
        "local for one of this machine alone; --processes says how many (default: one per GPU, or else per machine)",
    )


def cluster_of(options: argparse.Namespace) -> Cluster | None:
    """The cluster that `--ray` names; None without it.

    Raises:
        ValueError: it is no address of one, or another option does not go with it.
    """
    if options.ray is None:
        return None
    if Share.of_environment().of > 1:
        raise ValueError("--ray shares the work by itself; run it once, not by a launcher of several processes")
    return Cluster(options.ray, options.processes, options.device)


# Fields of `Sampling`, and its shortcut `sampler`.
SAMPLING_OPTIONS: dict[str, dict[str, Any]] = {
    "first_steps": {"type": integer(), "metavar": "N", "help": "network evaluations of the first view"},
    "novel_steps": {"type": integer(), "metavar": "N", "help": "network evaluations of every further view"},
    "guidance": {
        "type": number(),
        "metavar": "S",
        "help": f"scale of classifier-free guidance, 0 to {LARGEST_GUIDANCE:g}; 0 is none",
    },
    "guidance_interval": {
        "type": share_interval,
        "metavar": "LOW-HIGH",
        "help": "noise levels that are guided, as shares of the schedule's timesteps; 0-1 are all",
    },
    "sampler": {"choices": SAMPLERS, "help": "for all views"},
}


def add_sampling(parser: argparse.ArgumentParser) -> None:
    """The options of sampling; what is left out is the model's own."""
    for name, how in SAMPLING_OPTIONS.items():
        explained = f"{how['help']} (default: the model's)"
        parser.add_argument("--" + name.replace("_", "-"), **{**how, "help": explained})
    parser.add_argument(
        "--fast",
        action="store_true",
        help="a preset of few network evaluations: about 260 a scene of the published models in place of 4600",
    )


def sampling(options: argparse.Namespace, model: ModelConfig) -> Sampling:
    """What `add_sampling` read, for a model; where `--fast` has no effect, that is said."""
    fast = fast_sampling(model.sampling, model.timesteps) if options.fast else Sampling()
    if fast is None and Share.of_environment().index == 0:
        print(f"--fast has no effect: the model {model.name} takes few network evaluations anyway", file=sys.stderr)
    return (fast or Sampling()).changed(**{name: getattr(options, name) for name in SAMPLING_OPTIONS})


def require_file(path: Path) -> None:
    """Refuse a path where there is no file.

    Raises:
        OSError: it names the path.
        ValueError: it is a device or a pipe.
    """
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if not path.is_file():
        raise ValueError(f"{path} is a device or a pipe, not a file")


def require_folder(path: Path) -> None:
    """Refuse a path where there is no folder.

    Raises:
        OSError: it names the path.
    """
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if not path.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))


def refuse(options: argparse.Namespace, names: Iterable[str], why: str) -> None:
    """Refuse options that would have no effect.

    Args:
        names: attributes of `options`; None and False say that they were not given.
        why: when they have none, after "... has no effect".

    Raises:
        ValueError: names those that were given.
    """
    given = [name for name in names if getattr(options, name) not in (None, False)]
    if given:
        flags = " and ".join("--" + name.replace("_", "-") for name in given)
        raise ValueError(f"{flags} {'has' if len(given) == 1 else 'have'} no effect {why}")


def lines_of(path: Path) -> list[str]:
    """The lines of a text file that are not blank; names may contain spaces."""
    require_file(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text file in UTF-8") from None
    return [line.strip() for line in text.splitlines() if line.strip()]
