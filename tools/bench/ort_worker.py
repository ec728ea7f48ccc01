#!/usr/bin/env python3
"""Runs an ONNX network with ONNX Runtime on demand, as infer_worker does with ours."""

import argparse
import pathlib
import sys

import numpy as np
import onnxruntime

sys.dont_write_bytecode = True  # the source tree stays as it is
from worker_loop import serve  # pylint: disable=wrong-import-position


def open_session(model, threads):
    """A session as fast as ONNX Runtime's own options make it; its threads spin while they wait, which is its
    default."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=pathlib.Path, metavar="F", help="the .onnx file")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="compute threads (default 1)")
    parser.add_argument("--input-f32", required=True, metavar="F", help="raw little-endian f32")
    parser.add_argument("--output-f32", metavar="F", help="write what the first run gives")
    parser.add_argument("--once", action="store_true", help="end after the first run")
    options = parser.parse_args()
    session = open_session(options.model, options.threads)
    wanted = session.get_inputs()[0]
    inputs = {wanted.name: np.fromfile(options.input_f32, "<f4").reshape(wanted.shape)}
    outputs = session.run(None, inputs)
    if options.output_f32:
        np.concatenate([output.reshape(-1) for output in outputs]).astype("<f4").tofile(options.output_f32)
    if not options.once:
        serve(lambda: session.run(None, inputs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
