#!/usr/bin/env python3
"""Runs a Darknet network with OpenCV's DNN module on demand, as infer_worker does with ours.

Exit status 4 and a sentence on stderr where OpenCV does not take the cfg.
"""

import argparse
import os
import pathlib
import re
import sys

os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
# pylint: disable=wrong-import-position
import cv2
import numpy as np

sys.dont_write_bytecode = True  # the source tree stays as it is
from worker_loop import serve

EXIT_REFUSED = 4


def input_shape(cfg):
    """1 x channels x height x width, from [net]."""
    text = re.sub(r"[ \t]", "", cfg.read_text(encoding="utf-8"))
    return [1] + [int(re.search(rf"^{key}=(\d+)", text, re.M).group(1)) for key in ("channels", "height", "width")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cfg", required=True, type=pathlib.Path, metavar="C", help="the network")
    parser.add_argument("--weights", required=True, metavar="W", help="its .weights file")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="compute threads (default 1)")
    parser.add_argument("--input-f32", required=True, metavar="F", help="raw little-endian f32")
    parser.add_argument("--output-f32", metavar="F", help="write what the first run gives")
    options = parser.parse_args()
    cv2.setNumThreads(options.threads)
    value = np.fromfile(options.input_f32, "<f4").reshape(input_shape(options.cfg))
    try:
        net = cv2.dnn.readNetFromDarknet(str(options.cfg), options.weights)
        net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
        net.setPreferableTarget(cv2.dnn.DNN_TARGET_CPU)
        names = net.getUnconnectedOutLayersNames()

        def run():
            # What is computed already is not computed again for the same input.
            net.setInput(value)
            return net.forward(names)

        outputs = run()
    except cv2.error as error:
        print(f"OpenCV {cv2.__version__} refuses it: {error.err or str(error).splitlines()[0]}", file=sys.stderr)
        return EXIT_REFUSED
    if options.output_f32:
        np.concatenate([output.reshape(-1) for output in outputs]).astype("<f4").tofile(options.output_f32)
    serve(run)
    return 0


if __name__ == "__main__":
    sys.exit(main())
