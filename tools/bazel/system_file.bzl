"""A file that a Debian package has installed, as @NAME//:FILE."""

def _system_file_impl(ctx):
    path = ctx.path(ctx.attr.path)
    if not path.exists:
        fail("{}: install the Debian package {} (tools/setup.sh does)".format(
            ctx.attr.path,
            ctx.attr.package,
        ))
    ctx.symlink(path, path.basename)
    ctx.file("BUILD.bazel", "exports_files([%r])\n" % path.basename)

system_file = repository_rule(
    implementation = _system_file_impl,
    attrs = {
        "package": attr.string(mandatory = True, doc = "The Debian package, for messages."),
        "path": attr.string(mandatory = True, doc = "Where it installs the file."),
    },
    configure = True,
    local = True,
)
