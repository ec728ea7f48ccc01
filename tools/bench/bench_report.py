"""Tables in Markdown, and on what machine and how they were made."""

import datetime
import os
import pathlib
import platform
import re
import shlex
import statistics
import subprocess
import sys


def _first(path, pattern, otherwise="unknown"):
    """The first match of the pattern in a file."""
    try:
        found = re.search(pattern, pathlib.Path(path).read_text(encoding="utf-8", errors="replace"), re.M)
    except OSError:
        return otherwise
    return found.group(1).strip() if found else otherwise


def _output(*command):
    """A program's first line, "" where it fails."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip().split("\n")[0] if done.returncode == 0 else ""


def commit():
    """The commit that the program was built from, as well as that is known."""
    root = os.environ.get("BUILD_WORKSPACE_DIRECTORY")
    if not root:
        return "unknown commit"
    name = _output("git", "-C", root, "rev-parse", "--short", "HEAD")
    changed = " with changes" if _output("git", "-C", root, "status", "--porcelain", "--untracked-files=no") else ""
    return f"commit {name}{changed}" if name else "unknown commit"


def machine():
    """The processor, how many of them, the system."""
    flags = _first("/proc/cpuinfo", r"^flags\s*:(.*)", "").split()
    best = next((flag for flag in ("avx512_bf16", "avx512f", "avx2", "sse4_1") if flag in flags), platform.machine())
    onednn = _output("dpkg-query", "-W", "-f=${Version}\n", "libdnnl2") or "unknown"
    return (f"{os.cpu_count()} processors, {_first('/proc/cpuinfo', r'^model name.*:(.*)')} ({best}), "
            f"{_first('/etc/os-release', r'^PRETTY_NAME=.(.*).$')}, oneDNN {onednn}")


def heading(program, load_before):
    """Date, machine, load and command line. `load_before` is os.getloadavg() from the start."""
    command = shlex.join(["bazel", "run", "-c", "opt", f"//tools/bench:{program}"] +
                         (["--", *sys.argv[1:]] if sys.argv[1:] else []))
    return (f"{datetime.date.today()}, {commit()}, {machine()}. Load average {load_before[0]:.1f} before, "
            f"{os.getloadavg()[0]:.1f} after.\n\n    {command}\n")


def table(head, rows):
    """A Markdown table; the first column is text."""
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def milliseconds(nanoseconds):
    """Three digits that matter, below 100 ms."""
    value = nanoseconds / 1e6
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def median_ratio(ours, theirs):
    """The median over rounds of ours / theirs, so that a slow spell of the machine hits both."""
    return statistics.median(a / b for a, b in zip(ours, theirs))


class Goals:
    """Goals, each with what was reached."""

    def __init__(self):
        self.lines = []
        self.missed = 0

    def check(self, what, reached, holds, wanted):
        """`reached` and `wanted` are text, `holds` the verdict."""
        self.missed += not holds
        self.lines.append(f"{'ok  ' if holds else 'MISS'}  {what}: {reached} ({wanted})")

    def __str__(self):
        if not self.lines:
            return ""
        return "\n".join(self.lines) + f"\n\n{len(self.lines) - self.missed} goals reached, {self.missed} missed\n"
