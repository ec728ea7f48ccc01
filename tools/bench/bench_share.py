#!/usr/bin/env python3
"""Runs a server and several agents with one model at once, and tells what they sent: see bench_share.sh."""

import argparse
import json
import pathlib
import subprocess
import sys
import time


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("server", "agent", "image", "cache"):
        parser.add_argument(f"--{name}", required=True, type=pathlib.Path)
    for name in ("cfg", "weights", "out"):
        parser.add_argument(f"--{name}", type=pathlib.Path)
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--rate", type=float, default=20)
    parser.add_argument("--apart", type=float, default=0)
    parser.add_argument("--timeout", type=float, default=120)
    options = parser.parse_args(arguments)
    if options.devices < 1 or options.rate <= 0 or options.apart < 0:
        parser.error("--devices, --rate: above 0; --apart: not below")
    model = options.cache / "models" / "efficientnet-lite0"
    options.cfg = options.cfg or model.with_suffix(".cfg")
    options.weights = options.weights or model.with_suffix(".weights")
    options.out = options.out or options.cache / "bench" / "share"
    return options


def start_server(options, name):
    port_file = options.out / f"{name}.port"
    port_file.unlink(missing_ok=True)
    command = [options.server, "--store", "memory", "--listen", "127.0.0.1:0", "--port-file", port_file]
    with open(options.out / f"{name}.server.log", "wb") as log:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log)
    while not port_file.exists():
        if server.poll() is not None:
            sys.exit(f"the server ended: {log.name}")
        time.sleep(0.01)
    return server, f"127.0.0.1:{int(port_file.read_text(encoding='ascii'))}"


def start_agent(options, name, address):
    """All queries are the device's own: the upload has the link for itself."""
    command = [options.agent, "--edge", address, "--cfg", options.cfg, "--weights", options.weights]
    command += ["--image", options.image, "--fit", "crop", "--limit-mbps", str(options.rate), "--interval", "1000"]
    command += ["--cut", "0:0", "--until-uploaded", "0", "--json", options.out / f"{name}.jsonl"]
    with open(options.out / f"{name}.log", "wb") as log:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def read_upload(path):
    """Bytes of the model, bytes of weights sent, and when the model was ready, in ms."""
    with open(path, encoding="utf-8") as file:
        events = [json.loads(line) for line in file if line.strip()]
    queries = sum(event["up_bytes"] or 0 for event in events if event["event"] == "query")
    for event in events:
        if event["event"] == "upload":
            sent = event.get("weight_bytes_sent", event["sent_bytes"] - queries)
            return event["model_bytes"], sent, event["ready_ms"] - event["start_ms"]
    sys.exit(f"{path}: the model was not uploaded")


def run(options, devices):
    server, address = start_server(options, f"{devices}")
    names = [f"{devices}-{number}" for number in range(devices)]
    agents = []
    try:
        for name in names:
            agents.append(start_agent(options, name, address))
            time.sleep(options.apart / 1e3)
        end = time.monotonic() + options.timeout
        for agent in agents:
            agent.wait(max(end - time.monotonic(), 0.001))
    except subprocess.TimeoutExpired:
        sys.exit(f"not ready within {options.timeout:g} s: {options.out}")
    finally:
        for process in (*agents, server):
            if process.poll() is None:
                process.terminate()
                process.wait()
    return [read_upload(options.out / f"{name}.jsonl") for name in names]


def tell(title, uploads):
    model = uploads[0][0]
    sent = sum(upload[1] for upload in uploads)
    ready = sorted(upload[2] for upload in uploads)
    each = ", ".join(f"{upload[1] / 1e6:.2f}" for upload in uploads)
    print(f"{title}: {sent / 1e6:.2f} MB of weights sent for {model / 1e6:.2f}: {sent / model:.3f} of the model's bytes")
    print(f"  each: {each} MB")
    print(f"  ready after {', '.join(f'{ms:.0f}' for ms in ready)} ms")
    return sent, ready


def main():
    options = parse(sys.argv[1:])
    options.out.mkdir(parents=True, exist_ok=True)
    alone, alone_ready = tell("alone", run(options, 1))
    sent, ready = tell(f"{options.devices} devices", run(options, options.devices))
    print(f"all together sent {sent / alone:.3f} of what one does alone; the last was ready after "
          f"{ready[-1] / alone_ready[0]:.3f} of its time, the first after {ready[0] / alone_ready[0]:.3f}")


if __name__ == "__main__":
    main()
