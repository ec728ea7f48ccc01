"""The loop of a worker of bench_infer.py (see infer_worker --help for the protocol)."""

import sys
import time


def serve(run):
    """Calls run() once for each line "run" and prints the nanoseconds it took."""
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() != "run":
            sys.exit(f"'{line.strip()}' is not run")
        start = time.perf_counter_ns()
        run()
        print(time.perf_counter_ns() - start, flush=True)
