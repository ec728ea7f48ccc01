"""Builds a Darknet cfg and its .weights file layer by layer, folding what Darknet has no layer for.

Three idioms carry a network of the TensorFlow family over to Darknet:

- Batch normalisation is folded into the convolution (in double precision, with the network's own epsilon;
  Darknet's is another one).
- relu6(x) = 3 * hardtan(x / 3 - 1) + 3. The inner scale and shift go into the convolution, whose activation
  is hardtan. The outer ones stay *pending*: the next convolution without padding, or the connected layer,
  takes them into its weights. A padded convolution cannot, since its padding must be the zero of the
  *real* tensor, so a 1x1 depthwise convolution applies them first.
- TensorFlow's "same" padding at stride 2 pads one row and column less at the top and left than at the bottom
  and right (even inputs). Darknet pads all sides alike, so the kernel gets a zero row and column in front.
"""

import struct

import numpy as np


def fold_batch_norm(weights, gamma, beta, mean, variance, epsilon):
    """Weights and bias of the convolution that equals `weights` followed by batch normalisation."""
    scale = gamma.astype(np.float64) / np.sqrt(variance.astype(np.float64) + epsilon)
    folded = weights.astype(np.float64) * scale[:, None, None, None]
    return folded, beta.astype(np.float64) - mean.astype(np.float64) * scale


def same_padding_stride2(weights):
    """The kernel and symmetric padding that equal TensorFlow's "same" padding at stride 2, even input."""
    size = weights.shape[2]
    if size % 2 == 0 or weights.shape[3] != size:
        raise ValueError(f"kernel {weights.shape[2:]} is not square and odd")
    return np.pad(weights, ((0, 0), (0, 0), (1, 0), (1, 0))), size // 2


class DarknetWriter:
    """Collects sections and weights. The current tensor is `gain` * Darknet's + `shift`."""

    def __init__(self, width, height, channels):
        self._sections = [("net", None, dict(batch=1, subdivisions=1, width=width, height=height,
                                             channels=channels))]
        self._blobs = []
        self._shape = (channels, height, width)
        self._gain = 1.0
        self._shift = 0.0

    @property
    def layers(self):
        """How many layers there are; the next one's index."""
        return len(self._sections) - 1

    @property
    def shape(self):
        """Channels, height and width of the current tensor."""
        return self._shape

    def _add(self, section, comment, options):
        self._sections.append((section, comment, options))

    def _add_weights(self, *arrays):
        for array in arrays:
            blob = np.ascontiguousarray(array, dtype="<f4")
            if not np.isfinite(blob).all():
                raise ValueError(f"layer {self.layers - 1}: a weight is not a finite number")
            self._blobs.append(blob.tobytes())

    def affine(self, gain, shift, comment):
        """gain * x + shift on every channel, as a 1x1 depthwise convolution."""
        channels = self._shape[0]
        self._add("convolutional", comment, dict(filters=channels, groups=channels, size=1, stride=1,
                                                 activation="linear"))
        self._add_weights(np.full(channels, shift), np.full(channels, gain))

    def _settle(self):
        """Applies what is pending, so that the current tensor is Darknet's."""
        if (self._gain, self._shift) != (1.0, 0.0):
            self.affine(self._gain, self._shift, "the outer half of relu6, ahead of a padded convolution")
            self._gain, self._shift = 1.0, 0.0

    def convolution(self, weights, bias, stride=1, relu6=False, comment=None):
        """A convolution with "same" padding. weights: filters x (channels / groups) x size x size."""
        weights = weights.astype(np.float64)
        bias = bias.astype(np.float64)
        filters, per_group, size, _ = weights.shape
        channels, height, width = self._shape
        if channels % per_group or filters % (channels // per_group):
            raise ValueError(f"{comment}: weights {weights.shape} do not fit {channels} channels")
        padding = size // 2
        if stride == 2:
            if size == 1 or height % 2 or width % 2:
                raise ValueError(f"{comment}: stride 2 needs a larger kernel and an even input")
            weights, padding = same_padding_stride2(weights)
        elif stride != 1:
            raise ValueError(f"{comment}: stride {stride}")
        if padding:
            self._settle()
        bias = bias + self._shift * weights.sum(axis=(1, 2, 3))
        weights = weights * self._gain
        self._gain, self._shift = 1.0, 0.0
        if relu6:
            weights, bias = weights / 3, bias / 3 - 1
            self._gain, self._shift = 3.0, 3.0
        options = dict(filters=filters, groups=channels // per_group, size=weights.shape[2], stride=stride,
                       padding=padding, activation="hardtan" if relu6 else "linear")
        if options["groups"] == 1:
            del options["groups"]
        if padding == 0:
            del options["padding"]
        self._add("convolutional", comment, options)
        self._add_weights(bias, weights)
        self._shape = (filters, height // stride, width // stride)

    def shortcut(self, layer, comment=None):
        """Adds layer `layer`'s output, whose shape must be the current one."""
        if (self._gain, self._shift) != (1.0, 0.0):
            raise ValueError("a shortcut behind a pending relu6")
        self._add("shortcut", comment, {"from": layer - self.layers, "activation": "linear"})

    def avgpool(self):
        """The mean over each channel; what is pending stays so, since a mean is linear."""
        self._add("avgpool", None, {})
        self._shape = (self._shape[0], 1, 1)

    def connected(self, weights, bias, comment=None):
        """A fully connected layer. weights: outputs x inputs."""
        weights = weights.astype(np.float64)
        if weights.shape[1] != np.prod(self._shape):
            raise ValueError(f"{comment}: weights {weights.shape} do not fit {self._shape}")
        bias = bias.astype(np.float64) + self._shift * weights.sum(axis=1)
        weights = weights * self._gain
        self._gain, self._shift = 1.0, 0.0
        self._add("connected", comment, dict(output=weights.shape[0], activation="linear"))
        self._add_weights(bias, weights)
        self._shape = (weights.shape[0], 1, 1)

    def softmax(self):
        """Probabilities."""
        if (self._gain, self._shift) != (1.0, 0.0):
            raise ValueError("a softmax behind a pending relu6")
        self._add("softmax", None, dict(groups=1))

    def cfg(self, header):
        """The cfg text; `header` becomes comment lines at its top."""
        lines = [f"# {line}".rstrip() for line in header.splitlines()]
        for index, (section, comment, options) in enumerate(self._sections):
            lines.append("")
            if index > 0:
                lines.append(f"# {index - 1}" + (f": {comment}" if comment else ""))
            lines.append(f"[{section}]")
            lines.extend(f"{key}={value}" for key, value in options.items())
        return "\n".join(lines) + "\n"

    def weights(self):
        """The .weights file: header 0.2.0 with an 8-byte count of images seen, then each layer's floats."""
        return struct.pack("<iiiq", 0, 2, 0, 0) + b"".join(self._blobs)
