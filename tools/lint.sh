#!/usr/bin/env bash
# Checks how the sources are written: clang-format, clang-tidy, buildifier, shellcheck, and the
# project's own rules (tools/lint/rules.py). Installs what is missing.
#
# usage: tools/lint.sh [FILE...]      (default: every file that git knows)
#
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
    mapfile -t files < <(git ls-files | while read -r file; do [ ! -f "$file" ] || echo "$file"; done)
fi

# select_files REGEX: those of `files` whose name matches, into `selected`.
select_files() {
    mapfile -t selected < <(printf '%s\n' "${files[@]}" | grep -E "$1" || true)
}

findings=0
# check NAME COMMAND...: with the selected files; nothing where there are none.
check() {
    local name=$1 started=$SECONDS
    shift
    if [ ${#selected[@]} -eq 0 ]; then
        return
    fi
    if "$@" "${selected[@]}"; then
        say "$name: ${#selected[@]} files ok ($((SECONDS - started)) s)"
    else
        say "$name: findings"
        findings=$((findings + 1))
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

select_files '(^|/)(BUILD|WORKSPACE)(\.bazel)?$|\.bzl$'
if buildifier=$(find_buildifier); then
    check buildifier "$buildifier" -mode=check -lint=warn
else
    say "buildifier: skipped (neither installed nor to be had from Go's module proxy or npm)"
fi

select_files '(\.sh|^\.ci/run)$'
check shellcheck shellcheck -x

select_files '\.c$'
check clang-tidy tools/lint/tidy.py

if [ "$findings" -ne 0 ]; then
    die "$findings of the checks have findings"
fi
say "no findings"
