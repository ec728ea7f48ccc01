#!/usr/bin/env python3
"""Creates an ONNX Runtime session once and tells what that took, as creation_worker does for ours."""

import argparse
import contextlib
import json
import pathlib
import re
import sys
import time

sys.dont_write_bytecode = True  # the source tree stays as it is
from ort_worker import open_session  # pylint: disable=wrong-import-position


def memory():
    """{"VmRSS": bytes, ...} of this process."""
    text = pathlib.Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    return {key: int(value) * 1024 for key, value in re.findall(r"^(\w+):\s+(\d+) kB", text, re.M)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=pathlib.Path, metavar="F", help="the .onnx file")
    parser.add_argument("--weights-bytes", required=True, type=int, metavar="N", help="what is told of them")
    options = parser.parse_args()
    with contextlib.suppress(OSError):
        # The peak becomes what is resident now (proc(5)).
        pathlib.Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = memory()
    start, start_cpu = time.perf_counter_ns(), time.process_time_ns()
    session = open_session(options.model, 1)
    cpu_ns, wall_ns = time.process_time_ns() - start_cpu, time.perf_counter_ns() - start
    after = memory()
    print(json.dumps({
        "partitions": 1, "wall_ms": wall_ns / 1e6, "cpu_ms": cpu_ns / 1e6,
        "peak_bytes": after["VmHWM"] - before["VmRSS"], "kept_bytes": after["RssAnon"] - before["RssAnon"],
        "weights_bytes": options.weights_bytes}))
    del session
    return 0


if __name__ == "__main__":
    sys.exit(main())
