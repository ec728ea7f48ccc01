"""Draws the paper's Fig. 5 and others of the same kind with gnuplot (Debian: gnuplot-nox)."""

import subprocess

COLORS = {"inline": "#c0392b", "threaded": "#1f77b4"}
MORE_COLORS = ("#1f77b4", "#e67e22", "#27ae60", "#8e44ad", "#7f8c8d", "#c0392b")
PANEL_WIDTH, PANEL_HEIGHT = 900, 560

# What is shown of shorter creations: the axis is logarithmic.
LEAST_MS = 0.01
TICKS = ", ".join(f"{digit * 10.0 ** power:g}" for power in range(-3, 5) for digit in (1, 2, 5))


def quote(text):
    """A gnuplot string: single quotes, doubled inside."""
    return "'" + text.replace("'", "''").replace("\n", " ") + "'"


class Panel:
    """One plot: series of points, and lines from its bottom to its top. Its y axis is logarithmic."""

    def __init__(self, title, x_label, y_label):
        self.title = title
        self.x_label = x_label
        self.y_label = y_label
        self.series = []
        self.verticals = []

    def add(self, points, style, title=None):
        """Points [(x, y), ...], drawn in a gnuplot style."""
        if points:
            self.series.append((points, style, title))

    def add_vertical(self, x, style, title):
        self.verticals.append((x, style, title))

    def script(self, index):
        """The panel's data blocks and its plot command."""
        points = [point for series, _, _ in self.series for point in series]
        right = 1.03 * max([x for x, _ in points] + [x for x, _, _ in self.verticals])
        low, high = min(y for _, y in points), max(y for _, y in points)
        bottom, top = low / 1.3, high * 1.6
        lines = [([(x, bottom), (x, top)], "lines " + style, title) for x, style, title in self.verticals]
        data, plots = [], []
        for number, (rows, style, title) in enumerate(self.series + lines):
            block = f"$data_{index}_{number}"
            data.append(f"{block} << EOD\n" + "".join(f"{x:.4f} {y:.6g}\n" for x, y in rows) + "EOD\n")
            plots.append(f"{block} using 1:2 with {style} " + (f"title {quote(title)}" if title else "notitle"))
        return "".join(data) + f"""
set title {quote(self.title)} noenhanced
set xlabel {quote(self.x_label)}
set ylabel {quote(self.y_label)}
set xrange [0:{right}]
set yrange [{bottom:.6g}:{top:.6g}]
plot {", ".join(plots)}
"""


def draw(path, panels, columns):
    rows = (len(panels) + columns - 1) // columns
    script = f"""
set terminal pngcairo size {PANEL_WIDTH * columns},{PANEL_HEIGHT * rows} font "sans,11"
set output {quote(str(path))}
set key above horizontal noenhanced
set grid xtics ytics lt 1 lc rgb "#dddddd"
set logscale y
set ytics ({TICKS})
set multiplot layout {rows},{columns}
""" + "".join(panel.script(index) for index, panel in enumerate(panels)) + "unset multiplot\n"
    subprocess.run(["gnuplot"], input=script, text=True, check=True)


def query_points(run):
    return [(q["issued_ms"] / 1e3, q["latency_ms"] / 1e3) for q in run.queries]


def query_panel(title, series):
    """Query time against time of issue. `series` has (name, colour, cell): of each cell the run in the middle
    in full, the others as faint points."""
    panel = Panel(title, "time of issue since the first connection attempt [s]", "query time [s]")
    for _, color, cell in series:
        middle = cell.middle_run()
        for run in cell.runs:
            if run is not middle:
                panel.add(query_points(run), f"points pt 7 ps 0.5 lc rgb '#a0{color[1:]}'")
    for name, color, cell in series:
        panel.add(query_points(cell.middle_run()), f"linespoints pt 7 ps 0.9 lw 1.6 lc rgb '{color}'", name)
    for name, color, cell in series:
        panel.add_vertical(cell.middle_run().upload["ready_ms"] / 1e3, f"dt 2 lw 1.4 lc rgb '{color}'",
                           f"{name}: model ready")
    panel.add_vertical(series[0][2].median("wire_s"), "dt 3 lw 1.6 lc rgb '#333333'", "wire bound")
    return panel


def creation_panel(title, series):
    """Time of each creation against the layer it reached; of each cell the run in the middle."""
    panel = Panel(title, "layers ready after the creation", "creation time [ms]")
    for name, color, cell in series:
        points = [(e["prefix"], max(e["creation_ms"], LEAST_MS)) for e in cell.middle_run().ready]
        panel.add(points, f"points pt 7 ps 0.9 lc rgb '{color}'", name)
    return panel


def plot_queries(folder, cells, partitioner):
    """One picture a model and rate, one panel an engine: (file name, what it shows)."""
    pictures = {}
    for cell in cells:
        key = cell.key
        if key["partitioner"] == partitioner:
            panels = pictures.setdefault((key["model"], key["rate"]), {})
            panels.setdefault(key["engine"], []).append((key["creation"], COLORS[key["creation"]], cell))
    written = []
    for (model, rate), engines in pictures.items():
        name = f"offload-{model}-{rate}.png"
        panels = [query_panel(f"{model}, {engine}, {rate} Mbit/s, device slowed down "
                              f"{float(series[0][2].key['slowdown']):g} times", series)
                  for engine, series in engines.items()]
        draw(folder / name, panels, len(panels))
        written.append((name, f"{model} at {rate} Mbit/s"))
    return written


def plot_partitioners(folder, cells):
    """One picture: a panel for each model."""
    models = {}
    for cell in cells:
        models.setdefault(cell.key["model"], []).append(cell)
    panels = [query_panel(f"{model}, {group[0].key['engine']}, {group[0].key['rate']} Mbit/s",
                          [(cell.key["partitioner"], color, cell) for cell, color in zip(group, MORE_COLORS)])
              for model, group in models.items()]
    draw(folder / "offload-partitioners.png", panels, min(len(panels), 2))
    return [("offload-partitioners.png", "the partitioners")]


def plot_creations(folder, cells):
    """One picture: a panel for each model, with its inline and threaded cells."""
    models = {}
    for cell in cells:
        if any(run.ready for run in cell.runs):
            models.setdefault(cell.key["model"], []).append(cell)
    panels = [creation_panel(f"{model}, {group[0].key['engine']}, {group[0].key['rate']} Mbit/s",
                             [(cell.key["creation"], COLORS[cell.key["creation"]], cell) for cell in group])
              for model, group in models.items()]
    if not panels:
        return []
    draw(folder / "offload-creations.png", panels, min(len(panels), 2))
    return [("offload-creations.png", "creation times")]
