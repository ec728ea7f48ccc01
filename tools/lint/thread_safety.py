#!/usr/bin/env python3
"""Checks by clang's thread safety analysis that every field is used under the lock that guards it.

usage: thread_safety.py [FILE...]      (in the project's root; default: every file compiled)

LL_GUARDED_BY, LL_REQUIRES and their kin (core/ll_sync.h) mean something in this pass alone: it takes
clang 19, the first one that knows guarded_by in C structs. Exit status 1 on any finding.
"""

import concurrent.futures
import os
import subprocess
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is
import tidy  # pylint: disable=wrong-import-position

CLANG = os.environ.get("CLANG19", "clang-19")
ANALYSIS = ["-fsyntax-only", "-Wno-everything", "-Wthread-safety", "-Werror=thread-safety", "-Xclang",
            "-fexperimental-late-parse-attributes", "-DLL_THREAD_SAFETY"]

# One field that is used under its lock, and once without: the latter must be found, and it alone. A clang
# that leaves the attributes out would find nothing anywhere.
CANARY = """
#include "core/ll_sync.h"
struct canary {
    struct ll_mutex lock;
    int count LL_GUARDED_BY(lock);
};
void count_locked(struct canary *canary) LL_REQUIRES(canary->lock);
void count_locked(struct canary *canary) { canary->count++; }
void count(struct canary *canary)
{
    ll_mutex_lock(&canary->lock);
    count_locked(canary);
    ll_mutex_unlock(&canary->lock);
}
void count_wrongly(struct canary *canary) { canary->count++; }
"""


def is_finding():
    """Whether the analysis finds what is wrong with the canary, and no more."""
    run = subprocess.run([CLANG, "-xc", "-I.", *ANALYSIS, "-"], input=CANARY, text=True, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    # It is read, and it is written.
    places = {line.split(":")[1] for line in run.stdout.splitlines() if ": error: " in line}
    if places == {str(CANARY.splitlines().index("void count_wrongly(struct canary *canary) { canary->count++; }") + 1)}:
        return True
    print(f"thread_safety: {CLANG} does not find the one planted unlocked access\n{run.stdout}", end="")
    return False


def check(entry):
    """What the analysis finds in one file, or nothing."""
    arguments = [argument for argument in entry["arguments"][1:] if not argument.startswith("-W")]
    run = subprocess.run([CLANG, *arguments, *ANALYSIS], cwd=entry["directory"], text=True, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if run.returncode == 0:
        return ""
    return run.stdout.strip() or f"{entry['file']}: {CLANG} failed"


def main(files):
    if not is_finding():
        return 1
    tidy.make_generated_headers()
    entries = tidy.make_database()
    chosen = [entry for file, entry in sorted(entries.items()) if not files or file in files]
    findings = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(check, chosen):
            if found:
                findings += 1
                print(found, flush=True)
    print(f"thread_safety: {len(chosen)} files, {findings} with findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
