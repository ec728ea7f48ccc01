#!/usr/bin/env python3
"""Draws an agent's run: query time against the time of issue, and the ready prefix as steps.

usage: plot_queries.py --json FILE --out PICTURE.png --title TEXT [--local FILE [--slowdown X]]

FILE is what device/agent wrote with --json; --local takes what tools/infer wrote, for a line at the time that
the device alone takes. Needs gnuplot (Debian: gnuplot-nox).
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

SCRIPT = """
set terminal pngcairo size 1100,620 font "sans,11"
set output {out}
set title {title} noenhanced
set key above horizontal noenhanced
set style fill solid noborder
set grid ytics lc rgb "#dddddd"
set xlabel "time of issue since the first connection attempt [s]"
set ylabel "query time [ms]"
set y2label "layers ready on the edge"
set xrange [0:{last_s}]
set yrange [0:*]
set y2range [0:{layers} * 1.08]
set ytics nomirror
set y2tics
{upload}
plot "{work}/ready" using 1:2 axes x1y2 with fillsteps fc rgb "#dbe9f6" title "prefix ready (right)", \\
     {local} \\
     "{work}/queries" using 1:2 with linespoints pt 7 ps 1.1 lw 1.5 lc rgb "#c0392b" title "query time (left)"
"""


def quote(text):
    """A gnuplot string: single quotes, doubled inside."""
    return "'" + text.replace("'", "''").replace("\n", " ") + "'"


def read_events(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def write_rows(path, rows):
    path.write_text("".join(f"{x:.4f} {y:.3f}\n" for x, y in rows), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--title", required=True)
    parser.add_argument("--local")
    parser.add_argument("--slowdown", type=float, default=1.0)
    options = parser.parse_args()
    events = read_events(options.json)
    queries = [(e["issued_ms"] / 1e3, e["latency_ms"]) for e in events if e["event"] == "query"]
    if not queries:
        print(f"{options.json}: no queries", file=sys.stderr)
        return 1
    ready = [(e["at_ms"] / 1e3, e["prefix"]) for e in events if e["event"] == "ready"]
    upload = [e for e in events if e["event"] == "upload"]
    local_ms = 0.0
    if options.local:
        times = next(e["ms"] for e in read_events(options.local) if e["event"] == "infer")
        local_ms = sorted(times)[len(times) // 2] * options.slowdown
    last_s = max(queries[-1][0] + queries[-1][1] / 1e3, ready[-1][0] if ready else 0.0)
    layers = max([prefix for _, prefix in ready] + [1])
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        write_rows(work / "queries", queries)
        # Steps from nothing to the picture's right edge.
        write_rows(work / "ready", [(0.0, 0)] + ready + [(last_s, ready[-1][1] if ready else 0)])
        script = SCRIPT.format(
            out=quote(options.out), title=quote(options.title), work=folder, last_s=last_s, layers=layers,
            upload=f"set arrow from {upload[0]['acked_ms'] / 1e3},graph 0 to {upload[0]['acked_ms'] / 1e3},graph 1 "
                   "nohead front dt 3 lc rgb '#555555'\n"
                   f"set label 'all sent' at {upload[0]['acked_ms'] / 1e3},graph 0.97 right offset -0.5,0"
            if upload else "",
            local=f"{local_ms} with lines dt 2 lc rgb '#7f8c8d' title 'on the device alone (left)',"
            if options.local else "")
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
