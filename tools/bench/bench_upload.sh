#!/usr/bin/env bash
# Measures an upload with queries going on, over a shaped link: server and agent in two network
# namespaces, joined by a veth pair with a token bucket at both ends. Needs root.
#
# usage: tools/bench/bench_upload.sh [OPTION]...
#
#   --cfg NAME|FILE       the model (default: resnet152, of Darknet's own cfg folder)
#   --weights FILE        its weights (default: seeded, made by //tools:make_weights)
#   --fit letterbox|crop  how the photo is fitted (default: letterbox)
#   --rate MBPS           the link's rate in 10^6 bit/s (default: 80)
#   --creation MODES      what to compare (default: "threaded inline")
#   --repeat N            runs of each, interleaved (default: 3)
#   --engine E            of server and agent (default: theirs)
#   --partitioner P       the agent's (default: its own default)
#   --slowdown X          of the device (default: 5)
#   --cut FIRST:END       all queries run these layers on the edge, and the first waits until it can: compares their
#                         times during the upload with those after it
#   --extra N             queries after the upload (default: 5; with --cut 40)
#   --timeout SECONDS     for one run (default: 300)
#   --capture             tells from each run's packets where the link's time went (link_use.py), at the price of
#                         tcpdump's processor time
#   --out FOLDER          for results.csv and each run's JSON (default: the cache folder's bench/)
#
# Prints the wire bound (the model's bytes at the rate that iperf3 gets over the same link in the same
# run), the bound of all bytes sent (those of queries, too), the time until the last byte was acknowledged, also over the
# latter bound, and how much later the whole model was ready, the sum of creation times, and the queries' times.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/../common.sh"
# shellcheck source=tools/bench/link.sh
. "$(dirname "$0")/link.sh"

cfg=resnet152 weights='' fit=letterbox rate=80 modes="threaded inline" repeat=3 engine='' partitioner='' slowdown=5 extra=''
cut='' captures='' limit=300 out=$CACHE/bench
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        print_help
        exit 0
        ;;
    --capture) captures=1 ;;
    --cfg | --weights | --fit | --rate | --creation | --repeat | --engine | --partitioner | --slowdown | --cut | --extra | \
        --timeout | --out)
        [ $# -ge 2 ] || die_usage "$1 wants a value"
        case $1 in
        --cfg) cfg=$2 ;;
        --weights) weights=$(realpath "$2") ;;
        --fit) fit=$2 ;;
        --rate) rate=$2 ;;
        --creation) modes=$2 ;;
        --repeat) repeat=$2 ;;
        --engine) engine=$2 ;;
        --partitioner) partitioner=$2 ;;
        --slowdown) slowdown=$2 ;;
        --cut) cut=$2 ;;
        --extra) extra=$2 ;;
        --timeout) limit=$2 ;;
        --out) out=$(realpath -m "$2") ;;
        esac
        shift
        ;;
    *) die_usage "unknown option '$1'" ;;
    esac
    shift
done
[[ $repeat =~ ^[1-9][0-9]*$ ]] || die_usage "bad --repeat '$repeat'"
[ -n "$extra" ] || extra=$([ -n "$cut" ] && echo 40 || echo 5)
require_root
[ ! -f "$cfg" ] || cfg=$(realpath "$cfg")

cd "$ROOT"
tools/setup.sh bench
"$BAZEL" build --noshow_progress --ui_event_filters=-info //edge:server //device:agent //tools:make_weights
darknet=$("$BAZEL" info output_base 2>/dev/null)/external/darknet
[ -f "$cfg" ] || cfg=$darknet/cfg/$cfg.cfg
[ -f "$cfg" ] || die "no such cfg: $cfg"
mkdir -p "$out"
seeded=
if [ -z "$weights" ]; then
    seeded=" (seeded weights)"
    weights=$CACHE/bench/$(basename "$cfg" .cfg).seed1.weights
    mkdir -p "$CACHE/bench"
    bazel-bin/tools/make_weights --cfg "$cfg" --out "$weights" --seed 1
fi

trap close_link EXIT
trap 'exit 1' HUP INT TERM

open_link
shape_link "$rate"
measure_link "$out/iperf.json" 10

# run_once MODE NUMBER
run_once() {
    local name=$out/$1-$2
    start_edge "$name.server.log" --creation "$1" ${engine:+--engine "$engine"}
    [ -z "$captures" ] || start_capture "$name.pcap"
    run_agent "$limit" "$name.agent.log" --cfg "$cfg" --weights "$weights" --image "$darknet/data/dog.jpg" \
        --fit "$fit" ${partitioner:+--partitioner "$partitioner"} ${engine:+--engine "$engine"} \
        --slowdown "$slowdown" ${cut:+--cut "$cut"} --until-uploaded "$extra" --json "$name.jsonl"
    if [ -n "$captures" ]; then
        stop_capture
        python3 tools/bench/link_use.py --rate "$rate" --json "$name.jsonl" "$name.pcap" | tee "$name.use.txt"
    fi
    stop_edge "$name.server.log"
}

runs=()
for ((number = 1; number <= repeat; number++)); do
    for mode in $modes; do
        say "$mode, run $number of $repeat"
        run_once "$mode" "$number"
        runs+=("$mode:$number:$out/$mode-$number.jsonl")
    done
done
say "$(basename "$cfg" .cfg)$seeded, ${engine:-default} engine, device slowed down $slowdown times, both on $(nproc) cores: $(uname -m)"
python3 tools/bench/bench_table.py --iperf "$out/iperf.json" --rate "$rate" ${cut:+--cut} --csv "$out/results.csv" \
    "${runs[@]}" |
    tee "$out/results.txt"
say "results: $out/results.csv"
