"""JAX: a sampler jitted as one function over a whole batch, with the caches of numpy_peer.py carried by `lax.scan`.

An outer scan over rows carries each layer's state from the rows above, and computes their contribution to the whole row with one
product per layer. An inner scan over columns carries only the current row, which XLA updates in place. Arrays are
`[column, image, feature]`, float32. Each layer is a class of pure functions:

- `start()`: the state above the image.
- `row(state)`: inputs for the pixels of the next row: `(sums, here)`, constant and carried along the row respectively.
- `pixel(sums, here, x, column)`: the layer's output at a pixel, and the updated `here`.
- `end(state, sums, here)`: the state below the row.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from network import Conv, DiagonalBilstm, Relu, Residual, RowLstm


def gates(z, cell):
    """New state and cell of an LSTM from its gate inputs `z`, in the order o, f, i, g."""
    o, f, i, g = jnp.split(z, 4, -1)
    cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(cell), cell


def put(rows, column, value):
    return lax.dynamic_update_index_in_dim(rows, value, column, 0)


def at(rows, column):
    return lax.dynamic_index_in_dim(rows, column, 0, keepdims=False)


class Stateless:
    def start(self):
        return ()

    def row(self, _state):
        return (), ()

    def end(self, *_):
        return ()


class Pointwise(Stateless):
    """A 1x1 convolution."""

    def __init__(self, conv, *_):
        self.weight, self.bias = conv.weight[:, :, 0, 0].T, conv.bias

    def pixel(self, _sums, here, x, _column):
        return x @ self.weight + self.bias, here


class Rectifier(Stateless):
    def pixel(self, _sums, here, x, _column):
        return jax.nn.relu(x), here


class Spatial:
    """A masked convolution with several taps. State: the input rows above, padded left and right."""

    def __init__(self, conv, width, batch):
        out, inputs, _, across = conv.weight.shape
        (self.above, self.left), self.step = conv.centre, conv.dilation
        self.width, self.across, self.bias = width, across, conv.bias
        taps = conv.weight.transpose(2, 3, 1, 0)
        self.over = taps[: self.above].reshape(-1, out)
        self.beside, self.middle = taps[self.above, : self.left].reshape(-1, out), taps[self.above, self.left]
        self.shape = (width + 2 * self.left * self.step, batch, inputs)

    def start(self):
        return jnp.zeros((self.above * self.step, *self.shape), jnp.float32)

    def row(self, state):
        here = jnp.zeros(self.shape, jnp.float32)
        if not self.above:
            return jnp.broadcast_to(self.bias, (self.width, 1, len(self.bias))), here
        starts = [column * self.step for column in range(self.across)]
        rows = [state[row * self.step] for row in range(self.above)]
        taps = jnp.concatenate([row[start : start + self.width] for row in rows for start in starts], -1)
        return taps @ self.over + self.bias, here

    def pixel(self, sums, here, x, column):
        left = [at(here, column + tap * self.step) for tap in range(self.left)]
        out = jnp.concatenate([*left, x], -1) @ np.concatenate([self.beside, self.middle]) + at(sums, column)
        return out, self.correct(here, x, column)

    def correct(self, here, x, column):
        """Stores the final value of a pixel."""
        return put(here, column + self.left * self.step, x)

    def end(self, state, _sums, here):
        return jnp.concatenate([state[1:], here[None]]) if self.above else state


def conv(op, width, batch):
    return (Pointwise if op.pointwise else Spatial)(op, width, batch)


class Row:
    """A Row LSTM. State: h and c of the row above."""

    def __init__(self, op, width, batch):
        hidden, self.taps = op.state.shape[1:]
        self.conv, self.width = conv(op.conv, width, batch), width
        self.state = op.state.transpose(2, 1, 0).reshape(self.taps * hidden, -1)
        self.shape = (width, batch, hidden)

    def start(self):
        return self.conv.start(), jnp.zeros(self.shape), jnp.zeros(self.shape)

    def row(self, state):
        inner, h, c = state
        pad = self.taps // 2
        h = jnp.pad(h, ((pad, self.taps - 1 - pad), (0, 0), (0, 0)))
        sums, here = self.conv.row(inner)
        sums += jnp.concatenate([h[tap : tap + self.width] for tap in range(self.taps)], -1) @ self.state
        return sums, (here, jnp.zeros(self.shape), c)

    def pixel(self, sums, here, x, column):
        inner, h, c = here
        z, inner = self.conv.pixel(sums, inner, x, column)
        new, cell = gates(z, at(c, column))
        return new, (inner, put(h, column, new), put(c, column, cell))

    def end(self, state, sums, here):
        inner, h, c = here
        return self.conv.end(state[0], sums, inner), h, c


class Diagonal:
    """A Diagonal BiLSTM. State: h of the row above, for both directions."""

    def __init__(self, op, width, batch):
        hidden, inputs = op.left.above.shape[1], op.left.conv.weight.shape[1]
        halves = op.left, op.right
        self.halves = [(half.conv.weight[:, :, 0, 0].T, half.above.T, half.beside.T, half.conv.bias) for half in halves]
        self.shape, self.inputs = (width, batch, hidden), (width, batch, inputs)

    def start(self):
        return jnp.zeros(self.shape), jnp.zeros(self.shape)

    def row(self, state):
        left, right = state
        _, above, _, bias = self.halves[0]
        nothing = jnp.zeros(self.shape[1:])
        return (left @ above + bias, right), (nothing, nothing, jnp.zeros(self.shape), jnp.zeros(self.inputs))

    def pixel(self, sums, here, x, column):
        (sums, right), (h, c, row, inputs) = sums, here
        weight, _, beside, _ = self.halves[0]
        z = jnp.concatenate([x, h], -1) @ np.concatenate([weight, beside]) + at(sums, column)
        h, c = gates(z, c)
        return h + at(right, column), (h, c, put(row, column, h), put(inputs, column, x))

    def end(self, state, _sums, here):
        weight, above, beside, bias = self.halves[1]
        _, _, left, x = here
        sums = x @ weight + state[1] @ above + bias

        def step(carry, z):
            h, c = gates(z + carry[0] @ beside, carry[1])
            return (h, c), h

        nothing = jnp.zeros(self.shape[1:])
        return left, lax.scan(step, (nothing, nothing), sums, reverse=True)[1]


class Chain:
    """A sequence of layers. A residual block adds its input."""

    def __init__(self, ops, width, batch, residual=False):
        kinds = {Conv: conv, RowLstm: Row, DiagonalBilstm: Diagonal, Relu: lambda *_: Rectifier()}
        kinds[Residual] = lambda op, *size: Chain(op.ops, *size, residual=True)
        self.layers, self.residual = [kinds[type(op)](op, width, batch) for op in ops], residual

    def start(self):
        return tuple(layer.start() for layer in self.layers)

    def row(self, state):
        return tuple(zip(*(layer.row(one) for layer, one in zip(self.layers, state))))

    def pixel(self, sums, here, x, column):
        out, after = x, []
        for layer, one, before in zip(self.layers, sums, here):
            out, now = layer.pixel(one, before, out, column)
            after.append(now)
        return (x + out if self.residual else out), tuple(after)

    def end(self, *states):
        return tuple(layer.end(*one) for layer, *one in zip(self.layers, *states))


class Jax:
    """Samples `batch` images per call."""

    name = "JAX, cached, jitted"
    threads = "default"

    def __init__(self, network, batch):
        self.height, self.width, self.batch = network.height, network.width, batch
        self.images = batch
        self.chain = Chain(network.ops, network.width, batch)
        self.key = jax.random.key(0)
        self._draw = jax.jit(self._sample, donate_argnums=0)

    def _forward(self, choose, given):
        """Forward pass over the image. `choose(logits, given pixel)` returns a pixel and an output; the outputs are returned."""
        chain = self.chain

        def pixel(sums, here, inputs):
            column, given = inputs
            logits, here = chain.pixel(sums, here, jnp.zeros((self.batch, 1)), column)
            value, kept = choose(logits, given)
            return (chain.layers[0].correct(here[0], value, column), *here[1:]), kept

        def row(state, given):
            sums, here = chain.row(state)
            here, kept = lax.scan(partial(pixel, sums), here, (jnp.arange(self.width), given), unroll=2)
            return chain.end(state, sums, here), kept

        return lax.scan(row, chain.start(), given)[1]

    def _sample(self, key):
        key, now = jax.random.split(key)
        uniform = jax.random.uniform(now, (self.height, self.width, self.batch, 1))

        def choose(logits, uniform):
            value = (uniform < jax.nn.sigmoid(logits)).astype(jnp.float32)
            return value, value.astype(jnp.uint8)

        return key, self._forward(choose, uniform)

    def draw(self):
        """Samples whole images."""
        self.key, images = self._draw(self.key)
        return images.block_until_ready()

    def logits(self, given):
        """Logits `[N, H, W]` of given images."""
        forward = jax.jit(partial(self._forward, lambda logits, given: (given, logits)))
        return np.asarray(forward(given.transpose(1, 2, 0)[..., None]))[..., 0].transpose(2, 0, 1)


class JaxByCore(Jax):
    """Splits the batch over one device per core, since products this small do not use a thread pool."""

    name = "JAX, cached, jitted, a device a core"
    threads = str(jax.device_count())

    def __init__(self, network, batch):
        devices = jax.device_count()  # set by XLA_FLAGS; plain `jit` uses only the first
        super().__init__(network, batch // devices)
        self.images = self.batch * devices
        self.key = jax.random.split(self.key, devices)
        self._draw = jax.pmap(self._sample, donate_argnums=0)
