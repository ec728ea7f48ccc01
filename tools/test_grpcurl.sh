#!/usr/bin/env bash
# Tests that grpcurl, as people use it, understands a running server.
#
# usage: tools/test_grpcurl.sh [--counts FILE]
#
# Wants bazel-bin/edge/server and bazel-bin/device/agent. grpcurl is the installed one, or it is built from
# Go's module proxy into the cache folder; where neither is possible all is skipped. --counts writes
# "PASSED FAILED SKIPPED" to FILE. Exit status 1 where a test failed.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

GRPCURL=github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.8.9
SERVICE=layerlift.v1.EdgeOffload
UNKNOWN=sha256:$(printf '0%.0s' {1..64})

counts=
case ${1:-} in
-h | --help)
    print_help
    exit 0
    ;;
--counts) counts=${2:?--counts wants a file} ;;
'') ;;
*) die_usage "unknown option '$1'" ;;
esac
cd "$ROOT"

TESTS=(
    lists_services lists_methods describes_service describes_message speaks_reflection_v1alpha
    health_is_serving health_of_service_is_serving health_of_unknown_service_is_not_found
    server_info_names_engine lists_no_models unknown_model_is_not_found unknown_method_is_unimplemented
    broken_request_is_invalid
    watches_upload lists_uploaded_model gets_model_with_layers watch_ends_at_delete lists_no_model_after_delete
    drains_on_sigterm
)
passed=0 failed=0 skipped=0
report() {
    [ -z "$counts" ] || echo "$passed $failed $skipped" >"$counts"
    say "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
}

grpcurl=$(command -v grpcurl || go_tool grpcurl "$GRPCURL") || {
    skipped=${#TESTS[@]}
    say "skipped: grpcurl is neither installed nor to be had from Go's module proxy"
    report
    exit 0
}

work=$(mktemp -d)
server='' agent='' watch=''
finish() {
    local child
    for child in $watch $agent $server; do
        if kill "$child" 2>/dev/null; then
            wait "$child" 2>/dev/null || true
        fi
    done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# wait_for COMMAND...: until it succeeds, at most 20 s.
wait_for() {
    local end=$((SECONDS + 20))
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.05
    done
}

bazel-bin/edge/server --listen 127.0.0.1:0 --store memory --port-file "$work/port" 2>"$work/server.log" &
server=$!
wait_for test -s "$work/port" || {
    cat "$work/server.log" >&2
    die "the server did not start"
}
address=127.0.0.1:$(cat "$work/port")

# ask [OPTION...] [METHOD]: grpcurl's stdout in $work/out, stderr in $work/err.
ask() {
    local options=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    [ $# -eq 0 ] || shift
    "$grpcurl" -plaintext -max-time 20 ${options[@]+"${options[@]}"} "$address" "$@" \
        >"$work/out" 2>"$work/err"
}

has() {
    grep -qF -- "$1" "$work/out"
}

# fails_with CODE ask...: the call fails, and with this status.
fails_with() {
    local code=$1
    shift
    ! "$@" && grep -q "Code: $code" "$work/err"
}

# json EXPRESSION [FILE]: true in Python, where `m` is the one JSON value of FILE (default: the answer)
# and `all` the list of them where there are several.
json() {
    python3 - "$1" "${2:-$work/out}" <<'PYTHON'
import json, sys
text, values, decoder = open(sys.argv[2]).read(), [], json.JSONDecoder()
while text.strip():
    value, end = decoder.raw_decode(text.lstrip())
    text = text.lstrip()[end:]
    values.append(value)
sys.exit(0 if eval(sys.argv[1], {"all_values": values, "m": values[0] if values else {}}) else 1)
PYTHON
}

test_lists_services() {
    ask -- list && has "$SERVICE" && has grpc.health.v1.Health && has grpc.reflection.v1alpha.ServerReflection
}
test_lists_methods() {
    ask -- list "$SERVICE"
    local method
    for method in Upload Offload ListModels GetModel WatchModel DeleteModel GetServerInfo; do
        has "$SERVICE.$method" || return 1
    done
}
test_describes_service() {
    ask -- describe "$SERVICE" &&
        has 'rpc Upload ( stream .layerlift.v1.UploadRequest ) returns ( stream .layerlift.v1.UploadEvent );' &&
        has 'rpc WatchModel ( .layerlift.v1.WatchModelRequest ) returns ( stream .layerlift.v1.ModelEvent );'
}
test_describes_message() {
    ask -- describe layerlift.v1.Query && has 'uint32 least_prefix = 5;' &&
        ask -- describe layerlift.v1.ModelState && has 'MODEL_STATE_READY = 3;'
}
test_speaks_reflection_v1alpha() {
    ask -d '{"list_services": ""}' -- grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo &&
        json "any(s['name'] == '$SERVICE' for s in m['listServicesResponse']['service'])"
}
test_health_is_serving() {
    ask -- grpc.health.v1.Health/Check && json "m['status'] == 'SERVING'"
}
test_health_of_service_is_serving() {
    ask -d "{\"service\": \"$SERVICE\"}" -- grpc.health.v1.Health/Check && json "m['status'] == 'SERVING'"
}
test_health_of_unknown_service_is_not_found() {
    fails_with NotFound ask -d '{"service": "none"}' -- grpc.health.v1.Health/Check
}
test_server_info_names_engine() {
    ask -- "$SERVICE/GetServerInfo" &&
        json "m['version'] and m['engine'] and m['instructionSet'] and m['creation'] == 'threaded' and m['limits']"
}
test_lists_no_models() {
    ask -- "$SERVICE/ListModels" && json "m == {}"
}
test_unknown_model_is_not_found() {
    local method
    for method in GetModel WatchModel DeleteModel; do
        fails_with NotFound ask -d "{\"model_id\": \"$UNKNOWN\"}" -- "$SERVICE/$method" || return 1
    done
}
test_unknown_method_is_unimplemented() {
    cat >"$work/unknown.proto" <<'PROTO'
syntax = "proto3";
package layerlift.v1;
message Nothing {}
service EdgeOffload { rpc Levitate(Nothing) returns (Nothing); }
service Elsewhere { rpc Levitate(Nothing) returns (Nothing); }
PROTO
    fails_with Unimplemented ask -import-path "$work" -proto unknown.proto -- "$SERVICE/Levitate" &&
        fails_with Unimplemented ask -import-path "$work" -proto unknown.proto -- layerlift.v1.Elsewhere/Levitate
}
test_broken_request_is_invalid() {
    # The request's field 1 as a number: not what the server's contract says.
    cat >"$work/broken.proto" <<'PROTO'
syntax = "proto3";
package layerlift.v1;
message Wrong { fixed32 model_id = 1; }
message Any {}
service EdgeOffload { rpc GetModel(Wrong) returns (Any); }
PROTO
    fails_with InvalidArgument ask -import-path "$work" -proto broken.proto -d '{"model_id": 1}' -- \
        "$SERVICE/GetModel"
}

has_a_model() {
    ask -- "$SERVICE/ListModels" && json "len(m.get('models', [])) == 1"
}
# start_agent OPTION...: an agent that uploads; its process id in `agent`.
start_agent() {
    timeout 60 bazel-bin/device/agent --edge "$address" --cfg tools/models/fashion_mnist/fashion.cfg \
        --weights tools/models/fashion_mnist/fashion.weights --input-f32 "$work/input" --no-profile \
        "$@" >"$work/agent.log" 2>&1 &
    agent=$!
}
has_watched_growth() {
    json "len({e.get('prefix', 0) for e in all_values}) > 1" "$work/watch"
}
# An upload over a slow link, watched until the prefix has grown, then over one that is not: it grows in steps,
# to the end.
test_watches_upload() {
    start_agent --limit-mbps 0.1 --duration 1000
    wait_for has_a_model || return 1
    model=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["models"][0]["modelId"])' "$work/out")
    "$grpcurl" -plaintext -max-time 60 -d "{\"model_id\": \"$model\"}" "$address" "$SERVICE/WatchModel" \
        >"$work/watch" 2>"$work/watch.err" &
    watch=$!
    wait_for has_watched_growth || return 1
    kill "$agent"
    wait "$agent" || return 1
    start_agent --until-uploaded 1
    wait "$agent" || return 1
    agent=
    wait_for grep -q MODEL_STATE_READY "$work/watch" || return 1
    json "[e.get('prefix', 0) for e in all_values] == sorted(e.get('prefix', 0) for e in all_values)" "$work/watch" &&
        json "all_values[-1]['prefix'] == all_values[-1]['layerCount']" "$work/watch" &&
        json "len({e.get('prefix', 0) for e in all_values}) > 2" "$work/watch"
}
test_lists_uploaded_model() {
    ask -- "$SERVICE/ListModels" &&
        json "m['models'][0]['state'] == 'MODEL_STATE_READY'" &&
        json "m['models'][0]['receivedBytes'] == m['models'][0]['weightBytes']"
}
test_gets_model_with_layers() {
    ask -d "{\"model_id\": \"$model\"}" -- "$SERVICE/GetModel" &&
        json "len(m['layers']) == m['layerCount'] and all(l['created'] for l in m['layers'])" &&
        json "m['legalCuts'][-1] == m['layerCount'] and m['layers'][0]['type'] == 'convolutional'"
}
test_watch_ends_at_delete() {
    ask -d "{\"model_id\": \"$model\"}" -- "$SERVICE/DeleteModel" || return 1
    local status=0
    wait "$watch" || status=$?
    watch=
    [ "$status" -ne 0 ] && grep -q 'Code: NotFound' "$work/watch.err"
}
test_lists_no_model_after_delete() {
    ask -- "$SERVICE/ListModels" && json "m == {}"
}
is_gone() {
    ! kill -0 "$1" 2>/dev/null
}
test_drains_on_sigterm() {
    kill -TERM "$server"
    local status=0
    wait_for is_gone "$server" || return 1
    wait "$server" || status=$?
    server=
    [ "$status" -eq 0 ]
}

model=$UNKNOWN
head -c 3136 /dev/zero >"$work/input"
for name in "${TESTS[@]}"; do
    if "test_$name"; then
        passed=$((passed + 1))
        say "$name: passed"
    else
        failed=$((failed + 1))
        warn "$name: FAILED"
        head -n 20 "$work/out" "$work/err" >&2 || true
    fi
done
report
