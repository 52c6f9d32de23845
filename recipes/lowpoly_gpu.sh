#!/usr/bin/env bash
# The bundled model's recipe in one call of a few minutes, on a machine with a GPU and without network or display.
# PYTHON is the interpreter (python3); `recipes/lowpoly_gpu.sh --help` has the arguments.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
PYTHONPATH="$here/..${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python3}" "$here/lowpoly_gpu.py" "$@"
