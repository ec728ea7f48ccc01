"""A unit test: one module's CUnit suite with the shared main."""

load("@rules_cc//cc:defs.bzl", "cc_test")
load("//tools/bazel:defs.bzl", "LL_COPTS")

def ll_unit_test(name, deps, srcs = None, **kwargs):
    kwargs.setdefault("size", "small")
    cc_test(
        name = name,
        srcs = srcs or [name + ".c"],
        copts = LL_COPTS,
        deps = deps + ["//tests/support:ll_test"],
        **kwargs
    )
