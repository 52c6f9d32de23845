"""The code itself: linted, formatted, and typed, in Python and in JavaScript."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def passes(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff():
    passes(sys.executable, "-m", "ruff", "check", ".")
    passes(sys.executable, "-m", "ruff", "format", "--check", ".")


def test_pyright():
    passes(sys.executable, "-m", "pyright", "--pythonpath", sys.executable)


@pytest.mark.skipif(not (ROOT / "node_modules").exists(), reason="npm ci has not been run")
def test_the_javascript_is_well_typed():
    passes("npx", "--no-install", "tsc", "-p", "jsconfig.json")
