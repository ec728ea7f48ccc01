#!/usr/bin/env bash
# Compares creation of models by our engines, stock Darknet and ONNX Runtime:
#
#   bazel run -c opt //tools/bench:bench_creation -- --help
#
# Installs what is missing (tools/setup.sh bench); what cannot be had is left out.
exec "$(dirname "$(realpath "$0")")/run_bench.sh" "$0" bench_creation.py "$@"
