#!/usr/bin/env python3
"""Adds up the tests of one Bazel run.

usage: count_tests.py EVENTS

EVENTS is what --build_event_json_file wrote. Prints "PASSED FAILED SKIPPED" on stdout and the reasons
for failures that no test counted on stderr: a test program that crashed, ran out of time, left no
test.xml, or was never run counts as one failed test.
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree


def read_events(path):
    """Yields the events; a last line cut short by a Bazel that died is left out."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                return


def count_xml(path):
    """(tests, failures, skipped) of the innermost <testsuite> elements."""
    tests = failures = skipped = 0
    for suite in ElementTree.parse(path).iter("testsuite"):
        if suite.find("testsuite") is None:
            tests += int(suite.get("tests", "0"))
            failures += int(suite.get("failures", "0")) + int(suite.get("errors", "0"))
            skipped += int(suite.get("skipped", "0"))
    return tests, failures, skipped


def count_result(label, result):
    """(passed, failed, skipped) of one run of one test program."""
    status = result.get("status", "NO_STATUS")
    uris = [output.get("uri", "") for output in result.get("testActionOutput", [])
            if output.get("name") == "test.xml"]
    tests = failures = skipped = 0
    try:
        if not uris:
            raise OSError("no test.xml")
        tests, failures, skipped = count_xml(urllib.parse.unquote(urllib.parse.urlparse(uris[0]).path))
        if tests == 0:
            raise OSError("test.xml counts no tests")
    except (OSError, ValueError, ElementTree.ParseError) as error:
        print(f"{label}: {status}, {error}", file=sys.stderr)
        return 0, 1, 0
    if status != "PASSED" and failures == 0:
        print(f"{label}: {status}", file=sys.stderr)
        failures = 1
    return max(tests - failures - skipped, 0), failures, skipped


def main():
    if len(sys.argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    targets = set()
    results = {}
    for event in read_events(sys.argv[1]):
        name = event.get("id", {})
        # "sh_test rule": only tests have it.
        if "targetConfigured" in name and event.get("configured", {}).get("testSize"):
            targets.add(name["targetConfigured"]["label"])
        elif "testResult" in name and "testResult" in event:
            test = name["testResult"]
            # Of several attempts the last one counts.
            results[test["label"], test.get("run"), test.get("shard")] = event["testResult"]
    counts = [count_result(key[0], result) for key, result in sorted(
        results.items(), key=lambda item: str(item[0]))]
    for label in sorted(targets - {key[0] for key in results}):
        print(f"{label}: not run", file=sys.stderr)
        counts.append((0, 1, 0))
    print(*(sum(column) for column in zip(*counts)) if counts else (0, 0, 0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
