#!/usr/bin/env python3
"""Writes a Darknet network with its weights as an ONNX file.

The ONNX network computes what Darknet computes, with Darknet's own rules where they differ from common ones
(normalisation, shortcuts between unequal shapes, pooling's padding, strides of 1x1 convolutions), so that an ONNX
runtime's answers are a second oracle beside stock Darknet. Its one input is 1 x channels x height x width; its outputs
are the network's, in layer order.

Exit status: 0 the file is there, 1 failure (a layer that is not expressed is named), 2 wrong options.
"""

import argparse
import os
import pathlib
import sys

sys.dont_write_bytecode = True  # the source tree stays as it is
# pylint: disable=wrong-import-position
from darknet_cfg import CfgError, Network, read_weights
from onnx_graph import Graph

OPSET = 17
# What opset 17 came with; older runtimes refuse newer files.
IR_VERSION = 8


def to_model(graph, name):
    """The graph as onnx's ModelProto, checked."""
    # Only here, so that everything else works without the package.
    import onnx  # pylint: disable=import-outside-toplevel
    from onnx import TensorProto, helper, numpy_helper  # pylint: disable=import-outside-toplevel

    nodes = [helper.make_node(node.op, node.inputs, [node.output], **node.attributes) for node in graph.nodes]
    outputs = [helper.make_tensor_value_info(value.name, TensorProto.FLOAT, value.dims) for value in graph.outputs]
    made = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info(graph.input.name, TensorProto.FLOAT, graph.input.dims)], outputs,
        [numpy_helper.from_array(array, constant) for constant, array in graph.constants.items()])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
                              producer_name="layerlift cfg_to_onnx")
    onnx.checker.check_model(model)
    return model


def write_atomically(path, data):
    """Writes the file beside its place and renames it."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_bytes(data)
        part.rename(path)
    finally:
        part.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cfg", required=True, type=pathlib.Path, metavar="C", help="the network")
    parser.add_argument("--weights", required=True, type=pathlib.Path, metavar="W", help="its .weights file")
    parser.add_argument("--out", required=True, type=pathlib.Path, metavar="F", help="the .onnx file to write")
    parser.add_argument("--end", type=int, metavar="N",
                        help="only the first N layers, with the last one's tensor as output")
    parser.add_argument("--tune", action="store_true",
                        help="prefer operators that ONNX Runtime has fast kernels for, where they compute the same")
    options = parser.parse_args()
    try:
        network = Network(options.cfg.read_text(encoding="utf-8"))
        read_weights(network, options.weights.read_bytes())
        graph = Graph(network, options.end, options.tune)
        write_atomically(options.out, to_model(graph, options.cfg.stem).SerializeToString())
    except (CfgError, OSError, UnicodeDecodeError) as error:
        print(f"{parser.prog}: {options.cfg}: {error}", file=sys.stderr)
        return 1
    except ImportError as error:
        print(f"{parser.prog}: the package onnx is needed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
