#!/usr/bin/env bash
# Runs all tests: installs what is missing, builds, every Bazel test, then real grpcurl against a
# real server.
#
# usage: tools/test.sh [BAZEL-OPTION]...      such as --config=asan (then without grpcurl)
#
# The last line is "N passed, N failed", with ", N skipped" where something was. The exit status is
# Bazel's, or 1 where a test failed in another way.
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

tools/setup.sh test

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

status=0
"$BAZEL" test --build_event_json_file="$work/events" --noshow_progress --color=no \
    --keep_going "$@" //... || status=$?
counts=$(python3 tools/testing/count_tests.py "$work/events")
read -r passed failed skipped <<<"$counts"
# Bazel failed before there was anything to count.
if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
    failed=1
fi

if [ $# -eq 0 ]; then
    tools/test_grpcurl.sh --counts "$work/grpcurl" || [ "$status" -ne 0 ] || status=1
    if [ -s "$work/grpcurl" ]; then
        read -r more_passed more_failed more_skipped <"$work/grpcurl"
    else
        more_passed=0 more_failed=1 more_skipped=0
    fi
    passed=$((passed + more_passed))
    failed=$((failed + more_failed))
    skipped=$((skipped + more_skipped))
fi
if [ "$failed" -ne 0 ] && [ "$status" -eq 0 ]; then
    status=1
fi

line="$passed passed, $failed failed"
if [ "$skipped" -ne 0 ]; then
    line="$line, $skipped skipped"
fi
echo "$line"
exit "$status"
