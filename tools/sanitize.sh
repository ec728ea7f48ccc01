#!/usr/bin/env bash
# Runs the tests under a sanitizer.
#
# usage: tools/sanitize.sh [asan|ubsan|sanitize|tsan]... [-- BAZEL-OPTION...]
#                                             (default: asan, ubsan and tsan in turn)
#
#   asan       AddressSanitizer with leak detection, the whole suite
#   ubsan      UndefinedBehaviorSanitizer, the whole suite
#   sanitize   both in one build
#   tsan       ThreadSanitizer, all but the tests tagged no-tsan (one thread, much arithmetic)
#
# Each has an output folder of its own (.bazelrc), so that switching rebuilds nothing. The last line counts
# the tests of all; exit status 1 where one failed.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"
cd "$ROOT"

sanitizers=()
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        print_help
        exit 0
        ;;
    asan | ubsan | sanitize | tsan) sanitizers+=("$1") ;;
    --)
        shift
        break
        ;;
    *) die_usage "unknown sanitizer '$1'" ;;
    esac
    shift
done
if [ ${#sanitizers[@]} -eq 0 ]; then
    sanitizers=(asan ubsan tsan)
fi

# run SANITIZER BAZEL-OPTION...
run() {
    # What computes is 10 to 20 times slower.
    local options=(--config="$1" --build_tests_only "--test_timeout=300,1200,1800,3600")
    if [ "$1" = tsan ]; then
        options+=(--test_tag_filters=-no-tsan)
    fi
    shift
    tools/test.sh "${options[@]}" "$@"
}

if [ ${#sanitizers[@]} -eq 1 ]; then
    say "${sanitizers[0]}"
    run "${sanitizers[0]}" "$@"
    exit
fi
# shellcheck source=tools/testing/stages.sh
. tools/testing/stages.sh
for sanitizer in "${sanitizers[@]}"; do
    stage "$sanitizer" run "$sanitizer" "$@"
done
finish_stages
