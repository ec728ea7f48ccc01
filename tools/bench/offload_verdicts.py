"""Holds what was measured against the goals: one line each, with the figure."""

import offload_runs
import offload_tables
from offload_tables import number

# Of ResNet-152 with onednn and threaded creation at 80 Mbit/s.
UPLOAD_BOUND = 1.02
READY_MS = 50
# Of every model: p95 of queries beside an upload over p95 of the same cut without one.
LATENCY_BOUND = 1.3


def line(is_ok, goal, figure):
    return f"{'ok' if is_ok else 'miss'}: {goal}: {figure}"


def judge_upload(cells, partitioner):
    wanted = {"model": "resnet152", "engine": "onednn", "creation": "threaded", "rate": "80",
              "partitioner": partitioner}
    cell = next((c for c in cells if all(c.key[key] == value for key, value in wanted.items())), None)
    goals = (f"ResNet-152's upload at most {UPLOAD_BOUND} of the wire bound for all bytes sent",
             f"its model ready at most {READY_MS} ms after the last byte")
    if not cell:
        return [f"not measured: {goal}" for goal in goals]
    return [line(cell.median("over_all_bytes") <= UPLOAD_BOUND, goals[0],
                 offload_tables.spread(cell, "over_all_bytes", 3)),
            line(cell.median("ready_after_ms") <= READY_MS, goals[1],
                 offload_tables.spread(cell, "ready_after_ms", 1) + " ms")]


def judge_threaded(cells, partitioner):
    goal = "threaded creation never slower than inline beyond the spread"
    # One run of each has no spread.
    pairs = [pair for pair in offload_tables.pairs_of(cells, partitioner) if min(len(c.rows) for c in pair) > 1]
    slower = []
    for inline, threaded in pairs:
        gain_s, _, _ = offload_tables.judge_gain(inline, threaded)
        if gain_s < 0 and not offload_tables.overlap(inline, threaded, "ready_s"):
            slower.append("{} with {} at {} Mbit/s, by {:.2f} s".format(
                threaded.key["model"], threaded.key["engine"], threaded.key["rate"], -gain_s))
    if not pairs:
        return [f"not measured: {goal} (takes two runs of each at least)"]
    return [line(not slower, goal, "; ".join(slower) or f"{len(pairs)} comparisons")]


def judge_latency(cells):
    goal = f"p95 of queries during the upload at most {LATENCY_BOUND} x the same cut's without upload"
    lines = []
    for cell in cells:
        during, after = offload_tables.pool_latency(cell)
        if during and after:
            ratio = offload_runs.quantile(during, 0.95) / offload_runs.quantile(after, 0.95)
            lines.append(line(ratio <= LATENCY_BOUND, f"{cell.key['model']}: {goal}",
                              f"{number(ratio, 2)} ({len(during)} queries during, {len(after)} after)"))
        else:
            lines.append(f"not measured: {cell.key['model']}: {goal}")
    return lines or [f"not measured: {goal}"]


def judge(uploads, latencies, partitioner):
    return (judge_upload(uploads, partitioner) + judge_threaded(uploads, partitioner) + judge_latency(latencies))
