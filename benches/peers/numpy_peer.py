"""Incremental NumPy: each layer is computed only at the current pixel, with caches from earlier pixels.

Before each row, one product per layer computes the contribution of the rows above for the whole row. Each pixel then adds the taps in
its own row. This is a fast sampler in idiomatic NumPy. Arrays are `[column, image, feature]`.
"""

import numpy as np
from network import Conv, DiagonalBilstm, Relu, Residual, RowLstm


def sigmoid(x):
    return 0.5 * np.tanh(0.5 * x) + 0.5  # never overflows


def gates(z, cell):
    """New state and cell of an LSTM from its gate inputs `z`, in the order o, f, i, g."""
    hidden = cell.shape[-1]
    oif = sigmoid(z[..., : 3 * hidden])
    cell = oif[..., hidden : 2 * hidden] * cell + oif[..., 2 * hidden :] * np.tanh(z[..., 3 * hidden :])
    return oif[..., :hidden] * np.tanh(cell), cell


class Pointwise:
    """A 1x1 convolution."""

    def __init__(self, conv, _width, _batch):
        self.weight, self.bias = np.ascontiguousarray(conv.weight[:, :, 0, 0].T), conv.bias

    def row(self, _row):
        pass

    def pixel(self, x, _column):
        return x @ self.weight + self.bias


class Spatial:
    """A masked convolution with several taps, and the input rows it still needs."""

    def __init__(self, conv, width, batch):
        out, inputs, _, across = conv.weight.shape
        (above, left), self.step = conv.centre, conv.dilation
        self.width, self.left = width, left
        # [taps * inputs, out]: taps above, and taps to the left with the centre.
        taps = conv.weight.transpose(2, 3, 1, 0)
        self.above = np.ascontiguousarray(taps[:above].reshape(-1, out))
        self.beside = np.ascontiguousarray(taps[above, : left + 1].reshape(-1, out))
        self.offsets = [(row, column * self.step) for row in range(above) for column in range(across)]
        self.bias = conv.bias
        self.rows = np.zeros((above * self.step + 1, width + 2 * left * self.step, batch, inputs), np.float32)

    def row(self, row):
        """Starts a row: shifts the cached rows and sums their contribution."""
        if row == 0:
            self.rows[:] = 0
        self.rows[:-1] = self.rows[1:]
        self.rows[-1] = 0
        if self.offsets:
            taps = [self.rows[row * self.step, column : column + self.width] for row, column in self.offsets]
            self.sums = np.concatenate(taps, -1) @ self.above + self.bias
        else:
            self.sums = np.broadcast_to(self.bias, (self.width, *self.bias.shape))

    def pixel(self, x, column):
        here = self.rows[-1]
        here[column + self.left * self.step] = x
        taps = here[column : column + self.left * self.step + 1 : self.step]
        return np.concatenate(list(taps), -1) @ self.beside + self.sums[column]

    def correct(self, x, column):
        """Stores the final value of a pixel."""
        self.rows[-1, column + self.left * self.step] = x


def conv(op, width, batch):
    return (Pointwise if op.pointwise else Spatial)(op, width, batch)


class Rectifier:
    def row(self, _row):
        pass

    def pixel(self, x, _column):
        return np.maximum(x, 0)


class Row:
    """A Row LSTM."""

    def __init__(self, op, width, batch):
        hidden, taps = op.state.shape[1:]
        self.conv, self.width, self.pad, self.taps = conv(op.conv, width, batch), width, taps // 2, taps
        self.state = np.ascontiguousarray(op.state.transpose(2, 1, 0).reshape(taps * hidden, -1))
        self.h = np.zeros((width + taps - 1, batch, hidden), np.float32)
        self.c = np.zeros((width, batch, hidden), np.float32)

    def row(self, row):
        self.conv.row(row)
        if row == 0:
            self.h[:], self.c[:] = 0, 0
        self.sums = np.concatenate([self.h[tap : tap + self.width] for tap in range(self.taps)], -1) @ self.state

    def pixel(self, x, column):
        z = self.conv.pixel(x, column) + self.sums[column]
        h, self.c[column] = gates(z, self.c[column])
        self.h[column + self.pad] = h
        return h


class Diagonal:
    """A Diagonal BiLSTM. The right direction processes a row once it is complete."""

    def __init__(self, op, width, batch):
        self.width, hidden = width, op.left.above.shape[1]
        self.halves = []
        for half in (op.left, op.right):
            weights = (half.conv.weight[:, :, 0, 0], half.above, half.beside)
            self.halves.append((*(np.ascontiguousarray(weight.T) for weight in weights), half.conv.bias))
        self.x = np.zeros((width, batch, op.left.conv.weight.shape[1]), np.float32)
        self.left, self.right = np.zeros((2, width, batch, hidden), np.float32)

    def row(self, row):
        if row == 0:
            self.left[:], self.right[:] = 0, 0
        else:
            self.right = self._right()
        self.h = self.c = np.zeros_like(self.left[0])
        _, above, _, bias = self.halves[0]
        self.sums = self.left @ above + bias

    def _right(self):
        weight, above, beside, bias = self.halves[1]
        sums = self.x @ weight + self.right @ above + bias
        out, h, c = np.empty_like(self.right), np.zeros_like(self.right[0]), np.zeros_like(self.right[0])
        for column in reversed(range(self.width)):
            h, c = gates(sums[column] + h @ beside, c)
            out[column] = h
        return out

    def pixel(self, x, column):
        weight, _, beside, _ = self.halves[0]
        self.x[column] = x
        self.h, self.c = gates(self.sums[column] + x @ weight + self.h @ beside, self.c)
        self.left[column] = self.h
        return self.h + self.right[column]


class Block:
    def __init__(self, op, width, batch):
        self.layers = layers(op.ops, width, batch)

    def row(self, row):
        for layer in self.layers:
            layer.row(row)

    def pixel(self, x, column):
        inner = x
        for layer in self.layers:
            inner = layer.pixel(inner, column)
        return x + inner


def layers(ops, width, batch):
    kinds = {Conv: conv, Relu: lambda *_: Rectifier(), RowLstm: Row, DiagonalBilstm: Diagonal, Residual: Block}
    return [kinds[type(op)](op, width, batch) for op in ops]


class NumPy:
    """Samples `batch` images per call."""

    name = "NumPy, incremental"
    threads = "default"

    def __init__(self, network, batch):
        self.height, self.width, self.images = network.height, network.width, batch
        self.layers = layers(network.ops, network.width, batch)
        self.random = np.random.default_rng(0)

    def _forward(self, choose):
        """Forward pass over the image. `choose(row, column, logits)` returns the pixel."""
        for row in range(self.height):
            for layer in self.layers:
                layer.row(row)
            # The first layer masks its centre, so a pixel's own value is never read. Zero is a placeholder.
            for column in range(self.width):
                x = np.zeros((self.images, 1), np.float32)
                for layer in self.layers:
                    x = layer.pixel(x, column)
                self.layers[0].correct(choose(row, column, x), column)

    def draw(self):
        """Samples whole images."""
        images = np.empty((self.height, self.width, self.images, 1), np.float32)

        def choose(row, column, logits):
            images[row, column] = self.random.random(logits.shape, np.float32) < sigmoid(logits)
            return images[row, column]

        self._forward(choose)
        return images

    def logits(self, given):
        """Logits `[N, H, W]` of given images."""
        out = np.empty((self.images, self.height, self.width), np.float32)

        def choose(row, column, logits):
            out[:, row, column] = logits[:, 0]
            return given[:, row, column, None]

        self._forward(choose)
        return out
