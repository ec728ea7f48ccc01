#!/usr/bin/env python3
"""Writes one of Fashion-MNIST's test images as a grey PNG.

usage: fashion_image.py TEST200.u8 INDEX OUT.png
"""

import pathlib
import struct
import sys
import zlib

SIZE = 28


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def main():
    if len(sys.argv) != 4:
        print(__doc__, file=sys.stderr)
        return 2
    images = pathlib.Path(sys.argv[1]).read_bytes()
    pixels = images[int(sys.argv[2]) * SIZE * SIZE:][:SIZE * SIZE]
    rows = b"".join(b"\0" + pixels[row * SIZE:(row + 1) * SIZE] for row in range(SIZE))
    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 0, 0, 0, 0)
    pathlib.Path(sys.argv[3]).write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
                                          + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
