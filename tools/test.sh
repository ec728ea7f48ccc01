#!/usr/bin/env bash
# Runs the tests: installs what is missing, builds, every Bazel test, then real grpcurl against a real
# server.
#
# usage: tools/test.sh [BAZEL-OPTION]...      such as --config=asan (then without grpcurl)
#        tools/test.sh --all
#
# --all goes on with all else that is checked here: how the sources are written, the whole suite with
# assertions and with older processors' instructions, under each sanitizer, every cfg of Darknet's against
# stock Darknet, offloaded answers of real models against local ones, the demo. That takes an hour or two;
# what cannot be had on this machine is skipped by name.
#
# The last line is "N passed, N failed", with ", N skipped" where something was. The exit status is
# Bazel's, or 1 where a test failed in another way.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"
cd "$ROOT"

run_all() {
    # shellcheck source=tools/testing/stages.sh
    . tools/testing/stages.sh
    stage suite tools/test.sh
    stage lint tools/lint.sh
    stage checked tools/test.sh --config=checked
    stage sse41 tools/test.sh --test_env=ONEDNN_MAX_CPU_ISA=SSE41
    stage avx2 tools/test.sh --test_env=ONEDNN_MAX_CPU_ISA=AVX2
    stage asan tools/sanitize.sh asan
    stage ubsan tools/sanitize.sh ubsan
    stage tsan tools/sanitize.sh tsan
    stage conformance "$BAZEL" run --noshow_progress //tools:conformance
    stage offload tools/verify_offload.sh fashion resnet50 alexnet densenet201 yolov3-tiny resnext50
    stage offload-efficientnet tools/verify_offload.sh efficientnet
    stage demo tools/demo.sh
    stage cross tools/cross.sh
    finish_stages
}

case ${1:-} in
-h | --help)
    print_help
    exit 0
    ;;
--all)
    [ $# -eq 1 ] || die_usage "--all takes no other option"
    run_all
    exit
    ;;
esac

tools/setup.sh test

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Where Bazel does not even start, it leaves none.
: >"$work/events"
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
