#!/bin/sh
# Debian's interpreter; Bazel's own Python rules would take another one.
exec /usr/bin/python3 "$(dirname "$0")/weights_test.py"
