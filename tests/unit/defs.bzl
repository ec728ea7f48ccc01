"""A unit test: one module's CUnit suite with the shared main."""

load("@rules_cc//cc:defs.bzl", "cc_test")
load("//tools/bazel:defs.bzl", "LL_COPTS")

# For tests that use //tests/support:ll_fail_alloc; they need `linkstatic = True` too.
LL_FAIL_ALLOC_LINKOPTS = [
    "-Wl,--wrap=malloc",
    "-Wl,--wrap=calloc",
    "-Wl,--wrap=realloc",
    "-Wl,--wrap=reallocarray",
    "-Wl,--wrap=aligned_alloc",
]

def ll_unit_test(name, deps, srcs = None, **kwargs):
    kwargs.setdefault("size", "small")
    cc_test(
        name = name,
        srcs = srcs or [name + ".c"],
        copts = LL_COPTS,
        deps = deps + ["//tests/support:ll_test"],
        **kwargs
    )
