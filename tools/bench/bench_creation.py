#!/usr/bin/env python3
"""Compares what it takes to create a model: elapsed and processor time, and memory.

Each creation is a process of its own; those of a network take turns, in another order each round. Weights are in the
page cache. Our engines get a mapped file for each layer, as the edge's store has them, in one part or in several,
which are created one after the other; their first touch of the weights counts, parsing the cfg and starting the engine
do not.
Stock Darknet reads cfg and .weights file (load_network), ONNX Runtime the .onnx file (InferenceSession). All have one
thread.

  wall, CPU     medians; processor time is that of all threads
  peak          the most private memory during creation, beyond what there was before it and beyond the received
                weights, measured in a run of its own in which those lie in private memory from the start
  resident      by how much resident memory grew at most while weights were mapped files: the pages of weights that were
                touched and not let go are part of it
  kept          how much more private memory there is afterwards

Stock Darknet and ONNX Runtime read files, so that their peak and resident memory are the same thing.

Exit status: 0 all ran, 1 failure, 2 wrong options. A goal that is missed is told, and no failure.
"""

import argparse
import collections
import csv
import json
import os
import pathlib
import shutil
import statistics
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is
# pylint: disable=wrong-import-position
import bench_env
import bench_report
from bench_env import BenchError, Unavailable, say
from bench_report import milliseconds

SECONDS = 120
# Networks and how many parts they are created in: what the paper's plans have.
PARTITIONS = {"resnet152": 41, "alexnet": 7}
Subject = collections.namedtuple("Subject", "name kind options several")
SUBJECTS = (
    Subject("onednn", "onednn", (), False),
    Subject("onednn, {} parts", "onednn", (), True),
    Subject("onednn-bf16", "onednn", ("--compute", "bf16"), False),
    Subject("onednn-bf16, {} parts", "onednn", ("--compute", "bf16"), True),
    Subject("darknet", "darknet", (), False),
    Subject("darknet, {} parts", "darknet", (), True),
    Subject("stock", "stock", (), False),
    Subject("onnxruntime", "onnxruntime", (), False),
)


class Creations:
    """All creations of one network."""

    def __init__(self, model, options, packages, store):
        self.model = model
        self.parts = options.partitions or PARTITIONS.get(model.name, 8)
        self._options = options
        self._packages = packages
        self._store = store
        # {subject: [what each run said]}, and of the runs that measure memory.
        self.runs = {}
        self.memory = {}
        self.refused = {}

    def _command(self, subject, is_for_memory):
        if subject.kind == "onnxruntime":
            return [self._packages.python, bench_env.FOLDER / "ort_creation.py", "--model", self.model.onnx,
                    "--weights-bytes", self.model.weights_bytes]
        command = [bench_env.runfile("tools/bench/creation_worker"), "--kind", subject.kind, "--cfg", self.model.cfg]
        if subject.kind == "stock":
            return command + ["--weights", self.model.weights]
        command += ["--store", self._store, *subject.options, *(["--copied"] if is_for_memory else [])]
        if subject.several and self._options.borders:
            return command + ["--borders", self._options.borders]
        return command + ["--partitions", self.parts if subject.several else 1]

    def _create(self, subject, is_for_memory=False):
        return json.loads(bench_env.run(*self._command(subject, is_for_memory), timeout=SECONDS))

    def measure(self):
        """Runs everything."""
        bench_env.run(bench_env.runfile("tools/bench/creation_worker"), "--split", "--cfg", self.model.cfg, "--weights",
                      self.model.weights, "--store", self._store)
        if self._packages:
            self.model.write_onnx(self._packages)
        subjects = [s for s in SUBJECTS if self._packages or s.kind != "onnxruntime"]
        for subject in list(subjects):
            try:
                self.memory[subject] = self._create(subject, True)
            except BenchError as error:
                self.refused[subject] = str(error)
                subjects.remove(subject)
        for number in range(self._options.rounds):
            first = number % len(subjects)
            for subject in subjects[first:] + subjects[:first]:
                self.runs.setdefault(subject, []).append(self._create(subject))

    def name(self, subject):
        """With the number of parts that it really had."""
        return subject.name.format(self.memory[subject]["partitions"] if subject in self.memory else self.parts)

    def median(self, name, field):
        """A median by the name of a subject; None without it."""
        for subject, runs in self.runs.items():
            if subject.name == name:
                return statistics.median(run[field] for run in runs)
        return None

    def peak(self, name):
        """The most private memory, in times of the weights' size; None without it."""
        for subject, run in self.memory.items():
            if subject.name == name:
                return run["peak_bytes"] / run["weights_bytes"]
        return None


def report(creations):
    """The network's table."""
    weights = next(iter(creations.memory.values()))["weights_bytes"]
    print(f"#### {creations.model.name}, {weights / 1e6:.1f} MB of weights\n")
    rows = []
    for subject in SUBJECTS:
        if subject not in creations.runs:
            continue
        runs, memory = creations.runs[subject], creations.memory[subject]
        times = [[run[field] * 1e6 for run in runs] for field in ("wall_ms", "cpu_ms")]
        resident = statistics.median(run["peak_bytes"] for run in runs)
        rows.append([creations.name(subject)] +
                    [f"{milliseconds(statistics.median(values))} ({milliseconds(min(values))})" for values in times] +
                    [f"{size / 1e6:.1f} ({size / weights:.2f})" for size in
                     (memory["peak_bytes"], resident, memory["kept_bytes"])])
    print(bench_report.table(["", "wall (least), ms", "CPU (least), ms", "peak, MB (of weights)",
                              "resident, MB (of weights)", "kept, MB (of weights)"], rows))
    for subject, reason in creations.refused.items():
        print(f"- {creations.name(subject)}: {reason}\n")


def check_goals(goals, creations):
    """The goals, which the networks of PARTITIONS have."""
    name = creations.model.name
    cpu = creations.median("onednn", "cpu_ms")
    if cpu is None or name not in PARTITIONS:
        return
    if name == "resnet152":
        goals.check(f"{name}, CPU time", f"{cpu / 1e3:.3f} s", cpu <= 350, "at most 0.35 s")
    for subject in SUBJECTS[:2]:
        peak = creations.peak(subject.name)
        goals.check(f"{name}, {creations.name(subject)}, peak memory beyond the received weights",
                    f"{peak:.2f} x the weights", peak <= 1.3, "at most 1.3")
    several = creations.median(SUBJECTS[1].name, "cpu_ms")
    goals.check(f"{name}, CPU time, {creations.name(SUBJECTS[1])} / one", f"{several / cpu:.2f}", several <= 1.15 * cpu,
                "at most 1.15")


def write_csv(path, every):
    """A line for each run."""
    fields = ("partitions", "wall_ms", "cpu_ms", "peak_bytes", "kept_bytes", "weights_bytes")
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["model", "subject", "measures", *fields])
        for creations in every:
            for subject, runs in creations.runs.items():
                lines = [("time", run) for run in runs] + [("memory", creations.memory[subject])]
                writer.writerows([creations.model.name, creations.name(subject), measures, *(run[f] for f in fields)]
                                 for measures, run in lines)


def parse_options():
    parser = argparse.ArgumentParser(prog="bench_creation", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default=",".join(PARTITIONS), metavar="M,...",
                        help=f"of {', '.join(bench_env.MODELS)} (default: {','.join(PARTITIONS)})")
    parser.add_argument("--rounds", type=int, default=7, metavar="K", help="runs of each (default: 7)")
    parser.add_argument("--partitions", type=int, metavar="N",
                        help="so many parts (default: 41 for resnet152, 7 for alexnet, 8 for others)")
    parser.add_argument("--borders", metavar="N,...",
                        help="instead, of one model: the layers with which parts begin, after the first")
    parser.add_argument("--csv", type=pathlib.Path, metavar="F", help="write each run there")
    options = parser.parse_args()
    options.models = bench_env.items(options.models)
    if not options.models:
        parser.error("--models is empty")
    if options.borders:
        options.borders = ",".join(bench_env.items(options.borders))
    for name in options.models:
        if name not in bench_env.MODELS:
            parser.error(f"'{name}' is none of {', '.join(bench_env.MODELS)}")
    if options.borders and len(options.models) > 1:
        parser.error("--borders wants one model")
    if options.rounds < 1 or (options.partitions is not None and options.partitions < 1):
        parser.error("--rounds and --partitions are at least 1")
    return options


def find_packages():
    packages = bench_env.Packages()
    try:
        packages.prepare()
    except Unavailable as error:
        say(f"without ONNX Runtime: {error}")
        return None
    return packages


def main():
    options = parse_options()
    bench_env.check_started_by_bazel()
    bench_env.end_on_signals()
    load = os.getloadavg()
    packages = find_packages()
    every = []
    with bench_env.work_folder() as folder:
        for name in options.models:
            say(name)
            store = folder / "store"
            model = bench_env.prepare_model(name, folder, packages)
            creations = Creations(model, options, packages, store)
            creations.measure()
            every.append(creations)
            model.remove()
            shutil.rmtree(store)
    print(bench_report.heading("bench_creation", load))
    goals = bench_report.Goals()
    for creations in every:
        report(creations)
        check_goals(goals, creations)
    print(goals)
    if options.csv:
        write_csv(bench_env.caller_path(options.csv), every)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as problem:
        say(problem)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
