#!/usr/bin/env python3
"""Tests what tools/bench/bench_offload.sh makes of its runs, on runs that are made up."""

import array
import csv
import json
import math
import os
import pathlib
import stat
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # the source tree stays as it is
BENCH = pathlib.Path(__file__).absolute().parent
sys.path[:0] = [str(BENCH), str(BENCH.parent / "testing")]
# pylint: disable=wrong-import-position
import offload_encodings
import offload_plan
import offload_runs
import offload_tables
import offload_verdicts
import py_test

OPTIONS = {"models": "resnet152 mobilenet", "engines": "onednn darknet", "creation": "inline threaded", "rates": "80",
           "partitioners": "layer whole", "sections": "uploads latency", "repeat": "3", "slowdown": "paper",
           "extra": "2"}


def query(number, issued_ms, latency_ms, end, **changes):
    return {"event": "query", "id": number, "issued_ms": issued_ms, "latency_ms": latency_ms, "device_ms": 1,
            "edge_ms": 5 if end else 0, "network_ms": 2, "first": 0, "end": end, "layers": 10, "prefix": end,
            "fallback": None, "top": [], **changes}


def made_up(ready_ms=1100, creation_ms=300, **changes):
    """1 MB of weights, 1.1 MB with the queries, in one second."""
    return [
        query(1, 0, 600, 0),
        {"event": "ready", "at_ms": 400, "prefix": 4, "creation_ms": 100, "partitions": 1},
        query(2, 600, 300, 4),
        {"event": "ready", "at_ms": ready_ms, "prefix": 10, "creation_ms": creation_ms - 100, "partitions": 2},
        {"event": "upload", "start_ms": 50, "acked_ms": ready_ms - 50, "ready_ms": ready_ms, "model_bytes": 1000000,
         "sent_bytes": 1100000, "partitions": 3, "creations": 2, "creation_ms": creation_ms},
        query(3, 900, 105, 8),
        query(4, ready_ms + 100, 100, 10),
        query(5, ready_ms + 200, 100, 10),
        {"event": "summary", "queries": 5, "lost": 0, "fallbacks": 0, **changes},
    ]


def run_of(events, **row):
    return offload_runs.Run({"kind": "upload", "model": "m", "engine": "onednn", "creation": "threaded", "rate": "80",
                             "partitioner": "layer", "slowdown": "80", "cut": "", "extra": "2", "number": "1",
                             "name": "n", **row}, events)


def cell_of(*ready, creation_ms=300, **row):
    """A cell of runs whose models were ready at these times."""
    runs = [run_of(made_up(ready_ms, creation_ms), **row) for ready_ms in ready]
    return offload_tables.Cell(runs, [offload_runs.measure_upload(run, 8.0) for run in runs])


class Folder(unittest.TestCase):
    """A scratch folder, as the bench fills it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def write_events(self, name, events):
        return self.write(name, "".join(json.dumps(event) + "\n" for event in events))

    def write_models(self, *names):
        self.write("models.csv", "model,weight_bytes\n" + "".join(f"{name},1000000\n" for name in names))
        for name in names:
            for engine in ("onednn", "darknet"):
                self.write_events(f"local-{name}-{engine}.jsonl",
                                  [query(i, i, 500 if i == 0 else 20, 0) for i in range(4)])

    def plan(self, **changes):
        arguments = [f"--{name}={value}" for name, value in (OPTIONS | changes).items()]
        return subprocess.run([sys.executable, BENCH / "offload_plan.py", *arguments, self.folder], text=True,
                              stdout=subprocess.PIPE, check=True).stdout


class Plan(Folder):
    """tools/bench/offload_plan.py"""

    def runs(self, **changes):
        self.write_models("resnet152", "mobilenet", "other")
        text = self.plan(**changes)
        runs = offload_runs.read_csv(self.folder / "runs.csv")
        self.assertIn(f"{len(runs)} runs", text)
        return runs

    def test_every_cell_is_run_as_often_as_asked(self):
        runs = self.runs()
        # 2 models x 2 engines x 2 creations, and 2 models with the other partitioner, and latency of 2.
        self.assertEqual(len(runs), 3 * (8 + 2 + 2))
        self.assertEqual(len({run["name"] for run in runs}), len(runs))
        self.assertEqual({run["slowdown"] for run in runs if run["kind"] == "upload"}, {"80"})
        self.assertEqual({run["slowdown"] for run in runs if run["kind"] == "latency"}, {"1"})

    def test_turns_change_who_comes_first(self):
        runs = self.runs()
        for number in ("1", "2", "3"):
            turn = [i for i, run in enumerate(runs) if run["number"] == number]
            self.assertEqual(turn, list(range(turn[0], turn[0] + 12)))
        order = {number: [run["creation"] for run in runs if run["number"] == number and run["model"] == "mobilenet"
                          and run["engine"] == "darknet"] for number in ("1", "2")}
        self.assertEqual(order, {"1": ["inline", "threaded"], "2": ["threaded", "inline"]})

    def test_partitioners_are_compared_with_threaded_creation_alone(self):
        runs = self.runs(repeat="1", sections="uploads")
        whole = [(run["model"], run["engine"], run["creation"]) for run in runs if run["partitioner"] == "whole"]
        self.assertEqual(whole, [("resnet152", "onednn", "threaded"), ("mobilenet", "onednn", "threaded")])
        self.assertFalse([run for run in self.runs(creation="inline") if run["partitioner"] == "whole"])

    def test_models_without_a_latency_cut_have_no_latency_runs(self):
        self.assertEqual(self.runs(models="other", sections="latency"), [])
        self.assertEqual({run["cut"] for run in self.runs(models="mobilenet", sections="latency")}, {"0:23"})

    def test_names_are_file_names(self):
        runs = self.runs(partitioners="mb:8", repeat="1")
        self.assertEqual({run["partitioner"] for run in runs}, {"mb:8"})
        self.assertFalse([run["name"] for run in runs if ":" in run["name"]])

    def test_slow_devices_and_links_take_longer(self):
        row = {"rate": "80", "slowdown": "80", "extra": "10"}
        usual = offload_plan.estimate_s(row, 0.27, 230)
        self.assertTrue(30 < usual < 60, usual)
        self.assertGreater(offload_plan.estimate_s(row | {"slowdown": "800"}, 0.27, 230), 200)
        self.assertGreater(offload_plan.estimate_s(row | {"rate": "8"}, 0.27, 230), 200)


class Measure(unittest.TestCase):
    """tools/bench/offload_runs.py"""

    def test_an_uploads_numbers(self):
        row = offload_runs.measure_upload(run_of(made_up()), 8.0)
        for name, value in {"mb": 1.0, "wire_s": 1.0, "all_bytes_s": 1.1, "acked_s": 1.0, "ready_s": 1.05,
                            "over_wire": 1.0, "over_all_bytes": 1 / 1.1, "ready_after_ms": 50, "creation_s": 0.3,
                            "creations": 2, "partitions": 3, "during": 3, "first_s": 0.6, "first_edge_s": 0.9,
                            "near_s": 0.9, "final_ms": 100, "edge_ms": 5, "fallbacks": 0, "mean_s": 0.335}.items():
            self.assertAlmostEqual(row[name], value, msg=name)

    def test_a_run_without_the_edge_has_no_such_numbers(self):
        events = [e | {"end": 0} if e["event"] == "query" else e for e in made_up()]
        row = offload_runs.measure_upload(run_of(events), 8.0)
        for name in ("first_edge_s", "near_s", "edge_ms"):
            self.assertTrue(math.isnan(row[name]), name)

    def test_runs_that_did_not_end_or_lost_queries_are_refused(self):
        for events in (made_up()[:-1], [e for e in made_up() if e["event"] != "upload"], made_up(lost=1)):
            self.assertRaises(ValueError, run_of, events)

    def test_quantiles_are_values_that_occurred(self):
        values = list(range(1, 101))
        self.assertEqual([offload_runs.quantile(values, part) for part in (0, 0.5, 0.95, 1)], [1, 50, 95, 100])
        self.assertEqual(offload_runs.quantile([7], 0.95), 7)
        self.assertTrue(math.isnan(offload_runs.quantile([], 0.5)))

    def test_latency_counts_queries_that_could_run_and_ended_in_time(self):
        events = made_up() + [query(6, 410, 100, 4), query(7, 1000, 60, 4)]
        during, after = offload_runs.latency_queries(run_of(events, cut="0:4"))
        # The first waited for its layers, number 7 outlasted the upload.
        self.assertEqual([q["id"] for q in during], [2, 3, 6])
        self.assertEqual([q["id"] for q in after], [4, 5])


class Tables(unittest.TestCase):
    """tools/bench/offload_tables.py and offload_verdicts.py"""

    def gain(self, inline, threaded, **changes):
        return offload_tables.judge_gain(cell_of(*inline, creation="inline", **changes), cell_of(*threaded))

    def test_gains_are_held_against_the_spread_and_the_creation(self):
        gain_s, percent, words = self.gain((1650, 1640, 1660), (1350, 1340, 1360))
        self.assertAlmostEqual(gain_s, 0.3)
        self.assertAlmostEqual(percent, 100 * 0.3 / 1.6)
        self.assertEqual(words, "1.0 x inline's creation")
        self.assertEqual(self.gain((1650, 1640, 1350), (1350, 1340, 1360))[2], "inside the noise")
        self.assertEqual(self.gain((1300, 1310), (1350, 1340))[2], "slower")
        self.assertIn("no spread", self.gain((1650,), (1350,))[2])

    def test_medians_have_their_spread(self):
        self.assertEqual(offload_tables.spread(cell_of(1100, 1300, 1150), "ready_s", 2), "1.10 (1.05 to 1.25)")
        self.assertEqual(offload_tables.spread(cell_of(1100), "ready_s", 2), "1.05")

    def test_the_run_in_the_middle_is_shown(self):
        self.assertEqual(cell_of(1300, 1100, 1150).middle_run().upload["ready_ms"], 1150)
        self.assertEqual(cell_of(1300, 1100).middle_run().upload["ready_ms"], 1100)

    def test_the_paper_table_takes_pairs(self):
        text = offload_tables.write_paper_table([cell_of(1650, 1640, creation="inline"), cell_of(1350, 1340),
                                                 cell_of(1350, model="alone")], "layer")
        self.assertIn("18.8 % (0.30 s)", text)
        self.assertNotIn("alone", text)

    def test_goals_of_the_upload(self):
        big = {"model": "resnet152"}
        lines = offload_verdicts.judge([cell_of(1200, **big)], [], "layer")
        self.assertEqual([line.split(":")[0] for line in lines], ["ok", "ok", "not measured", "not measured"])
        # The made-up upload is acknowledged 50 ms before it is ready, of 1.1 s that the bytes take.
        lines = offload_verdicts.judge([cell_of(1300, **big)], [], "layer")
        self.assertEqual(lines[0].split(":")[0], "miss")
        self.assertIn("1.091", lines[0])
        for changes in ({"engine": "darknet"}, {"rate": "400"}, {"creation": "inline"}, {"partitioner": "whole"}):
            self.assertTrue(offload_verdicts.judge([cell_of(1200, **big, **changes)], [], "layer")[0]
                            .startswith("not measured"), changes)

    def test_goal_of_threaded_creation(self):
        def judge(inline, threaded):
            cells = [cell_of(*inline, creation="inline"), cell_of(*threaded)]
            return offload_verdicts.judge_threaded(cells, "layer")[0]
        self.assertTrue(judge((1300, 1310), (1310, 1320)).startswith("ok"))
        self.assertTrue(judge((1300, 1310), (1200, 1210)).startswith("ok"))
        self.assertTrue(judge((1300,), (1350,)).startswith("not measured"))
        slower = judge((1300, 1310), (1350, 1340))
        self.assertTrue(slower.startswith("miss"))
        self.assertIn("m with onednn at 80 Mbit/s, by 0.04 s", slower)

    def test_goal_of_latency(self):
        for latency_ms, word in ((120, "ok"), (140, "miss")):
            events = [e | {"latency_ms": latency_ms} if e.get("id") in (2, 3) else e for e in made_up()]
            cells = offload_tables.cells_of([run_of(events, kind="latency", cut="0:4")], lambda run: {})
            line = offload_verdicts.judge([], cells, "")[-1]
            self.assertTrue(line.startswith(word + ": m:"), line)
            self.assertIn(f"{latency_ms / 100:.2f} (2 queries during, 2 after)", line)


class Encodings(Folder):
    """tools/bench/offload_encodings.py"""

    def write_answer(self, photo, encoding, values, **changes):
        name = f"{photo}-{encoding}"
        self.write_events(f"encodings/{name}.jsonl", [query(1, 0, 9, 10, up_bytes=4000, down_bytes=40, **changes)])
        (self.folder / "encodings" / f"{name}.f32").write_bytes(array.array("f", values).tobytes())
        return f"{photo},0:10,{encoding},{name}\n"

    def test_the_largest_difference_of_all_photos_counts(self):
        self.write("encodings.csv", "photo,cut,encoding,name\n"
                   + self.write_answer("dog", "f32", [0.5, 0.25, 0, 0, 0, 0])
                   + self.write_answer("dog", "f16", [0.5, 0.125, 0, 0, 0, 0])
                   + self.write_answer("cat", "f32", [0.5, 0.25, 0, 0, 0, 0])
                   + self.write_answer("cat", "f16", [0.25, 0.5, 0, 0, 0, 0]))
        row, = offload_encodings.compare(self.folder)
        self.assertEqual([row[name] for name in ("photos", "absolute", "relative", "top1", "top5")],
                         [2, 0.25, 0.5, 1, 1])
        self.assertIn("| [0, 10)", offload_encodings.write_encodings([row]))

    def test_equal_values_keep_their_order(self):
        self.assertEqual(offload_encodings.difference([1.0, 1.0], [1.0, 1.0]),
                         {"absolute": 0, "relative": 0, "top1": True, "top5": True})

    def test_broken_outputs_and_absent_edges_are_refused(self):
        for values in ([1.0], [math.nan, 1.0], []):
            self.assertRaises(ValueError, offload_encodings.difference, values, [1.0, 0.5])
        self.write_answer("dog", "f16", [1.0], fallback="deadline")
        self.assertRaises(ValueError, offload_encodings.sent_and_received, self.folder, "dog-f16")


class Report(Folder):
    """tools/bench/bench_offload.py, with a gnuplot that only keeps what it is told."""

    def setUp(self):
        super().setUp()
        gnuplot = self.write("bin/gnuplot", '#!/bin/sh\ncat >>"$PLOTTED"\n')
        gnuplot.chmod(gnuplot.stat().st_mode | stat.S_IXUSR)
        self.write_models("resnet152", "mobilenet")
        self.plan(repeat="2")
        plan = self.folder / "runs.csv"
        text = plan.read_text(encoding="utf-8").replace("0:142", "0:4").replace("0:23", "0:4")
        plan.write_text(text, encoding="utf-8")
        self.runs = offload_runs.read_csv(plan)
        self.write("about.csv", "key,value\n" + "".join(f"{name},{value}\n" for name, value in {
            "date": "2026-01-01", "commit": "abc", "cores": 2, "processor": "P", "system": "S", "repeat": 2,
            "command": "bench", "planned": len(self.runs), "load": 0.1}.items()))
        self.write("link-80-1.json", json.dumps({"end": {"sum_received": {"bits_per_second": 8e6}}}))
        for run in self.runs:
            self.write_events(f"runs/{run['name']}.jsonl", made_up(1650 if run["creation"] == "inline" else 1350))

    def report(self):
        environment = os.environ | {"PATH": f"{self.folder}/bin:{os.environ['PATH']}",
                                    "PLOTTED": str(self.folder / "plotted")}
        run = subprocess.run([sys.executable, BENCH / "bench_offload.py", self.folder], text=True, env=environment,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        return run.returncode, run.stdout, run.stderr

    def test_everything_is_written(self):
        status, out, err = self.report()
        self.assertEqual((status, err), (0, ""))
        text = (self.folder / "experiment.md").read_text(encoding="utf-8")
        for head in ("Goals", "Device and edge", "Table 1", "Partitioners", "Creation time", "Queries of one cut"):
            self.assertIn(head, out)
        for name in ("resnet152-80", "mobilenet-80", "partitioners", "creations"):
            self.assertIn(f"](plots/offload-{name}.png)", text)
        self.assertNotIn("](plots/", out)
        plotted = (self.folder / "plotted").read_text(encoding="utf-8")
        self.assertEqual(plotted.count("set output"), 4)
        self.assertIn("'wire bound'", plotted)
        for name, lines in (("results", 20), ("summary", 10), ("creations", 40), ("latency", 16)):
            with open(self.folder / f"{name}.csv", encoding="utf-8", newline="") as file:
                self.assertEqual(len(list(csv.DictReader(file))), lines, name)

    def test_a_bench_that_was_broken_off_is_told(self):
        for run in self.runs[12:]:
            (self.folder / "runs" / f"{run['name']}.jsonl").unlink()
        status, out, _ = self.report()
        self.assertEqual(status, 0)
        self.assertIn("broken off: 12 of 24 runs", out)

    def test_a_run_that_is_wrong_is_named(self):
        self.write_events(f"runs/{self.runs[3]['name']}.jsonl", made_up(lost=2))
        status, _, err = self.report()
        self.assertEqual(status, 1)
        self.assertIn(f"{self.runs[3]['name']}: 2 queries were lost", err)


if __name__ == "__main__":
    sys.exit(py_test.run("offload"))
