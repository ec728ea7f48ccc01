"""Makes a cc_library of a library that the system provides, found by pkg-config."""

_BUILD = """
cc_library(
    name = "{name}",
    hdrs = glob(["include/**/*.h"]),
    includes = {includes},
    linkopts = {linkopts},
    visibility = ["//visibility:public"],
)
"""

def _pkg_config(ctx, *flags):
    result = ctx.execute(["pkg-config"] + list(flags) + [ctx.attr.pkg_config])
    if result.return_code != 0:
        fail("{}: install the Debian package {} (tools/setup.sh does): {}".format(
            ctx.attr.pkg_config,
            ctx.attr.package,
            result.stderr.strip(),
        ))
    return [flag for flag in result.stdout.strip().split(" ") if flag]

def _system_library_impl(ctx):
    # Debian's headers are all below /usr/include, where the compiler looks by itself; some are in a
    # folder of their own, which sandboxes see through a link in the repository.
    includes = []
    for flag in _pkg_config(ctx, "--cflags-only-I"):
        folder = flag[len("-I"):]
        if folder == "/usr/include":
            continue
        link = "include/" + folder.replace("/", "_")
        ctx.symlink(folder, link)
        includes.append(link)
    linkopts = ctx.attr.linkopts or _pkg_config(ctx, "--libs")
    ctx.file("BUILD.bazel", _BUILD.format(
        name = ctx.name,
        includes = repr(includes),
        linkopts = repr(linkopts),
    ))

system_library = repository_rule(
    implementation = _system_library_impl,
    attrs = {
        "linkopts": attr.string_list(doc = "What to link instead of pkg-config's list."),
        "package": attr.string(mandatory = True, doc = "The Debian package, for messages."),
        "pkg_config": attr.string(mandatory = True, doc = "The pkg-config name."),
    },
    configure = True,
    local = True,
)
