"""What is wrong with a config, one sentence for each fault."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError


def sentences(error: ValidationError, names: Sequence[str]) -> Iterator[str]:
    """A sentence for every fault that pydantic found, with the field's path: `pairs.edge_threshold must be ...`.

    Args:
        names: of the fields there are, for those that are misspelt.
    """
    for fault in error.errors(include_url=False):
        yield _sentence(fault, names)


def _sentence(fault: Any, names: Sequence[str]) -> str:
    path = ".".join(str(part) for part in fault["loc"])
    limits, got = fault.get("ctx", {}), f", got {_shortened(fault['input'])}"
    match fault["type"]:
        case "value_error":
            return str(limits["error"])
        case "missing":
            return f"{path} is missing"
        case "extra_forbidden" | "unexpected_keyword_argument":
            near = difflib.get_close_matches(path, names, 1)
            return f"{path} is no field of a training config" + (f"; did you mean {near[0]}?" if near else "")
        case "literal_error":
            choices = re.findall(r"'([^']*)'", limits["expected"])
            return (
                f"{path} must be {' or '.join(choices) if len(choices) == 2 else 'one of ' + ', '.join(choices)}{got}"
            )
        case "greater_than" if limits["gt"] == 0:
            return f"{path} must be positive{got}"
        case "greater_than_equal":
            return f"{path} must be at least {limits['ge']:g}{got}"
        case "less_than_equal":
            return f"{path} must be at most {limits['le']:g}{got}"
        case _:
            return path + " " + re.sub(r"^(Input|List|Tuple|Dictionary|Value) should ", "must ", fault["msg"]) + got


def _shortened(value: object) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**20 else None
    if text is None:
        text = repr(value) if not isinstance(value, int) or isinstance(value, bool) else "a number of many digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
