"""A libFuzzer target, and an ordinary test that replays its corpus."""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_test")
load("//tools/bazel:defs.bzl", "LL_COPTS")

def ll_fuzz_target(name, corpus, deps):
    """Defines NAME (needs --config=fuzz) and NAME_replay_test.

    Args:
      name: the target; NAME.c has LLVMFuzzerTestOneInput, which traps where its oracle fails.
      corpus: the folder of inputs, below this package.
      deps: what NAME.c needs.
    """
    cc_binary(
        name = name,
        testonly = True,
        srcs = [
            name + ".c",
            "ll_fuzz.h",
        ],
        copts = LL_COPTS,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = deps,
    )
    cc_test(
        name = name + "_replay_test",
        size = "small",
        srcs = [
            name + ".c",
            "fuzz_replay.c",
            "ll_fuzz.h",
        ],
        copts = LL_COPTS,
        data = native.glob([corpus + "/**"]),
        local_defines = [
            "FUZZ_NAME=\\\"%s\\\"" % name,
            "FUZZ_CORPUS=\\\"%s/%s\\\"" % (native.package_name(), corpus),
        ],
        deps = deps + ["//tests/support:ll_test"],
    )
