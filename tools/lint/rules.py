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
PROGRAM = re.compile(r"^(edge|device)/[^/]*_(main|options|agent|report|json)\.[ch]$")
MAIN = re.compile(r"^int\s+main\s*\(", re.M)
DISABLED = re.compile(r"^\s*#\s*if\s+0\b", re.M)
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)

# Third-party headers: the only rooms that may include them.
OWNERS = (
    (re.compile(r"(^|/)darknet\.h$"), ("darknet_backend/reference", "tools/lab", "tests")),
    (re.compile(r"(^|/)dnnl[^/]*\.h$"), ("engine/onednn", "tools/lab")),
    (re.compile(r"^(ft2build\.h$|freetype/)"), ("vision/draw",)),
    (re.compile(r"^(png|jpeglib|turbojpeg|webp/[a-z]+)\.h$"), ("vision", "tests", "tools")),
    (re.compile(r"^z(std|dict)[a-z_]*\.h$"), ("coding", "tests")),
    (re.compile(r"^grpc/(?!.*\.pb-c\.h$)"), ("rpc", "tests/unit/rpc")),
)
# The house, from the ground up: each room and the rooms that its files may include; a folder stands for itself
# alone, not for the rooms inside it, but for `tests` and `tools`, which may use anything and which nothing uses.
GROUND = ("core",)
CODING = (*GROUND, "coding")
NET = (*GROUND, "net")
ENGINE = (*NET, "engine")
VISION = (*NET, "vision", "vision/draw", "vision/resize")
BACKEND = (*ENGINE, "engine/onednn", "darknet_backend/network", "darknet_backend/reference", "darknet_backend")
RPC = (*GROUND, "proto", "rpc", "rpc/front", "rpc/services")
PEER = (*ENGINE, "coding", "net/plan", "core/link", "proto", "proto/wire", "rpc")
EDGE = (*PEER, "edge", "edge/fair", "edge/model", "edge/upload", "edge/offload", "edge/inspect")
DEVICE = (*PEER, "device", "device/times", "device/choose", "device/edge_link", "device/query", "device/client")
ROOMS = {
    "core": GROUND,
    "core/link": (*GROUND, "core/link"),
    "coding": CODING,
    "net": NET,
    "net/plan": (*NET, "net/plan"),
    "engine": ENGINE,
    "engine/onednn": (*ENGINE, "engine/onednn"),
    "darknet_backend/network": (*NET, "darknet_backend/network"),
    "darknet_backend/reference": (*ENGINE, "darknet_backend/reference"),
    "darknet_backend": BACKEND,
    "vision": VISION,
    "vision/draw": VISION,
    "vision/resize": (*GROUND, "vision/resize"),
    "proto": ("proto",),
    "proto/wire": (*NET, "coding", "net/plan", "proto", "proto/wire"),
    "rpc": RPC,
    "rpc/front": RPC,
    "rpc/services": RPC,
    "cli": (*BACKEND, *VISION, "cli"),
    "edge/fair": EDGE,
    "edge/model": EDGE,
    "edge/upload": EDGE,
    "edge/offload": (*EDGE, "vision"),
    "edge/inspect": EDGE,
    "edge": EDGE,
    "device/times": DEVICE,
    "device/choose": DEVICE,
    "device/edge_link": DEVICE,
    "device/query": (*DEVICE, "vision"),
    "device/client": DEVICE,
    "device": DEVICE,
}
# What a program's own files (its main, its options, what only it says) may include besides.
PROGRAM_ROOMS = ("cli", "darknet_backend", "darknet_backend/network", "vision")
# Where each field below a lock, up to the next empty line, says that the lock guards it. What waits, runs or
# is atomic by itself is not guarded.
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


def room_of(path):
    return str(pathlib.PurePath(path).parent)


def is_below(room, owner):
    return room == owner or room.startswith(owner + "/")


TOPS = {room.split("/")[0] for room in ROOMS} | {"tests", "tools"}


class File:
    """One source file and what was found in it."""

    def __init__(self, path):
        self.path = path
        self.room = room_of(path)
        self.folder = self.room.split("/")[0]
        text = pathlib.Path(path).read_text(encoding="utf-8")
        self.code = strip_comments(text)
        self.bare = TOKENS.sub(blank, text)
        self.is_main = bool(MAIN.search(self.bare))
        self.findings = []
        self.includes = []

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
        if self.folder in ("tests", "tools"):
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

    def may_include(self, room):
        if self.room.split("/")[0] in ("tests", "tools"):
            return True
        if room in ROOMS.get(self.room, ()):
            return True
        return room in PROGRAM_ROOMS and (self.is_main or bool(PROGRAM.search(self.path)))

    def check_includes(self):
        for match in INCLUDE.finditer(self.code):
            name = match.group(2)
            for pattern, owners in OWNERS:
                if pattern.search(name) and not any(is_below(self.room, owner) for owner in owners):
                    self.find(match.end(), f"{name} is for {owners[0]}/ alone")
            room = "proto" if PROTO.search(name) else str(pathlib.PurePath(name).parent)
            if match.group(1) != '"' or room.split("/")[0] not in TOPS:
                continue
            self.includes.append((match.end(), name))
            if self.folder == "rpc" and PROTO.search(name) and not RPC_PROTO.match(name):
                self.find(match.end(), f"rpc/ knows no message of ours ({name})")
            elif not self.may_include(room):
                self.find(match.end(), f"{self.room}/ does not include {room}/ ({name})")


def module_of(path):
    return str(pathlib.PurePath(path).with_suffix(""))


def find_circles(files):
    """Modules (a .c with its .h) of different rooms that include each other in a circle, each with an include of
    it: [(file, offset, module, ...)]."""
    graph = {}
    for file in files:
        for offset, name in file.includes:
            if module_of(name) != module_of(file.path):
                graph.setdefault(module_of(file.path), {})[module_of(name)] = (file, offset)

    def reaches(start, goal):
        seen, todo = set(), [start]
        while todo:
            at = todo.pop()
            if at == goal:
                return True
            if at not in seen:
                seen.add(at)
                todo.extend(graph.get(at, ()))
        return False

    return [(file, offset, module, other)
            for module, others in sorted(graph.items()) for other, (file, offset) in sorted(others.items())
            if room_of(module) != room_of(other) and reaches(other, module)]


def main(paths):
    files = [File(path) for path in paths]
    for file in files:
        file.check_calls()
        file.check_includes()
        file.check_guards()
    for file, offset, module, other in find_circles(files):
        file.find(offset, f"a circle between rooms: {module} includes {other}, which comes back to it")
    findings = 0
    for file in files:
        for line, reason in sorted(file.findings):
            print(f"{file.path}:{line}: {reason}")
        findings += len(file.findings)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
