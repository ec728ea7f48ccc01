#!/usr/bin/env python3
"""Checks what an agent wrote with --json: every line, every field, and what must be so between them.

usage: check_run.py FILE [--uploaded] [--whole-last] [--fallbacks] [--sent-at-most BYTES]
"""

import argparse
import json
import sys

NUMBER = (int, float)
FIELDS = {
    "query": {"id": int, "issued_ms": NUMBER, "latency_ms": NUMBER, "device_ms": NUMBER, "edge_ms": NUMBER,
              "network_ms": NUMBER, "first": int, "end": int, "layers": int, "prefix": int,
              "fallback": (str, type(None)), "predicted_ms": NUMBER, "up_bytes": int, "down_bytes": int,
              "input_encoding": (str, type(None)),
              "precision": str, "top": list},
    "ready": {"at_ms": NUMBER, "prefix": int, "creation_ms": NUMBER, "partitions": int},
    "upload": {"start_ms": NUMBER, "acked_ms": NUMBER, "ready_ms": NUMBER, "model_bytes": int, "sent_bytes": int,
               "weight_bytes_sent": int, "draft_bytes_sent": int, "draft_ready_ms": (*NUMBER, type(None)), "partitions": int, "creations": int, "creation_ms": NUMBER},
    "summary": {"queries": int, "lost": int, "fallbacks": int},
}
INPUT_ENCODINGS = ("f32", "f16", "u8", "u8_channel", "jpeg", "png", "bmp", "webp", "planes", None)


def check(condition, sentence):
    if not condition:
        sys.exit(f"check_run: {sentence}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--uploaded", action="store_true", help="the whole model became ready")
    parser.add_argument("--whole-last", action="store_true", help="the last query ran on the edge as a whole")
    parser.add_argument("--fallbacks", action="store_true", help="there are queries that fell back")
    parser.add_argument("--sent-at-most", type=int, metavar="BYTES")
    options = parser.parse_args()
    with open(options.file, encoding="utf-8") as file:
        events = [json.loads(line) for line in file]
    for event in events:
        fields = FIELDS.get(event["event"])
        check(fields is not None, f"unknown event {event}")
        for name, kind in fields.items():
            check(isinstance(event.get(name), kind) and not isinstance(event.get(name), bool)
                  or (kind[-1] is type(None) if isinstance(kind, tuple) else False) and event[name] is None,
                  f"{name} of {event}")
    queries = [e for e in events if e["event"] == "query"]
    uploads = [e for e in events if e["event"] == "upload"]
    for query in queries:
        parts = query["device_ms"] + query["edge_ms"] + query["network_ms"]
        check(abs(parts - query["latency_ms"]) < 0.01, f"the parts are not the whole: {query}")
        check(min(query["device_ms"], query["edge_ms"], query["network_ms"]) >= 0, f"negative: {query}")
        check(0 <= query["first"] <= query["end"] <= query["layers"], f"range: {query}")
        check(query["end"] > query["first"] or query.get("try") == "edge" or query["down_bytes"] == 0, f"bytes of nothing: {query}")
        check(query["input_encoding"] in INPUT_ENCODINGS, f"input_encoding: {query}")
        check(query["input_encoding"] is None or query["up_bytes"] > 0, f"an input of nothing: {query}")
        check(query["precision"] in ("exact", "draft") and isinstance(query["exact"], bool), f"precision: {query}")
        check(query["precision"] == "exact" or not query["exact"], f"precision: {query}")
        check(query["precision"] == "draft" or query["top"] == queries[0]["top"], f"another answer: {query}")
    summary = events[-1]
    check(summary["event"] == "summary", "the last line is no summary")
    check(summary["queries"] == len(queries) and summary["lost"] == 0, f"counts: {summary}")
    check(summary["fallbacks"] == sum(q["fallback"] is not None for q in queries), f"fallbacks: {summary}")
    check(bool(summary["fallbacks"]) == options.fallbacks, f"fallbacks: {summary}")
    check(len(uploads) == (1 if options.uploaded else 0), f"{len(uploads)} upload events")
    for upload in uploads:
        check(0 <= upload["start_ms"] <= upload["acked_ms"] <= upload["ready_ms"], f"order: {upload}")
        check(upload["draft_bytes_sent"] <= upload["weight_bytes_sent"] <= upload["sent_bytes"], f"sent: {upload}")
        if upload["draft_ready_ms"] is not None:
            check(upload["start_ms"] <= upload["draft_ready_ms"] <= upload["ready_ms"], f"order: {upload}")
        if options.sent_at_most is not None:
            check(upload["sent_bytes"] <= options.sent_at_most, f"sent: {upload}")
    if options.whole_last:
        last = queries[-1]
        check((last["first"], last["end"], last["prefix"]) == (0, last["layers"], last["layers"]), f"last: {last}")


if __name__ == "__main__":
    main()
