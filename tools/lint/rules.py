#!/usr/bin/env python3
"""Refuses what clang-tidy does not know about: forbidden functions, who may include whom, unguarded fields.

usage: rules.py FILE...      (paths from the project's root, where it must run)

Comments and strings do not count. Prints FILE:LINE: reason; exit status 1 where there was one.
"""

import pathlib
import re
import sys

# What must not be called, the reason, and who may. A main is a file that defines main().
CALLS = (
    (r"atoi", "reads garbage as 0: use strtol or ll_ helpers", None),
    (r"strcpy|strcat|sprintf", "writes without a bound: use snprintf", None),
    (r"strtok", "keeps hidden state: use strtok_r or strchr", None),
    (r"rand", "is neither seeded nor thread-safe", None),
    (r"exit|abort", "libraries return errors", "main"),
    (r"sleep|usleep|nanosleep|clock_nanosleep|thrd_sleep", "wait for events (timed waits are in ll_sync)", "tools"),
)
CALL = re.compile(r"(?<![\w.>])(?:" + "|".join(f"({names})" for names, _, _ in CALLS) + r")\s*\(")
PTHREAD = re.compile(r"\bpthread_\w+|<pthread\.h>|<threads\.h>|\bthrd_create\b")
PROGRAM = re.compile(r"_(main|options)\.[ch]$")
MAIN = re.compile(r"^int\s+main\s*\(", re.M)
DISABLED = re.compile(r"^\s*#\s*if\s+0\b", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

# Third-party headers: the only folder that may include them.
OWNERS = (
    (re.compile(r"(^|/)darknet\.h$|(^|/)dnnl[^/]*\.h$"), "darknet_backend"),
    (re.compile(r"^ft2build\.h$|^freetype/"), "darknet_backend"),
    (re.compile(r"^grpc/(?!.*\.pb-c\.h$)"), "rpc"),
)
# Our folders: what each may include. A program's own files (its main, its options) may include
# darknet_backend/ as well.
FOLDERS = ("core", "darknet_backend", "device", "edge", "proto", "rpc", "tests", "tools")
MAY_INCLUDE = {
    "core": ("core",),
    "darknet_backend": ("core", "darknet_backend"),
    "device": ("core", "device", "proto", "rpc"),
    "edge": ("core", "edge", "proto", "rpc"),
    "proto": ("core", "proto"),
    "rpc": ("core", "proto", "rpc"),
    "tests": FOLDERS,
    "tools": FOLDERS,
}
# Where each field below a lock, up to the next empty line, says that the lock guards it. What waits, runs or
# is atomic by itself is not guarded.
GUARDED = ("core", "darknet_backend", "device", "edge", "rpc")
STRUCT = re.compile(r"^struct[^;{}()]*\{\n(.*?)^\}", re.M | re.S)
LOCK = re.compile(r"^    struct ll_mutex (\w+);\n", re.M)
UNGUARDED = re.compile(r"\s*(struct ll_cond|struct ll_mutex|struct ll_thread|atomic_\w+|_Atomic)\b")

# Generated from proto/; rpc/ knows those of gRPC's own services and statuses only.
PROTO = re.compile(r"\.pb-c\.h$")
RPC_PROTO = re.compile(r"^(proto/)?(grpc|google)/")

TOKENS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(match):
    """Spaces in a comment's or string's place; lines stay where they are."""
    return re.sub(r"[^\n]", " ", match.group())


def strip_comments(text):
    """The text without comments; strings stay (an #include has one)."""
    return TOKENS.sub(lambda m: blank(m) if m.group().startswith("/") else m.group(), text)


class File:
    """One source file and what was found in it."""

    def __init__(self, path):
        self.path = path
        self.folder = pathlib.PurePath(path).parts[0]
        text = pathlib.Path(path).read_text(encoding="utf-8")
        self.code = strip_comments(text)
        self.bare = TOKENS.sub(blank, text)
        self.is_main = bool(MAIN.search(self.bare))
        self.findings = []

    def find(self, offset, reason):
        self.findings.append((self.code.count("\n", 0, offset) + 1, reason))

    def check_calls(self):
        for match in CALL.finditer(self.bare):
            name, reason, allowed = match.group(match.lastindex), *CALLS[match.lastindex - 1][1:]
            if (allowed == "main" and self.is_main) or (allowed == "tools" and self.folder == "tools"):
                continue
            self.find(match.start(), f"{name}: {reason}")
        if self.path not in ("core/ll_sync.c", "core/ll_sync.h"):
            for match in PTHREAD.finditer(self.bare):
                self.find(match.start(), f"{match.group()}: threads are ll_sync's")
        for match in DISABLED.finditer(self.bare):
            self.find(match.end(), "#if 0: version control keeps what was")

    def check_guards(self):
        if self.folder not in GUARDED:
            return
        for struct in STRUCT.finditer(self.code):
            lock = LOCK.search(struct.group(1))
            if not lock:
                continue
            offset = struct.start(1) + lock.end()
            # Comments are blank by now, and their lines not empty.
            fields = re.split(r"^\n", struct.group(1)[lock.end():], maxsplit=1, flags=re.M)[0]
            for field in re.finditer(r"[^;]+;", fields):
                if "LL_GUARDED_BY" not in field.group() and not UNGUARDED.match(field.group()):
                    self.find(offset + field.end(), f"a field below {lock.group(1)} lacks LL_GUARDED_BY({lock.group(1)})")

    def check_includes(self):
        for match in INCLUDE.finditer(self.code):
            name = match.group(2)
            for pattern, owner in OWNERS:
                if pattern.search(name) and self.folder != owner:
                    self.find(match.end(), f"{name} is for {owner}/ alone")
            other = "proto" if PROTO.search(name) else name.split("/")[0]
            if match.group(1) != '"' or other not in FOLDERS:
                continue
            allowed = other in MAY_INCLUDE.get(self.folder, ())
            if other == "darknet_backend" and (self.is_main or PROGRAM.search(self.path)):
                allowed = True
            if self.folder == "rpc" and PROTO.search(name) and not RPC_PROTO.match(name):
                allowed = False
            if not allowed:
                self.find(match.end(), f"{self.folder}/ does not include {other}/ ({name})")


def main(paths):
    findings = 0
    for path in paths:
        file = File(path)
        file.check_calls()
        file.check_includes()
        file.check_guards()
        for line, reason in sorted(file.findings):
            print(f"{path}:{line}: {reason}")
        findings += len(file.findings)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
