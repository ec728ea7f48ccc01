#!/bin/sh
# What `bazel run //tools/bench:bench_offload` starts: the script where it lies, since it builds what it measures.
set -eu
cd "${BUILD_WORKING_DIRECTORY:?is started by bazel run}"
exec "$BUILD_WORKSPACE_DIRECTORY/tools/bench/bench_offload.sh" "$@"
