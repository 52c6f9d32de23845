#!/usr/bin/env bash
# bash tests/run.sh [lint|fast|all] [ARGUMENT OF PYTEST ...]
#   lint  ruff, pyright, tsc, Biome
#   fast  the tests without a browser, without training and without slow ones
#   all   both the linters and every test, side by side (default)
# Installs what they need first, into .venv and node_modules and, as root on Debian, the system's packages.
set -euo pipefail
cd "$(dirname "$0")/.."
# Some machines forbid it, and every program that a test starts would compile all that it imports.
unset PYTHONDONTWRITEBYTECODE

target=all
case "${1:-}" in lint | fast | all) target=$1 && shift ;; esac

wanted=()
if [ "$target" = all ]; then
    command -v chromium >/dev/null || wanted+=(chromium)
    command -v nginx >/dev/null || wanted+=(nginx-light)
    command -v openssl >/dev/null || wanted+=(openssl)
    command -v Xvfb >/dev/null || wanted+=(xvfb)
    python3 -c "import tkinter" 2>/dev/null || wanted+=(python3-tk)
fi
command -v npm >/dev/null || wanted+=(nodejs npm)
for library in libegl1 libgl1-mesa-dri libgl1 libgomp1 libusb-1.0-0; do
    dpkg -s "$library" >/dev/null 2>&1 || wanted+=("$library")
done

packages_of_system() {
    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

system() {
    if ((${#wanted[@]})); then packages_of_system "${wanted[@]}"; fi
    # Where there is this one too, most tests use it: it takes a third less time.
    if [ "$target" = all ] && ! command -v chromium-headless-shell >/dev/null; then
        packages_of_system chromium-headless-shell || echo "no chromium-headless-shell here; tests use chromium" >&2
    fi
}

python() {
    [ -x .venv/bin/python ] || python3 -m venv .venv
    local packages
    packages="$(cat requirements.txt requirements-test.txt)"
    [ "$packages" != "$(cat .venv/installed.txt 2>/dev/null)" ] || return 0
    # Most of what is installed is never imported: what is compiles itself.
    .venv/bin/pip install -q --no-compile --disable-pip-version-check -r requirements.txt -r requirements-test.txt
    printf '%s\n' "$packages" >.venv/installed.txt
}

javascript() {
    ! cmp -s package-lock.json node_modules/installed.json || return 0
    npm ci --silent --no-audit --no-fund
    cp package-lock.json node_modules/installed.json
}

# Python's packages beside the others, of which npm may be one of the system's.
(python) &
installing=$!
system
javascript
wait $installing

lint() {
    local failed=0
    .venv/bin/ruff check . || failed=1
    .venv/bin/ruff format --check --quiet . || failed=1
    npm run --silent check || failed=1
    npx --no-install pyright --pythonpath .venv/bin/python || failed=1
    return $failed
}

tests() {
    # Networks of tests are small: a second thread costs them more than it brings, and each worker has a core.
    OMP_NUM_THREADS=1 .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --durations=30 --durations-min=5 "$@"
}

case $target in
lint) lint ;;
fast) tests -m "not browser and not training and not slow" "$@" ;;
all)
    lint >.lint.log 2>&1 &
    linters=$!
    trap 'kill $linters 2>/dev/null || true' EXIT
    failed=0
    tests "$@" || failed=$?
    wait $linters || { echo "lint failed:" && failed=1; }
    cat .lint.log
    exit $failed
    ;;
esac
