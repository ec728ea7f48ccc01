#!/bin/sh
exec /usr/bin/python3 "$(dirname "$0")/cfg_to_onnx_test.py"
