#!/usr/bin/env python3
"""Lists the runs of tools/bench/bench_offload.sh in the order in which they are made, and estimates their time.

usage: offload_plan.py [OPTION]... FOLDER

Writes FOLDER/runs.csv. Kinds of runs:

  upload    queries back to back on a slowed-down device from the first second until some after the upload
  latency   queries of one fixed cut at full speed, while the rest of the model uploads and after it

Uploads are every model with every engine, creation and rate, with the first partitioner; and every model with
every other partitioner, with the first engine and rate and threaded creation. Runs with the same number are
made one after the other, every second time in the opposite order, so that what comes before a run changes.
For the estimate, FOLDER has each model's local run (local-MODEL-ENGINE.jsonl).
"""

import argparse
import csv
import pathlib
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is
import offload_runs  # pylint: disable=wrong-import-position

COLUMNS = ("kind", "model", "engine", "creation", "rate", "partitioner", "slowdown", "cut", "extra", "number", "name")

# Device over edge: the paper's Odroid XU4 takes about 8 s for ResNet-152, its Titan Xp 0.1 s.
PAPER_SLOWDOWN = 80

# For latency: the edge runs layers [0, END), which come early in the upload, and the device the rest, which
# is a small part of the work and a large part of the weights.
LATENCY_ENDS = {"alexnet": 8, "mobilenet": 23, "resnet50": 54, "resnet152": 142}
LATENCY_EXTRA = 60


def list_uploads(options):
    for model in options.models:
        for engine in options.engines:
            for rate in options.rates:
                for creation in options.creation:
                    yield model, engine, creation, rate, options.partitioners[0]
    if "threaded" in options.creation:
        for model in options.models:
            for partitioner in options.partitioners[1:]:
                yield model, options.engines[0], "threaded", options.rates[0], partitioner


def list_cells(options):
    if "uploads" in options.sections:
        for cell in list_uploads(options):
            yield dict(zip(COLUMNS, ("upload", *cell, options.slowdown, "", options.extra)))
    if "latency" in options.sections:
        for model in options.models:
            if model in LATENCY_ENDS:
                yield dict(zip(COLUMNS, ("latency", model, options.engines[0], "threaded", options.rates[0],
                                         options.partitioners[0], 1, f"0:{LATENCY_ENDS[model]}", LATENCY_EXTRA)))


def list_runs(cells, repeat):
    """Each cell `repeat` times, interleaved."""
    runs = []
    for number in range(1, repeat + 1):
        shift = (number - 1) % len(cells)
        turn = cells[shift:] + cells[:shift]
        for cell in turn if number % 2 == 1 else reversed(turn):
            name = "-".join(str(cell[column]) for column in COLUMNS[:6]) + f"-{number}"
            runs.append({**cell, "number": number, "name": name.replace(":", "_")})
    return runs


def estimate_s(run, local_s, model_mb):
    """Roughly: start, upload beside queries, queries after it."""
    upload_s = model_mb * 8 / float(run["rate"]) * 1.25
    slow_s = local_s * float(run["slowdown"])
    query_s = 6 / float(run["rate"]) + 2 * local_s
    return 3 + max(upload_s + min(slow_s, upload_s) / 3, slow_s) + int(run["extra"]) * query_s


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("models", "engines", "creation", "rates", "partitioners", "sections"):
        parser.add_argument(f"--{name}", required=True, type=str.split)
    parser.add_argument("--repeat", required=True, type=int)
    parser.add_argument("--slowdown", required=True)
    parser.add_argument("--extra", required=True, type=int)
    parser.add_argument("folder", type=pathlib.Path)
    options = parser.parse_args()
    if options.slowdown == "paper":
        options.slowdown = PAPER_SLOWDOWN
    cells = list(list_cells(options))
    runs = list_runs(cells, options.repeat) if cells else []
    with open(options.folder / "runs.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(runs)
    seconds = 0.0
    for run in runs:
        local = offload_runs.read_local(options.folder, run["model"], run["engine"])
        seconds += estimate_s(run, local["ms"] / 1e3, local["mb"])
    print(f"{len(runs)} runs over the link, about {seconds / 60 + 0.5:.0f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
