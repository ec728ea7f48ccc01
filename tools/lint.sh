#!/usr/bin/env bash
# Checks how the sources are written: the project's own rules (tools/lint/rules.py: forbidden functions, who
# may include whom; tools/lint/docs.py: links and names that lead nowhere), clang-format, buildifier, shellcheck,
# clang-tidy and clang's thread safety analysis.
# Installs what is missing.
#
# usage: tools/lint.sh [FILE...]      (default: every file that git knows)
#
# The last line counts the checks, "N passed, N failed", with ", N skipped" where one could not be had.
# Exit status 1 on any finding.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

BUILDIFIER=v0.0.0-20231115204819-d4c9dccdfbb1 # release 6.4.0
BUILDIFIER_NPM=6.4.0

case ${1:-} in
-h | --help)
    print_help
    exit 0
    ;;
esac

files=()
for file in "$@"; do
    file=$(realpath --relative-to="$ROOT" "$file")
    [ -f "$ROOT/$file" ] || die "no such file: $file"
    files+=("$file")
done
cd "$ROOT"
tools/setup.sh lint
if [ ${#files[@]} -eq 0 ]; then
    # The tree may belong to somebody else: git refuses that for root unless it is told.
    tracked=$(git -c safe.directory='*' ls-files)
    mapfile -t files < <(while read -r file; do [ ! -f "$file" ] || echo "$file"; done <<<"$tracked")
fi

# select_files REGEX: those of `files` whose name matches, into `selected`.
select_files() {
    mapfile -t selected < <(printf '%s\n' "${files[@]}" | grep -E "$1" || true)
}

passed=0 failed=0 skipped=0
# check NAME COMMAND...: with the selected files; nothing where there are none.
check() {
    local name=$1 started=$SECONDS
    shift
    if [ ${#selected[@]} -eq 0 ]; then
        return
    fi
    if "$@" "${selected[@]}"; then
        say "$name: ${#selected[@]} files ok ($((SECONDS - started)) s)"
        passed=$((passed + 1))
    else
        say "$name: findings"
        failed=$((failed + 1))
    fi
}

find_buildifier() {
    if command -v buildifier; then
        return
    fi
    local folder=$CACHE/npm/buildifier-$BUILDIFIER_NPM
    if go_tool buildifier "github.com/bazelbuild/buildtools/buildifier@$BUILDIFIER"; then
        return
    fi
    if [ ! -x "$folder/node_modules/.bin/buildifier" ]; then
        command -v npm >/dev/null || return 1
        npm install --silent --no-save --ignore-scripts --prefix "$folder" \
            "@bazel/buildifier@$BUILDIFIER_NPM" >&2 || return 1
    fi
    echo "$folder/node_modules/.bin/buildifier"
}

select_files '\.[ch]$'
check rules tools/lint/rules.py
check clang-format clang-format --dry-run -Werror

select_files '\.(md|[ch])$'
check docs tools/lint/docs.py

select_files '(^|/)(BUILD|WORKSPACE)(\.bazel)?$|\.bzl$'
if buildifier=$(find_buildifier); then
    check buildifier "$buildifier" -mode=check -lint=warn
else
    say "buildifier: skipped (neither installed nor to be had from Go's module proxy or npm)"
    skipped=$((skipped + 1))
fi

select_files '(\.sh|^\.ci/run)$'
check shellcheck shellcheck -x

select_files '\.c$'
check clang-tidy tools/lint/tidy.py
check thread-safety tools/lint/thread_safety.py

line="$passed passed, $failed failed"
if [ "$skipped" -ne 0 ]; then
    line="$line, $skipped skipped"
fi
echo "$line"
[ "$failed" -eq 0 ]
