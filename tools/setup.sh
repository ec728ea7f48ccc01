#!/usr/bin/env bash
# Installs the Debian packages that Layerlift needs and that are missing (Debian 12; root or sudo).
#
# usage: tools/setup.sh [build|test|demo|lint|fuzz|bench|train|all]...     (default: build)
#
#   build   compiler, Bazel, libraries: all that bazel-bin/edge/server and device/agent take
#   test    build, and what tools/test.sh needs
#   demo    build, and what tools/demo.sh needs
#   lint    build, and what tools/lint.sh needs
#   fuzz    build, and what tools/fuzz.sh needs
#   bench   build, and what tools/bench/ needs
#   train   build, and the data set behind tools/models/fashion_mnist
#   all     everything
#
# Nothing that is installed is changed, and the package lists are fetched only where they are
# needed.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

# ca-certificates and dpkg-dev: Darknet comes as a Debian source package (tools/bazel/darknet.bzl).
BUILD=(
    bazel-bootstrap ca-certificates dpkg-dev g++ gcc pkg-config
    fonts-dejavu-core libdnnl-dev libfreetype-dev libgrpc-dev libjpeg62-turbo-dev libjson-c-dev
    libpng-dev libprotobuf-c-dev libssl-dev libturbojpeg0-dev libwebp-dev
    libzstd-dev zlib1g-dev libcunit1-dev
    protobuf-c-compiler protobuf-compiler
)
TEST=(python3 python3-numpy)
DEMO=(gnuplot-nox python3 python3-numpy python3-pip)
LINT=(clang clang-19 clang-format clang-tidy git python3 shellcheck)
FUZZ=(clang libclang-rt-14-dev llvm-14)
BENCH=(gnuplot-nox iperf3 iproute2 libjpeg-turbo-progs python3 python3-pip python3-venv tcpdump)
TRAIN=(dataset-fashion-mnist python3 python3-numpy)

wanted=()
for group in "${@:-build}"; do
    case $group in
    -h | --help)
        print_help
        exit 0
        ;;
    build) ;;
    test)
        wanted+=("${TEST[@]}")
        # For real grpcurl (tools/test_grpcurl.sh).
        if ! command -v grpcurl >/dev/null && ! find_go >/dev/null; then
            wanted+=(golang-go)
        fi
        ;;
    demo) wanted+=("${DEMO[@]}") ;;
    lint)
        wanted+=("${LINT[@]}")
        # For buildifier, which npm has too.
        if ! command -v buildifier >/dev/null && ! command -v npm >/dev/null && ! find_go >/dev/null; then
            wanted+=(golang-go)
        fi
        ;;
    fuzz) wanted+=("${FUZZ[@]}") ;;
    bench) wanted+=("${BENCH[@]}") ;;
    train) wanted+=("${TRAIN[@]}") ;;
    all)
        exec "$0" test demo lint fuzz bench train
        ;;
    *) die_usage "unknown group '$group'" ;;
    esac
done

is_installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=()
for package in $(printf '%s\n' "${BUILD[@]}" ${wanted[@]+"${wanted[@]}"} | sort -u); do
    is_installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    say "all packages are installed (${*:-build})"
    exit 0
fi

if ! command -v apt-get >/dev/null; then
    die "this is not Debian; the packages' names there: ${missing[*]}"
fi
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
        die "neither root nor sudo; as root: apt-get install --no-install-recommends ${missing[*]}"
    as_root=(sudo)
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

apt() {
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 </dev/null
}

update() {
    say "fetching the package lists"
    apt update || {
        cat "$log" >&2
        die "apt-get update failed"
    }
}

updated=
if ! apt-get install --simulate --no-install-recommends "${missing[@]}" >/dev/null 2>&1; then
    update
    updated=1
fi
# Slim images leave it out, and Java's installation fails without it.
if [ ! -d /usr/share/man/man1 ]; then
    ${as_root[@]+"${as_root[@]}"} mkdir -p /usr/share/man/man1
fi
say "installing ${missing[*]}"
if ! apt install --no-install-recommends "${missing[@]}"; then
    # Old lists name packages that the mirror no longer has.
    if [ -n "$updated" ]; then
        cat "$log" >&2
        die "apt-get install failed"
    fi
    update
    say "installing again"
    apt install --no-install-recommends "${missing[@]}" || {
        cat "$log" >&2
        die "apt-get install failed"
    }
fi
say "done"
