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
#   > lines on stdout
#   ! lines on stderr
#   exit STATUS
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

tests=0
failures=0
command=
# finish: ends the case whose expectation stands in `expected`.
finish() {
    [ -n "$command" ] || return 0
    tests=$((tests + 1))
    run "$command" >"$folder/actual"
    if $update; then
        cat "$folder/actual"
    elif ! diff --label expected --label actual -u <(printf '%s' "$expected") "$folder/actual"; then
        failures=$((failures + 1))
        echo "^ $command"
    fi
    command=
}

expected=
while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    '> '* | '! '* | '>' | '!' | 'exit '*)
        expected+=$line$'\n'
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
