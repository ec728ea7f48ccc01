# shellcheck shell=bash
# Sourced by the scripts of this folder: the project's root, the cache folder, messages.
#
#   BAZEL               the Bazel to use (default: bazel)
#   LAYERLIFT_CACHE     where tools and models that were fetched are kept (default:
#                       $XDG_CACHE_HOME/layerlift or ~/.cache/layerlift)
# Bazel's own options belong in user.bazelrc in the project's root.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
export ROOT

# A service or a container may have none, and Bazel and Go want one.
if [ -z "${HOME:-}" ] || [ ! -d "$HOME" ]; then
    HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
    [ -d "$HOME" ] || HOME=${TMPDIR:-/tmp}
    export HOME
fi
CACHE=${LAYERLIFT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/layerlift}
BAZEL=${BAZEL:-bazel}
export CACHE BAZEL

say() {
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*"
}

warn() {
    say "$@" >&2
}

die() {
    warn "$@"
    exit 1
}

# Wrong options: exit status 2, as for every program of the project.
die_usage() {
    warn "$@"
    printf "Try '%s --help'.\n" "$0" >&2
    exit 2
}

# check_words OPTION WORDS REGEX: at least one, and each of that form.
check_words() {
    local word
    [ -n "${2// /}" ] || die_usage "$1 is empty"
    for word in $2; do
        [[ $word =~ ^($3)$ ]] || die_usage "bad $1 '$word'"
    done
}

# The comment at the head of a script is its help.
print_help() {
    sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"
}

# A Go compiler, Debian's or another vendor's; fails where there is none.
find_go() {
    command -v go || { [ -x /usr/local/go/bin/go ] && echo /usr/local/go/bin/go; }
}

# go_tool NAME PACKAGE@VERSION: builds a program from Go's module proxy into the cache folder and
# prints its path. The version is part of the path, so that a newer one replaces an older.
go_tool() {
    local folder=$CACHE/go/${2##*@} go
    if [ ! -x "$folder/$1" ]; then
        go=$(find_go) || return 1
        mkdir -p "$folder"
        # Build flags of the user's own projects do not apply here.
        GOFLAGS='' GOBIN=$folder CGO_ENABLED=0 "$go" install -ldflags='-s -w' "$2" >&2 || return 1
    fi
    printf '%s\n' "$folder/$1"
}

# start_server FOLDER [PROGRAM...]: a server on a port of its own; its process id in `server`, the port in FOLDER/port,
# the log in FOLDER/server.log. PROGRAM is another one than what was built here, with its first options.
start_server() {
    local i server_command=("${@:2}")
    [ $# -gt 1 ] || server_command=(bazel-bin/edge/server --store memory)
    "${server_command[@]}" --listen 127.0.0.1:0 --port-file "$1/port" 2>"$1/server.log" &
    server=$!
    for ((i = 0; i < 200; i++)); do
        [ ! -s "$1/port" ] || return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.05
    done
    cat "$1/server.log" >&2
    die "the server did not start"
}
