#!/usr/bin/env bash
# Fuzzes one decoder with libFuzzer, AddressSanitizer and UndefinedBehaviorSanitizer.
#
# usage: tools/fuzz.sh NAME [SECONDS [RUNS]]      (default: 60; without NAME: lists the names)
#
# NAME is a target of tests/fuzz. It ends after that many seconds or runs, whichever comes first. New inputs are kept in the cache folder and used again next time;
# an input that fails is named at the end. Those worth keeping belong in tests/fuzz/corpus/, which an
# ordinary test replays.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"
cd "$ROOT"

case ${1:-} in
-h | --help)
    print_help
    exit 0
    ;;
esac
if [ $# -eq 0 ]; then
    "$BAZEL" query 2>/dev/null 'kind("cc_binary rule", //tests/fuzz:all)' | sed 's/.*://'
    exit 0
fi
name=$1
seconds=${2:-60} runs=${3:--1}
[[ $name =~ ^[a-z0-9_]+$ ]] || die_usage "bad name '$name'"
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die_usage "bad number of seconds '$seconds'"
[[ $runs =~ ^(-1|[1-9][0-9]*)$ ]] || die_usage "bad number of runs '$runs'"

tools/setup.sh fuzz
"$BAZEL" build --noshow_progress --config=fuzz "//tests/fuzz:$name"
# bazel-bin may show another configuration's files.
program=$("$BAZEL" info --config=fuzz bazel-bin 2>/dev/null)/tests/fuzz/$name

corpus=$CACHE/fuzz/$name
mkdir -p "$corpus/new" "$corpus/failed"
folders=("$corpus/new")
if [ -d "tests/fuzz/corpus/${name%_fuzz}" ]; then
    folders+=("tests/fuzz/corpus/${name%_fuzz}")
fi
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:allocator_may_return_null=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
if ! "$program" -max_total_time="$seconds" -runs="$runs" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
    -artifact_prefix="$corpus/failed/" "${folders[@]}"; then
    die "$name failed; its input is in $corpus/failed/"
fi
say "$name: $SECONDS s without a failure"
