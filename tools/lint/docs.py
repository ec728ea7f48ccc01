#!/usr/bin/env python3
"""Refuses documents that lead nowhere: links, anchors, names of files and of code that do not exist (any more).

usage: docs.py FILE...      (paths from the project's root, where it must run; .md, .c, .h, others are skipped)

In documents: relative links and their #anchors, paths in the tree (`core/ll_sync.h`, `tools/lint.sh`), and code
words of ours in backticks (`device_watch`, `LL_LIMIT_...`). In sources: paths and names of .c and .h files in
comments. A name that stands for several (`onednn_*.c`) must fit one; NAME, FILE and MODEL stand for any.
Prints FILE:LINE: reason; exit status 1 where there was one.
"""

import fnmatch
import os
import pathlib
import re
import sys

FENCE = re.compile(r"^(```|~~~).*?^\1[^\n]*$", re.M | re.S)
LINK = re.compile(r"(?<!\\)\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^)\s>]+)>?[^)]*\)")
HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$", re.M)
SPAN = re.compile(r"`([^`\n]+)`")
COMMENT = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
# A path in the tree begins with a folder of its root; a file's name alone with a prefix of ours.
SUFFIXES = r"(?:c|h|py|sh|md|proto|bzl|cfg|golden|png)"
PATH = re.compile(r"(?<![\w./~$@:{}<>*-])((?:\w[\w.-]*/)+(?:[\w*-]+(?:\.[\w*-]+)*\." + SUFFIXES + r"\b|(?=[^\w*]|$)))")
PREFIXES = r"(?:ll|dkb|onednn|edge|device|rpc|vision|wire|cli|lab)"
NAME = re.compile(r"(?<![\w/*.-])(" + PREFIXES + r"_[\w*]+\.[ch])\b")
WORD = re.compile(r"^(?:" + PREFIXES + r"_[a-z0-9_]*[a-z0-9]|(?:LL|EDGE|DEVICE|RPC)_[A-Z0-9_]*[A-Z0-9])$")
PLACEHOLDERS = {"NAME", "FILE", "MODEL"}


class Tree:
    """The project's files, and the words that its sources and targets are made of."""

    def __init__(self):
        self.files = set()
        for folder, folders, names in os.walk("."):
            folders[:] = [name for name in folders if name != ".git" and not os.path.islink(os.path.join(folder, name))]
            self.files.update(os.path.relpath(os.path.join(folder, name), ".") for name in names)
        self.folders = {str(parent) for path in self.files for parent in pathlib.PurePath(path).parents} - {"."}
        self.tops = {folder for folder in self.folders if "/" not in folder}
        self.names = {os.path.basename(path) for path in self.files}
        self.words = None
        self.anchors = {}

    def has(self, path):
        path = path.rstrip("/")
        return path in self.files or path in self.folders or ("*" in path and bool(fnmatch.filter(self.files, path)))

    def has_name(self, name):
        return name in self.names or ("*" in name and bool(fnmatch.filter(self.names, name)))

    def has_word(self, word):
        if self.words is None:
            self.words = set()
            for path in self.files:
                if path.endswith((".c", ".h", ".bazel")):
                    self.words.update(re.findall(r"\w+", read(path)))
                    self.words.add(pathlib.PurePath(path).stem)
        return word in self.words

    def has_anchor(self, path, anchor):
        if path not in self.anchors:
            self.anchors[path] = anchors_of(read(path))
        return anchor in self.anchors[path]


def read(path):
    return pathlib.Path(path).read_text(encoding="utf-8", errors="replace")


def blank(match):
    """Spaces in its place; lines stay where they are."""
    return re.sub(r"[^\n]", " ", match.group())


def anchors_of(text):
    """The anchors that GitHub gives a document's headings."""
    found, seen = set(), {}
    for match in HEADING.finditer(FENCE.sub(blank, text)):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match.group(2))
        slug = re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")
        found.add(f"{slug}-{seen[slug]}" if slug in seen else slug)
        seen[slug] = seen.get(slug, 0) + 1
    return found


def check_links(path, text, tree):
    """(offset, reason) of each link that leads nowhere."""
    for match in LINK.finditer(SPAN.sub(blank, FENCE.sub(blank, text))):
        target = match.group(1)
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        file, _, anchor = target.partition("#")
        file = os.path.normpath(os.path.join(os.path.dirname(path), file)) if file else path
        if not tree.has(file):
            yield match.start(), f"a link to {target}: no such file"
        elif anchor and not (file.endswith(".md") and tree.has_anchor(file, anchor)):
            yield match.start(), f"a link to {target}: no such heading"


def check_paths(text, tree):
    """(offset, reason) of each file that is named and does not exist."""
    for match in PATH.finditer(text):
        parts = match.group(1).split("/")
        if parts[0] in tree.tops and not PLACEHOLDERS & set(parts) and not tree.has(match.group(1)):
            yield match.start(), f"{match.group(1)}: no such file"
    for match in NAME.finditer(text):
        if not tree.has_name(match.group(1)):
            yield match.start(), f"{match.group(1)}: no such file"


def check_words(text, tree):
    """(offset, reason) of each code word of ours that no source has."""
    for match in SPAN.finditer(text):
        if WORD.match(match.group(1)) and not tree.has_word(match.group(1)):
            yield match.start(), f"{match.group(1)}: no source has that word"


def comments_of(text):
    """The text with nothing left but comments."""
    kept, at = [], 0
    for match in COMMENT.finditer(text):
        kept.append(re.sub(r"[^\n]", " ", text[at:match.start()]))
        kept.append(match.group() if match.group().startswith("/") else blank(match))
        at = match.end()
    return "".join(kept)


def check(path, tree):
    text = read(path)
    if path.endswith(".md"):
        found = [*check_links(path, text, tree), *check_paths(text, tree), *check_words(text, tree)]
    elif path.endswith((".c", ".h")):
        found = list(check_paths(comments_of(text), tree))
    else:
        found = []
    return [(text.count("\n", 0, offset) + 1, reason) for offset, reason in sorted(found)]


def main(paths):
    tree = Tree()
    findings = 0
    for path in paths:
        for line, reason in check(path, tree):
            print(f"{path}:{line}: {reason}")
            findings += 1
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
