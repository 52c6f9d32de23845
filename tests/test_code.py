"""The code itself: linted, formatted, and typed, in Python and in JavaScript."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def passes(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff():
    passes(sys.executable, "-m", "ruff", "check", ".")
    passes(sys.executable, "-m", "ruff", "format", "--check", ".")


def test_pyright():
    passes("npx", "--no-install", "pyright", "--pythonpath", sys.executable)


def test_the_javascript_is_well_typed():
    passes("npx", "--no-install", "tsc", "-p", "jsconfig.json")


def test_the_javascript_is_linted_and_formatted():
    passes("npx", "--no-install", "biome", "ci", "--error-on-warnings")
