"""Says in ONNX's operators (opset 13 to 17) what a Darknet network computes.

The graph is made to be what an ONNX runtime's optimiser likes: batch normalisation folded into the convolution's
weights, activations as nodes of their own that runtimes fuse, relu6 as Clip(0, 6) and not as the three layers that
a cfg needs for it. Where Darknet computes otherwise than such an operator would, Darknet counts.

Nothing here needs the onnx package: a Graph is nodes and arrays; cfg_to_onnx.py writes it to a file.
"""

import collections

import numpy as np

from darknet_cfg import INPUT, CfgError, fold

Node = collections.namedtuple("Node", "op inputs output attributes")
# A tensor in the graph: its name there, and its dimensions.
Value = collections.namedtuple("Value", "name dims")

# Activations that are one operator each.
OPERATORS = {
    "relu": ("Relu", {}), "leaky": ("LeakyRelu", {"alpha": .1}), "relie": ("LeakyRelu", {"alpha": .01}),
    "logistic": ("Sigmoid", {}), "tanh": ("Tanh", {}), "elu": ("Elu", {"alpha": 1.}),
    "selu": ("Selu", {"alpha": 1.6732, "gamma": 1.0507}),
}


class Graph:
    """Nodes in order, constants by name, and the values that stand for the network's tensors."""

    def __init__(self, network, end=None, tune=False):
        """Expresses the first `end` layers (all of them if None). `tune`: where two ways compute the same, takes the
        one that ONNX Runtime's blocked layout (NCHWc) has a kernel for, so that it need not leave that layout."""
        self.network = network
        self.tune = tune
        self.end = len(network.layers) if end is None else end
        if not 0 < self.end <= len(network.layers):
            raise CfgError(f"there are {len(network.layers)} layers, so the end cannot be {self.end}")
        self.nodes = []
        self.constants = {}
        self.input = Value("input", (1,) + network.input.shape)
        self.values = {INPUT: self.input}
        self._count = 0
        index = 0
        while index < self.end:
            index = self._add_layer(network.layers[index])
        self.outputs = [self.values[name] for name in self._output_names()]

    def _output_names(self):
        """What is asked for at the end: the network's outputs, or the last tensor of a part."""
        if self.end == len(self.network.layers):
            return self.network.outputs()
        return [self.network.layers[self.end - 1].name]

    # Nodes and constants.

    def _add(self, op, inputs, dims, **attributes):
        """A node with one output of these dimensions."""
        self._count += 1
        output = Value(f"t{self._count}_{op.lower()}", tuple(int(side) for side in dims))
        names = [item.name if isinstance(item, Value) else self._constant(item) for item in inputs]
        self.nodes.append(Node(op, names, output.name, attributes))
        return output

    def _constant(self, array):
        """The name of a constant."""
        self._count += 1
        array = np.asarray(array)
        if array.dtype.kind == "f":
            array = array.astype(np.float32)
        name = f"c{self._count}"
        self.constants[name] = array
        return name

    def _reshape(self, value, dims):
        if tuple(dims) == value.dims:
            return value
        return self._add("Reshape", [value, np.array(dims, np.int64)], dims)

    def _slice(self, value, axes):
        """axes: {axis: (start, stop, step)}"""
        dims = list(value.dims)
        for axis, (start, stop, step) in axes.items():
            dims[axis] = len(range(start, stop, step))
        columns = [np.array(column, np.int64) for column in zip(*axes.values())]
        starts, stops, steps = columns
        return self._add("Slice", [value, starts, stops, np.array(list(axes), np.int64), steps], dims)

    def _pad(self, value, after):
        """Zeros behind the values of each axis: {axis: count}"""
        if not any(after.values()):
            return value
        ends = [after.get(axis, 0) for axis in range(len(value.dims))]
        dims = [side + end for side, end in zip(value.dims, ends)]
        return self._add("Pad", [value, np.array([0] * len(ends) + ends, np.int64)], dims, mode="constant")

    def _concat(self, values, axis):
        dims = list(values[0].dims)
        dims[axis] = sum(value.dims[axis] for value in values)
        return self._add("Concat", values, dims, axis=axis) if len(values) > 1 else values[0]

    def _activate(self, value, layer, activation=None):
        name = activation or layer.activation
        if name == "linear":
            return value
        if name in OPERATORS:
            op, attributes = OPERATORS[name]
            return self._add(op, [value], value.dims, **attributes)
        if name == "hardtan":
            return self._clip(value, -1, 1)
        if name == "loggy":
            value = self._add("Sigmoid", [value], value.dims)
            value = self._add("Mul", [value, np.float32(2)], value.dims)
            return self._add("Sub", [value, np.float32(1)], value.dims)
        if name == "ramp":
            value = self._add("LeakyRelu", [value], value.dims, alpha=.1 / 1.1)
            return self._add("Mul", [value, np.float32(1.1)], value.dims)
        raise CfgError(f"{layer}: the activation '{name}' is not expressed in ONNX here")

    def _clip(self, value, low, high):
        return self._add("Clip", [value, np.float32(low), np.float32(high)], value.dims)

    # Layers. Each function returns the layer's value; _add_layer the next layer's index.

    def _add_layer(self, layer):
        if layer.type == "dropout":
            return layer.index + 1
        if layer.type == "cost":
            if self.network.readers(layer.index):
                raise CfgError(f"{layer}: a layer reads its output, which is always 0")
            return layer.index + 1
        if layer.type == "convolutional":
            scale = self._scale_behind(layer)
            if scale:
                self.values[scale.name] = self._scaled_convolution(layer, scale)
                return scale.index + 1
        inputs = [self.values[name] for name in layer.reads]
        self.values[layer.name] = getattr(self, "_" + layer.type)(layer, *inputs)
        return layer.index + 1

    def _scale_behind(self, layer):
        """The 1x1 depthwise convolution without activation behind this layer that nobody else reads past, if it can
        be folded: behind a linear convolution, or behind hardtan if it is the same for all channels (relu6)."""
        if layer.index + 1 >= self.end or self.network.readers(layer.name) != [layer.index + 1]:
            return None
        scale = self.network.layers[layer.index + 1]
        if scale.type != "convolutional" or layer.name in self.network.outputs():
            return None
        is_scale = (scale.size == 1 and scale.stride == 1 and scale.groups == scale.filters == scale.channels and
                    not scale.batch_normalize and scale.activation == "linear")
        parts = scale.weights
        is_uniform = is_scale and all(np.all(values == values.flat[0]) for values in parts.values())
        if is_scale and (layer.activation == "linear" or (layer.activation == "hardtan" and is_uniform)):
            return scale
        return None

    def _scaled_convolution(self, layer, scale):
        weights = scale.weights["weights"].astype(np.float64).reshape(-1)
        biases = scale.weights["biases"].astype(np.float64)
        value = self._bare_convolution(layer, self.values[layer.reads[0]], weights, biases)
        if layer.activation == "linear":
            return value
        reach = abs(weights[0])
        return self._clip(value, biases[0] - reach, biases[0] + reach)

    def _bare_convolution(self, layer, value, gain=1., offset=0.):
        """gain * (the convolution with its normalisation and biases) + offset, without activation."""
        value = self._as_image(value, self.network.tensor(layer.reads[0]))
        factor, shift = fold(layer, layer.filters)
        factor, shift = factor * gain, shift * gain + offset
        weights = layer.weights["weights"].astype(np.float64) * factor[:, None, None, None]
        stride = layer.stride
        if layer.size == 1 and stride > 1:
            value, stride = self._first_pixels(layer, value), 1
        return self._add("Conv", [value, weights, shift], (1,) + layer.shape, group=layer.groups,
                         kernel_shape=[layer.size] * 2, pads=[layer.pad] * 4, strides=[stride] * 2)

    def _first_pixels(self, layer, value):
        """Darknet reads a 1x1 convolution's input without regard to its stride: each group's first values as they
        lie, as if they were an image of the output's size."""
        _, channels, height, width = value.dims
        _, out_h, out_w = layer.shape
        each = channels // layer.groups
        flat = self._reshape(value, (layer.groups, each * height * width))
        flat = self._slice(flat, {1: (0, each * out_h * out_w, 1)})
        return self._reshape(flat, (1, channels, out_h, out_w))

    def _as_image(self, value, maker):
        return self._reshape(value, (1,) + maker.shape)

    def _convolutional(self, layer, value):
        return self._activate(self._bare_convolution(layer, value), layer)

    def _connected(self, layer, value):
        factor, shift = fold(layer, layer.filters)
        weights = layer.weights["weights"].astype(np.float64) * factor[:, None]
        value = self._reshape(value, (1, layer.inputs))
        value = self._add("Gemm", [value, weights, shift], (1, layer.filters), transB=1)
        return self._activate(value, layer)

    def _batchnorm(self, layer, value):
        factor, shift = (part[None, :, None, None] for part in fold(layer, layer.shape[0]))
        value = self._as_image(value, layer)
        value = self._add("Mul", [value, factor], value.dims)
        return self._add("Add", [value, shift], value.dims)

    def _maxpool(self, layer, value):
        value = self._as_image(value, self.network.tensor(layer.reads[0]))
        before = layer.pad // 2
        behind = layer.pad - before
        return self._add("MaxPool", [value], (1,) + layer.shape, kernel_shape=[layer.size] * 2,
                         strides=[layer.stride] * 2, pads=[before, before, behind, behind])

    def _avgpool(self, layer, value):
        value = self._as_image(value, self.network.tensor(layer.reads[0]))
        return self._add("GlobalAveragePool", [value], (1,) + layer.shape)

    def _softmax(self, layer, value):
        value = self._reshape(value, (layer.groups, layer.floats // layer.groups))
        if layer.temperature != 1:
            value = self._add("Div", [value, np.float32(layer.temperature)], value.dims)
        return self._reshape(self._add("Softmax", [value], value.dims, axis=1), (1, layer.floats))

    def _route(self, layer, *values):
        if layer.shape is None:
            return self._concat([self._reshape(value, (1, int(np.prod(value.dims)))) for value in values], 1)
        makers = [self.network.tensor(name) for name in layer.reads]
        return self._concat([self._as_image(value, maker) for value, maker in zip(values, makers)], 1)

    def _shortcut(self, layer, value, added):
        value = self._as_image(value, layer)
        added = self._as_image(added, self.network.tensor(layer.reads[1]))
        if layer.beta != 1:
            added = self._add("Mul", [added, np.float32(layer.beta)], added.dims)
        if layer.alpha != 1:
            value = self._add("Mul", [value, self._overlap(layer, added)], value.dims)
        value = self._add("Add", [value, self._fit(layer, added)], value.dims)
        if self.tune and layer.activation not in ("linear", "relu"):
            # Only a convolution takes such an activation along; this one changes nothing.
            channels = layer.shape[0]
            value = self._add("Conv", [value, np.ones((channels, 1, 1, 1)), np.zeros(channels)], value.dims,
                              group=channels, kernel_shape=[1, 1], pads=[0] * 4, strides=[1, 1])
        return self._activate(value, layer)

    @staticmethod
    def _grid(layer, dims):
        """How a shortcut's source lies over its output: every `stride`-th pixel of the source goes to every
        `sample`-th of the output, so many channels, rows and columns."""
        _, channels, height, width = dims
        out_c, out_h, out_w = layer.shape
        stride, sample = max(width // out_w, 1), max(out_w // width, 1)
        return stride, sample, min(channels, out_c), min(height, out_h), min(width, out_w)

    def _overlap(self, layer, added):
        """alpha where the source is added, 1 elsewhere."""
        _, sample, channels, rows, columns = self._grid(layer, added.dims)
        factor = np.ones((1,) + layer.shape, np.float32)
        factor[:, :channels, :rows * sample:sample, :columns * sample:sample] = layer.alpha
        return factor

    def _fit(self, layer, added):
        """The source in the shape of the shortcut's output, zeros where nothing is added."""
        stride, sample, channels, rows, columns = self._grid(layer, added.dims)
        if self.tune and stride > 1:
            # Every so many-th pixel is the largest of one.
            sides = ((side - 1) // stride + 1 for side in added.dims[2:])
            added = self._add("MaxPool", [added], (*added.dims[:2], *sides), kernel_shape=[1, 1],
                              strides=[stride] * 2, pads=[0] * 4)
            stride = 1
        cut = {axis: (0, stop, step) for axis, stop, step in
               ((1, channels, 1), (2, rows * stride, stride), (3, columns * stride, stride))
               if stop != added.dims[axis] or step != 1}
        if cut:
            added = self._slice(added, cut)
        if sample > 1:
            added = self._reshape(added, (1, channels, rows, 1, columns, 1))
            added = self._pad(added, {3: sample - 1, 5: sample - 1})
            added = self._reshape(added, (1, channels, rows * sample, columns * sample))
        out_c, out_h, out_w = layer.shape
        return self._pad(added, {1: out_c - channels, 2: out_h - added.dims[2], 3: out_w - added.dims[3]})

    def _upsample(self, layer, value):
        value = self._as_image(value, self.network.tensor(layer.reads[0]))
        dims = (1,) + layer.shape
        step = abs(layer.stride)
        scale = layer.scale
        if layer.stride > 0:
            factors = np.array([1, 1, step, step], np.float32)
            # The second input, a region, is left out.
            value = self._add("Resize", [value, np.zeros(0, np.float32), factors], dims, mode="nearest",
                              coordinate_transformation_mode="asymmetric", nearest_mode="floor")
        else:
            # Darknet adds up what the forward direction would spread.
            value = self._add("AveragePool", [value], dims, kernel_shape=[step] * 2, strides=[step] * 2)
            scale *= step * step
        return value if scale == 1 else self._add("Mul", [value, np.float32(scale)], dims)

    def _activation(self, layer, value):
        return self._activate(value, layer)

    _logistic = _activation

    def _yolo(self, layer, value):
        """A logistic on each box's x and y, and on its objectness and classes; width and height stay."""
        _, height, width = layer.shape
        boxes = self._reshape(value, (layer.boxes, layer.box_floats, height * width))
        places = self._add_logistic(self._slice(boxes, {1: (0, 2, 1)}))
        sizes = self._slice(boxes, {1: (2, 4, 1)})
        scores = self._add_logistic(self._slice(boxes, {1: (4, layer.box_floats, 1)}))
        return self._reshape(self._concat([places, sizes, scores], 1), (1,) + layer.shape)

    def _add_logistic(self, value):
        return self._add("Sigmoid", [value], value.dims)
