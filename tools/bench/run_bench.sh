#!/usr/bin/env bash
# Starts a benchmark of this folder that Bazel has built, for bench_infer.sh and bench_creation.sh.
#
# usage: run_bench.sh PROGRAM SCRIPT [OPTION]...
#
# PROGRAM is the path that it was started with, whose runfiles it needs.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$(realpath "$0")")/../common.sh"

program=$1 script=$2
shift 2
BENCH_RUNFILES=$(realpath "${RUNFILES_DIR:-$program.runfiles}")/layerlift
export BENCH_RUNFILES LAYERLIFT_CACHE=$CACHE
case " $* " in
*" --help "* | *" -h "*) ;;
*)
    "$ROOT/tools/setup.sh" bench >&2 || warn "going on with what is installed"
    ;;
esac
exec /usr/bin/python3 "$ROOT/tools/bench/$script" "$@"
