#!/usr/bin/env python3
"""Tests what tools/bench/bench_weights.sh tells from what it recorded: bounds, bytes by kind, goals, the plot."""

import json
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
import py_test
import weights_runs
import weights_verdicts
from offload_tables import Cell

MODEL = 1_000_000


def query(number, first, end, up_bytes, **changes):
    return {"event": "query", "id": number, "issued_ms": 100 * number, "latency_ms": 50, "first": first, "end": end,
            "layers": 10, "up_bytes": up_bytes, "precision": "exact"} | changes


def events(sent=900_000, ready_ms=1100, draft=None):
    """An upload that begins at 100 ms: 830,000 bytes of weights, 60,000 of pictures, 10,000 of tensors."""
    draft_ms, draft_bytes = draft or (None, 0)
    return [query(1, 0, 10, 60_000), query(2, 4, 10, 10_000, precision="draft" if draft else "exact"),
            query(3, 0, 0, 0), query(20, 0, 10, 0),
            {"event": "upload", "start_ms": 100, "acked_ms": ready_ms - 10, "ready_ms": ready_ms, "model_bytes": MODEL,
             "sent_bytes": sent, "weight_bytes_sent": 830_000, "draft_bytes_sent": draft_bytes,
             "draft_ready_ms": draft_ms, "partitions": 3, "creations": 2, "creation_ms": 5},
            {"event": "summary", "queries": 4, "lost": 0, "fallbacks": 0}]


class Folder(unittest.TestCase):
    """A scratch folder, as the bench fills it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.rows = []
        # 7.2 Mbit/s: the 900,000 bytes take a second.
        for rate in ("5", "20", "80"):
            self.write(f"link-{rate}-1.json", json.dumps({"end": {"sum_received": {"bits_per_second": 7.2e6}}}))

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def write_run(self, encoding="frames", queries="none", link="20", model="efficientnet-lite0", encoder_s=0.03,
                  receiver_s=0.1, **changes):
        name = f"{model}-trained-{encoding}-{queries}-{link}-1"
        self.rows.append(f"{model},trained,{encoding},{queries},{link},1,{name}")
        self.write("runs.csv", "model,weights,encoding,queries,link,number,name\n" + "\n".join(self.rows) + "\n")
        self.write(f"runs/{name}.jsonl", "".join(json.dumps(event) + "\n" for event in events(**changes)))
        self.write(f"runs/{name}.link.json", json.dumps({"up": 950_000, "down": 20_000, "replay_at": 1795917600.5}))
        self.write(f"runs/{name}.server.log",
                   "2026-11-29T02:00:02.000Z info  upload: session 1 from ipv4:10.77.0.2:5 (a): model m\n")
        self.write(f"runs/{name}.agent.cpu.json",
                   json.dumps({"rpc": 0.1, "grpc_global_tim": 0.01, "encoder": encoder_s, "queries": 1.0, "all": 1.2}))
        self.write(f"runs/{name}.server.cpu.json",
                   json.dumps({"rpc": 0.2, "receiver": receiver_s, "front": 0.02, "executor": 1.0, "all": 1.4}))
        self.write("about.csv", "image,dog.jpg,fit,letterbox\n")


class Measure(Folder):
    """tools/bench/weights_runs.py"""

    def measure(self, **changes):
        self.write_run(**changes)
        run = weights_runs.offload_runs.read_runs(self.folder)[0]
        return weights_runs.measure(run, self.folder, weights_runs.Link(self.folder, "20"))

    def test_a_runs_numbers(self):
        row = self.measure()
        for name, value in {"model_mb": 1.0, "first_s": 1.0, "ready_s": 1.0, "share": 0.83, "draft_share": 0,
                            "answered": 3, "edge_answered": 2, "draft_answered": 0, "weights_mb": 0.83,
                            "pictures_mb": 0.06, "tensors_mb": 0.01, "protocol_mb": 0.05, "down_mb": 0.02,
                            "over_bytes": 1.0, "over_weights": 90 / 83, "encoder_s": 0.03, "receiver_s": 0.1,
                            "grpc_s": 0.33}.items():
            self.assertAlmostEqual(row[name], value, msg=name)

    def test_a_draft_is_the_first_whole_model(self):
        row = self.measure(draft=(500, 340_000))
        self.assertAlmostEqual(row["first_s"], 0.4)
        self.assertAlmostEqual(row["draft_share"], 0.34)
        self.assertEqual(row["draft_answered"], 1)

    def test_a_traces_bound_adds_up_its_seconds(self):
        self.write("drive.rates", "8\n0\n16\n")
        link = weights_runs.Link(self.folder, "drive")
        megabyte = 1e6 * weights_runs.PAYLOAD
        self.assertAlmostEqual(link.seconds(megabyte), 1)
        # Nothing goes in the second one, twice as much in the third.
        self.assertAlmostEqual(link.seconds(2 * megabyte), 2.5)
        self.assertAlmostEqual(link.seconds(megabyte, 0.5), 1.75)
        # After its end it begins anew.
        self.assertAlmostEqual(link.seconds(4 * megabyte), 4)
        self.write("none.rates", "0\n0\n")
        self.assertRaises(ValueError, weights_runs.Link, self.folder, "none")


    def test_a_trace_goes_on_until_the_upload_begins(self):
        self.write("drive.rates", "8\n0\n8\n")
        self.write_run(link="drive")
        run = weights_runs.offload_runs.read_runs(self.folder)[0]
        row = weights_runs.measure(run, self.folder, weights_runs.Link(self.folder, "drive"))
        # It begins at 1.5 s: half a second is silent, and 0.9 MB take 0.941 s.
        self.assertAlmostEqual(row["over_bytes"], 1 / (0.5 + 0.9 / weights_runs.PAYLOAD), places=5)


class Verdicts(unittest.TestCase):
    """tools/bench/weights_verdicts.py"""

    def cell(self, encoding="frames", queries="none", link="20", model="efficientnet-lite0", **row):
        run = type("Run", (), {"row": {"model": model, "weights": "trained", "encoding": encoding, "queries": queries,
                                       "link": link}})
        usual = {"share": 0.83, "draft_share": 0.35, "over_bytes": 1.02, "over_weights": 1.2, "encoder_s": 0.1,
                 "receiver_s": 0.2, "grpc_s": 0.25, "ready_s": 1.0}
        return Cell([run], [usual | row])

    def judge(self, words, *cells):
        """What is said of the goals whose sentence has these words."""
        return [line.split(":")[0] for line in weights_verdicts.judge(cells) if words in line]

    def test_shares_of_each_model(self):
        for share, word in ((0.836, "ok"), (0.837, "miss")):
            self.assertEqual(self.judge("frames: weight bytes", self.cell(share=share))[0], word)
        # yolov3-tiny's frames may be larger, its draft smaller.
        yolo = self.cell(model="yolov3-tiny", share=0.838)
        self.assertEqual(self.judge("yolov3-tiny, trained, frames: weight", yolo), ["ok"])
        for draft, words in ((0.340, ["ok"]), (0.35, ["miss"])):
            yolo = self.cell("draft", model="yolov3-tiny", draft_share=draft)
            self.assertEqual(self.judge("yolov3-tiny, trained, draft: draft", yolo), words)
        self.assertEqual(self.judge("draft: weight bytes", self.cell("draft", share=0.843))[0], "miss")
        self.assertEqual(self.judge("weight bytes"), ["not measured"] * 4)

    def test_bounds_depend_on_the_rate(self):
        for link, over, words in (("20", 1.03, ["ok"]), ("20", 1.04, ["miss"]), ("400", 1.09, ["ok"]),
                                  ("400", 1.11, ["miss"]), ("7", 9.0, ["not measured"])):
            self.assertEqual(self.judge("wire bound", self.cell(link=link, over_bytes=over)), words, (link, over))
        # Raw weights and runs with queries are held against other goals.
        self.assertEqual(self.judge("wire bound", self.cell("raw"), self.cell(queries="back")), ["not measured"])

    def test_queries_beside_the_upload(self):
        for over, words in ((1.3, ["ok"]), (1.4, ["miss"])):
            self.assertEqual(self.judge("own bound", self.cell(queries="back", over_weights=over)), words)
        self.assertEqual(self.judge("own bound", self.cell(queries="back", link="80")), ["not measured"])

    def test_coding_is_what_the_receiver_takes_more_and_the_encoder(self):
        raw = self.cell("raw", receiver_s=0.1)
        self.assertEqual(self.judge("processor", self.cell(receiver_s=0.2), raw), ["ok"])
        self.assertEqual(self.judge("processor", self.cell(receiver_s=0.3), raw), ["miss"])
        self.assertEqual(self.judge("processor", self.cell(receiver_s=0.05), raw), ["ok"])
        self.assertEqual(self.judge("processor", self.cell()), ["not measured"])


class Report(Folder):
    """tools/bench/weights_report.py, with a gnuplot that only keeps what it is told."""

    def report(self):
        gnuplot = self.write("bin/gnuplot", '#!/bin/sh\ncat >>"$PLOTTED"\n')
        gnuplot.chmod(gnuplot.stat().st_mode | stat.S_IXUSR)
        environment = os.environ | {"PATH": f"{self.folder}/bin:{os.environ['PATH']}",
                                    "PLOTTED": str(self.folder / "plotted")}
        run = subprocess.run([sys.executable, BENCH / "weights_report.py", self.folder], text=True, env=environment,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        return run.returncode, run.stdout, run.stderr

    def test_everything_is_written(self):
        for link in ("5", "20", "80"):
            self.write_run(link=link)
            self.write_run("draft", link=link, draft=(500, 340_000))
        self.write("drive.rates", "8\n")
        self.write_run(link="drive")
        status, out, err = self.report()
        self.assertEqual((status, err), (0, ""))
        self.assertIn("- ok: efficientnet-lite0, trained, frames: weight bytes", out)
        self.assertIn("| drive |", out)
        self.assertIn("](plots/weights.png)", (self.folder / "weights.md").read_text(encoding="utf-8"))
        plotted = (self.folder / "plotted").read_text(encoding="utf-8")
        self.assertEqual(plotted.count("set output"), 1)
        for words in ("'draft: first whole'", "'draft: exact'", "'frames: exact'", "set logscale x", "set xtics (5, 20, 80)"):
            self.assertIn(words, plotted)
        self.assertNotIn("'frames: first whole'", plotted)
        self.assertEqual(len((self.folder / "results.csv").read_text(encoding="utf-8").splitlines()), 8)

    def test_traces_alone_have_no_plot(self):
        self.write("drive.rates", "8\n")
        self.write_run(link="drive")
        status, _, err = self.report()
        self.assertEqual((status, err), (0, ""))
        self.assertFalse((self.folder / "plotted").exists())

    def test_an_agent_without_these_fields_is_told(self):
        self.write_run()
        path, = (self.folder / "runs").glob("*.jsonl")
        path.write_text(path.read_text(encoding="utf-8").replace("weight_bytes_sent", "other"), encoding="utf-8")
        status, _, err = self.report()
        self.assertEqual(status, 1)
        self.assertIn("weight_bytes_sent", err)


class Threads(Folder):
    """tools/bench/thread_cpu.py"""

    def test_the_command_is_run_and_its_threads_counted(self):
        out = self.folder / "cpu.json"
        work = "import threading\nt = threading.Thread(target=lambda: sum(range(3000000)))\nt.start()\nt.join()\nexit(7)"
        status = subprocess.run([sys.executable, BENCH / "thread_cpu.py", out, sys.executable, "-c", work],
                                check=False).returncode
        self.assertEqual(status, 7)
        found = json.loads(out.read_text(encoding="ascii"))
        self.assertGreater(found["all"], 0)
        self.assertGreater(len(found), 1)


if __name__ == "__main__":
    sys.exit(py_test.run("weights"))
