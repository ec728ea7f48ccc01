"""protobuf-c code and the descriptor set of a .proto file, made by the system's protoc."""

load("@rules_cc//cc:defs.bzl", "cc_library")

def protobuf_c_library(name, src, visibility, imports = [], deps = []):
    """A cc_library with the C code of `src`, a path below this package such as "a/v1/b.proto".

    The header is included as "proto/a/v1/b.pb-c.h". `imports` are the .proto files that `src` needs,
    and `deps` the libraries of those that it imports itself.
    """
    stem = src[:-len(".proto")]
    native.genrule(
        name = name + "_code",
        srcs = [src] + imports,
        outs = [stem + ".pb-c.c", stem + ".pb-c.h"],
        # --c_out puts the file where its import path says; includes are relative to proto/.
        cmd = "protoc-c --proto_path=proto --c_out=$(RULEDIR) " + "proto/" + src,
    )
    cc_library(
        name = name,
        srcs = [stem + ".pb-c.c"],
        hdrs = [stem + ".pb-c.h"],
        copts = ["-w"],
        includes = ["."],
        visibility = visibility,
        deps = deps + ["@protobuf_c"],
    )
