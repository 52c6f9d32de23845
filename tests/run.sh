#!/usr/bin/env bash
# Installs what the tests need, into .venv and node_modules and, as root on Debian, the system's packages; runs them all.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=()
command -v chromium >/dev/null || wanted+=(chromium)
command -v npm >/dev/null || wanted+=(nodejs npm)
command -v Xvfb >/dev/null || wanted+=(xvfb)
python3 -c "import tkinter" 2>/dev/null || wanted+=(python3-tk)
for library in libegl1 libgl1-mesa-dri libgl1 libgomp1 libusb-1.0-0; do
    dpkg -s "$library" >/dev/null 2>&1 || wanted+=("$library")
done
if ((${#wanted[@]})); then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
fi

[ -x .venv/bin/python ] || python3 -m venv .venv
.venv/bin/pip install -q --disable-pip-version-check -r requirements.txt -r requirements-test.txt
npm ci --silent --no-audit --no-fund

exec .venv/bin/python -m pytest "$@"
