"""What bench_infer.py says of its measurements: tables, goals, files."""

import csv
import json

import bench_env
import bench_report
from bench_report import milliseconds

TOLERANCE = 1e-4
# Networks that consist of dense convolutions.
CONVOLUTIONAL = ("darknet19", "resnet50", "resnet152")
# The ratios' columns: what is divided by what, for which models it is a goal, and the goal.
RATIOS = (
    ("onednn", "bare", CONVOLUTIONAL, "at most", 1.05),
    ("onednn", "onnxruntime", bench_env.MODELS, "at most", 1.0),
    *(("onednn", name, bench_env.MODELS, "at most", .6) for name in bench_env.OPENCV),
    ("stock", "onednn", bench_env.MODELS, "at least", 6.0),
    ("onednn", "onednn-bf16", bench_env.MODELS, "at least", 1.8),
)
KINDS = ("conv-1x1", "conv-3x3", "conv-other", "depthwise", "connected")


def report_times(measurements, threads, names):
    print(f"#### {threads} thread{'s' if threads > 1 else ''}: median (fastest), ms\n")
    rows = [[m.model.name] + [m.cell(name) for name in names] for m in measurements]
    print(bench_report.table(["model", *names], rows))
    for measurement in measurements:
        for name, reason in measurement.refused.items():
            print(f"- {measurement.model.name}, {name}: {reason}")
    if any(measurement.refused for measurement in measurements):
        print()
    columns = [(above, below) for above, below, *_ in RATIOS if above in names and below in names]
    if columns:
        rows = [[m.model.name] + [("-" if m.ratio(*pair) is None else f"{m.ratio(*pair):.2f}") for pair in columns]
                for m in measurements]
        print(bench_report.table(["ratio", *(f"{above} / {below}" for above, below in columns)], rows))


def report_kinds(measurements, threads):
    rows = []
    for measurement in measurements:
        for name, kinds in measurement.profiles.items():
            cells = []
            for kind in KINDS:
                groups, flops, nanoseconds = kinds[kind]
                did_run = groups and nanoseconds
                cells.append(f"{flops / nanoseconds:.0f} ({milliseconds(nanoseconds)})" if did_run else "-")
            rest = kinds["rest"][2]
            rows.append([measurement.model.name, name, *cells, milliseconds(rest) if rest else "-"])
    if rows:
        print(f"#### {threads} thread{'s' if threads > 1 else ''}: GFLOP/s (ms) of each kind of layers; "
              "a fused group counts as its first layer\n")
        print(bench_report.table(["model", "subject", *KINDS, "rest, ms"], rows))


def check_goals(goals, measurements):
    for measurement in measurements:
        for above, below, models, word, wanted in RATIOS:
            ratio = measurement.ratio(above, below)
            # Stock Darknet has one thread: so has its goal.
            if ratio is None or measurement.model.name not in models:
                continue
            holds = ratio <= wanted if word == "at most" else ratio >= wanted
            goals.check(f"{measurement.model.name}, {measurement.threads} thread(s), {above} / {below}",
                        f"{ratio:.3f}", holds, f"{word} {wanted:g}")


def report_oracle(oracle):
    """Prints the differences; returns whether ours are small enough."""
    if not oracle:
        return True
    names = list(dict.fromkeys(name for row in oracle.values() for name in row))
    print("#### Largest difference from ONNX Runtime's answers, relative to the largest value\n")
    rows = [[model] + [f"{row[name]:.1e}" if name in row else "-" for name in names] for model, row in oracle.items()]
    print(bench_report.table(["model", *names], rows))
    bad = [f"{model}, {name}" for model, row in oracle.items() for name, value in row.items()
           if name in ("onednn", "onednn-active", "onednn, logits", "darknet", "stock") and not value <= TOLERANCE]
    for what in bad:
        print(f"FAILED: {what} differs by more than {TOLERANCE:g}\n")
    return not bad


def write_files(options, measurements, oracle):
    """The CSV has a line for each run, the JSON everything."""
    if options.csv:
        with open(bench_env.caller_path(options.csv), "w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["model", "threads", "subject", "round", "ns"])
            writer.writerows([m.model.name, m.threads, name, number, ns] for m in measurements
                             for name, times in m.times.items() for number, ns in enumerate(times))
    if options.json:
        whole = {"oracle": oracle, "measurements": [
            {"model": m.model.name, "threads": m.threads, "ns": m.times, "refused": m.refused, "profiles": m.profiles}
            for m in measurements]}
        bench_env.caller_path(options.json).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
