"""ONNX Runtime: the network as one ONNX graph over the whole image, evaluated again for every pixel.

An exported graph cannot cache earlier results, so sampling must recompute everything. Arrays are `[N, C, H, W]`. A Row LSTM is a Scan
over rows. A Diagonal BiLSTM is a Scan over diagonals, as in the paper: each row is shifted one column further than the row above, so
that a column of the skewed map depends only on the previous column. Both directions share a Scan.
"""

import itertools
import os

import numpy as np
import onnxruntime as ort
from network import Conv, DiagonalBilstm, Relu, Residual, RowLstm
from onnx import TensorProto, checker, helper, numpy_helper

# Gate inputs outside the image: o, f and i close, so that h and c stay zero.
CLOSED = -1e4


class Graph:
    """Graph builder. Each method returns the name of the tensor it added."""

    count = itertools.count()

    def __init__(self):
        self.nodes, self.constants, self.name = [], [], f"graph{next(self.count)}"

    def constant(self, array):
        name = f"{self.name}_constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def ints(self, *values):
        return self.constant(np.array(values, np.int64))

    def add(self, kind, *inputs, outputs=1, **attributes):
        names = [f"{self.name}_value{len(self.nodes)}_{output}" for output in range(outputs)]
        self.nodes.append(helper.make_node(kind, inputs, names, **attributes))
        return names[0] if outputs == 1 else names

    def conv(self, x, weight, bias=None, **attributes):
        inputs = [x, self.constant(weight)] + ([] if bias is None else [self.constant(bias)])
        return self.add("Conv", *inputs, **attributes)

    def masked(self, x, conv):
        """A masked convolution with "same" padding."""
        pads = [centre * conv.dilation for centre in conv.centre]
        return self.conv(x, conv.weight, conv.bias, pads=pads * 2, dilations=[conv.dilation] * 2)

    def gates(self, z, cell, axis):
        """New state and cell of an LSTM from its gate inputs `z`, in the order o, f, i, g."""
        o, f, i, g = self.add("Split", z, outputs=4, axis=axis, num_outputs=4)
        o, f, i = (self.add("Sigmoid", gate) for gate in (o, f, i))
        kept = self.add("Mul", f, cell)
        cell = self.add("Add", kept, self.add("Mul", i, self.add("Tanh", g)))
        return self.add("Mul", o, self.add("Tanh", cell)), cell

    def scan(self, z, body, state, cells, axis):
        """Runs `body(graph, z, h, c) -> h, c` over an axis of `z` from the given h and c, and stacks h along that axis."""
        inner = Graph()
        h, c, step = (f"{inner.name}_{name}" for name in ("h", "c", "z"))
        new, cell = body(inner, step, h, c)
        shown = inner.add("Identity", new)
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (h, c, step, new, cell, shown)]
        graph = helper.make_graph(inner.nodes, "body", values[:3], values[3:], inner.constants)
        axes = {"scan_input_axes": [axis], "scan_output_axes": [axis], "num_scan_inputs": 1}
        return self.add("Scan", state, cells, z, outputs=3, body=graph, **axes)[2]

    def zeros(self, *shape):
        return self.constant(np.zeros(shape, np.float32))

    def row_lstm(self, x, op, network, batch):
        hidden, taps = op.state.shape[1:]
        pads = [taps // 2, taps - 1 - taps // 2]

        def body(graph, z, h, c):
            return graph.gates(graph.add("Add", z, graph.conv(h, op.state, pads=pads)), c, axis=1)

        start = self.zeros(batch, hidden, network.width)
        return self.scan(self.masked(x, op.conv), body, start, start, axis=2)

    def flip(self, x):
        """Mirrors the columns."""
        return self.add("Slice", x, self.ints(-1), self.ints(-(2**31)), self.ints(3), self.ints(-1))

    def reshape(self, x, *shape):
        return self.add("Reshape", x, self.ints(*shape))

    def pad(self, x, before, after, value=0.0):
        return self.add("Pad", x, self.ints(*before, *after), self.constant(np.float32(value)))

    def cut(self, x, axis, start, end):
        return self.add("Slice", x, self.ints(start), self.ints(end), self.ints(axis))

    def diagonal(self, x, op, network, batch):
        hidden, (height, width) = op.left.above.shape[1], (network.height, network.width)
        skewed, halves = width + height - 1, (op.left, op.right)
        z = [self.masked(x, half.conv) for half in halves]
        z = self.add("Concat", z[0], self.flip(z[1]), axis=1)
        # The padded row stride exceeds the skewed width by one, which shifts each row one column further right.
        z = self.reshape(self.pad(z, (0, 0, 0, 0), (0, 0, 0, height), CLOSED), batch, 8 * hidden, -1)
        z = self.reshape(self.cut(z, 2, 0, height * skewed), batch, 8 * hidden, height, skewed)
        state = np.concatenate([np.stack([half.above, half.beside], -1) for half in halves])

        def body(graph, z, h, c):
            sums = graph.add("Add", z, graph.conv(h, state, pads=[1, 0], group=2))
            h, c = graph.gates(graph.reshape(sums, batch, 2, 4 * hidden, height), c, axis=2)
            return graph.reshape(h, batch, 2 * hidden, height), c

        start = self.zeros(batch, 2 * hidden, height), self.zeros(batch, 2, hidden, height)
        h = self.scan(z, body, *start, axis=3)
        h = self.reshape(h, batch, 2 * hidden, height * skewed)
        h = self.reshape(self.pad(h, (0, 0, 0), (0, 0, height)), batch, 2 * hidden, height, skewed + 1)
        left, right = self.add("Split", self.cut(h, 3, 0, width), outputs=2, axis=1, num_outputs=2)
        lowered = self.cut(self.pad(self.flip(right), (0, 0, 1, 0), (0, 0, 0, 0)), 2, 0, height)
        return self.add("Add", left, lowered)

    def ops(self, x, ops, network, batch):
        for op in ops:
            match op:
                case Conv():
                    x = self.masked(x, op)
                case Relu():
                    x = self.add("Relu", x)
                case Residual():
                    x = self.add("Add", x, self.ops(x, op.ops, network, batch))
                case RowLstm():
                    x = self.row_lstm(x, op, network, batch)
                case DiagonalBilstm():
                    x = self.diagonal(x, op, network, batch)
        return x


def export(network, batch):
    """Serialized ONNX model from `image` `[N, 1, H, W]` to `logits` of the same shape."""
    graph, shape = Graph(), (batch, 1, network.height, network.width)
    out = graph.add("Identity", graph.ops("image", network.ops, network, batch))
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    logits = helper.make_tensor_value_info(out, TensorProto.FLOAT, shape)
    made = helper.make_graph(graph.nodes, network.name, [image], [logits], graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model)
    return model.SerializeToString()


class Onnx:
    """Samples `PIXELS` pixels of `batch` images per call."""

    PIXELS = 20

    name = "ONNX Runtime, once a pixel"
    threads = str(os.cpu_count())

    def __init__(self, network, batch):
        options = ort.SessionOptions()
        options.intra_op_num_threads = os.cpu_count()
        options.log_severity_level = 3
        self.session = ort.InferenceSession(export(network, batch), options, providers=["CPUExecutionProvider"])
        self.shape, self.random = (batch, 1, network.height, network.width), np.random.default_rng(0)
        # Fraction of an image per call. Every pixel costs the same.
        self.images = batch * self.PIXELS / (network.height * network.width)

    def _run(self, image):
        return self.session.run(None, {"image": image})[0]

    def draw(self):
        """Samples the first pixels of the middle row."""
        image, row = np.zeros(self.shape, np.float32), self.shape[2] // 2
        for column in range(self.PIXELS):
            logits = self._run(image)[:, 0, row, column]
            image[:, 0, row, column] = self.random.random(len(logits)) < 0.5 * np.tanh(0.5 * logits) + 0.5
        return image

    def logits(self, given):
        """Logits `[N, H, W]` of given images."""
        return self._run(given[:, None])[:, 0]
