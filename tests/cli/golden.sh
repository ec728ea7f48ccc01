#!/usr/bin/env bash
# Runs the commands of a golden file and compares what they print.
#
# usage: golden.sh [--update] GOLDEN FILE...
#
# Every FILE is at hand: programs on the PATH, anything else in the folder that the commands run in,
# which is new and empty otherwise. In the golden file
#
#   # a comment, as are blank lines
#   % a command that prepares something and must succeed
#   $ a command to test, followed by what it gives:
#   ~ TOLERANCE         (where numbers depend on the processor; see below)
#   > lines on stdout
#   ! lines on stderr
#   exit STATUS
#
# With a tolerance, decimals (-0.5, 12.25; not 3, nor .5) may differ from those that are expected by
# TOLERANCE times the largest of these; all else must be equal.
#
# A command may say
#
#   end_at SIGNAL PATTERN COMMAND...
#
# which runs COMMAND, passes its stdout on, sends it the signal once a line of it matches PATTERN (an
# extended regular expression), and has its exit status.
#
# --update writes the golden file with what the commands give now to stdout.
set -euo pipefail

update=false
if [ "$1" = --update ]; then
    update=true
    shift
fi
golden=$(realpath "$1")
shift

# No other program's files, and nobody who cleans up.
export TMPDIR=${TEST_TMPDIR:-${TMPDIR:-/tmp}}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/bin" "$folder/work"
for file in "$@"; do
    # Programs have no suffix here.
    case $(basename "$file") in
    *.*) cp -L "$file" "$folder/work/" ;;
    *) ln -s "$(realpath "$file")" "$folder/bin/" ;;
    esac
done
PATH=$folder/bin:$PATH
cd "$folder/work"
unset BUILD_WORKING_DIRECTORY

# mark PREFIX FILE: the lines of FILE with the prefix; the last one may lack its end.
mark() {
    sed "s/^/$1 /" "$2"
    if [ -n "$(tail -c 1 "$2")" ]; then
        echo
    fi
}

# run COMMAND: what it gives, in the golden file's form.
run() {
    local status=0
    bash -o pipefail -c "$1" >"$folder/out" 2>"$folder/err" </dev/null || status=$?
    mark '>' "$folder/out"
    mark '!' "$folder/err"
    echo "exit $status"
}

# shellcheck disable=SC2317 # The commands call it.
end_at() {
    local signal=$1 pattern=$2 lines child line
    shift 2
    lines=$(mktemp -u)
    mkfifo "$lines"
    "$@" >"$lines" &
    child=$!
    while IFS= read -r line; do
        printf '%s\n' "$line"
        if [[ $pattern && $line =~ $pattern ]]; then
            kill -s "$signal" "$child"
            pattern=
        fi
    done <"$lines"
    rm "$lines"
    wait "$child"
}
export -f end_at

# settle TOLERANCE EXPECTED ACTUAL: ACTUAL, with every decimal that is near enough to the one at its place
# in EXPECTED replaced by that one.
settle() {
    awk -v tolerance="$1" '
        function magnitude(number) { number += 0; return number < 0 ? -number : number }
        BEGIN { decimal = "-?[0-9]+[.][0-9]+(e[-+]?[0-9]+)?" }
        NR == FNR {
            expected[FNR] = $0
            for (rest = $0; match(rest, decimal); rest = substr(rest, RSTART + RLENGTH)) {
                size = magnitude(substr(rest, RSTART, RLENGTH))
                largest = size > largest ? size : largest
            }
            next
        }
        {
            settled = ""
            wanted = expected[FNR]
            for (rest = $0; match(rest, decimal); rest = substr(rest, start + length(number))) {
                start = RSTART
                number = substr(rest, RSTART, RLENGTH)
                settled = settled substr(rest, 1, start - 1)
                if (match(wanted, decimal)) {
                    other = substr(wanted, RSTART, RLENGTH)
                    wanted = substr(wanted, RSTART + RLENGTH)
                    if (magnitude(number - other) <= tolerance * largest) {
                        settled = settled other
                        continue
                    }
                }
                settled = settled number
            }
            print settled rest
        }' "$2" "$3"
}

tests=0
failures=0
command=
# finish: ends the case whose expectation stands in `expected`.
finish() {
    [ -n "$command" ] || return 0
    tests=$((tests + 1))
    run "$command" >"$folder/actual"
    if [ -n "$tolerance" ]; then
        printf '%s' "$expected" >"$folder/expected"
        settle "$tolerance" "$folder/expected" "$folder/actual" >"$folder/settled"
        mv "$folder/settled" "$folder/actual"
    fi
    if $update; then
        cat "$folder/actual"
    elif ! diff --label expected --label actual -u <(printf '%s' "$expected") "$folder/actual"; then
        failures=$((failures + 1))
        echo "^ $command"
    fi
    command=
    tolerance=
}

tolerance=
expected=
while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    '> '* | '! '* | '>' | '!' | 'exit '*)
        expected+=$line$'\n'
        continue
        ;;
    '~ '*)
        tolerance=${line#\~ }
        if $update; then
            printf '%s\n' "$line"
        fi
        continue
        ;;
    esac
    finish
    if $update; then
        printf '%s\n' "$line"
    fi
    case $line in
    '% '*) bash -c "${line#% }" ;;
    '$ '*)
        command=${line#$ }
        expected=
        ;;
    '' | '#'*) ;;
    *)
        echo "$golden: a line that is none of the above: $line"
        exit 1
        ;;
    esac
done <"$golden"
finish
$update && exit 0

if [ -n "${XML_OUTPUT_FILE:-}" ]; then
    name=$(basename "$golden" .golden)
    printf '<testsuites><testsuite name="%s" tests="%d" failures="%d" errors="0"/></testsuites>\n' \
        "$name" "$tests" "$failures" >"$XML_OUTPUT_FILE"
fi
echo "$tests commands, $failures failed"
[ "$failures" -eq 0 ] && [ "$tests" -gt 0 ]
