#!/usr/bin/env python3
"""Sums up the runs of tools/bench/bench_upload.sh.

usage: bench_table.py --iperf FILE --rate MBPS [--cut] --csv FILE RUN...

RUN is MODE:NUMBER:FILE, where FILE is what device/agent wrote with --json; --iperf takes iperf3's --json
output. Prints a table with one line per run and the medians of each mode, and writes the same to the CSV.
With --cut, for runs whose queries all had the same cut, also the queries' times during the upload (without the first, which
waits for its layers) and after it.
"""

import argparse
import csv
import json
import statistics
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is
from offload_runs import quantile  # pylint: disable=wrong-import-position

COLUMNS = (
    # name in the CSV, heading, format
    ("mode", "creation", "{:10s}"),
    ("run", "run", "{:>6}"),
    ("wire_s", "wire bound s", "{:12.2f}"),
    ("sent_mb", "sent MB", "{:8.1f}"),
    ("all_s", "all bytes' bound s", "{:8.2f}"),
    ("acked_s", "acked s", "{:8.2f}"),
    ("over_all", "acked / bound", "{:8.3f}"),
    ("ready_s", "ready s", "{:8.2f}"),
    ("ready_after_ms", "ready after ms", "{:8.0f}"),
    ("creation_s", "creation s", "{:10.2f}"),
    ("creations", "creations", "{:9.0f}"),
    ("partitions", "partitions", "{:10.0f}"),
    ("queries", "queries", "{:7.0f}"),
    ("first_ms", "first ms", "{:8.0f}"),
    ("after_ms", "after ms", "{:8.0f}"),
    ("fallbacks", "fallbacks", "{:9.0f}"),
)
CUT_COLUMNS = (
    ("during", "queries during", "{:8.0f}"),
    ("during_p50_ms", "p50 ms", "{:8.0f}"),
    ("during_p95_ms", "p95 ms", "{:8.0f}"),
    ("after", "queries after", "{:8.0f}"),
    ("after_p50_ms", "p50 ms", "{:8.0f}"),
    ("after_p95_ms", "p95 ms", "{:8.0f}"),
    ("p95_ratio", "p95 during / after", "{:8.2f}"),
)


def compare_times(queries, upload, after):
    during = [query["latency_ms"] for query in queries[1:]
              if query["issued_ms"] + query["latency_ms"] <= upload["acked_ms"]]
    p95, after_p95 = quantile(during, 0.95), quantile(after, 0.95)
    return {
        "during": len(during), "during_p50_ms": quantile(during, 0.5), "during_p95_ms": p95,
        "after": len(after), "after_p50_ms": quantile(after, 0.5), "after_p95_ms": after_p95,
        "p95_ratio": p95 / after_p95,
    }


def read_run(mode, number, path, wire_mbps):
    """One run as a row."""
    with open(path, encoding="utf-8") as file:
        events = [json.loads(line) for line in file if line.strip()]
    upload = next((e for e in events if e["event"] == "upload"), None)
    summary = next((e for e in events if e["event"] == "summary"), None)
    if not upload or not summary:
        sys.exit(f"{path}: the run did not end")
    if summary["lost"]:
        sys.exit(f"{path}: {summary['lost']} queries were lost")
    queries = [e for e in events if e["event"] == "query"]
    after = [e["latency_ms"] for e in queries if e["issued_ms"] >= upload["ready_ms"]]
    acked_s = (upload["acked_ms"] - upload["start_ms"]) / 1e3
    all_s = upload["sent_bytes"] * 8e-6 / wire_mbps
    return {
        "mode": mode, "run": number,
        "wire_s": upload["model_bytes"] * 8e-6 / wire_mbps,
        "sent_mb": upload["sent_bytes"] / 1e6,
        "all_s": all_s, "acked_s": acked_s, "over_all": acked_s / all_s,
        "ready_s": (upload["ready_ms"] - upload["start_ms"]) / 1e3,
        "ready_after_ms": upload["ready_ms"] - upload["acked_ms"],
        "creation_s": upload["creation_ms"] / 1e3,
        "creations": upload["creations"], "partitions": upload["partitions"],
        "queries": summary["queries"], "first_ms": queries[0]["latency_ms"],
        "after_ms": statistics.median(after) if after else float("nan"),
        "fallbacks": summary["fallbacks"],
        **compare_times(queries, upload, after),
    }


def medians(mode, rows):
    row = {name: statistics.median(r[name] for r in rows) for name, _, _ in COLUMNS[2:] + CUT_COLUMNS}
    return {"mode": mode, "run": "median", **row}


def print_table(columns, rows):
    widths = [max(len(heading), len(form.format(0 if "f}" in form else ""))) for _, heading, form in columns]
    print("  ".join(heading.rjust(width) for (_, heading, _), width in zip(columns, widths)))
    for row in rows:
        print("  ".join(form.format(row[name]).strip().rjust(width)
                        for (name, _, form), width in zip(columns, widths)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iperf", required=True)
    parser.add_argument("--rate", required=True, type=float)
    parser.add_argument("--cut", action="store_true")
    parser.add_argument("--csv", required=True)
    parser.add_argument("runs", nargs="+")
    options = parser.parse_args()
    with open(options.iperf, encoding="utf-8") as file:
        wire_mbps = json.load(file)["end"]["sum_received"]["bits_per_second"] / 1e6
    rows = []
    for run in options.runs:
        mode, number, path = run.split(":", 2)
        rows.append(read_run(mode, number, path, wire_mbps))
    modes = list(dict.fromkeys(row["mode"] for row in rows))
    summary = [medians(mode, [row for row in rows if row["mode"] == mode]) for mode in modes]
    with open(options.csv, "w", encoding="utf-8", newline="") as file:
        names = [name for name, _, _ in COLUMNS + CUT_COLUMNS]
        writer = csv.DictWriter(file, names + ["shaped_mbps", "wire_mbps"])
        writer.writeheader()
        for row in rows + summary:
            writer.writerow({**row, "shaped_mbps": options.rate, "wire_mbps": wire_mbps})
    print(f"link shaped to {options.rate:g} Mbit/s; iperf3 in the same run: {wire_mbps:.2f} Mbit/s")
    print_table(COLUMNS, rows + summary)
    if options.cut:
        print("queries of the same cut, during the upload and after it:")
        print_table(COLUMNS[:2] + CUT_COLUMNS, rows + summary)
    return 0


if __name__ == "__main__":
    sys.exit(main())
