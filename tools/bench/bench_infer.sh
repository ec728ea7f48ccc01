#!/usr/bin/env bash
# Compares inference times of our engines, stock Darknet, ONNX Runtime, OpenCV and bare convolutions:
#
#   bazel run -c opt //tools/bench:bench_infer -- --help
#
# Installs what is missing (tools/setup.sh bench); what cannot be had is left out.
exec "$(dirname "$(realpath "$0")")/run_bench.sh" "$0" bench_infer.py "$@"
