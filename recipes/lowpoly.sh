#!/usr/bin/env bash
# From a folder of 3D models to a model folder: renders, three networks, packaging.
#
#   recipes/lowpoly.sh ASSETS OUT
#
# ASSETS  one folder of GLB files per class
# OUT     the model folder, such as ckpts/lowpoly; what is there is replaced at the end
#
# Started again with the same settings it goes on where it was stopped; it ends at the first error. Settings, by
# environment variables:
#
#   WORK            folder of renders and runs (runs/lowpoly)
#   ONLY            list of the assets to train on, CLASS/FILE.glb a line; empty for all (configs/lowpoly/models.txt)
#   SIZE            side of the pictures in pixels, a multiple of 32 (128)
#   FIRST_IMAGES    renders as in a studio, of which first views are learnt (50400)
#   FURTHER_IMAGES  renders from wider around, of which further views are learnt (24000)
#   FIRST_STEPS, NOVEL_STEPS, REFINER_STEPS   steps of the networks (the configs')
#   BATCH           samples of a step (the configs')
#   START           model folder whose networks the new ones start from (none: from scratch)
#   WORKERS         processes that render (one per core)
#   PYTHON          the interpreter (python)
set -euo pipefail
if (($# != 2)); then
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
assets=$(realpath "$1") out=$(realpath -m "$2")
[ -z "${START:-}" ] || START=$(realpath "$START")
[ -z "${WORK:-}" ] || WORK=$(realpath -m "$WORK")
[ -z "${ONLY:-}" ] || ONLY=$(realpath "$ONLY")
cd "$(dirname "$0")/.."
work=${WORK:-$PWD/runs/lowpoly} only=${ONLY-configs/lowpoly/models.txt} python=${PYTHON:-python}

render() { # NAME POSES SEED IMAGES
    "$python" -m ivid prepare models "$assets" --out "$work/$1" --poses "$2" --seed "$3" --images "$4" \
        --size "${SIZE:-128}" ${only:+--only "$only"} ${WORKERS:+--workers "$WORKERS"}
}

train() { # NETWORK STEPS ARGUMENTS
    local network=$1 steps=$2
    shift 2
    "$python" -m ivid train "configs/lowpoly/$network.json" --out "$work/$network" "$@" \
        ${steps:+--set "steps=$steps"} ${BATCH:+--set "batch_size=$BATCH"} \
        ${START:+--set "init_from=$START/${network}_unet"}
}

render studio studio 1 "${FIRST_IMAGES:-50400}"
render around three-quarter 2 "${FURTHER_IMAGES:-24000}"
train first_view "${FIRST_STEPS:-}" --data "$work/studio"
train novel_view "${NOVEL_STEPS:-}" --data "$work/around"
train refiner "${REFINER_STEPS:-}" --data "$work/studio" --further "$work/around" \
    --set "refines=[\"$work/first_view/unet\", \"$work/novel_view/unet\"]"
"$python" -m ivid bundle configs/models/lowpoly.json "$work/first_view" "$work/novel_view" \
    --refiner "$work/refiner" --data "$work/studio" --out "$out"
