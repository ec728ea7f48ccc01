# shellcheck shell=bash
# Sourced by the benches, after common.sh: a server and an agent in two network namespaces that a veth pair
# joins, with a token bucket at both ends of it. Needs root. Who opens the link closes it on every way out.

link_edge=ll-edge-$$ link_device=ll-device-$$
link_edge_ip=10.77.0.1 link_device_ip=10.77.0.2
# Commands that the server and the agent run under, such as thread_cpu.py; none: as they are.
link_edge_under=() link_device_under=()
link_work='' server='' agent='' listener='' capturer='' replayer=''

require_root() {
    [ "$(id -u)" -eq 0 ] || die "network namespaces need root"
}

# make_end NAMESPACE INTERFACE ADDRESS
make_end() {
    ip -n "$1" address add "$3/24" dev "$2"
    ip -n "$1" link set lo up
    ip -n "$1" link set "$2" up
}

open_link() {
    link_work=$(mktemp -d)
    ip netns add "$link_edge"
    ip netns add "$link_device"
    ip link add name ll-e netns "$link_edge" type veth peer name ll-d netns "$link_device"
    make_end "$link_edge" ll-e "$link_edge_ip"
    make_end "$link_device" ll-d "$link_device_ip"
}

# shape_link MBPS: the same in both directions; a thousandth at least, for a second in which a link is silent. The burst is what the link takes 0.4 ms for, and at least 4 kB:
# a larger one would let an idle link answer faster than its rate, a smaller one is not kept up with.
shape_link() {
    local burst
    burst=$(awk -v rate="$1" 'BEGIN { b = 4096 * rate / 80; printf "%d", b < 4096 ? 4096 : b }')
    tc -n "$link_edge" qdisc replace dev ll-e root tbf rate "$1mbit" burst "$burst" latency 50ms
    tc -n "$link_device" qdisc replace dev ll-d root tbf rate "$1mbit" burst "$burst" latency 50ms
}

# start_replay FILE SCALE: the link's rate is each second the next one of a trace (a CSV file of "second,mbit_per_s"),
# times SCALE, from its beginning again and again, until stop_replay.
start_replay() {
    replay_link "$1" "$2" &
    replayer=$!
}

replay_link() {
    local rate next=$EPOCHREALTIME
    while :; do
        while IFS= read -r rate; do
            shape_link "$rate"
            # A second after the one before, however long that took.
            next=$(awk -v at="$next" 'BEGIN { printf "%.6f", at + 1 }')
            sleep "$(awk -v at="$next" -v now="$EPOCHREALTIME" 'BEGIN { printf "%.6f", (at > now ? at - now : 0) }')"
        done < <(awk -F, -v scale="$2" 'NR > 1 { r = $2 * scale; printf "%.3f\n", r < 0.001 ? 0.001 : r }' "$1")
    done
}

stop_replay() {
    kill "$replayer"
    wait "$replayer" 2>/dev/null || true
    replayer=
}

# link_bytes: what has gone up from the device so far, and down to it.
link_bytes() {
    ip -n "$link_device" -s -j link show dev ll-d | python3 -c 'import json, sys
stats = json.load(sys.stdin)[0]["stats64"]
print(stats["tx"]["bytes"], stats["rx"]["bytes"])'
}

# wait_for SECONDS COMMAND...
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

is_listening() {
    ip netns exec "$link_edge" ss -Hltn "sport = :5201" | grep -q .
}

# measure_link FILE SECONDS: what iperf3 gets from the device to the edge, as its JSON.
measure_link() {
    ip netns exec "$link_edge" iperf3 -s -1 >/dev/null &
    listener=$!
    wait_for 10 is_listening || die "iperf3 does not listen"
    ip netns exec "$link_device" iperf3 -c "$link_edge_ip" -t "$2" -O 1 --json >"$1" ||
        die "iperf3 failed; see $1"
    wait "$listener" || true
    listener=
}

# start_capture FILE: the heads of the packets that pass on the device's side, until stop_capture.
start_capture() {
    ip netns exec "$link_device" tcpdump -i ll-d -s 96 -B 16384 -U -w "$1" tcp 2>"$1.log" &
    capturer=$!
    wait_for 10 grep -q 'listening on' "$1.log" || die "tcpdump does not run; see $1.log"
}

stop_capture() {
    # It writes what it has.
    kill -INT "$capturer"
    wait "$capturer" || true
    capturer=
}

# start_edge LOG OPTION...: a server on a port of its own, into `edge_address`.
start_edge() {
    local log=$1
    shift
    rm -f "$link_work/port"
    ip netns exec "$link_edge" ${link_edge_under[@]+"${link_edge_under[@]}"} bazel-bin/edge/server --listen "$link_edge_ip:0" --store memory \
        --port-file "$link_work/port" "$@" 2>"$log" &
    server=$!
    wait_for 20 test -s "$link_work/port" || die "the server did not start; see $log"
    edge_address=$link_edge_ip:$(cat "$link_work/port")
}

# stop_edge LOG
stop_edge() {
    kill "$server"
    wait "$server" || die "the server failed; see $1"
    server=
}

# run_agent SECONDS LOG OPTION...: against that server.
run_agent() {
    local limit=$1 log=$2
    shift 2
    ip netns exec "$link_device" timeout "$limit" ${link_device_under[@]+"${link_device_under[@]}"} \
        bazel-bin/device/agent --edge "$edge_address" "$@" \
        >"$log" 2>&1 &
    # Waited for like this, a signal ends the script at once.
    agent=$!
    wait "$agent" || die "the agent failed; see $log"
    agent=
}

close_link() {
    local child
    for child in $replayer $agent $server $listener $capturer; do
        if kill "$child" 2>/dev/null; then
            wait "$child" 2>/dev/null || true
        fi
    done
    ip netns delete "$link_edge" 2>/dev/null || true
    ip netns delete "$link_device" 2>/dev/null || true
    [ -z "$link_work" ] || rm -rf "$link_work"
}
