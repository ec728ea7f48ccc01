#!/bin/sh
# Measures the committed classifier on all 10,000 test images, through Layerlift's engine.
#
# usage: tools/models/fashion_mnist/accuracy.sh [OPTION OF //tools:accuracy ...]
#
# Prints "N of 10000 right, P % (engine E)". Exit status 1 below 87 %. Needs the Debian package
# dataset-fashion-mnist.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dataset=${FASHION_MNIST:-/usr/share/datasets/fashion-mnist}
if [ ! -r "$dataset/t10k-images-idx3-ubyte.gz" ]; then
    echo "$0: no $dataset/t10k-images-idx3-ubyte.gz; apt-get install dataset-fashion-mnist" >&2
    exit 1
fi

cd "$here"
exec ${BAZEL:-bazel} run //tools:accuracy -- \
    --cfg "$here/fashion.cfg" --weights "$here/fashion.weights" \
    --images "$dataset/t10k-images-idx3-ubyte.gz" \
    --labels "$dataset/t10k-labels-idx1-ubyte.gz" --at-least 87 "$@"
