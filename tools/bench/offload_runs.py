"""Reads what tools/bench/bench_offload.sh recorded: the link, models on the device alone, each run."""

import csv
import json
import math
import statistics

# A query this close to the final speed counts as fast.
NEAR = 1.1


def read_csv(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_events(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def median(values):
    return statistics.median(values) if values else math.nan


def quantile(values, part):
    """The smallest value that at least this part of all does not exceed."""
    return sorted(values)[max(math.ceil(part * len(values)) - 1, 0)] if values else math.nan


def read_link(folder, rate):
    """What iperf3 got over the link at this rate, in Mbit/s: the median of its measurements."""
    rates = []
    for path in sorted(folder.glob(f"link-{rate}-*.json")):
        with open(path, encoding="utf-8") as file:
            rates.append(json.load(file)["end"]["sum_received"]["bits_per_second"] / 1e6)
    return median(rates)


def read_local(folder, model, engine):
    """A model on the device alone, without slowdown. The first query does what later ones need not."""
    queries = [e for e in read_events(folder / f"local-{model}-{engine}.jsonl") if e["event"] == "query"]
    sizes = {row["model"]: int(row["weight_bytes"]) for row in read_csv(folder / "models.csv")}
    return {"ms": median([q["latency_ms"] for q in queries[1:]]), "mb": sizes[model] / 1e6}


class Run:
    """One run: its row of runs.csv, and its events."""

    def __init__(self, row, events):
        self.row = row
        self.events = events
        self.queries = [e for e in events if e["event"] == "query"]
        self.ready = [e for e in events if e["event"] == "ready"]
        self.upload = next((e for e in events if e["event"] == "upload"), None)
        self.summary = next((e for e in events if e["event"] == "summary"), None)
        if not self.upload or not self.summary or not self.queries:
            raise ValueError(f"{row['name']}: the run did not end")
        if self.summary["lost"]:
            raise ValueError(f"{row['name']}: {self.summary['lost']} queries were lost")

    def after(self):
        """Queries issued once the whole model was ready."""
        return [q for q in self.queries if q["issued_ms"] >= self.upload["ready_ms"]]

    def wire_s(self, mbps):
        """The model's bytes at the link's rate."""
        return self.upload["model_bytes"] * 8e-6 / mbps


def read_runs(folder):
    """All runs of runs.csv that were made, in its order."""
    runs = []
    for row in read_csv(folder / "runs.csv"):
        path = folder / "runs" / f"{row['name']}.jsonl"
        # One that was broken off has none.
        if path.exists():
            runs.append(Run(row, read_events(path)))
    return runs


def answered_ms(query):
    return query["issued_ms"] + query["latency_ms"]


def has_edge_part(query):
    return query["end"] > query["first"]


def measure_upload(run, mbps):
    """Numbers of a run of kind upload. Uploads count from their start, queries from the first connection
    attempt, some milliseconds earlier."""
    upload = run.upload
    all_bytes_s = upload["sent_bytes"] * 8e-6 / mbps
    acked_s = (upload["acked_ms"] - upload["start_ms"]) / 1e3
    after = run.after()
    final_ms = median([q["latency_ms"] for q in after])
    near = [q["issued_ms"] for q in run.queries if has_edge_part(q) and q["latency_ms"] <= NEAR * final_ms]
    edge = [answered_ms(q) for q in run.queries if has_edge_part(q)]
    before = [q["latency_ms"] for q in run.queries if q["issued_ms"] < upload["ready_ms"]]
    return {
        "mb": upload["model_bytes"] / 1e6,
        "sent_mb": upload["sent_bytes"] / 1e6,
        "partitions": upload["partitions"],
        "wire_mbps": mbps,
        "wire_s": run.wire_s(mbps),
        "all_bytes_s": all_bytes_s,
        "acked_s": acked_s,
        "ready_s": (upload["ready_ms"] - upload["start_ms"]) / 1e3,
        "over_wire": acked_s / run.wire_s(mbps),
        "over_all_bytes": acked_s / all_bytes_s,
        "ready_after_ms": upload["ready_ms"] - upload["acked_ms"],
        "creation_s": upload["creation_ms"] / 1e3,
        "creations": upload["creations"],
        "during": sum(answered_ms(q) <= upload["ready_ms"] for q in run.queries),
        "first_s": answered_ms(run.queries[0]) / 1e3,
        "first_edge_s": min(edge) / 1e3 if edge else math.nan,
        "near_s": min(near) / 1e3 if near else math.nan,
        "mean_s": statistics.fmean(before) / 1e3 if before else math.nan,
        "final_ms": final_ms,
        "edge_ms": median([q["edge_ms"] for q in after if q["end"] - q["first"] == q["layers"]]),
        "fallbacks": run.summary["fallbacks"],
    }


def cut_end(run):
    return int(run.row["cut"].split(":")[1])


def latency_queries(run):
    """Queries of a run of kind latency that were under way while the rest of the model uploaded, and after it.
    The first ones waited for their own layers: they count as neither."""
    can_run_ms = min((e["at_ms"] for e in run.ready if e["prefix"] >= cut_end(run)), default=math.inf)
    during = [q for q in run.queries
              if q["issued_ms"] >= can_run_ms and answered_ms(q) <= run.upload["acked_ms"]]
    return during, run.after()
