"""The main of the tests of our Python scripts: unittest, with the counts where tools/test.sh wants them."""

import os
import pathlib
import sys
import unittest


def run(suite_name):
    """Runs the tests of the main module; returns the exit status."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    failures = len({test.id() for test, _ in result.failures + result.errors})
    report = os.environ.get("XML_OUTPUT_FILE")
    if report:
        text = (f'<testsuites><testsuite name="{suite_name}" tests="{result.testsRun}" '
                f'failures="{failures}" errors="0"></testsuite></testsuites>\n')
        pathlib.Path(report).write_text(text, encoding="ascii")
    return 0 if result.wasSuccessful() and result.testsRun > 0 else 1
