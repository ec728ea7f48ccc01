"""What Darknet's forward functions compute, pixel by pixel in double precision: what the tests compare with. Written
after darknet/src, like it on flat arrays, and not after onnx_graph.py."""

import math

import numpy as np

from darknet_cfg import INPUT


def _activate(values, name):
    functions = {
        "linear": lambda x: x, "logistic": lambda x: 1 / (1 + math.exp(-x)), "relu": lambda x: x * (x > 0),
        "loggy": lambda x: 2 / (1 + math.exp(-x)) - 1, "leaky": lambda x: x if x > 0 else .1 * x,
        "relie": lambda x: x if x > 0 else .01 * x, "ramp": lambda x: x * (x > 0) + .1 * x,
        "tanh": math.tanh, "hardtan": lambda x: min(max(x, -1), 1),
        "elu": lambda x: x if x >= 0 else math.exp(x) - 1,
        "selu": lambda x: 1.0507 * x if x >= 0 else 1.0507 * 1.6732 * (math.exp(x) - 1),
    }
    return np.array([functions[name](x) for x in values])


def _normalize(layer, values, channels):
    """Batch normalisation and biases over channels x anything."""
    values = values.reshape(channels, -1).copy()
    parts = layer.weights
    if layer.type == "batchnorm" or layer.batch_normalize:
        if "mean" in parts:
            values -= parts["mean"][:, None]
            values /= np.sqrt(parts["variance"].astype(np.float64))[:, None] + float(np.float32(.000001))
            values *= parts["scales"][:, None]
        else:
            values /= float(np.float32(.000001))
    if "biases" in parts:
        values += parts["biases"][:, None]
    return values.reshape(-1)


def _im2col(image, layer, out_h, out_w):
    """Darknet's b matrix of one group: rows of channel, kernel row and column."""
    channels, height, width = image.shape
    rows = np.zeros((channels * layer.size * layer.size, out_h * out_w))
    for row in range(rows.shape[0]):
        column, line, channel = row % layer.size, row // layer.size % layer.size, row // layer.size // layer.size
        for place in range(out_h * out_w):
            y = place // out_w * layer.stride + line - layer.pad
            x = place % out_w * layer.stride + column - layer.pad
            if 0 <= y < height and 0 <= x < width:
                rows[row, place] = image[channel, y, x]
    return rows


def _convolutional(network, layer, values, _):
    _, height, width = network.tensor(layer.reads[0]).shape
    filters, out_h, out_w = layer.shape
    each = layer.channels // layer.groups
    out = []
    for group in range(layer.groups):
        a = layer.weights["weights"].astype(np.float64).reshape(layer.groups, filters // layer.groups, -1)[group]
        image = values[group * each * height * width:(group + 1) * each * height * width]
        if layer.size == 1:
            b = image[:each * out_h * out_w].reshape(each, out_h * out_w)
        else:
            b = _im2col(image.reshape(each, height, width), layer, out_h, out_w)
        out.append(a @ b)
    return _activate(_normalize(layer, np.concatenate(out), filters), layer.activation)


def _connected(_network, layer, values, _):
    out = layer.weights["weights"].astype(np.float64) @ values
    return _activate(_normalize(layer, out, layer.filters), layer.activation)


def _batchnorm(_network, layer, values, _):
    return _normalize(layer, values, layer.shape[0])


def _maxpool(network, layer, values, _):
    channels, height, width = network.tensor(layer.reads[0]).shape
    image = values.reshape(channels, height, width)
    _, out_h, out_w = layer.shape
    out = np.full(layer.shape, -np.inf)
    # C's division rounds towards zero.
    offset = -(layer.pad // 2)
    for i, j, n, m in np.ndindex(out_h, out_w, layer.size, layer.size):
        y, x = offset + i * layer.stride + n, offset + j * layer.stride + m
        if 0 <= y < height and 0 <= x < width:
            out[:, i, j] = np.maximum(out[:, i, j], image[:, y, x])
    return out.reshape(-1)


def _avgpool(_network, layer, values, _):
    return values.reshape(layer.shape[0], -1).mean(axis=1)


def _softmax(_network, layer, values, _):
    out = []
    for group in values.reshape(layer.groups, -1):
        powers = [math.exp((x - max(group)) / layer.temperature) for x in group]
        out += [power / sum(powers) for power in powers]
    return np.array(out)


def _route(_network, _layer, *values):
    return np.concatenate([value for value in values if value is not None])


def _shortcut(network, layer, values, added):
    c1, h1, w1 = network.tensor(layer.reads[1]).shape
    c2, h2, w2 = layer.shape
    stride, sample = max(w1 // w2, 1), max(w2 // w1, 1)
    out = values.copy()
    for k, j, i in np.ndindex(min(c1, c2), min(h1, h2), min(w1, w2)):
        at = i * sample + w2 * (j * sample + h2 * k)
        out[at] = layer.alpha * out[at] + layer.beta * added[i * stride + w1 * (j * stride + h1 * k)]
    return _activate(out, layer.activation)


def _upsample(network, layer, values, _):
    channels, height, width = network.tensor(layer.reads[0]).shape
    step = abs(layer.stride)
    out = np.zeros(layer.shape)
    image = values.reshape(channels, height, width)
    if layer.stride > 0:
        for k, j, i in np.ndindex(layer.shape):
            out[k, j, i] = layer.scale * image[k, j // step, i // step]
    else:
        for k, j, i in np.ndindex(channels, height, width):
            out[k, j // step, i // step] += layer.scale * image[k, j, i]
    return out.reshape(-1)


def _activation(_network, layer, values, _):
    return _activate(values, layer.activation)


def _yolo(_network, layer, values, _):
    out = values.reshape(layer.boxes, layer.box_floats, -1).copy()
    for box in out:
        for entry in [0, 1] + list(range(4, layer.box_floats)):
            box[entry] = _activate(box[entry], "logistic")
    return out.reshape(-1)


FORWARD = {
    "convolutional": _convolutional, "connected": _connected, "batchnorm": _batchnorm, "maxpool": _maxpool,
    "avgpool": _avgpool, "softmax": _softmax, "route": _route, "shortcut": _shortcut, "upsample": _upsample,
    "activation": _activation, "logistic": _activation, "yolo": _yolo,
}


def forward(network, value):
    """Every layer's output by name, as flat arrays, for the input `value`."""
    tensors = {INPUT: value.astype(np.float64).reshape(-1)}
    for layer in network.layers:
        if layer.type in ("dropout", "cost"):
            continue
        read = [tensors[name] for name in layer.reads]
        if layer.type != "route":
            read = (read + [None])[:2]
        tensors[layer.index] = FORWARD[layer.type](network, layer, *read)
    return tensors
