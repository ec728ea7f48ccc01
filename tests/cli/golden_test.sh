#!/usr/bin/env bash
# golden.sh itself: what it takes for equal, and what not.
#
# usage: golden_test.sh GOLDEN_SH
set -euo pipefail
golden=$(realpath "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

tests=0
failures=0
# expect STATUS: golden.sh's on the golden file that stands on stdin.
expect() {
    local status=0
    tests=$((tests + 1))
    cat >"$work/case.golden"
    env -u XML_OUTPUT_FILE bash "$golden" "$work/case.golden" >"$work/out" 2>&1 || status=$?
    if [ "$status" -ne "$1" ]; then
        failures=$((failures + 1))
        echo "status $status instead of $1 of:"
        sed 's/^/    /' "$work/case.golden" "$work/out"
    fi
}

# Without a tolerance every character counts.
expect 0 <<<$'$ echo 0.5 a\n> 0.5 a\nexit 0'
expect 1 <<<$'$ echo 0.50 a\n> 0.5 a\nexit 0'
expect 1 <<<$'$ echo 0.5 b\n> 0.5 a\nexit 0'
expect 1 <<<$'$ echo 0.5 a >&2\n> 0.5 a\nexit 0'
expect 1 <<<$'$ false\nexit 0'
# With one, decimals are near enough by the largest of them.
expect 0 <<<$'$ echo "p":0.36696,x=2.0\n~ 1e-4\n> p:0.36700,x=2.0\nexit 0'
expect 1 <<<$'$ echo "p":0.36696,x=0.1\n~ 1e-4\n> p:0.36700,x=0.1\nexit 0'
expect 1 <<<$'$ echo 0.3\n~ 1e-4\n> -0.3\nexit 0'
expect 0 <<<$'$ echo -0.30001e-3 1.0\n~ 1e-4\n> -0.3e-3 1.0\nexit 0'
# Whole numbers, text, and how many there are, stay exact.
expect 1 <<<$'$ echo 10001 0.5\n~ 1e-4\n> 10000 0.5\nexit 0'
expect 1 <<<$'$ echo a 10000.0\n~ 1e-4\n> b 10000.0\nexit 0'
expect 1 <<<$'$ echo 0.5 0.5\n~ 1e-4\n> 0.5\nexit 0'
expect 1 <<<$'$ printf "0.5\\n0.5\\n"\n~ 1e-4\n> 0.5\nexit 0'
expect 1 <<<$'$ echo nan\n~ 1e-4\n> 0.5\nexit 0'
# A tolerance is of one command.
expect 1 <<<$'$ echo 0.50001\n~ 1e-3\n> 0.5\nexit 0\n$ echo 0.50001\n> 0.5\nexit 0'
# end_at: the signal comes with the line, and the status is the command's.
expect 0 <<<$'$ end_at TERM ready bash -c \'trap "echo end; exit 3" TERM; echo ready; while :; do :; done\'\n> ready\n> end\nexit 3'
expect 0 <<<$'$ end_at TERM never bash -c "echo ready; exit 4"\n> ready\nexit 4'

if [ -n "${XML_OUTPUT_FILE:-}" ]; then
    printf '<testsuites><testsuite name="golden" tests="%d" failures="%d" errors="0"/></testsuites>\n' \
        "$tests" "$failures" >"$XML_OUTPUT_FILE"
fi
echo "$tests tests, $failures failed"
[ "$failures" -eq 0 ]
