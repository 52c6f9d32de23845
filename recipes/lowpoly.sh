#!/usr/bin/env bash
# From a folder of 3D models to a model folder: renders, four networks, packaging.
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
#   FURTHER_IMAGES  renders from wider around, of which further views are learnt at first (24000)
#   SCENES, VIEWS   staged scenes with true views, and how many of each (480, 31)
#   ROLLOUTS        scenes that the model of a round draws, of which the next one learns (1000)
#   ROUNDS          of rollouts and training on them (2)
#   FIRST_STEPS, PAIRS_STEPS, REFINER_STEPS, NOVEL_STEPS, NOVEL_REFINER_STEPS   of the networks (the configs')
#   BATCH           samples of a step (the configs')
#   START           model folder whose networks those of the first stage start from (none: from scratch)
#   NO_GRAPHS       when set, the model gets no graphs for ONNX Runtime, which take minutes
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

render() { # NAME POSES SEED IMAGES VIEWS
    "$python" -m ivid prepare models "$assets" --out "$work/$1" --poses "$2" --seed "$3" --images "$4" --views "$5" \
        --size "${SIZE:-128}" ${only:+--only "$only"} ${WORKERS:+--workers "$WORKERS"}
}

train() { # CONFIG RUN STEPS START ARGUMENTS
    local config=$1 run=$2 steps=$3 start=$4
    shift 4
    "$python" -m ivid train "configs/lowpoly/$config.json" --out "$work/$run" "$@" \
        ${steps:+--set "steps=$steps"} ${BATCH:+--set "batch_size=$BATCH"} ${start:+--set "init_from=$start"}
}

bundle() { # OUT NOVEL_VIEW ARGUMENTS
    local folder=$1 novel=$2
    shift 2
    "$python" -m ivid bundle configs/models/lowpoly.json "$work/first_view" "$work/$novel" \
        --data "$work/studio" --out "$folder" "$@"
}

# First views, and further ones from single pictures warped away and back.
render studio studio 1 "${FIRST_IMAGES:-50400}" 1
render around three-quarter 2 "${FURTHER_IMAGES:-24000}" 1
train first_view first_view "${FIRST_STEPS:-}" "${START:+$START/first_view_unet}" --data "$work/studio"
train novel_view_pairs novel_view_0 "${PAIRS_STEPS:-}" "${START:+$START/novel_view_unet}" --data "$work/around"
train refiner refiner "${REFINER_STEPS:-}" "${START:+$START/refiner_unet}" --data "$work/studio" \
    --further "$work/around" --set "refines=[\"$work/first_view/unet\", \"$work/novel_view_0/unet\"]"
bundle "$work/model_0" novel_view_0 --refiner "$work/refiner" --no-graphs

# Scenes: each round learns true views from what the model of the round before draws around them.
render scenes studio 3 "${SCENES:-480}" "${VIEWS:-31}"
rounds=${ROUNDS:-2} refined=$work/refiner/unet
for ((round = 1; round <= rounds; round++)); do
    before=$((round - 1))
    "$python" -m ivid prepare rollouts "$work/model_$before" --data "$work/scenes" --out "$work/rollouts_$round" \
        --scenes "${ROLLOUTS:-1000}" --seed "$round"
    train novel_view "novel_view_$round" "${NOVEL_STEPS:-}" "$work/novel_view_$before/unet" --data "$work/scenes" \
        --further "$work/rollouts_$round"
    train novel_refiner "novel_refiner_$round" "${NOVEL_REFINER_STEPS:-}" "$refined" --data "$work/scenes" \
        --further "$work/rollouts_$round" --set "refines=[\"$work/novel_view_$round/unet\"]"
    refined=$work/novel_refiner_$round/unet
    bundle "$work/model_$round" "novel_view_$round" --refiner "$work/refiner" \
        --novel-refiner "$work/novel_refiner_$round" --no-graphs
done
bundle "$out" "novel_view_$rounds" --refiner "$work/refiner" --novel-refiner "$work/novel_refiner_$rounds" \
    ${NO_GRAPHS:+--no-graphs}
