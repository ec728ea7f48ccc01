#!/usr/bin/env bash
# Runs the tests under a sanitizer.
#
# usage: tools/sanitize.sh [asan|ubsan|tsan]... [-- BAZEL-OPTION...]      (default: all three in turn)
#
#   asan    AddressSanitizer with leak detection, the whole suite
#   ubsan   UndefinedBehaviorSanitizer, the whole suite
#   tsan    ThreadSanitizer, all but the tests tagged no-tsan (one thread, much arithmetic)
#
# Each has an output folder of its own (.bazelrc), so that switching rebuilds nothing. The last line
# of each run counts its tests; exit status 1 where one failed.
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
    asan | ubsan | tsan) sanitizers+=("$1") ;;
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

failed=()
for sanitizer in "${sanitizers[@]}"; do
    say "$sanitizer"
    options=(--config="$sanitizer" --build_tests_only)
    if [ "$sanitizer" = tsan ]; then
        # What computes is 10 to 20 times slower.
        options+=(--test_tag_filters=-no-tsan "--test_timeout=300,1200,1800,3600")
    fi
    tools/test.sh "${options[@]}" "$@" || failed+=("$sanitizer")
done
if [ ${#failed[@]} -ne 0 ]; then
    die "failed: ${failed[*]}"
fi
say "clean: ${sanitizers[*]}"
