#!/usr/bin/env python3
"""Runs a command and writes the processor time of its threads by their names.

usage: thread_cpu.py FILE COMMAND [ARGUMENT]...

FILE gets a JSON object: seconds by name of thread, of those that have ended too, and "all", what the kernel counted for
the whole process. Threads are looked at every 20 ms; what one does after the last look is in "all" alone. SIGTERM
and SIGINT go to the command. The exit status is the command's.
"""

import json
import pathlib
import resource
import signal
import subprocess
import sys

LOOK_S = 0.02


def look(process_id, threads):
    """Notes (name, ns) of each thread by its id; names are set after a thread has begun."""
    for task in pathlib.Path(f"/proc/{process_id}/task").glob("*"):
        try:
            name = (task / "comm").read_text("utf-8", "replace").strip()
            ran_ns = int((task / "schedstat").read_text("ascii").split()[0])
        except (OSError, IndexError):
            continue
        threads[task.name] = (name, ran_ns)


def by_name(threads):
    sums = {}
    for name, ran_ns in threads.values():
        sums[name] = sums.get(name, 0) + ran_ns * 1e-9
    return sums


def main():
    if len(sys.argv) < 3:
        print(__doc__, file=sys.stderr)
        return 2
    with subprocess.Popen(sys.argv[2:]) as process:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda signal_number, _: process.send_signal(signal_number))
        threads = {}
        while True:
            look(process.pid, threads)
            try:
                status = process.wait(LOOK_S)
                break
            except subprocess.TimeoutExpired:
                pass
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    sums = by_name(threads) | {"all": usage.ru_utime + usage.ru_stime}
    pathlib.Path(sys.argv[1]).write_text(json.dumps(sums) + "\n", encoding="ascii")
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
