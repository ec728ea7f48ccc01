"""A file's bytes as a C array."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def embedded_file(name, src, hdr, symbol, **kwargs):
    """A cc_library that defines `symbol`[] and `symbol`_bytes, which `hdr` declares."""
    native.genrule(
        name = name + "_code",
        srcs = [src],
        outs = [name + ".c"],
        cmd = "{ echo '#include \"%s/%s\"'; " % (native.package_name(), hdr) +
              "echo 'const unsigned char %s[] = {'; " % symbol +
              "od -An -v -tu1 $< | sed 's/[0-9][0-9]*/&,/g'; echo '};'; " +
              "echo 'const size_t %s_bytes = sizeof(%s);'; } >$@" % (symbol, symbol),
    )
    cc_library(
        name = name,
        srcs = [name + ".c"],
        hdrs = [hdr],
        **kwargs
    )
