#!/usr/bin/env python3
"""Sums up the runs of tools/bench/bench_upload.sh.

usage: bench_table.py --iperf FILE --rate MBPS --csv FILE RUN...

RUN is MODE:NUMBER:FILE, where FILE is what device/agent wrote with --json; --iperf takes iperf3's --json
output. Prints a table with one line per run and the medians of each mode, and writes the same to the CSV.
"""

import argparse
import csv
import json
import statistics
import sys

COLUMNS = (
    # name in the CSV, heading, format
    ("mode", "creation", "{:10s}"),
    ("run", "run", "{:>6}"),
    ("wire_s", "wire bound s", "{:12.2f}"),
    ("sent_mb", "sent MB", "{:8.1f}"),
    ("acked_s", "acked s", "{:8.2f}"),
    ("ready_s", "ready s", "{:8.2f}"),
    ("creation_s", "creation s", "{:10.2f}"),
    ("creations", "creations", "{:9.0f}"),
    ("partitions", "partitions", "{:10.0f}"),
    ("queries", "queries", "{:7.0f}"),
    ("first_ms", "first ms", "{:8.0f}"),
    ("after_ms", "after ms", "{:8.0f}"),
    ("fallbacks", "fallbacks", "{:9.0f}"),
)


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
    return {
        "mode": mode, "run": number,
        "wire_s": upload["model_bytes"] * 8e-6 / wire_mbps,
        "sent_mb": upload["sent_bytes"] / 1e6,
        "acked_s": (upload["acked_ms"] - upload["start_ms"]) / 1e3,
        "ready_s": (upload["ready_ms"] - upload["start_ms"]) / 1e3,
        "creation_s": upload["creation_ms"] / 1e3,
        "creations": upload["creations"], "partitions": upload["partitions"],
        "queries": summary["queries"], "first_ms": queries[0]["latency_ms"],
        "after_ms": statistics.median(after) if after else float("nan"),
        "fallbacks": summary["fallbacks"],
    }


def medians(mode, rows):
    row = {name: statistics.median(r[name] for r in rows) for name, _, _ in COLUMNS[2:]}
    return {"mode": mode, "run": "median", **row}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--iperf", required=True)
    parser.add_argument("--rate", required=True, type=float)
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
        writer = csv.DictWriter(file, [name for name, _, _ in COLUMNS] + ["shaped_mbps", "wire_mbps"])
        writer.writeheader()
        for row in rows + summary:
            writer.writerow({**row, "shaped_mbps": options.rate, "wire_mbps": wire_mbps})
    print(f"link shaped to {options.rate:g} Mbit/s; iperf3 in the same run: {wire_mbps:.2f} Mbit/s")
    widths = [max(len(heading), len(form.format(0 if "f}" in form else "")))
              for _, heading, form in COLUMNS]
    print("  ".join(heading.rjust(width) for (_, heading, _), width in zip(COLUMNS, widths)))
    for row in rows + summary:
        print("  ".join(form.format(row[name]).strip().rjust(width)
                        for (name, _, form), width in zip(COLUMNS, widths)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
