"""Reads a trained model and lists its ops. The file format is described in docs/trained-model.md.

Supports only the digit models: one channel, two levels, no classes, no initial state. Other models are rejected.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import safe_open


@dataclass
class Conv:
    """A convolution with weights `[out, in, kh, kw]`, mask already applied."""

    weight: np.ndarray
    bias: np.ndarray
    dilation: int = 1

    @property
    def pointwise(self):
        return self.weight.shape[2:] == (1, 1)

    @property
    def centre(self):
        return self.weight.shape[2] // 2, self.weight.shape[3] // 2


@dataclass
class Relu:
    """Elementwise ReLU."""


@dataclass
class RowLstm:
    """Gates o, f, i, g: `z = conv(x)[i, j] + state(h[i-1])[j]`; `state` is `[4h, h, k]`."""

    conv: Conv
    state: np.ndarray


@dataclass
class Direction:
    """Half of a Diagonal BiLSTM: `z = conv(x)[i, j] + above·h[i-1, j] + beside·h[i, j∓1]`; the latter are `[4h, h]`."""

    conv: Conv
    above: np.ndarray
    beside: np.ndarray


@dataclass
class DiagonalBilstm:
    """`left[i, j] + right[i-1, j]`; the right direction mirrors the left one."""

    left: Direction
    right: Direction


@dataclass
class GatedBlock:
    """Block of a gated PixelCNN: `V = vertical(v)`, `v = gate(V)`, `h (+)= out(gate(horizontal(h) + link(V)))`.

    `vertical` reads `above` rows above the pixel and those below them that its kernel has; `horizontal` holds its open taps alone.
    """

    vertical: Conv
    horizontal: Conv
    link: Conv
    out: Conv
    above: int
    residual: bool
    last: bool


@dataclass
class GatedStacks:
    """The two stacks of a gated PixelCNN, from the image to the last `h`."""

    blocks: list = field(default_factory=list)


@dataclass
class Residual:
    """`x + ops(x)`."""

    ops: list = field(default_factory=list)


class Network:
    """The ops of a trained model, in order."""

    def __init__(self, path):
        self.name = Path(path).parent.name
        with safe_open(path, "numpy") as file:
            described = json.loads(file.metadata()["pixelrnn"])
            self._tensors = {name: file.get_tensor(name).astype(np.float32) for name in file.keys()}
        image = described["image"]
        self.height, self.width = image["height"], image["width"]
        if image["channels"] != 1 or described["output"] != "bernoulli" or described.get("classes") or "input" in described:
            raise ValueError(f"{path}: unsupported: expected one channel, two levels and no classes")
        self.ops = [self._op(op) for op in described.get("ops") or _expand(described)]
        if self._tensors:
            raise ValueError(f"{path}: unused tensors: {', '.join(self._tensors)}")

    def _conv(self, name, mask=None, dilation=1):
        weight = self._tensors.pop(f"{name}.weight")
        bias = self._tensors.pop(f"{name}.bias")
        if mask:
            row, column = weight.shape[2] // 2, weight.shape[3] // 2
            weight[:, :, row + 1 :] = 0
            weight[:, :, row, column + (mask == "B") :] = 0
        return Conv(weight, bias, dilation)

    def _direction(self, name):
        state = self._tensors.pop(f"{name}.state_to_state.weight")
        above, beside = state[:, :, 0, 0], state[:, :, 1, 0]
        return Direction(self._conv(f"{name}.input_to_state", "B"), above, beside)

    def _gated(self, n, preset):
        """Block `n`; the input block is -1."""
        name, side = (f"blocks.{n}", preset["kernel"]) if n >= 0 else ("input", preset["input_kernel"])
        parts = {part: self._conv(f"{name}.{part}") for part in ("vertical", "horizontal", "link", "out")}
        horizontal = parts["horizontal"]
        horizontal.weight = horizontal.weight[..., : side // 2 + (n >= 0)].copy()
        return GatedBlock(**parts, above=side // 2, residual=n >= 0, last=n + 1 == preset["layers"])

    def _op(self, op):
        name = op.get("name")
        match op["op"]:
            case "masked_conv":
                return self._conv(name, op["mask"], op.get("dilation", 1))
            case "relu":
                return Relu()
            case "residual" if op.get("scale", 1) == 1:
                return Residual([self._op(inner) for inner in op["ops"]])
            case "gated_pixel_cnn":
                return GatedStacks([self._gated(n, op) for n in range(-1, op["layers"])])
            case "row_lstm":
                conv = self._conv(f"{name}.input_to_state", "B")
                return RowLstm(conv, self._tensors.pop(f"{name}.state_to_state.weight")[:, :, 0])
            case "diagonal_bilstm":
                return DiagonalBilstm(self._direction(f"{name}.left"), self._direction(f"{name}.right"))
        raise ValueError(f"unsupported op: {op}")


def _expand(preset):
    """The ops of a preset."""
    kind = preset["architecture"]
    if kind not in ("pixel_cnn", "gated_pixel_cnn", "row_lstm", "diagonal_bilstm") or not preset["residual"]:
        raise ValueError(f"unsupported preset: {kind}")
    if preset["skip"] or preset["depth_gate"] or preset["initial_state"]:
        raise ValueError("unsupported preset option")

    def conv(name, mask="B"):
        return {"op": "masked_conv", "name": name, "mask": mask}

    def inner(block):
        if kind != "pixel_cnn":
            return [{"op": kind, "name": f"{block}"}, conv(f"{block}.expand")]
        relu = {"op": "relu"}
        return [relu, conv(f"{block}.reduce"), relu, conv(f"{block}.conv"), relu, conv(f"{block}.expand")]

    head = [{"op": "relu"}, conv("head.0"), {"op": "relu"}, conv("head.1")]
    if kind == "gated_pixel_cnn":
        return [{"op": kind, **preset}, *head]
    blocks = [{"op": "residual", "ops": inner(f"blocks.{block}")} for block in range(preset["layers"])]
    return [conv("input", "A"), *blocks, *head]
