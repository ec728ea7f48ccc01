#!/bin/sh
exec /usr/bin/python3 "$(dirname "$0")/efficientnet_lite0_test.py"
