"""Computes an onnx_graph.Graph with numpy, slowly: the tests have no ONNX runtime. Follows the operators'
definitions (ONNX, opset 17) for what onnx_graph.py uses of them."""

import numpy as np


def _windows(value, kernel, strides, pads, fill):
    """1 x channels x out_h x out_w x kernel_h x kernel_w"""
    top, left, bottom, right = pads
    padded = np.pad(value, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=fill)
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel, axis=(2, 3))
    return windows[:, :, ::strides[0], ::strides[1]]


def _conv(inputs, a):
    value, weights, bias = inputs
    windows = _windows(value, a["kernel_shape"], a["strides"], a["pads"], 0)
    each, rows = weights.shape[1], weights.shape[0] // a["group"]
    parts = [np.einsum("bchwij,ocij->bohw", windows[:, g * each:(g + 1) * each], weights[g * rows:(g + 1) * rows])
             for g in range(a["group"])]
    return np.concatenate(parts, axis=1) + bias[None, :, None, None]


def _pool(inputs, a, reduce, fill):
    return reduce(_windows(inputs[0], a["kernel_shape"], a["strides"], a.get("pads", [0] * 4), fill), axis=(4, 5))


def _slice(inputs, _):
    value, starts, stops, axes, steps = inputs
    cut = [slice(None)] * value.ndim
    for start, stop, axis, step in zip(starts, stops, axes, steps):
        cut[axis] = slice(start, stop, step)
    return value[tuple(cut)]


def _pad(inputs, _):
    value, pads = inputs
    return np.pad(value, list(zip(pads[:value.ndim], pads[value.ndim:])))


def _resize(inputs, a):
    assert (a["mode"], a["coordinate_transformation_mode"], a["nearest_mode"]) == ("nearest", "asymmetric", "floor")
    value, _, scales = inputs
    for axis, scale in enumerate(scales):
        value = np.repeat(value, int(scale), axis=axis)
    return value


def _softmax(inputs, a):
    powers = np.exp(inputs[0] - inputs[0].max(axis=a["axis"], keepdims=True))
    return powers / powers.sum(axis=a["axis"], keepdims=True)


def _gemm(inputs, a):
    assert a["transB"] == 1
    return inputs[0] @ inputs[1].T + inputs[2]


def _negative(value, function):
    """`function` below 0, the value itself above."""
    return np.where(value > 0, value, function(np.minimum(value, 0)))


OPERATORS = {
    "Add": lambda i, a: i[0] + i[1],
    "AveragePool": lambda i, a: _pool(i, a, np.mean, 0),
    "Clip": lambda i, a: np.clip(*i),
    "Concat": lambda i, a: np.concatenate(i, axis=a["axis"]),
    "Conv": _conv,
    "Div": lambda i, a: i[0] / i[1],
    "Elu": lambda i, a: _negative(i[0], lambda x: a["alpha"] * (np.exp(x) - 1)),
    "Gemm": _gemm,
    "GlobalAveragePool": lambda i, a: i[0].mean(axis=(2, 3), keepdims=True),
    "LeakyRelu": lambda i, a: _negative(i[0], lambda x: a["alpha"] * x),
    "MaxPool": lambda i, a: _pool(i, a, np.max, -np.inf),
    "Mul": lambda i, a: i[0] * i[1],
    "Pad": _pad,
    "Relu": lambda i, a: np.maximum(i[0], 0),
    "Reshape": lambda i, a: i[0].reshape(i[1]),
    "Resize": _resize,
    "Selu": lambda i, a: a["gamma"] * _negative(i[0], lambda x: a["alpha"] * (np.exp(x) - 1)),
    "Sigmoid": lambda i, a: 1 / (1 + np.exp(-i[0])),
    "Slice": _slice,
    "Softmax": _softmax,
    "Sub": lambda i, a: i[0] - i[1],
    "Tanh": lambda i, a: np.tanh(i[0]),
}


def evaluate(graph, value):
    """The graph's outputs for the input `value`, each as a flat array. What a node says of its output's dimensions
    is checked by whoever reads them: the last ones here."""
    tensors = {name: array.astype(np.float64) if array.dtype.kind == "f" else array
               for name, array in graph.constants.items()}
    tensors[graph.input.name] = value.astype(np.float64).reshape(graph.input.dims)
    for node in graph.nodes:
        tensors[node.output] = OPERATORS[node.op]([tensors[name] for name in node.inputs], node.attributes)
    for output in graph.outputs:
        assert tensors[output.name].shape == output.dims, f"{output} is {tensors[output.name].shape}"
    return [tensors[output.name].reshape(-1) for output in graph.outputs]
