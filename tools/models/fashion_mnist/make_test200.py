#!/usr/bin/python3
"""Writes test200.u8: the first 200 test images of Fashion-MNIST and their labels.

200 x 784 bytes of pixels (28 rows of 28, 0 is black), then 200 bytes of labels from 0 to 9, nothing else:
157,000 bytes. The network's input is pixel / 255. The source is Debian's package dataset-fashion-mnist.
"""

import argparse
import gzip
import pathlib
import struct
import sys

IMAGES = 200
PIXELS = 784
DATASET = pathlib.Path("/usr/share/datasets/fashion-mnist")


def read_idx(path, header, item_bytes):
    """The first IMAGES items of an idx file whose header is `header`."""
    with gzip.open(path) as file:
        found = file.read(len(header))
        if found != header:
            raise ValueError(f"{path}: header {found.hex()}, expected {header.hex()}")
        data = file.read(IMAGES * item_bytes)
    if len(data) != IMAGES * item_bytes:
        raise ValueError(f"{path}: cut short")
    return data


def main():
    parser = argparse.ArgumentParser(description="Writes the 200 test images that the tests use.")
    parser.add_argument("--dataset", type=pathlib.Path, default=DATASET, metavar="DIR",
                        help="folder of the idx files (default %(default)s)")
    parser.add_argument("--out", type=pathlib.Path, metavar="FILE",
                        default=pathlib.Path(__file__).resolve().parent / "test200.u8",
                        help="default: test200.u8 beside this script")
    options = parser.parse_args()
    try:
        images = read_idx(options.dataset / "t10k-images-idx3-ubyte.gz",
                          struct.pack(">IIII", 0x803, 10000, 28, 28), PIXELS)
        labels = read_idx(options.dataset / "t10k-labels-idx1-ubyte.gz",
                          struct.pack(">II", 0x801, 10000), 1)
        options.out.write_bytes(images + labels)
    except (OSError, EOFError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
