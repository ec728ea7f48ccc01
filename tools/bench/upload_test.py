#!/usr/bin/env python3
"""Tests what tools/bench/bench_upload.sh makes of its runs, on runs and packets that are made up."""

import csv
import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # the source tree stays as it is
BENCH = pathlib.Path(__file__).absolute().parent
sys.path.insert(0, str(BENCH.parent / "testing"))
import py_test  # pylint: disable=wrong-import-position

DEVICE, EDGE = b"\x0a\x4d\x00\x02", b"\x0a\x4d\x00\x01"
# At 80 Mbit/s, with the heads of Ethernet, IPv4 and TCP.
FULL_BYTES, FULL_S = 1446, 1500 * 8 / 80e6


class UploadTest(unittest.TestCase):
    """A scratch folder, and scripts run in it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def run_script(self, script, *arguments):
        run = subprocess.run([sys.executable, BENCH / script, *arguments], cwd=self.folder, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        return run.returncode, run.stdout, run.stderr

    def write_run(self, name, latencies, acked_ms=10000):
        """10 MB of weights and 0.2 MB of queries; those that end by `acked_ms` are queries during the upload."""
        events = []
        at_ms = 0
        for latency_ms in latencies:
            events.append({"event": "query", "issued_ms": at_ms, "latency_ms": latency_ms})
            at_ms += latency_ms
        events.append({"event": "upload", "start_ms": 0, "acked_ms": acked_ms, "ready_ms": acked_ms + 20,
                       "model_bytes": 10e6, "sent_bytes": 10.2e6, "partitions": 2, "creations": 2, "creation_ms": 5})
        events.append({"event": "summary", "queries": len(latencies), "lost": 0, "fallbacks": 0})
        path = self.folder / name
        path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
        return path


class Table(UploadTest):
    """bench_table.py"""

    def table(self, *arguments):
        (self.folder / "iperf").write_text(json.dumps({"end": {"sum_received": {"bits_per_second": 8e6}}}),
                                           encoding="utf-8")
        status, out, err = self.run_script("bench_table.py", "--iperf", "iperf", "--rate", "8", "--csv", "csv",
                                           *arguments)
        self.assertEqual((status, err), (0, ""))
        with open(self.folder / "csv", encoding="utf-8", newline="") as file:
            return out, list(csv.DictReader(file))

    def test_bounds_are_of_the_model_and_of_all_bytes(self):
        self.write_run("one", [1000] * 9, acked_ms=10200)
        _, rows = self.table("threaded:1:one")
        self.assertEqual([row["run"] for row in rows], ["1", "median"])
        self.assertAlmostEqual(float(rows[0]["wire_s"]), 10)
        self.assertAlmostEqual(float(rows[0]["all_s"]), 10.2)
        self.assertAlmostEqual(float(rows[0]["over_all"]), 1)
        self.assertAlmostEqual(float(rows[0]["ready_after_ms"]), 20)

    def test_times_of_a_cut_are_compared(self):
        # The first waits, the fourth ends after the upload.
        self.write_run("one", [5000, 2000, 2600, 9000] + [1000] * 20)
        out, rows = self.table("--cut", "threaded:1:one")
        self.assertIn("queries of the same cut", out)
        self.assertEqual((rows[0]["during"], rows[0]["after"]), ("2", "20"))
        self.assertEqual((rows[0]["during_p50_ms"], rows[0]["during_p95_ms"]), ("2000", "2600"))
        self.assertAlmostEqual(float(rows[0]["p95_ratio"]), 2.6)

    def test_a_run_without_queries_of_a_kind_has_no_times_of_it(self):
        self.write_run("one", [20000])
        _, rows = self.table("--cut", "threaded:1:one")
        self.assertEqual((rows[0]["during"], rows[0]["during_p95_ms"]), ("0", "nan"))


class LinkUse(UploadTest):
    """link_use.py"""

    def setUp(self):
        super().setUp()
        self.packets = []
        self.sequence = 4294960000  # it wraps

    def packet(self, at_s, source, data_bytes, acknowledges=0):
        sequence = self.sequence if source == DEVICE else 1
        head = bytes(12) + b"\x08\x00" + b"\x45\x00" + struct.pack(">H", 40 + data_bytes) + bytes(8) + source + bytes(4)
        head += struct.pack(">HHIIBBHHH", 1, 2, sequence, acknowledges % (1 << 32), 0x50, 0x10, 0, 0, 0)
        micros = round(at_s * 1e6)
        self.packets.append(struct.pack("<IIII", micros // 1000000, micros % 1000000, len(head), 54 + data_bytes) + head)
        if source == DEVICE:
            self.sequence = (self.sequence + data_bytes) % (1 << 32)

    def train(self, from_s, count):
        """Full packets upwards, one behind the other; returns when the last has left."""
        for i in range(count):
            self.packet(from_s + (i + 1) * FULL_S, DEVICE, FULL_BYTES)
        return from_s + count * FULL_S

    def use(self, upload_s):
        header = struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 96, 1)
        (self.folder / "pcap").write_bytes(header + b"".join(self.packets))
        self.write_run("run", [1], acked_ms=upload_s * 1e3)
        status, out, err = self.run_script("link_use.py", "--rate", "80", "--json", "run", "pcap")
        self.assertEqual((status, err), (0, ""))
        return {line[21:].strip(): float(line.split()[0]) for line in out.splitlines() if line.startswith("   ")}

    def test_a_full_link_is_not_idle(self):
        end_s = self.train(1, 1000)
        use = self.use(end_s - 1)
        self.assertAlmostEqual(use["data"], 0.15, places=2)
        self.assertEqual(next(seconds for text, seconds in use.items() if text.startswith("idle")), 0)

    def test_gaps_are_told_apart(self):
        end_s = self.train(1, 100)
        # 100 ms of an answer, with everything acknowledged, but for a window update.
        for i in range(600):
            self.packet(end_s + (i + 1) * FULL_S, EDGE, FULL_BYTES, self.sequence)
            if i % 2:
                self.packet(end_s + (i + 1) * FULL_S, DEVICE, 0)
        # 200 ms of nothing, then 50 ms in which TCP waits.
        end_s = self.train(end_s + 0.1, 100)
        self.packet(end_s + 0.001, EDGE, 0, self.sequence)
        end_s = self.train(end_s + 0.2, 100)
        end_s = self.train(end_s + 0.05, 100)
        use = self.use(end_s - 1)
        self.assertAlmostEqual(
            use["nothing was under way (the device did not send), the way down was busy"], 0.1, delta=0.011)
        self.assertAlmostEqual(use["nothing was under way, nor was the way down busy"], 0.2, delta=0.011)
        self.assertAlmostEqual(use["TCP had bytes under way"], 0.05, delta=0.011)
        self.assertAlmostEqual(use["data"], 0.06, delta=0.011)

    def test_what_is_no_capture_is_said_to_be_none(self):
        (self.folder / "pcap").write_text("nothing", encoding="utf-8")
        self.write_run("run", [1])
        status, _, err = self.run_script("link_use.py", "--rate", "80", "--json", "run", "pcap")
        self.assertEqual(status, 1)
        self.assertIn("not a capture", err)


if __name__ == "__main__":
    sys.exit(py_test.run("upload"))
