#!/usr/bin/env bash
# Pictures of every kind become the same inputs, bit for bit, whatever instructions libjpeg-turbo uses.
#
# usage: vision_bits_test.sh VISION_INPUTS
set -euo pipefail
program=$(realpath "$1")
work=$(mktemp -d "${TEST_TMPDIR:-/tmp}/bits.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir pictures plain
"$program" --pictures pictures
"$program" plain pictures/*
count=$(find plain -name '*.f32' | wc -l)
[ "$count" = 72 ] || {
    echo "FAILED: $count inputs instead of 72"
    exit 1
}
for variable in JSIMD_FORCESSE2 JSIMD_FORCENONE; do
    mkdir "$variable"
    env "$variable=1" "$program" "$variable" pictures/*
    diff -r plain "$variable" || {
        echo "FAILED: other inputs with $variable=1"
        exit 1
    }
done
echo "$count inputs are the same three times"
