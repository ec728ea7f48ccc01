"""The programs of crash_rounds.py: a server, an agent, and the model that they share."""

import json
import random
import struct
import subprocess
import time
import zlib

from crash_watch import Loss

# Blobs below a frame, of several frames, and of many: 3.5 MB in all.
CFG = """[net]
width=16
height=16
channels=3

[convolutional]
batch_normalize=1
filters=32
size=3
stride=1
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=64
size=3
stride=2
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=128
size=3
stride=2
pad=1
activation=leaky

[maxpool]
size=2
stride=2

[connected]
output=1024
activation=relu

[connected]
output=256
activation=relu

[connected]
output=10
activation=linear

[softmax]
groups=1
"""
SIDE = 16
WAIT_S = 60


def png(seed):
    """A picture of noise."""
    rng = random.Random(seed)
    rows = b"".join(b"\0" + rng.randbytes(3 * SIDE) for _ in range(SIDE))

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


class Server:
    """A server on the store of those before it."""

    def __init__(self, options, work):
        self.options = options
        self.work = work
        self.process = None
        self.port = None
        self.started_s = 0.0

    def start(self):
        port_file = self.work / "port"
        port_file.unlink(missing_ok=True)
        with open(self.work / "server.log", "ab") as log:
            self.started_s = time.monotonic()
            self.process = subprocess.Popen(
                [self.options.programs / "edge/server", "--listen=127.0.0.1:0", f"--port-file={port_file}",
                 f"--store={self.work / 'store'}", *self.options.server], stderr=log, stdin=subprocess.DEVNULL)
        end_s = self.started_s + WAIT_S
        while not (port_file.exists() and port_file.read_text("ascii").strip()):
            if self.process.poll() is not None or time.monotonic() > end_s:
                raise Loss(f"the server does not start; see {self.work}/server.log")
            time.sleep(0.002)
        self.port = int(port_file.read_text("ascii"))

    def kill(self):
        self.process.kill()

    def stop(self):
        self.process.terminate()
        if self.process.wait(WAIT_S) != 0:
            raise Loss(f"the server ended with status {self.process.returncode}")


class Agent:
    """An agent that runs queries until it is killed or stopped, and what it has told."""

    def __init__(self, options, work, relay_port, model, number):
        self.model = model
        self.path = work / f"agent-{number}.json"
        with open(work / "agent.log", "ab") as log:
            self.process = subprocess.Popen(
                [options.programs / "device/agent", f"--edge=127.0.0.1:{relay_port}", *model.files(), "--no-profile",
                 "--choose=furthest", f"--limit-mbps={options.limit_mbps}", "--duration=1e6", "--interval=2",
                 f"--json={self.path}", *options.agent], stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self):
        self.process.kill()

    def stop(self):
        self.process.terminate()
        if self.process.wait(WAIT_S) != 0:
            raise Loss(f"the agent ended with status {self.process.returncode}")

    def check(self, is_killed):
        """What it has told, (queries, of them on the edge): all of them there, and right."""
        events = []
        for line in self.path.read_bytes().split(b"\n") if self.path.exists() else []:
            try:
                events.append(json.loads(line))
            except ValueError:
                # The last line may be torn.
                if line and not is_killed:
                    raise Loss(f"{self.path}: not JSON: {line}") from None
        queries = [event for event in events if event["event"] == "query"]
        for number, query in enumerate(queries, 1):
            if query["id"] != number:
                raise Loss(f"{self.path}: query {query['id']} instead of {number}")
            # A draft's answers are not the model's.
            if query.get("precision", "exact") == "exact" and query["top"] != self.model.top:
                raise Loss(f"{self.path}: query {number} has another answer: {query['top']}")
        if not is_killed:
            summary = events[-1]
            if summary["event"] != "summary" or summary["lost"] or summary["queries"] != len(queries):
                raise Loss(f"{self.path}: queries were lost: {summary}")
        return len(queries), sum(query["end"] > query["first"] for query in queries)


class Model:
    """Weights of a seed, and the answer that is right."""

    def __init__(self, options, work, seed):
        self.cfg, self.weights, self.image = work / "net.cfg", work / f"net-{seed}.weights", work / "image.png"
        subprocess.run([options.programs / "tools/make_weights", f"--cfg={self.cfg}", f"--out={self.weights}",
                        f"--seed={seed}"], check=True, stdout=subprocess.DEVNULL)
        lines = subprocess.run([options.programs / "tools/infer", *self.files(), "--json=-"], check=True,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout.splitlines()
        self.top = next(event["top"] for event in map(json.loads, lines) if "top" in event)

    def files(self):
        return [f"--cfg={self.cfg}", f"--weights={self.weights}", f"--image={self.image}"]
