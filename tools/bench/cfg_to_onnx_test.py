"""Tests of cfg_to_onnx: reading cfg and weights, and that the graph computes what Darknet computes. The graph is
evaluated with numpy; writing the file takes the package onnx, and bench_infer does it on each run."""

import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

import numpy as np

sys.dont_write_bytecode = True  # the source tree stays as it is
FOLDER = pathlib.Path(__file__).absolute().parent
sys.path[:0] = [str(FOLDER), str(FOLDER.parent / "testing")]
# pylint: disable=wrong-import-position
import darknet_cfg
import darknet_forward
import graph_eval
import onnx_graph
import py_test
from darknet_cfg import CfgError, Network


def cfg(body, channels=3, height=8, width=8):
    """A network with this input and these sections."""
    return Network(f"[net]\nchannels={channels}\nheight={height}\nwidth={width}\n{body}")


def weights_floats(network):
    """How many floats the network's layers take."""
    return sum(int(np.prod(shape)) for layer in network.layers for _, shape in darknet_cfg._weight_parts(layer))


def weights_file(values, major=0, minor=2):
    """A .weights file's bytes."""
    is_new = major * 10 + minor >= 2 and major < 1000 and minor < 1000
    header = struct.pack("<iii" + ("q" if is_new else "i"), major, minor, 0, 0)
    return header + np.asarray(values, "<f4").tobytes()


def seeded(network, seed=1):
    """The network with random weights; variances are positive."""
    random = np.random.default_rng(seed)
    values = random.uniform(.1, 1, weights_floats(network)) * random.choice([-1, 1], weights_floats(network))
    darknet_cfg.read_weights(network, weights_file(values))
    for layer in network.layers:
        if "variance" in layer.weights:
            layer.weights["variance"] = np.abs(layer.weights["variance"])
    return network


class ParserTest(unittest.TestCase):
    """darknet_cfg.Network"""

    def test_spaces_comments_and_second_keys_mean_nothing(self):
        network = Network("# a comment\n[ net ]\r\n; another\nheight = 4\n\twidth=5\nchannels=2\n"
                          "[convolutional]\nfilters= 7\nfilters=9\nsize=\nactivation=relu\n")
        self.assertEqual(network.input.shape, (2, 4, 5))
        self.assertEqual(network.layers[0].shape, (7, 4, 5))
        self.assertEqual(network.layers[0].line, 7)

    def test_shapes_follow_darknet(self):
        network = cfg("[convolutional]\nfilters=8\nsize=3\nstride=2\npad=1\n[maxpool]\nsize=2\nstride=1\n"
                      "[maxpool]\nsize=3\nstride=2\n[upsample]\n[connected]\noutput=5\n[dropout]\n[softmax]\n")
        shapes = [layer.shape for layer in network.layers]
        self.assertEqual(shapes, [(8, 4, 4), (8, 4, 4), (8, 2, 2), (8, 4, 4), (5, 1, 1), (5, 1, 1), None])
        self.assertEqual(network.layers[5].name, 4)
        self.assertEqual(network.layers[6].reads, [4])
        self.assertEqual(network.outputs(), [6])

    def test_outputs_are_yolos_and_the_last_layer_that_is_no_cost(self):
        yolo = "[convolutional]\nfilters=6\nsize=1\nactivation=linear\n[yolo]\nclasses=1\n"
        self.assertEqual(cfg(yolo + "[route]\nlayers=-2\n[dropout]\n[cost]\n").outputs(), [1, 2])
        self.assertEqual(cfg(yolo).outputs(), [1])

    def test_refusals_name_line_and_section(self):
        for body, words in (
                ("[rnn]\n", "line 5, [rnn]: a layer type that is not expressed"),
                ("[reorg]\n", "line 5, [reorg]"),
                ("[convolutional]\nstride=0\n", "line 5, [convolutional]: stride=0"),
                ("[convolutional]\nfilters=x\n", "filters=x is not a number"),
                ("[convolutional]\nfilters=4\ngroups=2\n", "groups=2 does not divide 3 channels"),
                ("[convolutional]\nactivation=swish\n", "activation=swish"),
                ("[softmax]\n[maxpool]\n", "line 6, [maxpool]: follows a layer whose output has no shape"),
                ("[maxpool]\n[shortcut]\nfrom=-3\n", "names layer -2"),
                ("[yolo]\n", "boxes of 25 numbers"),
                ("[dropout]\n", "cannot be the first layer"),
                ("[maxpool\n", "no ']'"),
                ("", "without layers"),
        ):
            with self.subTest(body), self.assertRaises(CfgError) as raised:
                cfg(body)
            self.assertIn(words, str(raised.exception))


class WeightsTest(unittest.TestCase):
    """darknet_cfg.read_weights"""

    def test_parts_stand_in_darknets_order(self):
        network = cfg("[convolutional]\nfilters=2\nsize=1\nbatch_normalize=1\n"
                      "[connected]\noutput=2\nbatch_normalize=1\n", height=1, width=1)
        # conv: 2 biases, 3 x 2 for normalisation, 2 x 3 weights; connected: 2 biases, 2 x 2 weights, then 3 x 2.
        darknet_cfg.read_weights(network, weights_file(range(14 + 12)))
        convolution, connected = (layer.weights for layer in network.layers)
        np.testing.assert_array_equal(convolution["biases"], [0, 1])
        np.testing.assert_array_equal(convolution["variance"], [6, 7])
        np.testing.assert_array_equal(convolution["weights"].reshape(2, 3), [[8, 9, 10], [11, 12, 13]])
        np.testing.assert_array_equal(connected["weights"], [[16, 17], [18, 19]])
        np.testing.assert_array_equal(connected["scales"], [20, 21])

    def test_turned_weights_are_turned_back(self):
        connected = cfg("[connected]\noutput=2\n", height=1, width=1)
        darknet_cfg.read_weights(connected, weights_file(range(8), major=1001))
        np.testing.assert_array_equal(connected.layers[0].weights["weights"], [[2, 4, 6], [3, 5, 7]])
        # 1000 itself: the short header, not transposed.
        darknet_cfg.read_weights(connected, weights_file(range(8), major=1000))
        np.testing.assert_array_equal(connected.layers[0].weights["weights"], [[2, 3, 4], [5, 6, 7]])
        flipped = cfg("[convolutional]\nfilters=2\nflipped=1\n", height=1, width=1)
        darknet_cfg.read_weights(flipped, weights_file(range(8)))
        np.testing.assert_array_equal(flipped.layers[0].weights["weights"].reshape(2, 3), [[2, 4, 6], [3, 5, 7]])

    def test_wrong_sizes_are_refused(self):
        network = cfg("[convolutional]\nfilters=2\n")
        for data, words in ((b"x" * 15, "not a .weights file"), (weights_file(range(7)), "end within layer 0"),
                            (weights_file(range(9)), "take 52")):
            with self.subTest(words), self.assertRaises(CfgError) as raised:
                darknet_cfg.read_weights(network, data)
            self.assertIn(words, str(raised.exception))

    def test_normalisation_has_darknets_epsilon(self):
        network = cfg("[batchnorm]\n", channels=1, height=1, width=1)
        darknet_cfg.read_weights(network, weights_file([2, 3, 1e-10]))
        factor, shift = darknet_cfg.fold(network.layers[0], 1)
        self.assertAlmostEqual(factor[0] * (1e-5 + 1e-6) / 2, 1, places=4)
        self.assertAlmostEqual(shift[0] / factor[0], -3)


CONV = "[convolutional]\nfilters={}\nsize={}\nactivation={}\n"


class GraphTest(unittest.TestCase):
    """onnx_graph.Graph against darknet_forward.forward"""

    def check(self, body, channels=3, height=8, width=8, weights=seeded):
        """Every part of the network from its start, and the whole, plain and tuned; returns the whole's operators."""
        network = weights(cfg(body, channels, height, width))
        value = np.random.default_rng(2).uniform(-1, 1, (channels, height, width)).astype(np.float32)
        made = darknet_forward.forward(network, value)
        operators = []
        for tune in (True, False):
            for end in range(1, len(network.layers) + 1):
                if network.layers[end - 1].type == "cost" and end < len(network.layers):
                    continue
                graph = onnx_graph.Graph(network, end, tune)
                names = network.outputs() if end == len(network.layers) else [network.layers[end - 1].name]
                operators = [node.op for node in graph.nodes]
                for name, output in zip(names, graph_eval.evaluate(graph, value)):
                    np.testing.assert_allclose(output, made[name], rtol=1e-4, atol=1e-4 * np.abs(made[name]).max(),
                                               err_msg=f"{body} tensor {name}, end {end}, tune {tune}")
        return operators

    def test_convolutions(self):
        for activation in ("linear", "logistic", "loggy", "relu", "elu", "selu", "relie", "hardtan", "ramp", "leaky",
                           "tanh"):
            self.check(CONV.format(4, 3, activation) + "pad=1\nbatch_normalize=1\n")
        self.check(CONV.format(4, 5, "leaky") + "stride=3\npadding=1\n", height=9, width=7)
        self.check(CONV.format(6, 3, "relu") + "groups=2\npad=1\n", channels=4)
        self.check(CONV.format(4, 3, "relu") + "groups=4\nstride=2\npad=1\nbatch_normalize=1\n", channels=4)
        self.check(CONV.format(4, 3, "relu") + "batch_normalize=1\ndontloadscales=1\n")

    def test_points_with_a_stride_read_the_first_values_as_they_lie(self):
        self.check(CONV.format(4, 1, "linear") + "stride=2\n")
        self.check(CONV.format(4, 1, "linear") + "stride=2\ngroups=2\n", channels=4, height=5, width=7)

    def test_relu6_is_one_clip(self):
        def uniform(network):
            seeded(network)
            scale = network.layers[1].weights
            scale["weights"] = np.full_like(scale["weights"], -3)
            scale["biases"] = np.full_like(scale["biases"], 2)
            return network

        scale = CONV.format(4, 1, "linear") + "groups=4\n"
        body = CONV.format(4, 3, "hardtan") + scale
        self.assertEqual(self.check(body, weights=uniform), ["Conv", "Clip"])
        # With other values for each channel there is no such clip.
        self.assertEqual(self.check(body), ["Conv", "Clip", "Conv"])
        # Behind a linear convolution it is folded whatever its values are.
        self.assertEqual(self.check(CONV.format(4, 3, "linear") + scale), ["Conv"])
        # Somebody else reads the tensor between them.
        self.assertEqual(self.check(CONV.format(4, 3, "linear") + scale + "[shortcut]\nfrom=-2\n"),
                         ["Conv", "Conv", "Add"])

    def test_pooling_pads_less_above_and_on_the_left(self):
        for size, stride, padding in ((2, 2, None), (2, 1, None), (3, 2, 0), (3, 2, 1), (3, 3, 4), (5, 2, 3)):
            options = f"size={size}\nstride={stride}\n" + ("" if padding is None else f"padding={padding}\n")
            self.check("[maxpool]\n" + options, height=9, width=8)

    def test_vectors(self):
        self.check("[connected]\noutput=6\nactivation=leaky\nbatch_normalize=1\n[dropout]\n"
                   "[connected]\noutput=4\nactivation=linear\n[softmax]\ngroups=2\ntemperature=3\n[cost]\n")
        self.check("[avgpool]\n" + CONV.format(5, 1, "linear") + "[softmax]\n")
        self.check("[batchnorm]\n[activation]\nactivation=tanh\n[logistic]\n")
        # A vector gets its shape back.
        self.check("[connected]\noutput=6\n" + CONV.format(5, 1, "linear"))

    def test_routes(self):
        start = CONV.format(4, 3, "relu") + "pad=1\n[maxpool]\nsize=2\nstride=2\n"
        self.check(start + "[route]\nlayers=-2\n[maxpool]\nsize=3\nstride=1\n")
        self.check(start + "[upsample]\n[dropout]\n[route]\nlayers=-1,0\n" + CONV.format(3, 1, "linear"))
        # Other sizes: a vector, as long as both.
        self.check(start + "[route]\nlayers=-1,-2\n[softmax]\n")

    def test_upsampling(self):
        self.check("[upsample]\nstride=3\nscale=.5\n", height=2, width=3)
        self.check("[upsample]\nstride=-2\n", height=4, width=6)

    def test_shortcuts_of_unequal_shapes(self):
        wide = CONV.format(6, 3, "relu") + "pad=1\n"
        narrow = CONV.format(4, 3, "linear") + "pad=1\n"
        small = CONV.format(6, 3, "linear") + "pad=1\nstride=2\n"
        for sections, comment in (
                (wide + wide, "equal"),
                (narrow + wide, "fewer channels in the source"),
                (wide + narrow, "more channels in the source"),
                (narrow + small, "a larger and thinner source"),
                (small + "[upsample]\n", "a smaller source"),
                (narrow + small + "[upsample]\n" + narrow + "[shortcut]\nfrom=1\n", "a smaller source, other channels"),
        ):
            for options in ("activation=leaky\n", "activation=relu\nalpha=.5\nbeta=2\n"):
                with self.subTest(comment):
                    self.check(sections + "[shortcut]\nfrom=-2\n" + options)
        # 9 over 4: the last row and column stay out.
        self.check(narrow + CONV.format(6, 3, "linear") + "stride=2\n[shortcut]\nfrom=-2\n", height=9, width=9)

    def test_yolo_leaves_sizes_alone(self):
        self.check(CONV.format(16, 1, "linear") + "[yolo]\nmask=0,1\nnum=6\nclasses=3\n" +
                   "[route]\nlayers=-2\n" + CONV.format(8, 3, "linear") + "[yolo]\nclasses=3\n")

    def test_tuning_stays_in_blocked_layouts(self):
        network = seeded(cfg(CONV.format(4, 3, "relu") + "pad=1\n" + CONV.format(4, 3, "linear") +
                             "pad=1\nstride=2\n[shortcut]\nfrom=-2\nactivation=leaky\n"))
        plain, tuned = ([node.op for node in onnx_graph.Graph(network, tune=tune).nodes] for tune in (False, True))
        self.assertEqual(plain, ["Conv", "Relu", "Conv", "Slice", "Add", "LeakyRelu"])
        self.assertEqual(tuned, ["Conv", "Relu", "Conv", "MaxPool", "Add", "Conv", "LeakyRelu"])

    def test_what_is_not_expressed_is_named(self):
        for body, words in (
                (CONV.format(4, 3, "stair"), "layer 0 ([convolutional], line 5): the activation 'stair'"),
                ("[cost]\n[connected]\noutput=3\n", "layer 0 ([cost], line 5): a layer reads its output"),
        ):
            with self.subTest(body), self.assertRaises(CfgError) as raised:
                onnx_graph.Graph(seeded(cfg(body)))
            self.assertIn(words, str(raised.exception))
        with self.assertRaises(CfgError):
            onnx_graph.Graph(seeded(cfg("[avgpool]\n")), end=2)


class ProgramTest(unittest.TestCase):
    """cfg_to_onnx.py as a program"""

    def run_program(self, *arguments):
        return subprocess.run([sys.executable, FOLDER / "cfg_to_onnx.py", *arguments], text=True, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_refusals_have_a_status_and_a_sentence(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "a.cfg"
            path.write_text("[net]\nwidth=1\nheight=1\nchannels=1\n[gru]\n", encoding="ascii")
            run = self.run_program("--cfg", path, "--weights", path, "--out", path.with_suffix(".onnx"))
            self.assertEqual(run.returncode, 1)
            self.assertIn("a.cfg: line 5, [gru]", run.stderr)
            run = self.run_program("--cfg", path.with_name("none"), "--weights", path, "--out", path)
            self.assertEqual(run.returncode, 1)
            self.assertIn("No such file", run.stderr)
            self.assertEqual(sorted(item.name for item in path.parent.iterdir()), ["a.cfg"])
        self.assertEqual(self.run_program("--cfg").returncode, 2)
        self.assertEqual(self.run_program("--help").returncode, 0)


if __name__ == "__main__":
    sys.exit(py_test.run("cfg_to_onnx"))
