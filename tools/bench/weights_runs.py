"""Reads what tools/bench/bench_weights.sh recorded: each run's upload, queries, bytes on the link, threads' processor
time; and the bound that the link sets."""

import datetime
import json
import math
import pathlib
import re

import offload_runs
from offload_runs import answered_ms, has_edge_part

# Of 1514 bytes of Ethernet 1448 are TCP's payload, with its time stamps.
PAYLOAD = 1448 / 1514
# Threads that gRPC starts or that serve it; all else computes, codes, or writes.
GRPC_THREADS = ("rpc", "front", "gate", "grpc", "default-exec", "resolver-exec", "event_engine", "timer_manager")
KEYS = ("model", "weights", "encoding", "queries", "link")


def is_rate(link):
    return link.replace(".", "", 1).isdigit()


class Link:
    """What a link lets through: at one rate, as iperf3 measured it, or by a trace that begins with the run."""

    def __init__(self, folder, name):
        self.rates = None
        if is_rate(name):
            self.mbps = offload_runs.read_link(folder, name)
        else:
            text = (folder / f"{name}.rates").read_text(encoding="ascii")
            self.rates = [float(line) * PAYLOAD for line in text.split()]
            if sum(self.rates) <= 0:
                raise ValueError(f"{name}: a trace that lets nothing through")

    def seconds(self, size_bytes, start_s=0.0):
        """How long so many bytes take from then on."""
        left = size_bytes * 8e-6
        if self.rates is None:
            return left / self.mbps
        at = start_s
        while True:
            rate = self.rates[int(at) % len(self.rates)]
            end = math.floor(at) + 1
            if left <= rate * (end - at):
                return at + left / rate - start_s
            left -= rate * (end - at)
            at = end


def read_json(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def grpc_s(threads):
    return sum(seconds for name, seconds in threads.items() if name.startswith(GRPC_THREADS))


def replayed_s(server_log, replay_at):
    """How far the trace was when the upload began, by the server's log."""
    opened = re.search(r"^(\S+)Z info +upload: session 1 from", server_log, re.M)
    if not opened:
        raise ValueError("no upload in the server's log")
    at = datetime.datetime.fromisoformat(opened[1]).replace(tzinfo=datetime.timezone.utc)
    return at.timestamp() - replay_at


def measure(run, folder, link):
    """Numbers of a run. Seconds count from the upload's start."""
    upload = run.upload
    start_ms = upload["start_ms"]
    base = folder / "runs" / run.row["name"]
    moved = read_json(f"{base}.link.json")
    began_s = 0.0
    if link.rates:
        began_s = replayed_s(pathlib.Path(f"{base}.server.log").read_text("utf-8", "replace"), moved["replay_at"])
    device, edge = read_json(f"{base}.agent.cpu.json"), read_json(f"{base}.server.cpu.json")
    weights = upload["weight_bytes_sent"]
    pictures = sum(q["up_bytes"] for q in run.queries if q["first"] == 0)
    tensors = sum(q["up_bytes"] for q in run.queries) - pictures
    draft_ms = upload["draft_ready_ms"]
    exact_s = (upload["ready_ms"] - start_ms) / 1e3
    answered = [q for q in run.queries if answered_ms(q) <= upload["ready_ms"]]
    return {
        "model_mb": upload["model_bytes"] / 1e6,
        "first_s": exact_s if draft_ms is None else (draft_ms - start_ms) / 1e3,
        # What ResNet-152's table calls ready.
        "ready_s": exact_s,
        "share": weights / upload["model_bytes"],
        "draft_share": upload["draft_bytes_sent"] / upload["model_bytes"],
        "answered": len(answered),
        "edge_answered": sum(has_edge_part(q) for q in answered),
        "draft_answered": sum(q.get("precision") == "draft" for q in answered),
        "weights_mb": weights / 1e6,
        "pictures_mb": pictures / 1e6,
        "tensors_mb": tensors / 1e6,
        "protocol_mb": (moved["up"] - weights - pictures - tensors) / 1e6,
        "down_mb": moved["down"] / 1e6,
        "over_bytes": exact_s / link.seconds(upload["sent_bytes"], began_s),
        "over_weights": exact_s / link.seconds(weights, began_s),
        "device_cpu_s": device["all"],
        "edge_cpu_s": edge["all"],
        "encoder_s": device.get("encoder", 0.0),
        "receiver_s": edge.get("receiver", 0.0),
        "grpc_s": grpc_s(device) + grpc_s(edge),
    }
