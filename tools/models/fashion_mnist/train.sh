#!/bin/sh
# Trains fashion.weights anew with Darknet's own training: about a quarter of an hour on one core.
#
# usage: tools/models/fashion_mnist/train.sh [OUT]     (default OUT: fashion.weights beside this script)
#
# Needs the Debian package dataset-fashion-mnist. The same processor and compiler give the same file.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
case "${1:-}" in
'') out=$here/fashion.weights ;;
-*)
    echo "usage: $0 [OUT]" >&2
    exit 2
    ;;
/*) out=$1 ;;
*) out=$PWD/$1 ;;
esac
dataset=${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
if [ ! -r "$dataset/train-images-idx3-ubyte.gz" ]; then
    echo "$0: no $dataset/train-images-idx3-ubyte.gz; apt-get install dataset-fashion-mnist" >&2
    exit 1
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM
# The committed cfg is for inference, one image at a time.
sed 's/^batch=1$/batch=64/' "$here/fashion.cfg" >"$scratch/fashion.cfg"

cd "$here"
${BAZEL:-bazel} run //tools/lab:train_idx -- \
    --cfg "$scratch/fashion.cfg" --out "$scratch/fashion.weights" --seed 1 \
    --images "$dataset/train-images-idx3-ubyte.gz" \
    --labels "$dataset/train-labels-idx1-ubyte.gz" \
    --test-images "$dataset/t10k-images-idx3-ubyte.gz" \
    --test-labels "$dataset/t10k-labels-idx1-ubyte.gz"
cp "$scratch/fashion.weights" "$out"
echo "wrote $out"
