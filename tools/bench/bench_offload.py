#!/usr/bin/env python3
"""Writes the results of tools/bench/bench_offload.sh from what it recorded.

usage: bench_offload.py FOLDER

Writes to FOLDER: results.csv (a line a run), summary.csv (medians and spread of runs that repeat each other),
creations.csv (a line a creation), latency.csv (a line a query beside an upload), encodings.csv's comparison as
part of experiment.md; experiment.md and plots/*.png, which are what docs/ keeps. Prints experiment.md without
the pictures. A bench that was broken off is summed up as far as it came.
"""

import argparse
import csv
import pathlib
import re
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is
# pylint: disable=wrong-import-position
import offload_encodings
import offload_plots
import offload_runs
import offload_tables
import offload_verdicts

SUMMARY_KEYS = ("kind", "model", "engine", "creation", "rate", "partitioner", "slowdown", "cut")


def write_csv(path, rows):
    if not rows:
        return
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def summarize(cell):
    row = {key: cell.key[key] for key in SUMMARY_KEYS} | {"runs": len(cell.rows)}
    for name in cell.rows[0]:
        low, high = cell.span(name)
        row |= {name: cell.median(name), f"{name}_least": low, f"{name}_most": high}
    return row


def write_tables(folder, uploads, latencies):
    """The CSV files."""
    write_csv(folder / "results.csv", [run.row | row for cell in uploads for run, row in zip(cell.runs, cell.rows)])
    write_csv(folder / "summary.csv", [summarize(cell) for cell in uploads])
    write_csv(folder / "creations.csv", [
        {"name": run.row["name"], "at_ms": e["at_ms"], "prefix": e["prefix"], "partitions": e["partitions"],
         "creation_ms": e["creation_ms"]}
        for cell in uploads for run in cell.runs for e in run.ready])
    rows = []
    for cell in latencies:
        for run in cell.runs:
            for when, queries in zip(("during", "after"), offload_runs.latency_queries(run)):
                rows += [{"name": run.row["name"], "when": when, "issued_ms": q["issued_ms"],
                          "latency_ms": q["latency_ms"], "device_ms": q["device_ms"], "edge_ms": q["edge_ms"],
                          "network_ms": q["network_ms"]} for q in queries]
    write_csv(folder / "latency.csv", rows)


def describe(about, runs, links):
    """How it was measured, in a paragraph."""
    planned, made = int(about["planned"]), len(runs)
    medians = (f"Medians of {about['repeat']} interleaved runs each, in brackets smallest and largest."
               if about["repeat"] != "1" else "One run of each.")
    words = [f"{about['date']}, {about['cores']} cores of {about['processor']}, {about['system']}, commit "
             f"{about['commit']}. {medians} Server, agent and link share the cores. Seeded weights "
             "(`//tools:make_weights --seed 1`)."]
    for rate, mbps in links.items():
        words.append(f"On the link of {rate} Mbit/s iperf3 got {mbps:.2f}.")
    words.append(f"Load average {about['load']} at the start.")
    if made < planned:
        words.append(f"The bench was broken off: {made} of {planned} runs.")
    return " ".join(words) + f"\n\n    {about['command']}\n"


def pictures(written):
    return "".join(f"![{text}](plots/{name})\n\n" for name, text in written)


def write_uploads(folder, uploads):
    """The parts of the report about runs of kind upload."""
    first = uploads[0].key
    main = [c for c in uploads if c.key["partitioner"] == first["partitioner"]]
    same = [c for c in uploads if (c.key["engine"], c.key["rate"]) == (first["engine"], first["rate"])]
    compared = [c for c in same if c.key["creation"] == "threaded"]
    plots = folder / "plots"
    plots.mkdir(exist_ok=True)
    parts = [
        ("Device and edge", offload_tables.write_devices(folder, main)),
        ("Upload and creation (the paper's Table 1)",
         f"Partitioner: `{first['partitioner']}`.\n\n"
         + offload_tables.write_paper_table(uploads, first["partitioner"])),
        ("The same uploads in detail", offload_tables.write_uploads(main)),
        ("Queries during the upload", offload_tables.write_queries(main)
         + "\n" + pictures(offload_plots.plot_queries(plots, main, first["partitioner"]))),
        ("Creation time", offload_tables.write_creations(main) + "\n" + pictures(
            offload_plots.plot_creations(plots, [c for c in same if c in main]))),
    ]
    if len({c.key["partitioner"] for c in compared}) > 1:
        parts.insert(4, ("Partitioners", f"`{first['engine']}`, {first['rate']} Mbit/s, threaded creation.\n\n"
                         + offload_tables.write_partitioners(compared) + "\n"
                         + pictures(offload_plots.plot_partitioners(plots, compared))))
    return parts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    about = {row["key"]: row["value"] for row in offload_runs.read_csv(folder / "about.csv")}
    try:
        runs = offload_runs.read_runs(folder)
        links = {rate: offload_runs.read_link(folder, rate) for rate in dict.fromkeys(run.row["rate"] for run in runs)}
        uploads = offload_tables.cells_of([run for run in runs if run.row["kind"] == "upload"],
                                          lambda run: offload_runs.measure_upload(run, links[run.row["rate"]]))
        latencies = offload_tables.cells_of([run for run in runs if run.row["kind"] == "latency"],
                                            lambda run: {"ready_s": run.upload["ready_ms"] / 1e3})
        write_tables(folder, uploads, latencies)
        partitioner = uploads[0].key["partitioner"] if uploads else ""
        parts = [("Goals", "".join(f"- {line}\n" for line in
                                   offload_verdicts.judge(uploads, latencies, partitioner)))]
        if uploads:
            parts += write_uploads(folder, uploads)
        if latencies:
            parts.append(("Queries of one cut, with and without an upload", offload_tables.write_latency(latencies)))
        if (folder / "encodings.csv").exists():
            parts.append(("Cut tensors in f16", offload_encodings.write_encodings(offload_encodings.compare(folder))))
    except (ValueError, OSError) as error:
        print(f"bench_offload: {error}", file=sys.stderr)
        return 1
    text = describe(about, runs, links) + "".join(f"\n#### {head}\n\n{body.rstrip()}\n" for head, body in parts)
    (folder / "experiment.md").write_text(text, encoding="utf-8")
    print(re.sub(r"\n!\[.*\n", "", text), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
