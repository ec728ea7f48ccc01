#!/usr/bin/env python3
"""Tests the scripts that judge: what counts as a failed test, a broken rule, a wrong answer."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # the source tree stays as it is
TOOLS = pathlib.Path(__file__).absolute().parent.parent
sys.path.insert(0, str(TOOLS / "testing"))
import py_test  # pylint: disable=wrong-import-position


class ScriptTest(unittest.TestCase):
    """A scratch folder, and scripts run in it."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def write_lines(self, name, values):
        return self.write(name, "".join(json.dumps(value) + "\n" for value in values))

    def run_script(self, script, *arguments):
        run = subprocess.run([sys.executable, TOOLS / script, *arguments], cwd=self.folder, text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        return run.returncode, run.stdout, run.stderr


class CountTests(ScriptTest):
    """tools/testing/count_tests.py"""

    def configured(self, label):
        return {"id": {"targetConfigured": {"label": label}}, "configured": {"testSize": "SMALL"}}

    def result(self, label, status, xml=None):
        outputs = []
        if xml is not None:
            path = self.write(label.strip("/").replace(":", "_") + ".xml", xml)
            outputs = [{"name": "test.log", "uri": "file:///nowhere"}, {"name": "test.xml", "uri": path.as_uri()}]
        return {"id": {"testResult": {"label": label, "run": 1, "shard": 1}},
                "testResult": {"status": status, "testActionOutput": outputs}}

    def count(self, *events):
        path = self.write_lines("events", events)
        status, out, _ = self.run_script("testing/count_tests.py", path)
        self.assertEqual(status, 0)
        return tuple(map(int, out.split()))

    def test_suites_are_summed(self):
        one = '<testsuites><testsuite tests="5" failures="2" skipped="1"/></testsuites>'
        two = '<testsuites tests="9"><testsuite><testsuite tests="2"/><testsuite tests="1"/></testsuite></testsuites>'
        self.assertEqual(self.count(self.result("//a:a", "FAILED", one), self.result("//a:b", "PASSED", two)), (5, 2, 1))

    def test_crash_counts_once_beside_the_tests_that_ran(self):
        xml = '<testsuites><testsuite tests="5" failures="0"/></testsuites>'
        self.assertEqual(self.count(self.result("//a:a", "FAILED", xml)), (4, 1, 0))

    def test_timeout_missing_and_broken_xml_count_as_failed(self):
        self.assertEqual(self.count(self.result("//a:a", "TIMEOUT"), self.result("//a:b", "PASSED"),
                                    self.result("//a:c", "PASSED", "<testsuites>"),
                                    self.result("//a:d", "PASSED", "<testsuites/>")), (0, 4, 0))

    def test_test_that_never_ran_counts_as_failed(self):
        xml = '<testsuites><testsuite tests="1"/></testsuites>'
        self.assertEqual(self.count(self.configured("//a:a"), self.configured("//a:b"),
                                    self.result("//a:a", "PASSED", xml)), (1, 1, 0))

    def test_last_attempt_decides(self):
        xml = '<testsuites><testsuite tests="1" failures="{}"/></testsuites>'
        events = [self.result("//a:a", "FAILED", xml.format(1)), self.result("//a:a", "PASSED", xml.format(0))]
        self.assertEqual(self.count(*events), (1, 0, 0))

    def test_no_events_count_nothing(self):
        self.assertEqual(self.count(), (0, 0, 0))


class Rules(ScriptTest):
    """tools/lint/rules.py"""

    def lint(self, path, text):
        self.write(path, text)
        status, out, _ = self.run_script("lint/rules.py", path)
        self.assertEqual(status, 1 if out else 0)
        return out

    def test_forbidden_calls_are_found_with_their_line(self):
        for name in ("atoi", "strcpy", "strcat", "sprintf", "strtok", "rand", "exit", "abort", "usleep", "nanosleep"):
            self.assertIn(f"core/a.c:2: {name}", self.lint("core/a.c", f"void f(void)\n{{ {name} (1); }}\n"))

    def test_like_names_comments_and_strings_are_no_calls(self):
        self.assertEqual(self.lint("core/a.c", 'int x = snprintf(a) + _exit(1) + s->exit(1) + my_rand(2);\n'
                                               '/* exit(1) */ // rand()\nconst char *s = "abort()";\n'), "")

    def test_mains_may_exit_and_tools_may_sleep(self):
        self.assertEqual(self.lint("edge/a.c", "int main(void)\n{\n    exit(1);\n}\n"), "")
        self.assertEqual(self.lint("tools/a.c", "void f(void) { usleep(1); }\n"), "")

    def test_threads_belong_to_sync(self):
        self.assertIn("pthread_create", self.lint("edge/a.c", "int x = pthread_create(1);\n"))
        self.assertEqual(self.lint("core/ll_sync.c", "#include <pthread.h>\nint x = pthread_create(1);\n"), "")

    def test_each_library_has_its_room(self):
        self.assertIn("rpc/ alone", self.lint("edge/a.c", "#include <grpc/grpc.h>\n"))
        self.assertIn("darknet_backend/reference/ alone", self.lint("vision/a.c", "#include <darknet.h>\n"))
        self.assertIn("engine/onednn/ alone", self.lint("core/a.c", '#include "dnnl.h"\n'))
        self.assertIn("vision/draw/ alone", self.lint("device/a.c", "#include <ft2build.h>\n"))
        self.assertEqual(self.lint("rpc/front/a.c", "#include <grpc/grpc.h>\n"), "")

    def test_rooms_include_only_what_is_below_them(self):
        for path, header in (("core/a.c", "rpc/b.h"), ("core/a.c", "core/link/b.h"), ("net/a.c", "net/plan/b.h"),
                             ("edge/a.c", "device/b.h"), ("device/query/a.c", "edge/b.h"), ("edge/a.c", "cli/b.h"),
                             ("edge/model/a.c", "darknet_backend/b.h"), ("darknet_backend/a.c", "rpc/b.h"),
                             ("engine/onednn/a.c", "darknet_backend/reference/b.h"), ("vision/a.c", "engine/b.h"),
                             ("core/a.c", "layerlift/v1/offload.pb-c.h"), ("edge/a.c", "tests/b.h")):
            self.assertIn("does not include", self.lint(path, f'#include "{header}"\n'), (path, header))
        self.assertIn("no message of ours", self.lint("rpc/a.c", '#include "layerlift/v1/offload.pb-c.h"\n'))
        self.assertEqual(self.lint("rpc/services/a.c", '#include "grpc/health/v1/health.pb-c.h"\n'), "")
        self.assertEqual(self.lint("edge/upload/a.c", '#include "layerlift/v1/offload.pb-c.h"\n'), "")
        self.assertEqual(self.lint("edge/a.c", '#include "darknet_backend/b.h"\nint main(void)\n{\n}\n'), "")
        self.assertEqual(self.lint("edge/edge_options.h", '#include "cli/b.h"\n'), "")

    def test_circles_between_rooms_are_found(self):
        files = {"edge/model/a.h": '#include "edge/upload/b.h"\n',
                 "edge/upload/b.c": '#include "edge/model/a.h"\n',
                 "edge/model/c.c": '#include "edge/model/a.h"\n'}
        for path, text in files.items():
            self.write(path, text)
        status, out, _ = self.run_script("lint/rules.py", *files)
        self.assertEqual((status, out.count("a circle between rooms")), (1, 2))

    def test_fields_below_a_lock_say_so(self):
        text = ("struct a {\n    int free;\n    struct ll_mutex lock;\n    struct ll_cond changed;\n    /* Guarded. */\n"
                "    int x LL_GUARDED_BY(lock);\n    atomic_int y;\n    int *z%s;\n\n    /* Loop thread. */\n    int w;\n};\n"
                "struct b {\n    int v;\n};\n")
        self.assertEqual(self.lint("edge/a.c", text % " LL_GUARDED_BY(lock)"), "")
        self.assertEqual(self.lint("edge/a.c", text % ""), "edge/a.c:8: a field below lock lacks LL_GUARDED_BY(lock)\n")
        self.assertEqual(self.lint("tests/a.c", text % ""), "")

    def test_disabled_code_is_found(self):
        self.assertIn("#if 0", self.lint("core/a.c", "#if 0\nint x;\n#endif\n"))


class Docs(ScriptTest):
    """tools/lint/docs.py"""

    def setUp(self):
        super().setUp()
        self.write("core/ll_a.h", "/* See ll_a.h. */\nint ll_do(void);\n")
        self.write("docs/b.md", "# One `word`, two\n\n## Same\n\n## Same\n\n```\n# none\n```\n")

    def lint(self, text, path="docs/a.md"):
        self.write(path, text)
        status, out, _ = self.run_script("lint/docs.py", path)
        self.assertEqual(status, 1 if out else 0)
        return out

    def test_links_lead_to_files_and_headings(self):
        self.assertEqual(self.lint("# Top\n[b](b.md) [b](b.md#one-word-two) [b](b.md#same-1) [t](#top) [h](../core/ll_a.h)\n"
                                   "[x](https://example.org/none.md) `[x](none.md)`\n"), "")
        for link in ("none.md", "b.md#none", "b.md#same-2", "#none", "../core", "../core/ll_b.h", "../core/ll_a.h#l1"):
            out = self.lint(f"# Top\n\n[b]({link})\n")
            self.assertEqual(out.startswith("docs/a.md:3: a link to"), link != "../core", link)

    def test_named_files_exist(self):
        self.assertEqual(self.lint("`core/ll_a.h`, core/, `core/ll_*.h` and ll_a.h; other/ll_b.c, bazel-bin/core/ll_b.c,\n"
                                   "$CACHE/core/ll_b.c, /core/ll_b.c and core/NAME/a.c are none of ours.\n"), "")
        for name in ("core/ll_b.h", "`core/ll_b*.h`", "core/none/", "ll_b.h", "docs/none.md", "docs/none.md."):
            self.assertIn("docs/a.md:2: ", self.lint(f"\nSee {name}\n"), name)

    def test_comments_name_what_exists(self):
        text = '/* %s */\nconst char *s = "core/ll_none.h";\n#include "core/ll_none.h"\n'
        self.assertEqual(self.lint(text % "core/ll_a.h", "core/ll_c.c"), "")
        self.assertIn("core/ll_c.c:1: ll_b.h", self.lint(text % "As ll_b.h says.", "core/ll_c.c"))

    def test_code_words_exist(self):
        self.write("core/BUILD.bazel", 'name = "ll_a_test"')
        self.assertEqual(self.lint("`ll_do`, `ll_a`, `ll_a_test`, ll_none, `none_at_all`, `ll_do()`\n"), "")
        self.assertIn("ll_none: no source", self.lint("`ll_none`\n"))
        self.assertIn("LL_NONE: no source", self.lint("`LL_NONE`\n"))


class Stages(ScriptTest):
    """tools/testing/stages.sh, which .ci/run judges with"""

    def run_stages(self, *commands):
        """Exit status and lines of a script whose stages are these commands, called a, b, c."""
        lines = ["set -euo pipefail", f". {TOOLS}/common.sh", f". {TOOLS}/testing/stages.sh"]
        lines += [f"stage {name} bash -c '{command}'" for name, command in zip("abc", commands)]
        script = self.write("stages", "\n".join(lines + ["finish_stages"]))
        run = subprocess.run(["bash", script], cwd=self.folder, text=True, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return run.returncode, run.stdout.splitlines()

    def test_counts_are_summed(self):
        status, lines = self.run_stages("echo 7 passed, 0 failed", "echo 2 passed, 0 failed, 3 skipped", "true")
        self.assertEqual((status, lines[-1]), (0, "10 passed, 0 failed, 3 skipped"))
        self.assertEqual(self.run_stages("true")[1][-1], "1 passed, 0 failed")

    def test_failed_stage_is_named_and_the_others_run(self):
        status, lines = self.run_stages("echo 7 passed, 2 failed; exit 1", "echo 5 passed, 0 failed")
        self.assertEqual((status, lines[-1]), (1, "12 passed, 2 failed"))
        self.assertRegex(lines[-3], r"^a +FAILED")
        self.assertRegex(lines[-2], r"^b +ok")

    def test_stage_that_fails_without_a_failed_test_is_one(self):
        for command in ("exit 1", "echo 7 passed, 0 failed; exit 1", "kill -9 $$"):
            status, lines = self.run_stages(command, "true")
            self.assertEqual(status, 1, command)
            self.assertIn(" 1 failed", lines[-1], command)

    def test_only_the_last_line_counts(self):
        status, lines = self.run_stages("echo 9 passed, 0 failed; echo done", "echo x9 passed, 0 failed")
        self.assertEqual((status, lines[-1]), (0, "2 passed, 0 failed"))

    def test_what_cannot_be_had_is_skipped(self):
        self.assertEqual(self.run_stages("exit 3", "true")[1][-1], "1 passed, 0 failed, 1 skipped")
        self.assertEqual(self.run_stages("exit 3")[0], 1)

    def test_stages_have_no_standard_input(self):
        self.assertEqual(self.run_stages("read -r line && exit 1; true")[0], 0)


class CheckQueries(ScriptTest):
    """tools/demo/check_queries.py"""

    LOCAL = {"event": "infer", "ms": [20.0, 10.0, 30.0], "top": [["dog", 0.5], ["cat", 0.25]]}
    UPLOAD = {"event": "upload", "start_ms": 0, "acked_ms": 900, "ready_ms": 950, "model_bytes": 1000, "sent_bytes": 2000,
              "partitions": 2, "creations": 1, "creation_ms": 3}
    SUMMARY = {"event": "summary", "queries": 2, "lost": 0, "fallbacks": 0}

    def query(self, number, **changes):
        return {"event": "query", "id": number, "issued_ms": number * 500, "latency_ms": 100 / number, "first": 0,
                "end": number, "fallback": None, "top": [["dog", 0.5], ["cat", 0.25]], **changes}

    def check(self, *events, local=None):
        queries = self.write_lines("queries", events)
        local = self.write_lines("local", [local or self.LOCAL])
        return self.run_script("demo/check_queries.py", "--json", queries, "--local", local, "--slowdown", "3")

    def test_equal_answers_pass(self):
        status, out, err = self.check(self.query(1), self.query(2, top=[["dog", 0.5], ["cat", 0.250000001]]),
                                      self.UPLOAD, self.SUMMARY)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("2 queries, all with the same 2 classes", out)
        self.assertIn("bit for bit", out)
        self.assertIn("60 ms", out)

    def test_wrong_answers_fail(self):
        for top in ([["cat", 0.5], ["dog", 0.25]], [["dog", 0.5], ["cat", 0.2501]], [["dog", 0.5]], []):
            status, _, err = self.check(self.query(1), self.query(2, top=top), self.UPLOAD, self.SUMMARY)
            self.assertEqual(status, 1, top)
            self.assertIn("query 2", err)

    def test_boxes_are_compared_where_there_are_some(self):
        box = {"label": "dog", "p": 0.75, "left": 0, "top": 10, "right": 100, "bottom": 200}
        local = {**self.LOCAL, "boxes": [box, {**box, "label": "cat"}]}

        def check(*boxes):
            return self.check(self.query(1, top=[["7", 1]], boxes=list(boxes)), self.UPLOAD, self.SUMMARY, local=local)

        status, out, err = check(box, {**box, "label": "cat", "p": 0.750000001})
        self.assertEqual((status, err), (0, ""))
        self.assertIn("1 queries, all with the same 2 boxes", out)
        for boxes in ((box,), (), (box, box), (box, {**box, "label": "cat", "p": 0.76}),
                      (box, {**box, "label": "cat", "left": 1})):
            self.assertEqual(check(*boxes)[0], 1, boxes)

    def test_fallback_is_told(self):
        status, out, _ = self.check(self.query(1, fallback="deadline"), self.query(2), self.UPLOAD, self.SUMMARY)
        self.assertEqual(status, 0)
        self.assertIn("query 1 was finished on the device: deadline", out)

    def test_loss_missing_end_and_last_query_without_edge_fail(self):
        for events in ((self.query(1), self.query(2, fallback="deadline"), self.UPLOAD, self.SUMMARY),
                       (self.query(1), self.UPLOAD, {**self.SUMMARY, "lost": 1}),
                       (self.query(1), self.query(2), self.SUMMARY),
                       (self.query(1), self.query(2, end=0), self.UPLOAD, self.SUMMARY),
                       (self.UPLOAD, self.SUMMARY)):
            self.assertEqual(self.check(*events)[0], 1, events)


if __name__ == "__main__":
    sys.exit(py_test.run("scripts"))
