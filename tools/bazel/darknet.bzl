"""Darknet, built from Debian's source package or from the folder that DARKNET_HOME names.

The binary package's library would pull in OpenCV, GTK and Qt. The source also has the cfgs, label
lists and photos that the tests and the demo use.
"""

_VERSION = "0.0.0+git20180914.61c9d02e-2"

_BUILD = """
package(default_visibility = ["//visibility:public"])

# NDEBUG would switch off checks that Darknet's own code relies on.
_COPTS = ["-std=gnu11", "-w", "-O3", "-UNDEBUG"]

cc_library(
    name = "darknet",
    srcs = glob(["src/*.c", "src/*.h"], exclude = ["src/activations.c", "src/compare.c"]),
    hdrs = ["include/darknet.h"] + glob(["src/*.h"]),
    copts = _COPTS,
    includes = ["include", "src"],
    linkopts = ["-lm", "-pthread"],
    deps = [":activations"],
)

# Darknet's own Makefile has -Ofast. What of it shows in a value that is no number is this: x*(x>0)
# becomes x where x > 0, and 0 elsewhere, so that relu, elu and selu make 0 of a NaN.
cc_library(
    name = "activations",
    srcs = ["src/activations.c"] + glob(["src/*.h"]),
    hdrs = ["include/darknet.h"],
    copts = _COPTS + ["-ffinite-math-only", "-fno-signed-zeros"],
    includes = ["include", "src"],
    linkopts = ["-lm"],
    # It reports an activation that it does not know through Darknet's utilities.
    alwayslink = True,
)

exports_files(glob(["cfg/*", "data/*"]))

filegroup(name = "cfgs", srcs = glob(["cfg/*.cfg"]))
filegroup(name = "data", srcs = glob(["data/*.*"]))
"""

_FETCH = """
set -eu
mkdir -p lists/partial cache/archives/partial
# The machine's own mirrors, asked for sources instead of binaries; no root is needed.
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    if [ -f "$list" ]; then sed -n 's/^deb\\([[:space:]]\\)/deb-src\\1/p' "$list"; fi
done > machine.list
for list in /etc/apt/sources.list.d/*.sources; do
    if [ -f "$list" ]; then sed 's/^Types:.*/Types: deb-src/' "$list"; echo; fi
done > machine.sources
apt_here() {
    apt-get -o "Dir::Etc::SourceList=$PWD/$list" -o Dir::Etc::SourceParts=- \\
        -o "Dir::State::Lists=$PWD/lists" -o "Dir::Cache=$PWD/cache" -o APT::Sandbox::User= "$@"
}
for list in machine.sources machine.list; do
    if [ -s "$list" ]; then
        # Another vendor's mirror may have no sources: only the package itself decides.
        apt_here update || true
        if apt_here source --only-source "darknet=$1"; then break; fi
    fi
done
cd darknet-*/
cp -r src include cfg data LICENSE LICENSE.mit ..
"""

def _darknet_repository_impl(ctx):
    home = ctx.os.environ.get("DARKNET_HOME", "")
    if home:
        for part in ["src", "include", "cfg", "data"]:
            ctx.symlink(home + "/" + part, part)
    else:
        result = ctx.execute(["sh", "-c", _FETCH, "sh", _VERSION], timeout = 600)
        if result.return_code != 0:
            fail("Debian's source package of darknet could not be had; set DARKNET_HOME to a " +
                 "Darknet source folder instead.\n" + result.stdout + result.stderr)
    ctx.file("BUILD.bazel", _BUILD)

darknet_repository = repository_rule(
    implementation = _darknet_repository_impl,
    environ = ["DARKNET_HOME"],
)
