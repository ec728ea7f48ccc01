"""Sums runs up in cells (what is equal but for the number of the run) and writes tables of them in Markdown."""

import math

import offload_runs
from offload_runs import median


class Cell:
    """Runs that repeat each other: medians and spread of their numbers."""

    def __init__(self, runs, rows):
        self.runs = runs
        self.rows = rows
        self.key = runs[0].row

    def values(self, name):
        return [row[name] for row in self.rows if not math.isnan(row[name])]

    def median(self, name):
        return median(self.values(name))

    def span(self, name):
        values = self.values(name)
        return (min(values), max(values)) if values else (math.nan, math.nan)

    def middle_run(self):
        """The run whose model was ready at the median time, the earlier of two."""
        order = sorted(range(len(self.rows)), key=lambda i: self.rows[i]["ready_s"])
        return self.runs[order[(len(order) - 1) // 2]]


CELL_KEYS = ("kind", "model", "engine", "creation", "rate", "partitioner", "cut")


def cells_of(runs, measure):
    """Cells in the order of their first runs; `measure` makes a run's row."""
    groups = {}
    for run in runs:
        groups.setdefault(tuple(run.row[key] for key in CELL_KEYS), []).append(run)
    return [Cell(group, [measure(run) for run in group]) for group in groups.values()]


def number(value, digits):
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def spread(cell, name, digits):
    """The median, and smallest and largest where there are several."""
    text = number(cell.median(name), digits)
    low, high = cell.span(name)
    if len(cell.rows) < 2 or math.isnan(low):
        return text
    return f"{text} ({number(low, digits)} to {number(high, digits)})"


def table(heads, rows):
    """Markdown that also reads well as it is: columns of one width."""
    lines = [[str(field) for field in line] for line in [heads, *rows]]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    lines.insert(1, ["-" * width for width in widths])
    return "".join("| " + " | ".join(field.ljust(width) for field, width in zip(line, widths)) + " |\n"
                   for line in lines)


def overlap(one, other, name):
    """Whether the spreads of two cells meet: a difference then is noise."""
    (low, high), (other_low, other_high) = one.span(name), other.span(name)
    return low <= other_high and other_low <= high


def pairs_of(cells, partitioner):
    """(inline, threaded) cells of the same model, engine and rate."""
    found = {}
    for cell in cells:
        key = cell.key
        if key["partitioner"] == partitioner:
            found.setdefault((key["model"], key["engine"], key["rate"]), {})[key["creation"]] = cell
    return [(kinds["inline"], kinds["threaded"]) for kinds in found.values() if len(kinds) == 2]


def judge_gain(inline, threaded):
    """The gain in seconds and percent, and what to make of it, in words."""
    gain_s = inline.median("ready_s") - threaded.median("ready_s")
    percent = 100 * gain_s / inline.median("ready_s")
    if len(inline.rows) < 2:
        verdict = "one run: no spread known"
    elif overlap(inline, threaded, "ready_s"):
        verdict = "inside the noise"
    elif gain_s < 0:
        verdict = "slower"
    else:
        creation_s = inline.median("creation_s")
        verdict = f"{gain_s / creation_s:.1f} x inline's creation" if creation_s > 0 else "faster"
    return gain_s, percent, verdict


def write_devices(folder, cells):
    rows = []
    seen = set()
    for cell in cells:
        key = cell.key["model"], cell.key["engine"]
        if key in seen:
            continue
        seen.add(key)
        local = offload_runs.read_local(folder, *key)
        slowdown = float(cell.key["slowdown"])
        edge_ms = median([c.median("edge_ms") for c in cells
                          if (c.key["model"], c.key["engine"]) == key and c.values("edge_ms")])
        rows.append([*key, number(local["ms"], 1), f"{slowdown:g}", number(local["ms"] * slowdown / 1e3, 2),
                     number(edge_ms, 1), number(local["ms"] * slowdown / edge_ms, 0)])
    return table(["model", "engine", "this machine ms", "slowed down", "the device alone s", "edge ms",
                  "device / edge"], rows)


def write_paper_table(cells, partitioner):
    """The paper's Table 1."""
    rows = []
    for inline, threaded in pairs_of(cells, partitioner):
        key = threaded.key
        gain_s, percent, verdict = judge_gain(inline, threaded)
        rows.append([key["model"], key["engine"], key["rate"], number(threaded.median("mb"), 1),
                     number(threaded.median("partitions"), 0), number(threaded.median("wire_s"), 2),
                     spread(inline, "ready_s", 2), spread(threaded, "ready_s", 2),
                     f"{percent:.1f} % ({gain_s:.2f} s)", number(inline.median("creation_s"), 2),
                     number(threaded.median("creation_s"), 2), verdict])
    return table(["model", "engine", "Mbit/s", "MB", "partitions", "wire bound s", "inline s", "threaded s", "gain",
                  "creation inline s", "creation threaded s", "the gain is"], rows)


def write_uploads(cells):
    rows = [[c.key["model"], c.key["engine"], c.key["rate"], c.key["creation"], number(c.median("sent_mb"), 1),
             spread(c, "acked_s", 2), number(c.median("over_wire"), 3), spread(c, "over_all_bytes", 3),
             spread(c, "ready_after_ms", 1), number(c.median("creations"), 0)] for c in cells]
    return table(["model", "engine", "Mbit/s", "creation", "sent MB", "upload s", "/ wire bound",
                  "/ bound of all bytes", "last byte to ready ms", "creations"], rows)


def write_queries(cells):
    rows = [[c.key["model"], c.key["engine"], c.key["rate"], c.key["creation"], number(c.median("during"), 0),
             spread(c, "first_s", 2), spread(c, "first_edge_s", 2), spread(c, "near_s", 2),
             spread(c, "final_ms", 0), number(c.median("fallbacks"), 0)] for c in cells]
    return table(["model", "engine", "Mbit/s", "creation", "answered during the upload", "first answer s",
                  "first with the edge s", "within 10 % of final s", "final ms", "fallbacks"], rows)


def write_partitioners(cells):
    rows = [[c.key["model"], c.key["partitioner"], number(c.median("partitions"), 0),
             number(c.median("creations"), 0), spread(c, "ready_s", 2), number(c.median("creation_s"), 2),
             number(c.median("during"), 0), spread(c, "first_edge_s", 2), spread(c, "near_s", 2),
             spread(c, "mean_s", 2)] for c in cells]
    return table(["model", "partitioner", "partitions", "creations", "ready s", "creation s",
                  "answered during the upload", "first with the edge s", "within 10 % of final s",
                  "mean query until ready s"], rows)


def write_creations(cells):
    rows = []
    for cell in cells:
        times = [e["creation_ms"] for run in cell.runs for e in run.ready]
        each = [e["creation_ms"] / max(e["partitions"], 1) for run in cell.runs for e in run.ready]
        rows.append([cell.key["model"], cell.key["engine"], cell.key["rate"], cell.key["creation"],
                     number(cell.median("partitions"), 0), number(cell.median("creations"), 0),
                     number(median(each), 2), number(median(times), 2),
                     number(offload_runs.quantile(times, 0.95), 2), number(max(times, default=math.nan), 2),
                     spread(cell, "creation_s", 3)])
    return table(["model", "engine", "Mbit/s", "creation", "partitions", "creations", "ms a partition",
                  "ms a creation", "p95 ms", "largest ms", "in all s"], rows)


def pool_latency(cell):
    """Times of all runs' queries of a latency cell: during the upload and after it."""
    during, after = [], []
    for run in cell.runs:
        one, other = offload_runs.latency_queries(run)
        during += [q["latency_ms"] for q in one]
        after += [q["latency_ms"] for q in other]
    return during, after


def write_latency(cells):
    rows = []
    for cell in cells:
        during, after = pool_latency(cell)
        p50, p95 = offload_runs.quantile(during, 0.5), offload_runs.quantile(during, 0.95)
        calm50, calm95 = offload_runs.quantile(after, 0.5), offload_runs.quantile(after, 0.95)
        layers = cell.runs[0].queries[0]["layers"]
        rows.append([cell.key["model"], f"[0, {offload_runs.cut_end(cell.runs[0])}) of {layers}", len(during),
                     number(p50, 0), number(p95, 0), len(after), number(calm50, 0), number(calm95, 0),
                     number(p50 / calm50, 2), number(p95 / calm95, 2), number(p95 / calm50, 2)])
    return table(["model", "on the edge", "during: queries", "p50 ms", "p95 ms", "after: queries", "p50 ms", "p95 ms",
                  "p50 / p50", "p95 / p95", "p95 / p50 after"], rows)
