#!/usr/bin/env bash
# Starts a benchmark of this folder that Bazel has built, for bench_infer.sh and bench_creation.sh.
#
# usage: run_bench.sh PROGRAM SCRIPT [OPTION]...
#
# PROGRAM is the path that it was started with, whose runfiles it needs. Where it has none, since somebody started the
# script itself, Bazel builds the program first.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$(realpath "$0")")/../common.sh"

program=$1 script=$2
shift 2
is_help=false
case " $* " in
*" --help "* | *" -h "*) is_help=true ;;
esac
if [ -z "${RUNFILES_DIR:-}" ] && [ ! -d "$program.runfiles" ] && ! $is_help; then
    # Relative paths are the caller's.
    export BUILD_WORKING_DIRECTORY=${BUILD_WORKING_DIRECTORY:-$PWD}
    cd "$ROOT"
    say "building" >&2
    "$BAZEL" build -c opt --noshow_progress --ui_event_filters=-info "//tools/bench:${script%.py}"
    program=bazel-bin/tools/bench/${script%.py}
    [ -d "$program.runfiles" ] || die "$program has no files beside it"
fi
BENCH_RUNFILES=$(realpath "${RUNFILES_DIR:-$program.runfiles}")/layerlift
export BENCH_RUNFILES LAYERLIFT_CACHE=$CACHE
$is_help || "$ROOT/tools/setup.sh" bench >&2 || warn "going on with what is installed"
exec /usr/bin/python3 "$ROOT/tools/bench/$script" "$@"
