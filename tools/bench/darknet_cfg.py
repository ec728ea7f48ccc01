"""Reads a Darknet cfg and its .weights file: layers with their shapes, what they read, and their weights.

A second implementation beside darknet_backend/, on purpose: it shares no code with what it is compared with.
It follows Darknet's rules (defaults, shapes, the order of weights in the file) for the layer types of TYPES and
refuses the others by name.
"""

import math

import numpy as np

ALIASES = {
    "conv": "convolutional", "conn": "connected", "max": "maxpool", "avg": "avgpool", "soft": "softmax",
}
# What a layer's builder below is called for.
TYPES = ("convolutional", "connected", "batchnorm", "maxpool", "avgpool", "softmax", "route", "shortcut", "dropout",
         "cost", "upsample", "activation", "logistic", "yolo")
ACTIVATIONS = ("logistic", "loggy", "relu", "elu", "selu", "relie", "plse", "hardtan", "lhtan", "linear", "ramp",
               "leaky", "tanh", "stair")
# The name of the network's input among the tensors, which are named by the layer that makes them.
INPUT = -1


class CfgError(Exception):
    """A cfg or a .weights file that cannot be used, as a sentence for a person."""


class Section:
    """One section of a cfg: its type, the line it stands on, and typed access to its options."""

    def __init__(self, name, line):
        self.type = ALIASES.get(name, name)
        self.line = line
        self.options = {}

    def refuse(self, reason):
        raise CfgError(f"line {self.line}, [{self.type}]: {reason}")

    def text(self, key, default=None):
        return self.options.get(key, default)

    def _number(self, key, default, convert):
        value = self.options.get(key)
        if value is None:
            return default
        try:
            return convert(value)
        except ValueError:
            return self.refuse(f"{key}={value} is not a number")

    def int(self, key, default, least=None):
        value = self._number(key, default, int)
        if least is not None and value < least:
            self.refuse(f"{key}={value} must be at least {least}")
        return value

    def float(self, key, default):
        value = self._number(key, default, float)
        if not math.isfinite(value):
            self.refuse(f"{key}={value} is not a finite number")
        return value

    def ints(self, key):
        value = self.options.get(key)
        try:
            return [int(item) for item in value.split(",")] if value else []
        except ValueError:
            return self.refuse(f"{key}={value} is not a list of whole numbers")

    def activation(self, default):
        name = self.text("activation", default)
        if name not in ACTIVATIONS:
            self.refuse(f"activation={name} is none that Darknet has")
        return name


def read_sections(text):
    """The sections in order. Spaces and tabs mean nothing, '#' and ';' begin comment lines, the first of two equal
    keys counts."""
    sections = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        line = line.replace(" ", "").replace("\t", "")
        if not line or line[0] in "#;":
            continue
        if line[0] == "[":
            if not line.endswith("]"):
                raise CfgError(f"line {number}: no ']' behind {line}")
            sections.append(Section(line[1:-1], number))
            continue
        if not sections:
            raise CfgError(f"line {number}: an option before the first section")
        key, _, value = line.partition("=")
        if value:
            sections[-1].options.setdefault(key, value)
    return sections


class Layer:
    """One layer. `shape` is (channels, height, width), or None for a flat vector of `floats` values; `reads` names
    the tensors that come in; `name` is that of the tensor it makes (a dropout's is its predecessor's); `weights` has
    the arrays that read_weights found. What only some types have is set by their builders."""

    # pylint: disable=too-many-instance-attributes

    def __init__(self, index, section, before):
        self.index = index
        self.type = section.type
        self.line = section.line
        self.name = index
        self.shape = None
        self.floats = 0
        self.reads = [before.name]
        self.weights = {}

    def __str__(self):
        return f"layer {self.index} ([{self.type}], line {self.line})"

    def gives(self, *shape):
        self.shape = shape
        self.floats = math.prod(shape)

    def gives_flat(self, floats):
        self.shape = None
        self.floats = floats


class Network:
    """The layers of a cfg."""

    def __init__(self, text):
        sections = read_sections(text)
        if not sections or sections[0].type not in ("net", "network"):
            raise CfgError("a cfg begins with [net]")
        net = sections[0]
        self.input = Layer(INPUT, net, Layer(INPUT, net, _Nothing))
        self.input.gives(net.int("channels", 0, 1), net.int("height", 0, 1), net.int("width", 0, 1))
        self.layers = []
        for section in sections[1:]:
            if section.type not in TYPES:
                section.refuse("a layer type that is not expressed in ONNX here")
            before = self.layers[-1] if self.layers else self.input
            layer = Layer(len(self.layers), section, before)
            getattr(self, "_" + section.type)(section, layer, before)
            self.layers.append(layer)
        if not self.layers:
            raise CfgError("a cfg without layers")

    def tensor(self, name):
        """The layer that makes tensor `name`, or the input."""
        return self.input if name == INPUT else self.layers[name]

    def readers(self, name):
        """Indexes of the layers that read tensor `name`."""
        return [layer.index for layer in self.layers if name in layer.reads]

    def outputs(self):
        """Names of the network's outputs, in layer order: each yolo layer's and the last one's that is no cost."""
        last = [layer.name for layer in self.layers if layer.type != "cost"][-1:]
        return sorted({layer.name for layer in self.layers if layer.type == "yolo"} | set(last))

    # The builders: options, shapes, tensors that are read.

    @staticmethod
    def _image(section, before):
        """The shape that comes in; some layers want one."""
        if before.shape is None:
            section.refuse("follows a layer whose output has no shape")
        return before.shape

    def _convolutional(self, section, layer, before):
        channels, height, width = self._image(section, before)
        layer.filters = section.int("filters", 1, 1)
        layer.size = section.int("size", 1, 1)
        layer.stride = section.int("stride", 1, 1)
        layer.pad = layer.size // 2 if section.int("pad", 0) else section.int("padding", 0, 0)
        layer.groups = section.int("groups", 1, 1)
        layer.activation = section.activation("logistic")
        layer.batch_normalize = section.int("batch_normalize", 0) != 0
        layer.dontloadscales = section.int("dontloadscales", 0) != 0
        layer.flipped = section.int("flipped", 0) != 0
        layer.channels = channels
        if section.int("xnor", 0) or (layer.flipped and layer.groups > 1):
            section.refuse("binary weights, and flipped ones in groups, are not supported")
        if channels % layer.groups or layer.filters % layer.groups:
            section.refuse(f"groups={layer.groups} does not divide {channels} channels and {layer.filters} filters")
        if layer.size == 1 and layer.pad:
            section.refuse("a 1x1 convolution with padding reads past its input in Darknet")
        sides = [(side + 2 * layer.pad - layer.size) // layer.stride + 1 for side in (height, width)]
        if min(height, width) + 2 * layer.pad < layer.size:
            section.refuse(f"size={layer.size} is larger than the padded input")
        layer.gives(layer.filters, *sides)

    def _connected(self, section, layer, before):
        layer.inputs = before.floats
        layer.filters = section.int("output", 1, 1)
        layer.activation = section.activation("logistic")
        layer.batch_normalize = section.int("batch_normalize", 0) != 0
        layer.dontloadscales = section.int("dontloadscales", 0) != 0
        layer.gives(layer.filters, 1, 1)

    def _batchnorm(self, section, layer, before):
        layer.gives(*self._image(section, before))

    def _maxpool(self, section, layer, before):
        channels, height, width = self._image(section, before)
        layer.stride = section.int("stride", 1, 1)
        layer.size = section.int("size", layer.stride, 1)
        # Of both sides together; the smaller half is above and on the left.
        layer.pad = section.int("padding", layer.size - 1, 0)
        if layer.pad > 2 * (layer.size - 1) or min(height, width) + layer.pad < layer.size:
            section.refuse(f"padding={layer.pad} does not fit size={layer.size} and the input's {height} x {width}")
        layer.gives(channels, *((side + layer.pad - layer.size) // layer.stride + 1 for side in (height, width)))

    def _avgpool(self, section, layer, before):
        layer.gives(self._image(section, before)[0], 1, 1)

    @staticmethod
    def _softmax(section, layer, before):
        layer.groups = section.int("groups", 1, 1)
        layer.temperature = section.float("temperature", 1.0)
        if section.text("tree"):
            section.refuse("hierarchical softmax is not supported")
        if before.floats % layer.groups or layer.temperature <= 0:
            section.refuse(f"groups={layer.groups}, temperature={layer.temperature}: not usable")
        layer.gives_flat(before.floats)

    def _find(self, section, layer, number):
        """The earlier layer that a `from` or `layers` means."""
        index = layer.index + number if number < 0 else number
        if not 0 <= index < layer.index:
            section.refuse(f"{number} names layer {index}, but this is layer {layer.index}")
        return self.layers[index]

    def _route(self, section, layer, _before):
        sources = [self._find(section, layer, number) for number in section.ints("layers")]
        if not sources:
            section.refuse("a route must name layers")
        layer.reads = [source.name for source in sources]
        shapes = [source.shape for source in sources]
        if None not in shapes and len({shape[1:] for shape in shapes}) == 1:
            layer.gives(sum(shape[0] for shape in shapes), *shapes[0][1:])
        else:
            layer.gives_flat(sum(source.floats for source in sources))

    def _shortcut(self, section, layer, before):
        source = self._find(section, layer, section.int("from", 0))
        (_, from_h, from_w), (_, height, width) = self._image(section, source), self._image(section, before)
        if from_w // width != from_h // height or width // from_w != height // from_h:
            section.refuse(f"{from_w} x {from_h} cannot be added to {width} x {height}")
        layer.reads = [before.name, source.name]
        layer.activation = section.activation("linear")
        layer.alpha = section.float("alpha", 1.0)
        layer.beta = section.float("beta", 1.0)
        layer.gives(*before.shape)

    @staticmethod
    def _dropout(section, layer, before):
        if layer.index == 0:
            section.refuse("a dropout cannot be the first layer")
        layer.name = before.name
        layer.shape, layer.floats = before.shape, before.floats

    @staticmethod
    def _cost(_section, layer, before):
        layer.reads = []
        layer.gives_flat(before.floats)

    def _upsample(self, section, layer, before):
        channels, height, width = self._image(section, before)
        layer.stride = section.int("stride", 2)
        layer.scale = section.float("scale", 1.0)
        step = abs(layer.stride)
        if layer.stride == 0 or (layer.stride < 0 and (height % step or width % step)):
            section.refuse(f"stride={layer.stride} does not fit the input's {height} x {width}")
        if layer.stride > 0:
            layer.gives(channels, height * step, width * step)
        else:
            layer.gives(channels, height // step, width // step)

    @staticmethod
    def _activation(section, layer, before):
        layer.activation = section.activation("linear")
        layer.shape, layer.floats = before.shape, before.floats

    @staticmethod
    def _logistic(_section, layer, before):
        layer.activation = "logistic"
        layer.shape, layer.floats = before.shape, before.floats

    def _yolo(self, section, layer, before):
        channels, height, width = self._image(section, before)
        layer.boxes = len(section.ints("mask")) or section.int("num", 1, 1)
        layer.box_floats = section.int("classes", 20, 0) + 5
        if layer.boxes * layer.box_floats != channels:
            section.refuse(f"{layer.boxes} boxes of {layer.box_floats} numbers do not make {channels} channels")
        layer.gives(channels, height, width)


class _Nothing:
    """What comes before the input."""

    name = INPUT


def _weight_parts(layer):
    """Names and shapes of a layer's arrays, in the file's order."""
    if layer.type == "batchnorm":
        norm = [(part, layer.shape[:1]) for part in ("scales", "mean", "variance")]
        return norm
    if layer.type not in ("convolutional", "connected"):
        return []
    rows = (layer.filters,)
    has_norm = layer.batch_normalize and not layer.dontloadscales
    norm = [(part, rows) for part in ("scales", "mean", "variance")] if has_norm else []
    if layer.type == "connected":
        return [("biases", rows), ("weights", rows + (layer.inputs,)), *norm]
    return [("biases", rows), *norm, ("weights", rows + (layer.channels // layer.groups, layer.size, layer.size))]


def _header(data):
    """The header's size and whether connected layers are transposed."""
    if len(data) < 16:
        raise CfgError(f"not a .weights file: {len(data)} bytes")
    major, minor = (int(value) for value in np.frombuffer(data, "<i4", 2))
    is_new = major * 10 + minor >= 2 and major < 1000 and minor < 1000
    return (20 if is_new else 16), major > 1000 or minor > 1000


def read_weights(network, data):
    """Cuts the bytes of a .weights file into the layers' `weights`, normalised to outputs x inputs."""
    at, is_transposed = _header(data)
    for layer in network.layers:
        for part, shape in _weight_parts(layer):
            count = math.prod(shape)
            if len(data) - at < 4 * count:
                raise CfgError(f"the weights end within {layer}: {len(data)} bytes")
            values = np.frombuffer(data, "<f4", count, at)
            turned = part == "weights" and (layer.flipped if layer.type == "convolutional" else is_transposed)
            if turned:
                values = np.ascontiguousarray(values.reshape(-1, shape[0]).T)
            layer.weights[part] = values.reshape(shape)
            at += 4 * count
    if at != len(data):
        raise CfgError(f"the weights have {len(data)} bytes, but the cfg's layers take {at}")


def fold(layer, channels):
    """The layer's normalisation and biases as y = x * factor + shift, in double precision. Darknet divides by
    sqrt(variance) + 0.000001 (as a float), not by sqrt(variance + epsilon)."""
    parts = layer.weights
    shift = parts["biases"].astype(np.float64) if "biases" in parts else np.zeros(channels)
    if layer.type != "batchnorm" and not layer.batch_normalize:
        return np.ones(channels), shift
    scales = parts.get("scales", np.ones(channels)).astype(np.float64)
    mean = parts.get("mean", np.zeros(channels)).astype(np.float64)
    variance = parts.get("variance", np.zeros(channels)).astype(np.float64)
    factor = scales / (np.sqrt(variance) + np.float64(np.float32(.000001)))
    return factor, shift - mean * factor
