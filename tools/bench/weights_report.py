#!/usr/bin/env python3
"""Writes the results of tools/bench/bench_weights.sh from what it recorded.

usage: weights_report.py FOLDER

Writes to FOLDER: results.csv (a line a run), weights.md (tables and goals) and plots/weights.png: the time until the
first whole model and until the exact one, by encoding and rate. Prints weights.md without the picture.
"""

import argparse
import pathlib
import re
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is
# pylint: disable=wrong-import-position
import offload_plots
import offload_runs
import weights_runs
import weights_verdicts
from bench_offload import write_csv
from offload_tables import Cell, number, spread, table

COLORS = {"raw": "#7f8c8d", "frames": "#1f77b4", "draft": "#c0392b", "m4": "#e67e22"}


def read_cells(folder):
    """Runs that repeat each other, in the order of their first ones."""
    links, groups = {}, {}
    for run in offload_runs.read_runs(folder):
        name = run.row["link"]
        links.setdefault(name, weights_runs.Link(folder, name))
        row = weights_runs.measure(run, folder, links[name])
        groups.setdefault(tuple(run.row[key] for key in weights_runs.KEYS), []).append((run, row))
    return [Cell([run for run, _ in group], [row for _, row in group]) for group in groups.values()]


def heads_of(cell):
    return [cell.key[key] for key in weights_runs.KEYS]


def write_times(cells):
    return table([*weights_runs.KEYS, "first whole s", "exact s", "/ bound of all bytes", "/ bound of the weights",
                  "answered", "with the edge", "by a draft"],
                 [heads_of(c) + [spread(c, "first_s", 2), spread(c, "ready_s", 2), spread(c, "over_bytes", 3),
                                 spread(c, "over_weights", 3), number(c.median("answered"), 0),
                                 number(c.median("edge_answered"), 0), number(c.median("draft_answered"), 0)]
                  for c in cells])


def write_bytes(cells):
    return table([*weights_runs.KEYS, "model MB", "weights MB", "of the model", "of that the draft", "pictures MB",
                  "tensors MB", "protocol MB", "down MB"],
                 [heads_of(c) + [number(c.median("model_mb"), 2), number(c.median("weights_mb"), 2),
                                 number(c.median("share"), 4), number(c.median("draft_share"), 4),
                                 number(c.median("pictures_mb"), 2), number(c.median("tensors_mb"), 2),
                                 number(c.median("protocol_mb"), 2), number(c.median("down_mb"), 2)] for c in cells])


def write_processors(cells):
    return table([*weights_runs.KEYS, "device s", "edge s", "encoder s", "receiver s", "gRPC, both s"],
                 [heads_of(c) + [number(c.median(name), 3) for name in
                                 ("device_cpu_s", "edge_cpu_s", "encoder_s", "receiver_s", "grpc_s")] for c in cells])


class RatePanel(offload_plots.Panel):
    """A plot against the link's rate, both axes logarithmic."""

    def script(self, index):
        xs = [x for points, _, _ in self.series for x, _ in points]
        text = super().script(index)
        return ("set logscale x\nset xtics (" + ", ".join(f"{x:g}" for x in sorted(set(xs))) + ")\n"
                + re.sub(r"set xrange .*", f"set xrange [{min(xs) / 1.3:g}:{max(xs) * 1.3:g}]", text))


def plot(folder, cells):
    """A panel for each model and kind of weights, of runs without queries if there are any: (file name, text)."""
    chosen = [c for c in cells if weights_runs.is_rate(c.key["link"])]
    chosen = [c for c in chosen if c.key["queries"] == "none"] or chosen
    panels = {}
    for cell in chosen:
        encodings = panels.setdefault((cell.key["model"], cell.key["weights"]), {})
        encodings.setdefault(cell.key["encoding"], []).append((float(cell.key["link"]), cell))
    drawn = []
    for (model, weights), encodings in panels.items():
        panel = RatePanel(f"{model}, {weights} weights", "link [Mbit/s]", "time since the upload's start [s]")
        for encoding, points in encodings.items():
            style = f"linespoints pt 7 ps 1 lw 2 lc rgb '{COLORS[encoding]}'"
            points.sort(key=lambda point: point[0])
            panel.add([(x, c.median("ready_s")) for x, c in points], style, f"{encoding}: exact")
            if any(c.median("draft_share") > 0 for _, c in points):
                panel.add([(x, c.median("first_s")) for x, c in points], style + " dt 2", f"{encoding}: first whole")
        drawn.append(panel)
    if not drawn:
        return ""
    (folder / "plots").mkdir(exist_ok=True)
    offload_plots.draw(folder / "plots" / "weights.png", drawn, min(len(drawn), 2))
    return "\n![time until the first whole model and the exact one](plots/weights.png)\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    try:
        cells = read_cells(folder)
        write_csv(folder / "results.csv", [run.row | row for c in cells for run, row in zip(c.runs, c.rows)])
        words = (folder / "about.csv").read_text(encoding="utf-8").strip().split(",")
        about = ", ".join(f"{key} {value}" for key, value in zip(words[::2], words[1::2]))
        text = (f"Goals ({about}):\n\n" + "".join(f"- {line}\n" for line in weights_verdicts.judge(cells))
                + "\n" + write_times(cells) + "\n" + write_bytes(cells) + "\n" + write_processors(cells)
                + plot(folder, cells))
    except (ValueError, OSError, KeyError) as error:
        print(f"weights_report: {error!r}", file=sys.stderr)
        return 1
    (folder / "weights.md").write_text(text, encoding="utf-8")
    print(re.sub(r"\n!\[.*\n", "", text), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
