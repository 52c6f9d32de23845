"""The commands of the tutorials."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def shell_lines(name: str) -> list[str]:
    """Every command line in the shell blocks of a page of docs/, in order."""
    blocks = re.findall(r"^```sh\n(.*?)^```", (DOCS / name).read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def ivid_commands(name: str) -> list[list[str]]:
    """Of those the commands of `ivid`, without its name; what goes on until it is stopped is left out."""
    commands = [shlex.split(line)[1:] for line in shell_lines(name) if line.startswith("ivid ")]
    return [command for command in commands if command[0] not in ("app", "view")]
