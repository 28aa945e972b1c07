"""Diagonal BiLSTM in PyTorch, trained on binary images and exported for pixelrnn: the preset `diagonal_bilstm`."""

import common
import torch
from common import MaskedConv2d, lstm_step
from torch import nn
from torch.nn import functional as F

DESCRIPTION = {
    "architecture": "diagonal_bilstm",
    "image": {"height": 28, "width": 28, "channels": 1, "levels": 2},
    # `kernel` is required in every preset; this one does not use it.
    "hidden": 16, "layers": 2, "input_kernel": 7, "kernel": 3, "head": 32, "output": "bernoulli",
}


def skew(x):
    """Moves row i to the right by i: `[N, C, H, W]` to `[N, C, H, W + H - 1]`, zeros elsewhere."""
    *leading, height, width = x.shape
    return F.pad(x, (0, height)).flatten(-2)[..., :-height].unflatten(-1, (height, width + height - 1))


def unskew(x, width):
    """The inverse of `skew`."""
    height = x.shape[-2]
    return F.pad(x.flatten(-2), (0, height)).unflatten(-1, (height, width + height))[..., :width]


class DiagonalLSTM(nn.Module):
    """Reads the states of the pixels above and to the left. On the skewed map both are in the column before."""

    def __init__(self, hidden):
        super().__init__()
        self.hidden = hidden
        self.input_to_state = MaskedConv2d("B", 2 * hidden, 4 * hidden, (1, 1))
        # Tap 0: the pixel above. Tap 1: the pixel to the left. One bias is enough, that of `input_to_state`.
        self.state_to_state = nn.Conv2d(hidden, 4 * hidden, (2, 1), bias=False)

    def forward(self, x):
        images, _, height, width = x.shape
        # The bias is added before the skew: the padding on the left has gates of zero, and so a state of zero.
        gates = skew(self.input_to_state(x))
        h = c = x.new_zeros(images, self.hidden, height, 1)
        columns = []
        for z in gates.split(1, dim=3):
            h, c = lstm_step(z + self.state_to_state(F.pad(h, (0, 0, 1, 0))), c)
            columns.append(h)
        return unskew(torch.cat(columns, dim=3), width)


class Block(nn.Module):
    """`x + expand(left[i, j] + right[i - 1, j])`; `right` is the mirror image of `left`."""

    def __init__(self, hidden):
        super().__init__()
        self.left, self.right = DiagonalLSTM(hidden), DiagonalLSTM(hidden)
        self.expand = MaskedConv2d("B", hidden, 2 * hidden, (1, 1))

    def forward(self, x):
        right = self.right(x.flip(3)).flip(3)
        # The right map moves down one row, or a pixel would see the pixels to its right.
        return x + self.expand(self.left(x) + F.pad(right, (0, 0, 1, 0))[:, :, :-1])


class DiagonalBiLSTM(nn.Module):
    def __init__(self, d):
        super().__init__()
        hidden, head, k = d["hidden"], d["head"], d["input_kernel"]
        self.input = MaskedConv2d("A", 1, 2 * hidden, (k, k))
        self.blocks = nn.ModuleList([Block(hidden) for _ in range(d["layers"])])
        self.head = nn.ModuleList([MaskedConv2d("B", 2 * hidden, head, (1, 1)), MaskedConv2d("B", head, 1, (1, 1))])

    def forward(self, x):
        x = self.input(x)
        for block in self.blocks:
            x = block(x)
        return self.head[1](F.relu(self.head[0](F.relu(x))))


if __name__ == "__main__":
    common.main(DiagonalBiLSTM, DESCRIPTION, images=10_000)
