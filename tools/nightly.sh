#!/usr/bin/env bash
# What takes too long for continuous integration: every decoder under libFuzzer for a million inputs and more, the
# soak tests with ten times their rounds, and agents and servers of an earlier commit with those of this tree.
#
# usage: tools/nightly.sh [RUNS [FACTOR]]      (default: 1000000 inputs for each decoder, 10 times the rounds)
#
# A decoder that is slow ends after an hour. The last line counts the decoders and tests, as .ci/run's does;
# exit status 1 where one failed.
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
runs=${1:-1000000} factor=${2:-10}
[[ $runs =~ ^[1-9][0-9]*$ ]] || die_usage "bad number of runs '$runs'"
[[ $factor =~ ^[1-9][0-9]*$ ]] || die_usage "bad factor '$factor'"
tools/setup.sh test fuzz
# shellcheck source=tools/testing/stages.sh
. tools/testing/stages.sh

stage compat tools/compat.sh
# A list that cannot be had is not an empty one.
names=$(tools/fuzz.sh)
[ -n "$names" ] || die "there are no fuzz targets"
for name in $names; do
    stage "$name" tools/fuzz.sh "$name" 3600 "$runs"
done
stage soak "$BAZEL" test --noshow_progress --color=no --test_env=LL_SOAK_FACTOR="$factor" --test_timeout=7200 \
    //tests/soak/...
finish_stages
