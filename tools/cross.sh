#!/usr/bin/env bash
# Makes networks' inputs of pictures of every kind on x86-64 and, by qemu, on arm64, where the compiler may fuse
# products and sums, and with x86-64's own fused instructions where this processor has them: all must be the same,
# bit for bit.
#
# usage: tools/cross.sh
#
# Debian's cross compiler, qemu and libraries are unpacked in the cache folder; the system is not changed. Exit
# status 3 where they cannot be had.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/common.sh"

case ${1:-} in
-h | --help)
    print_help
    exit 0
    ;;
esac
[ $# -eq 0 ] || die_usage "no options"
cd "$ROOT"

cross=$CACHE/cross
root=$cross/root
HOST_PACKAGES=(gcc-12-aarch64-linux-gnu cpp-12-aarch64-linux-gnu binutils-aarch64-linux-gnu libgcc-12-dev-arm64-cross
    libc6-dev-arm64-cross libc6-arm64-cross linux-libc-dev-arm64-cross libgcc-s1-arm64-cross qemu-user-static)
ARM_PACKAGES=(libjpeg62-turbo-dev:arm64 libpng-dev:arm64 zlib1g-dev:arm64)

# apt with lists and caches of its own, for both architectures, from the machine's own mirrors.
apt_here() {
    apt-get -o "Dir::State::Lists=$cross/lists" -o "Dir::Cache=$cross/cache" -o APT::Sandbox::User= \
        -o APT::Architectures::=amd64 -o APT::Architectures::=arm64 "$@"
}

# Downloads and unpacks what is named above, once.
unpack() {
    [ ! -e "$cross/done" ] || return 0
    rm -rf "$cross"
    mkdir -p "$cross/lists/partial" "$cross/cache/archives/partial" "$root"
    (
        cd "$cross"
        apt_here -q update >&2
        apt_here -q download "${HOST_PACKAGES[@]}" "${ARM_PACKAGES[@]}" >&2
        for package in ./*.deb; do
            dpkg-deb -x "$package" "$root"
        done
        rm -rf ./*.deb lists cache
    ) || return 1
    touch "$cross/done"
}

sources=(tests/e2e/vision_inputs.c tests/support/picture_files.c
    vision/vision_{picture,bmp,decode,exif,jpeg,jpeg_write,png,placement,fit,input,strip}.c vision/resize/*.c
    core/ll_{buf,clock,status,output,utf8}.c)
# As tools/bazel/defs.bzl has it.
flags=(-O2 -std=gnu11 -D_GNU_SOURCE -ffp-contract=off -I.)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/pictures"
different=0

# compare NAME COMMAND...: runs the program for the inputs of that name.
compare() {
    local name=$1
    shift
    mkdir "$work/$name"
    "$@" "$work/$name" "$work"/pictures/*
    if [ "$name" != x86-64 ] && ! diff -rq "$work/x86-64" "$work/$name"; then
        warn "$name: other inputs"
        different=1
    else
        say "$name: $(find "$work/$name" -type f | wc -l) inputs"
    fi
}

gcc "${flags[@]}" "${sources[@]}" -o "$work/plain.program" -ljpeg -lpng -lz -lm
"$work/plain.program" --pictures "$work/pictures"
compare x86-64 "$work/plain.program"
if grep -qw fma /proc/cpuinfo && grep -qw avx2 /proc/cpuinfo; then
    gcc "${flags[@]}" -march=haswell "${sources[@]}" -o "$work/fma.program" -ljpeg -lpng -lz -lm
    compare x86-64-fma "$work/fma.program"
fi

if ! unpack; then
    warn "no cross compiler, qemu or libraries for arm64 to be had: skipped"
    [ "$different" -eq 0 ] || exit 1
    exit 3
fi
export LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu
"$root/usr/bin/aarch64-linux-gnu-gcc-12" --sysroot="$root" -B"$root/usr/aarch64-linux-gnu/bin" "${flags[@]}" \
    -isystem "$root/usr/aarch64-linux-gnu/include" -isystem "$root/usr/include/aarch64-linux-gnu" \
    -isystem "$root/usr/include" -B"$root/usr/aarch64-linux-gnu/lib" -L"$root/usr/aarch64-linux-gnu/lib" \
    -L"$root/usr/lib/aarch64-linux-gnu" -static "${sources[@]}" -o "$work/arm64.program" -ljpeg -lpng -lz -lm
unset LD_LIBRARY_PATH
compare arm64 "$root/usr/bin/qemu-aarch64-static" "$work/arm64.program"
[ "$different" -eq 0 ]
