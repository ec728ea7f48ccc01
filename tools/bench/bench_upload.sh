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
#   --extra N             queries after the upload (default: 5)
#   --timeout SECONDS     for one run (default: 300)
#   --out FOLDER          for results.csv and each run's JSON (default: the cache folder's bench/)
#
# Prints the wire bound (the model's bytes at the rate that iperf3 gets over the same link in the same
# run), the time until the last byte was acknowledged, until the whole model was ready, the sum of creation
# times, and the queries' times.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/../common.sh"

cfg=resnet152 weights='' fit=letterbox rate=80 modes="threaded inline" repeat=3 engine='' partitioner='' slowdown=5 extra=5
limit=300 out=$CACHE/bench
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        print_help
        exit 0
        ;;
    --cfg | --weights | --fit | --rate | --creation | --repeat | --engine | --partitioner | --slowdown | --extra | --timeout | --out)
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
[ "$(id -u)" -eq 0 ] || die "network namespaces need root"
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

edge=ll-edge-$$ device=ll-device-$$ edge_ip=10.77.0.1 device_ip=10.77.0.2
work=$(mktemp -d)
server='' listener=''
finish() {
    local child
    for child in $server $listener; do
        if kill "$child" 2>/dev/null; then
            wait "$child" 2>/dev/null || true
        fi
    done
    ip netns delete "$edge" 2>/dev/null || true
    ip netns delete "$device" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# make_end NAMESPACE INTERFACE ADDRESS: one end of the link. A larger burst would let an idle link
# answer faster than its rate.
make_end() {
    ip -n "$1" address add "$3/24" dev "$2"
    ip -n "$1" link set lo up
    ip -n "$1" link set "$2" up
    ip netns exec "$1" tc qdisc add dev "$2" root tbf rate "${rate}mbit" burst 4kb latency 50ms
}
ip netns add "$edge"
ip netns add "$device"
ip link add name ll-e netns "$edge" type veth peer name ll-d netns "$device"
make_end "$edge" ll-e "$edge_ip"
make_end "$device" ll-d "$device_ip"

# wait_for SECONDS COMMAND...
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

listens() {
    ip netns exec "$edge" ss -Hltn "sport = :5201" | grep -q .
}
ip netns exec "$edge" iperf3 -s -1 >/dev/null &
listener=$!
wait_for 10 listens || die "iperf3 does not listen"
ip netns exec "$device" iperf3 -c "$edge_ip" -t 10 -O 1 --json >"$work/iperf"
wait "$listener" || true
listener=

# run_once MODE NUMBER
run_once() {
    local json=$out/$1-$2.jsonl
    rm -f "$work/port"
    ip netns exec "$edge" bazel-bin/edge/server --listen "$edge_ip:0" --port-file "$work/port" \
        --creation "$1" ${engine:+--engine "$engine"} 2>"$out/$1-$2.server.log" &
    server=$!
    wait_for 20 test -s "$work/port" || die "the server did not start; see $out/$1-$2.server.log"
    ip netns exec "$device" timeout "$limit" bazel-bin/device/agent \
        --edge "$edge_ip:$(cat "$work/port")" --cfg "$cfg" --weights "$weights" --image "$darknet/data/dog.jpg" \
        --fit "$fit" ${partitioner:+--partitioner "$partitioner"} ${engine:+--engine "$engine"} --slowdown "$slowdown" \
        --until-uploaded "$extra" --json "$json" >"$out/$1-$2.agent.log" 2>&1 ||
        die "the agent failed; see $out/$1-$2.agent.log"
    kill "$server"
    wait "$server" || die "the server failed; see $out/$1-$2.server.log"
    server=
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
python3 tools/bench/bench_table.py --iperf "$work/iperf" --rate "$rate" --csv "$out/results.csv" "${runs[@]}" |
    tee "$out/results.txt"
say "results: $out/results.csv"
