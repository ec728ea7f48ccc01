#!/usr/bin/env python3
"""Compares every query's classes with those of the run on the device alone, and sums the run up.

usage: check_queries.py --json FILE --local FILE [--slowdown X]

FILE is what device/agent wrote with --json, LOCAL what tools/infer wrote. Exit status 1 where one query's
classes or boxes are others, in another order, or differ by more than 1e-4 of the largest value, where a query was lost, where the
whole model never became ready, or where the last query did not use the edge. (A query that the edge was too slow for is
finished on the device: that is told, and no failure.)
"""

import argparse
import json
import struct
import sys

TOLERANCE = 1e-4


def read_events(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def rounded(values):
    """The f32 that they are: programs write them with different numbers of digits."""
    return [struct.unpack("f", struct.pack("f", value))[0] for value in values]


def answer(event):
    """The labels, and lists of values, each to be compared in itself."""
    if "boxes" in event:
        boxes = event["boxes"]
        sides = [box[side] for box in boxes for side in ("left", "top", "right", "bottom")]
        return [box["label"] for box in boxes], [rounded(box["p"] for box in boxes), rounded(sides)]
    return [label for label, _ in event["top"]], [rounded(value for _, value in event["top"])]


def difference(event, local):
    """The largest difference of the values relative to the largest; None where the labels differ."""
    labels, values = answer(event)
    local_labels, local_values = answer(local)
    if not labels or labels != local_labels:
        return None
    return max(max(abs(p - q) for p, q in zip(ours, theirs)) / max(abs(q) for q in theirs)
               for ours, theirs in zip(values, local_values))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", required=True)
    parser.add_argument("--local", required=True)
    parser.add_argument("--slowdown", type=float, default=1.0)
    options = parser.parse_args()
    events = read_events(options.json)
    local = next(e for e in read_events(options.local) if e["event"] == "infer")
    queries = [e for e in events if e["event"] == "query"]
    upload = next((e for e in events if e["event"] == "upload"), None)
    summary = next((e for e in events if e["event"] == "summary"), None)
    wrong = []
    largest = 0.0
    for query in queries:
        found = difference(query, local)
        if found is None or found > TOLERANCE:
            wrong.append(f"query {query['id']}: {answer(query)}, on the device alone: {answer(local)}")
        else:
            largest = max(largest, found)
    if not queries or not upload or not summary:
        wrong.append("the run did not end: queries, 'upload' or 'summary' are missing")
    elif summary["lost"]:
        wrong.append(f"{summary['lost']} queries were lost")
    elif queries[-1]["end"] <= queries[-1]["first"] or queries[-1]["fallback"]:
        wrong.append("the last query did not use the edge")
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        return 1
    alone = sorted(local["ms"])[len(local["ms"]) // 2] * options.slowdown
    after = sorted(q["latency_ms"] for q in queries if q["issued_ms"] >= upload["ready_ms"])
    what = "boxes" if "boxes" in local else "classes"
    print(f"{len(queries)} queries, all with the same {len(answer(local)[0])} {what} as the device alone"
          + (", bit for bit" if largest == 0.0 else f" (values within {largest:.1e})"))
    for query in queries:
        if query["fallback"]:
            print(f"query {query['id']} was finished on the device: {query['fallback']}")
    print(f"on the device alone     {alone:8.0f} ms")
    print(f"first query             {queries[0]['latency_ms']:8.0f} ms")
    if after:
        print(f"with the whole model    {after[len(after) // 2]:8.0f} ms (median of {len(after)})")
    seconds = (upload["acked_ms"] - upload["start_ms"]) / 1e3
    print(f"upload                  {upload['model_bytes'] / 1e6:8.2f} MB in {seconds:.1f} s, ready "
          f"{upload['ready_ms'] - upload['acked_ms']:.0f} ms later; {upload['partitions']} partitions, "
          f"{upload['creations']} creations, {upload['creation_ms']:.0f} ms creating")
    return 0


if __name__ == "__main__":
    sys.exit(main())
