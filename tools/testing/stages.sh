# shellcheck shell=bash
# Sourced, behind common.sh, by what runs several stages of tests and counts them together.

stages_work=$(mktemp -d)
trap 'rm -rf "$stages_work"' EXIT
stages_passed=0 stages_failed=0 stages_skipped=0
stages_summary=()

# stage NAME COMMAND...: runs it without standard input. What its last line counts ("N passed, N failed",
# with ", N skipped" where something was) is added to the sum; a command that counts nothing is one test,
# which exit status 3 skips. One that fails without a failed test is one failed test more.
stage() {
    local name=$1 started=$SECONDS status=0 last passed=0 failed=0 skipped=0
    shift
    say "$name: $*"
    "$@" </dev/null 2>&1 | tee "$stages_work/log" || status=$?
    last=$(tail -n 1 "$stages_work/log")
    if [[ $last =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
        passed=${BASH_REMATCH[1]} failed=${BASH_REMATCH[2]} skipped=${BASH_REMATCH[4]:-0}
    elif [ "$status" -eq 0 ]; then
        passed=1
    elif [ "$status" -eq 3 ]; then
        skipped=1 status=0
    fi
    if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
        failed=1
    fi
    stages_passed=$((stages_passed + passed))
    stages_failed=$((stages_failed + failed))
    stages_skipped=$((stages_skipped + skipped))
    last=ok
    [ "$failed" -eq 0 ] || last=FAILED
    stages_summary+=("$(printf '%-20s %-6s %5d passed %3d failed %3d skipped %5d s' \
        "$name" "$last" "$passed" "$failed" "$skipped" "$((SECONDS - started))")")
}

# finish_stages: what each stage gave, then the sum as the last line; fails where a test failed.
finish_stages() {
    printf '%s\n' "${stages_summary[@]}"
    local line="$stages_passed passed, $stages_failed failed"
    if [ "$stages_skipped" -ne 0 ]; then
        line="$line, $stages_skipped skipped"
    fi
    echo "$line"
    [ "$stages_failed" -eq 0 ] && [ "$stages_passed" -gt 0 ]
}
