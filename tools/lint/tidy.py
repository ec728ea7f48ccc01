#!/usr/bin/env python3
"""Writes compile_commands.json from Bazel's own actions and runs clang-tidy over our C files.

usage: tidy.py [--only-database] [FILE...]      (in the project's root; default: every file compiled)

A file that was clean is looked at again only when its preprocessed text, its command, .clang-tidy or
clang-tidy itself has changed ($CACHE/lint holds what was clean). Exit status 1 on any finding.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

BAZEL = os.environ.get("BAZEL", "bazel")
CACHE = pathlib.Path(os.environ.get("CACHE", pathlib.Path.home() / ".cache/layerlift")) / "lint"
# Flags of gcc that clang does not know.
DROP = re.compile(r"^(-fno-canonical-system-headers|-Wno-free-nonheap-object|-Wunused-but-set-parameter"
                  r"|-frandom-seed=.*|-MD|-MF|-c|-o|-fstack-protector|-Werror)$")
DROP_NEXT = {"-MF", "-o"}
OPTIONS = [
    # The first wants memcpy_s and its kin for every memcpy, memset and snprintf; glibc has none of them. The
    # second wants fields by size, where they stand by subject, and a lock above what it guards.
    "--checks=-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling"
    ",-clang-analyzer-optin.performance.Padding",
    # .clang-tidy's filter, from the root on: generated code lies in a folder grpc/ as well.
    f"--header-filter=^({os.getcwd()}/)?(\\./)?(cli|core|darknet_backend|device|edge|engine|net|proto/wire|rpc"
    "|tests/support|tools|vision)/.*\\.h$",
]
# Programs read options and environment before they start threads, and argp is made for nothing else;
# tests have one thread that asks for such things.
PROGRAM = re.compile(r"^(tests|tools)/|_(main|options)\.c$")
PROGRAM_OPTIONS = [OPTIONS[0] + ",-concurrency-mt-unsafe", *OPTIONS[1:]]


def bazel(*arguments):
    """Bazel's stdout."""
    run = subprocess.run([BAZEL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False)
    if run.returncode != 0:
        sys.exit(f"tidy: {BAZEL} {' '.join(arguments)}\n{run.stderr}")
    return run.stdout


def make_generated_headers():
    """Builds what our files include but no compilation of ours: protobuf-c's code."""
    bazel("build", "--noshow_progress", "--output_groups=compilation_prerequisites_INTERNAL_", "//...")


def clean_command(arguments):
    """The arguments that clang is to see."""
    kept = [arguments[0]]
    skip = False
    for argument in arguments[1:]:
        if skip:
            skip = False
        elif argument in DROP_NEXT:
            skip = True
        elif not DROP.match(argument):
            kept.append(argument)
    return kept


def make_database():
    """The entries of compile_commands.json, by file."""
    output_base = bazel("info", "output_base").strip()
    actions = json.loads(bazel("aquery", "--output=jsonproto", 'mnemonic("CppCompile", //...)'))
    root = os.getcwd()
    entries = {}
    for action in actions.get("actions", []):
        arguments = clean_command(action["arguments"])
        sources = [a for a in arguments if a.endswith(".c")]
        # Other repositories' code and generated code are not ours to mend.
        if not sources or sources[-1].startswith(("external/", "bazel-out/")):
            continue
        # The workspace is the directory, or .clang-tidy is not found.
        arguments = [re.sub(r"^(-I|-isystem)?external/", rf"\1{output_base}/external/", a) for a in arguments]
        entries[sources[-1]] = {"directory": root, "file": sources[-1], "arguments": arguments}
    return entries


def digest(entry, salt):
    """Names all that clang-tidy's verdict on a file depends on; None where it does not compile."""
    arguments = ["clang", *entry["arguments"][1:], "-E", "-w"]
    run = subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    if run.returncode != 0:
        return None
    text = "\0".join(entry["arguments"]).encode()
    # -E drops comments, and with them NOLINT.
    source = pathlib.Path(entry["file"]).read_bytes()
    return hashlib.sha256(salt + b"\0" + text + b"\0" + source + b"\0" + run.stdout).hexdigest()


def check(entry, salt):
    """clang-tidy's findings in one file, or nothing."""
    name = digest(entry, salt)
    if name and (CACHE / name).exists():
        return ""
    options = PROGRAM_OPTIONS if PROGRAM.search(entry["file"]) else OPTIONS
    run = subprocess.run(["clang-tidy", "--quiet", *options, "-p", ".", entry["file"]], text=True, check=False,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if run.returncode == 0 and not run.stdout.strip():
        if name:
            (CACHE / name).touch()
        return ""
    return run.stdout.strip() or run.stderr.strip() or f"{entry['file']}: clang-tidy failed"


def main(arguments):
    only_database = "--only-database" in arguments
    files = [a for a in arguments if a != "--only-database"]
    make_generated_headers()
    entries = make_database()
    database = pathlib.Path("compile_commands.json")
    database.write_text(json.dumps(list(entries.values()), indent=1), encoding="utf-8")
    if only_database:
        return 0
    version = subprocess.run(["clang-tidy", "--version"], stdout=subprocess.PIPE, check=True).stdout
    salt = version + repr((OPTIONS, PROGRAM, PROGRAM_OPTIONS)).encode() + pathlib.Path(".clang-tidy").read_bytes()
    CACHE.mkdir(parents=True, exist_ok=True)
    chosen = [entry for file, entry in sorted(entries.items()) if not files or file in files]
    findings = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for found in pool.map(lambda entry: check(entry, salt), chosen):
            if found:
                findings += 1
                print(found, flush=True)
    print(f"tidy: {len(chosen)} files, {findings} with findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
