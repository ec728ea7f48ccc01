#!/usr/bin/env python3
"""Compares inference times of our engines with those of stock Darknet, ONNX Runtime, OpenCV and bare convolutions.

Every subject is a process of its own that has loaded the network and runs it once when told to. All subjects of a
network run in turn, in another order each round, with a pause between them, so that they share what the machine does
meanwhile. Prints medians with the fastest run in parentheses, ratios, goals, the speed of each kind of layers, and how
far answers are from ONNX Runtime's. What it says is Markdown; progress is on stderr.

  onednn, onednn-bf16   our fast engine, in f32 and bf16; threads wait passively, as in the server
  onednn-active         the same with OMP_WAIT_POLICY=active, on several threads
  darknet, stock        our reference engine, and Darknet's network_predict (both have one thread)
  bare, bare-bf16       oneDNN's convolution primitives alone, direct algorithm; their threads spin while they wait
  bare-winograd         the same with Winograd's algorithm for 3x3 convolutions, where oneDNN has it
  onnxruntime           ONNX Runtime on the same network and weights (cfg_to_onnx.py --tune)
  opencv-4.6, -4.10     OpenCV's DNN module: Debian 12's version, and the fastest that reads Darknet's files

Exit status: 0 all ran, and our answers are within 1e-4 of ONNX Runtime's; 1 failure; 2 wrong options. A goal that is
missed is told, and no failure.
"""

import argparse
import os
import pathlib
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is
# pylint: disable=wrong-import-position
import bench_env
import bench_report
from bench_env import BenchError, Unavailable, say
from infer_measure import OTHERS, SUBJECTS, Measurement, compare, compare_logits, measure, wanted_subjects
from infer_report import check_goals, report_kinds, report_oracle, report_times, write_files


def names_of(choices):
    """A parser of lists like a,b or "a b" for argparse."""

    def parse(text):
        names = bench_env.items(text)
        if not names:
            raise argparse.ArgumentTypeError("an empty list")
        for name in names:
            if name not in choices:
                raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(choices)}")
        return names

    return parse


def counts(text):
    """A list of thread counts."""
    try:
        numbers = [int(item) for item in bench_env.items(text)]
    except ValueError:
        numbers = [0]
    if not numbers or not all(1 <= number <= 256 for number in numbers):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of numbers from 1 to 256")
    return numbers


def parse_options():
    parser = argparse.ArgumentParser(prog="bench_infer", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=names_of(bench_env.MODELS), default=list(bench_env.MODELS), metavar="M,...",
                        help=f"of {', '.join(bench_env.MODELS)} (default: all)")
    parser.add_argument("--threads", type=counts, metavar="N,...",
                        default=[1, 2] if (os.cpu_count() or 1) > 1 else [1], help="thread counts (default: 1,2)")
    parser.add_argument("--only", type=names_of(SUBJECTS), metavar="S,...", help="only these subjects (default: all)")
    parser.add_argument("--rounds", type=int, default=11, metavar="K", help="runs of each (default: 11)")
    parser.add_argument("--pause-ms", type=float, default=30, metavar="T", help="pause before each run (default: 30)")
    parser.add_argument("--csv", type=pathlib.Path, metavar="F", help="write each run's time there")
    parser.add_argument("--json", type=pathlib.Path, metavar="F", help="write everything there")
    options = parser.parse_args()
    if options.rounds < 1 or options.pause_ms < 0:
        parser.error("--rounds is at least 1, --pause-ms at least 0")
    return options


def find_packages(options):
    """The Python packages, or None with the reason said."""
    if options.only and not set(options.only) & set(OTHERS) and bench_env.EFFICIENTNET not in options.models:
        return None
    packages = bench_env.Packages()
    try:
        packages.prepare()
    except Unavailable as error:
        say(f"without ONNX Runtime, OpenCV and {bench_env.EFFICIENTNET}: {error}")
        return None
    return packages


def measure_model(name, options, packages, folder):
    """The model's measurements, one for each thread count, and its row of the oracle."""
    model = bench_env.prepare_model(name, folder, packages)
    measurements = []
    oracle = {}
    asks = packages and "onnxruntime" in wanted_subjects(options, 1, packages)
    if asks:
        model.write_onnx(packages)
    for threads in options.threads:
        say(f"{name}, {threads} thread(s)")
        measurement = Measurement(model, threads)
        measure(measurement, options, packages, folder)
        measurements.append(measurement)
        for subject, value in compare(measurement).items():
            oracle[subject] = max(value, oracle.get(subject, 0))
        measurement.outputs.clear()
    if asks and model.logits_end:
        oracle["onednn, logits"] = compare_logits(model, packages, folder)
    model.remove()
    return measurements, oracle


def main():
    options = parse_options()
    bench_env.check_started_by_bazel()
    bench_env.end_on_signals()
    load = os.getloadavg()
    packages = find_packages(options)
    measurements, oracle, left_out = [], {}, []
    with bench_env.work_folder() as folder:
        for name in options.models:
            try:
                made, row = measure_model(name, options, packages, folder)
            except Unavailable as error:
                left_out.append(f"{name} is left out: {error}")
                continue
            measurements += made
            if row:
                oracle[name] = row
    print(bench_report.heading("bench_infer", load))
    for line in left_out:
        print(f"- {line}\n")
    goals = bench_report.Goals()
    for threads in options.threads:
        part = [m for m in measurements if m.threads == threads]
        report_times(part, threads, wanted_subjects(options, threads, packages))
        report_kinds(part, threads)
        check_goals(goals, part)
    is_right = report_oracle(oracle)
    print(goals)
    write_files(options, measurements, oracle)
    return 0 if is_right else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except BenchError as problem:
        say(problem)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
