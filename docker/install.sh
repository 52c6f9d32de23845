#!/bin/sh
# The steps of the Dockerfile; a test runs them without a container.
#
#   docker/install.sh system       Debian's packages that are needed to run (as root)
#   docker/install.sh program VENV [cpu|cuda]
#                                  the program in a virtual environment, PyTorch for a CPU or for CUDA
set -eu
cd "$(dirname "$0")/.."

case "${1:-}" in
system)
    apt-get update
    # shellcheck disable=SC2046
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $(cat packages.txt)
    rm -rf /var/lib/apt/lists/*
    ;;
program)
    venv=$2 device=${3:-cpu}
    [ -x "$venv/bin/python" ] || python3 -m venv "$venv"
    install() { "$venv/bin/python" -m pip install --no-cache-dir --disable-pip-version-check "$@"; }
    case "$device" in
    cpu) install --index-url https://download.pytorch.org/whl/cpu "$(grep '^torch==' requirements.txt)" ;;
    cuda) ;; # what PyPI has is built for CUDA
    *) echo "there is no device $device; choose cpu or cuda" >&2 && exit 2 ;;
    esac
    install -r requirements.txt
    install --no-deps .
    ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac
