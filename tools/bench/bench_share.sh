#!/usr/bin/env bash
# Measures what devices that upload the same model at the same moment send together, and when each has it: against one
# alone. Server and agents run on this machine; --limit-mbps stands for each device's own link.
#
# usage: tools/bench/bench_share.sh [OPTION]...
#
#   --cfg FILE --weights FILE  the model (default: EfficientNet-Lite0, as tools/models/efficientnet_lite0.py fetches it)
#   --devices N                how many (default: 8)
#   --rate MBPS                of each one's link in 10^6 bit/s (default: 20)
#   --apart MS                 between one's start and the next one's (default: 0)
#   --timeout SECONDS          for each of the two runs (default: 120)
#   --out FOLDER               for logs and each agent's JSON (default: the cache folder's bench/share)
#
# Prints, for one device alone and for all at once, bytes of weights over the model's, and each device's ready time.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/../common.sh"

for option in "$@"; do
    case $option in
    -h | --help)
        print_help
        exit 0
        ;;
    esac
done
here=$PWD
cd "$ROOT"
"$BAZEL" build --noshow_progress --ui_event_filters=-info //edge:server //device:agent
image=$("$BAZEL" info output_base 2>/dev/null)/external/darknet/data/dog.jpg
server=$(realpath bazel-bin/edge/server) agent=$(realpath bazel-bin/device/agent)
cd "$here"
exec python3 "$ROOT/tools/bench/bench_share.py" --server "$server" --agent "$agent" --image "$image" --cache "$CACHE" "$@"
