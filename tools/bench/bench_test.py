"""Tests of what the benchmarks do around the workers: starting and ending them, judging times and answers. Nothing is
fetched and nothing is measured."""

import contextlib
import io
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
from array import array
from unittest import mock

sys.dont_write_bytecode = True  # the source tree stays as it is
FOLDER = pathlib.Path(__file__).absolute().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "testing")]
# pylint: disable=wrong-import-position
import bench_child
import bench_env
import bench_report
import infer_measure
import infer_report
import py_test
from bench_child import Child, Refused
from bench_env import BenchError, Unavailable

WORKER = """
import sys
mode = sys.argv[1]
if mode == "refuse":
    print("noise", file=sys.stderr)
    sys.exit("this network is not for me")
if mode == "crash":
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
print("ready" if mode != "lie" else "later", flush=True)
for line in sys.stdin:
    if mode == "fail":
        sys.exit("no more")
    if mode != "hang":
        print("conv-1x1:2:4000:20 rest:1:0:5" if line == "profile\\n" else 42, flush=True)
"""


class ChildTest(unittest.TestCase):
    """bench_child.Child"""

    def start(self, mode):
        return Child(mode, [sys.executable, "-c", WORKER, mode])

    def test_answers_come_back(self):
        with self.start("work") as child:
            child.wait_ready()
            self.assertEqual([child.run_ns(), child.run_ns()], [42, 42])
            self.assertEqual(child.ask("profile"), "conv-1x1:2:4000:20 rest:1:0:5")
        self.assertEqual(child._process.returncode, 0)
        child.stop()

    def test_refusals_are_told_in_the_workers_words(self):
        with self.start("refuse") as child, self.assertRaisesRegex(Refused, "^this network is not for me$"):
            child.wait_ready()

    def test_deaths_and_lies_are_failures(self):
        for mode, words in (("crash", "signal 9"), ("lie", "says 'later'")):
            with self.subTest(mode), self.assertRaisesRegex(BenchError, words) as raised, self.start(mode) as child:
                child.wait_ready()
            self.assertNotIsInstance(raised.exception, Refused)
            self.assertIsNotNone(child._process.returncode)
        with self.start("fail") as child:
            child.wait_ready()
            with self.assertRaisesRegex(BenchError, "no more"):
                child.run_ns()

    def test_no_answer_is_not_waited_for_for_ever(self):
        with self.assertRaisesRegex(BenchError, "no answer"), self.start("hang") as child:
            child.wait_ready()
            with mock.patch.object(bench_child, "RUN_SECONDS", 0):
                child.run_ns()
        self.assertIsNotNone(child._process.returncode)


class JudgementTest(unittest.TestCase):
    """What becomes of times and answers"""

    def test_differences_are_relative_to_the_largest_value(self):
        difference = infer_measure.difference
        self.assertEqual(difference(array("f", [1, -4]), array("f", [1, -4])), 0)
        self.assertEqual(difference(array("f", [1, -3]), array("f", [1, -4])), .25)
        self.assertEqual(difference(array("f", [0]), array("f", [0])), 0)
        for values, others in (([1], [1, 2]), ([], []), ([1, float("nan")], [1, 1]), ([1, 1], [float("nan"), 1]),
                               ([1], [0])):
            self.assertEqual(difference(values, others), float("inf"), (values, others))

    def test_ratios_are_of_the_same_round(self):
        # The machine was twice as slow in the second round.
        self.assertEqual(bench_report.median_ratio([1, 2, 1], [2, 4, 2]), .5)

    def test_kinds_have_the_median_of_their_times(self):
        lines = [f"conv-1x1:2:4000:{ns} rest:1:0:{2 * ns}" for ns in (20, 900, 30)]
        self.assertEqual(infer_measure.medians_by_kind(lines), {"conv-1x1": (2, 4000, 30), "rest": (1, 0, 60)})

    def measurement(self, threads, **times):
        measurement = infer_measure.Measurement(mock.Mock(logits_end=3), threads)
        measurement.model.name = "resnet50"
        measurement.times = times
        return measurement

    def test_goals_are_judged_where_both_sides_ran(self):
        goals = bench_report.Goals()
        infer_report.check_goals(goals, [self.measurement(1, onednn=[110], bare=[100], onnxruntime=[120], stock=[700])])
        self.assertEqual([line.split(":")[0] for line in goals.lines], [
            "MISS  resnet50, 1 thread(s), onednn / bare", "ok    resnet50, 1 thread(s), onednn / onnxruntime",
            "ok    resnet50, 1 thread(s), stock / onednn"])
        self.assertIn("2 goals reached, 1 missed", str(goals))

    def test_a_wrong_answer_is_a_failure_and_a_rounded_one_is_not(self):
        for row, is_right in (({"onednn": 1e-5, "onednn-bf16": 1e-2}, True), ({"onednn": 2e-4}, False),
                              ({"onednn": 0., "onednn, logits": float("nan")}, False), ({}, True)):
            with contextlib.redirect_stdout(io.StringIO()) as out:
                self.assertEqual(infer_report.report_oracle({"resnet50": row} if row else {}), is_right)
            self.assertEqual("FAILED" in out.getvalue(), not is_right)

    def test_answers_of_detectors_are_not_compared_with_opencvs_boxes(self):
        measurement = self.measurement(1)
        measurement.outputs = {name: array("f", [1]) for name in ("onednn", "onnxruntime", "opencv-4.10")}
        self.assertEqual(set(infer_measure.compare(measurement)), {"onednn", "opencv-4.10"})
        measurement.model.logits_end = None
        self.assertEqual(set(infer_measure.compare(measurement)), {"onednn"})
        del measurement.outputs["onnxruntime"]
        self.assertEqual(infer_measure.compare(measurement), {})

    def test_tables_show_what_is_missing(self):
        measurement = self.measurement(1, onednn=[3_000_000, 1_234_567, 150_000_000])
        measurement.refused["opencv-4.6"] = "no"
        self.assertEqual([measurement.cell(name) for name in ("onednn", "opencv-4.6", "bare")],
                         ["3.00 (1.23)", "refused", "-"])
        self.assertEqual([bench_report.milliseconds(ns) for ns in (15_040_000, 150_400_000)], ["15.0", "150"])
        self.assertEqual(bench_report.table(["a", "b"], [["x", 1]]), "| a | b |\n|---|---:|\n| x | 1 |\n")

    def test_subjects_depend_on_threads_and_packages(self):
        options = mock.Mock(only=None)
        alone = infer_measure.wanted_subjects(options, 1, mock.Mock())
        self.assertIn("stock", alone)
        self.assertNotIn("onednn-active", alone)
        several = infer_measure.wanted_subjects(options, 2, None)
        self.assertIn("onednn-active", several)
        self.assertFalse({"stock", "darknet", "onnxruntime", *bench_env.OPENCV} & set(several))


class EnvironmentTest(unittest.TestCase):
    """bench_env"""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def test_models_know_their_input_and_their_softmax(self):
        cfg = self.folder / "a.cfg"
        weights = self.folder / "a.weights"
        weights.write_bytes(b"1234")
        cfg.write_text("[net]\nchannels=1\n height = 20\nwidth=3\n[avgpool]\n[softmax]\n", encoding="ascii")
        model = bench_env.Model("a", cfg, weights, self.folder)
        self.assertEqual(model.logits_end, 1)
        self.assertEqual(model.input.stat().st_size, 4 * 60)
        self.assertEqual(model.weights_bytes, 4)
        first = model.input.read_bytes()
        self.assertEqual(bench_env.Model("a", cfg, weights, self.folder).input.read_bytes(), first)
        model.remove()
        self.assertEqual([path.name for path in self.folder.iterdir()], ["a.cfg"])
        cfg.write_text("[net]\nchannels=1\nheight=2\nwidth=3\n[avgpool]\n", encoding="ascii")
        self.assertIsNone(bench_env.Model("a", cfg, weights, self.folder).logits_end)

    def test_weights_from_elsewhere_are_not_removed(self):
        cfg, weights, work = self.folder / "a.cfg", self.folder / "a.weights", self.folder / "work"
        work.mkdir()
        weights.touch()
        cfg.write_text("[net]\nchannels=1\nheight=2\nwidth=3\n[avgpool]\n", encoding="ascii")
        bench_env.Model("a", cfg, weights, work).remove()
        self.assertTrue(weights.exists())
        self.assertEqual(list(work.iterdir()), [])

    def test_packages_that_cannot_be_had_are_left_out(self):
        with mock.patch.dict(os.environ, {"LAYERLIFT_CACHE": str(self.folder)}):
            packages = bench_env.Packages()
            with mock.patch.object(bench_env, "run", side_effect=BenchError("python3: no ensurepip")), \
                    contextlib.redirect_stderr(io.StringIO()), self.assertRaisesRegex(Unavailable, "no ensurepip"):
                packages.prepare()
            with mock.patch.object(bench_env, "run", side_effect=["", subprocess.TimeoutExpired("pip", 1)]), \
                    contextlib.redirect_stderr(io.StringIO()), self.assertRaisesRegex(Unavailable, "no answer"):
                packages.prepare()
            with self.assertRaises(Unavailable):
                bench_env.prepare_model(bench_env.EFFICIENTNET, self.folder, None)

    def test_work_folders_of_the_dead_are_removed(self):
        with mock.patch.dict(os.environ, {"LAYERLIFT_CACHE": str(self.folder)}):
            with bench_env.work_folder() as folder:
                left = folder.with_name("work-0-abc")
                left.mkdir()
                with bench_env.work_folder() as other:
                    self.assertEqual({path.name for path in left.parent.iterdir()}, {folder.name, other.name})
            self.assertEqual(list(left.parent.iterdir()), [])

    def test_programs_are_needed(self):
        with mock.patch.dict(os.environ, clear=True), self.assertRaisesRegex(BenchError, "bazel run"):
            bench_env.check_started_by_bazel()

    def test_programs_that_fail_are_told_in_their_words(self):
        with self.assertRaisesRegex(BenchError, "^python3.*: second$"):
            bench_env.run("/usr/bin/python3", "-c", "import sys; sys.exit('first\\nsecond')")
        self.assertEqual(bench_env.run("/usr/bin/python3", "-c", "print(input.__name__)"), "input\n")


class ProgramTest(unittest.TestCase):
    """The programs' options"""

    def test_lists_have_commas_or_blanks(self):
        for text in ("a,b", "a b", "a, b", " a  b ", "a,b,"):
            self.assertEqual(bench_env.items(text), ["a", "b"])
        self.assertEqual(bench_env.items(" , "), [])

    def test_wrong_options_have_status_2(self):
        for script, *options in (
                ("bench_infer.py", "--models", "vgg"), ("bench_infer.py", "--only", "onednn,abacus"),
                ("bench_infer.py", "--threads", "0"), ("bench_infer.py", "--rounds", "0"),
                ("bench_creation.py", "--models", "vgg"), ("bench_creation.py", "--partitions", "0"),
                ("bench_creation.py", "--borders", "3"),
                ("bench_infer.py", "--models", " , "), ("bench_creation.py", "--models", ""),
                ("bench_infer.py", "--threads", ","),
        ):
            run = subprocess.run([sys.executable, FOLDER / script, *options], stderr=subprocess.PIPE, check=False)
            self.assertEqual(run.returncode, 2, (script, options))
        for script in ("bench_infer.py", "bench_creation.py"):
            run = subprocess.run([sys.executable, FOLDER / script, "--help"], stdout=subprocess.DEVNULL, check=False)
            self.assertEqual(run.returncode, 0)


if __name__ == "__main__":
    sys.exit(py_test.run("bench"))
