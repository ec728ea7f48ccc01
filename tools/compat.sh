#!/usr/bin/env bash
# Runs agents and servers of an earlier commit with those of this tree, both ways: uploads end, answers equal the
# local one bit for bit, the JSON is right, weights go as they are. Builds the earlier commit once, from git's history.
#
# usage: tools/compat.sh [COMMIT]      (default: c65ff3d, before weights, tensors and pictures were encoded)
#
# Models: fashion (part of this tree) and MobileNet with seeded weights (17 MB). The parts:
#
#   old agent, new server   each model
#   new agent, old server   each model, with what else the agent has that an old server does not know
#   both at once            an old and a new agent upload one model to a new server
#   one after the other     the old agent goes on where the new one was killed, and the other way round
#
# The last line is "N passed, N failed". Exit status: 0 all passed, 1 a test failed, 2 wrong options, 3 skipped (no
# history, as in a release).
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
[ $# -le 1 ] || die_usage "too many arguments"
cd "$ROOT"
# The tree may belong to somebody else: git refuses that for root unless it is told.
commit=$(git -c safe.directory='*' rev-parse --verify --quiet "${1:-c65ff3d}^{commit}" 2>/dev/null) || {
    say "skipped: there is no commit ${1:-c65ff3d} here to build (a release, or a shallow clone)"
    exit 3
}

"$BAZEL" build --noshow_progress --ui_event_filters=-info //edge:server //device:agent //tools:infer \
    //tools:make_weights
darknet=$("$BAZEL" info output_base 2>/dev/null)/external/darknet
new=bazel-bin
old=$CACHE/compat/$commit

# The programs of $commit, into $old. Its sources and all that Bazel keeps of them go again.
build_old() {
    local tree=$CACHE/compat/source
    say "building server and agent of ${commit:0:7}"
    rm -rf "$tree"
    mkdir -p "$tree" "$old/edge" "$old/device"
    git -c safe.directory='*' archive "$commit" | tar -x -C "$tree"
    [ ! -f user.bazelrc ] || cp user.bazelrc "$tree"
    (
        cd "$tree"
        "$BAZEL" build --noshow_progress --ui_event_filters=-info //edge:server //device:agent
        cp -fL bazel-bin/edge/server "$old/edge/server"
        cp -fL bazel-bin/device/agent "$old/device/agent"
        "$BAZEL" clean --expunge 2>/dev/null
    )
    rm -rf "$tree"
}

# A library that is newer than they are may be what they cannot use.
if ! "$old/edge/server" --version >/dev/null 2>&1 || ! "$old/device/agent" --version >/dev/null 2>&1; then
    build_old
fi

work=$(mktemp -d)
server='' agents=()
finish() {
    local child
    for child in $server ${agents[@]+"${agents[@]}"}; do
        if kill "$child" 2>/dev/null; then
            wait "$child" 2>/dev/null || true
        fi
    done
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# Each commit's programs write what its own check knows.
git -c safe.directory='*' show "$commit:tests/e2e/check_run.py" >"$work/check_old.py"
check_json() {
    local script=$work/check_old.py
    [ "$1" = "$old" ] || script=tests/e2e/check_run.py
    shift
    python3 "$script" "$@"
}

name_of() {
    [ "$1" = "$old" ] && echo "${commit:0:7}" || echo "this tree"
}

# agent_takes OPTION...: options are looked at in order, so --version ends it where the ones before are right.
agent_takes() {
    "$new/device/agent" "$@" --version >/dev/null 2>&1
}

passed=0 failed=0
ok() {
    passed=$((passed + 1))
    say "passed: $*"
}
miss() {
    failed=$((failed + 1))
    warn "FAILED: $*"
}

# start PROGRAMS: a server of these, into `server`, `edge` and $work/server.log. What it has goes with it, as with the
# earlier ones.
start() {
    local command=("$1/edge/server")
    [ "$1" = "$old" ] || command+=(--store memory)
    start_server "$work" "${command[@]}"
    edge=127.0.0.1:$(cat "$work/port")
}
stop() {
    kill "$server"
    wait "$server" || miss "$1: the server ended with status $?"
    server=
    rm -f "$work/port"
}

# Sets `input` and $work/local for $model. Values, no picture: how files are read may have changed since.
choose_model() {
    local cfg=tools/models/fashion_mnist/fashion.cfg weights=tools/models/fashion_mnist/fashion.weights floats=784
    if [ "$model" = mobilenet ]; then
        cfg=tools/models/mobilenet.cfg weights=$work/mobilenet.weights floats=$((3 * 224 * 224))
        [ -s "$weights" ] || "$new/tools/make_weights" --cfg "$cfg" --out "$weights" --seed 1 >/dev/null
    fi
    python3 -c 'import random, struct, sys
values = random.Random(1)
open(sys.argv[2], "wb").write(b"".join(struct.pack("<f", values.random()) for _ in range(int(sys.argv[1]))))' \
        "$floats" "$work/$model.input"
    input=(--cfg "$cfg" --weights "$weights")
    values=(--input-f32 "$work/$model.input")
    "$new/tools/infer" "${input[@]}" "${values[@]}" --output-f32 "$work/local" >/dev/null
}

# run_agent PROGRAMS NAME OPTION...: until the model is up and some queries more, in the background; its process is
# the last of `agents`. However busy this machine is, an answer is waited for.
run_agent() {
    local programs=$1 name=$work/$2
    shift 2
    rm -f "$name.json" "$name.out"
    "$programs/device/agent" --edge "$edge" "${input[@]}" --choose furthest --no-profile --deadline 600000 \
        --json "$name.json" --output-f32 "$name.out" "$@" >"$name.log" 2>&1 &
    agents+=($!)
}

# check_agent PROGRAMS NAME LOCAL WHAT [CHECK-OPTION...]: waits for it and counts a test.
check_agent() {
    local programs=$1 name=$work/$2 local=$3 what=$4 status=0
    shift 4
    wait "${agents[0]}" || status=$?
    agents=("${agents[@]:1}")
    if [ "$status" -ne 0 ]; then
        tail -n 5 "$name.log" >&2
        miss "$what: the agent ended with status $status"
    elif ! check_json "$programs" "$name.json" --uploaded --whole-last "$@"; then
        miss "$what: what the agent tells"
    elif ! cmp "$local" "$name.out"; then
        miss "$what: another answer"
    else
        ok "$what"
    fi
}

# check_raw NAME WHAT: an old server gets weights as they are, and all answers are the model's own.
check_raw() {
    python3 - "$work/$1.json" <<'PYTHON' || miss "$2: what an old server gets"
import json, sys
events = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
upload = next(event for event in events if event["event"] == "upload")
if upload.get("weight_bytes_sent", upload["model_bytes"]) != upload["model_bytes"]:
    sys.exit(f"weights were not sent as they are: {upload}")
if upload.get("draft_bytes_sent") or upload.get("draft_ready_ms") is not None:
    sys.exit(f"a draft where the server knows none: {upload}")
for event in events:
    if event["event"] == "query" and event.get("precision", "exact") != "exact":
        sys.exit(f"a draft's answer: {event}")
PYTHON
}

old_agent_new_server() {
    start "$new"
    run_agent "$old" run "${values[@]}" --until-uploaded 3
    check_agent "$old" run "$work/local" "$model: agent of ${commit:0:7}, server of this tree"
    stop "$model"
}

# run_variant NAME LOCAL OPTION...: a server for each, which has nothing yet.
run_variant() {
    local what="$model: agent of this tree${1:+, $1}, server of ${commit:0:7}" local=$2
    shift 2
    start "$old"
    run_agent "$new" run --until-uploaded 3 "$@"
    check_agent "$new" run "$local" "$what"
    check_raw run "$what"
    stop "$what"
}

new_agent_old_server() {
    local picture=("--image" "$darknet/data/dog.jpg")
    run_variant '' "$work/local" "${values[@]}"
    if agent_takes --precision draft; then
        run_variant "--precision draft" "$work/local" "${values[@]}" --precision draft
    fi
    if agent_takes --cut-encoding u8; then
        # The whole network runs on the edge in the end: nothing is cut, nothing rounded.
        run_variant "--cut-encoding u8" "$work/local" "${values[@]}" --cut-encoding u8
    fi
    if [ "$model" = mobilenet ]; then
        "$new/tools/infer" "${input[@]}" "${picture[@]}" --output-f32 "$work/local.picture" >/dev/null
        run_variant "a picture" "$work/local.picture" "${picture[@]}"
    fi
}

both_at_once() {
    start "$new"
    run_agent "$old" old "${values[@]}" --until-uploaded 3 --limit-mbps 40
    run_agent "$new" new "${values[@]}" --until-uploaded 3 --limit-mbps 40
    check_agent "$old" old "$work/local" "$model: both agents upload, that of ${commit:0:7}"
    check_agent "$new" new "$work/local" "$model: both agents upload, that of this tree"
    stop "both at once"
}

# one_after_the_other FIRST SECOND: FIRST is killed once half of MobileNet's layers are there.
one_after_the_other() {
    local what sent
    what="$model: agent of $(name_of "$2") goes on where that of $(name_of "$1") was killed"
    start "$new"
    run_agent "$1" first "${values[@]}" --limit-mbps 20 --partitioner layer --duration 300
    until grep -q '"event":"ready".*"prefix":\(1[5-9]\|2[0-9]\)' "$work/first.json" 2>/dev/null; do
        kill -0 "${agents[0]}" 2>/dev/null || die "$what: the first agent ended by itself"
        sleep 0.05
    done
    kill -KILL "${agents[0]}"
    wait "${agents[0]}" 2>/dev/null || true
    agents=()
    run_agent "$2" run "${values[@]}" --until-uploaded 3
    check_agent "$2" run "$work/local" "$what"
    sent=$(sed -n 's/.* is there: \([0-9.]*\) MB to upload.*/\1/p' "$work/run.log")
    if awk -v sent="$sent" -v all="$(stat -c %s "${input[3]}")" 'BEGIN { exit !(sent != "" && sent * 1e6 < all - 1e5) }'; then
        ok "$what: $sent MB were left"
    else
        miss "$what: '$sent' MB were left"
    fi
    stop "$what"
}

for model in fashion mobilenet; do
    choose_model
    old_agent_new_server
    new_agent_old_server
done
both_at_once
one_after_the_other "$new" "$old"
one_after_the_other "$old" "$new"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
