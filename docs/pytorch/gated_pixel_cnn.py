"""Gated PixelCNN in PyTorch, trained on binary images and exported for pixelrnn: the preset `gated_pixel_cnn`."""

import common
from common import MaskedConv2d
from torch import nn
from torch.nn import functional as F

DESCRIPTION = {
    "architecture": "gated_pixel_cnn",
    "image": {"height": 28, "width": 28, "channels": 1, "levels": 2},
    "hidden": 12, "layers": 5, "input_kernel": 7, "kernel": 5, "head": 32, "output": "bernoulli",
}


class VerticalConv2d(nn.Conv2d):
    """Convolution over the `k // 2` rows above, and with `own` over the row itself: all of it, so x must know rows above alone."""

    def __init__(self, inputs, outputs, k, own):
        super().__init__(inputs, outputs, (k // 2 + own, k))
        self.half = k // 2

    def forward(self, x):
        padded = F.pad(x, (self.half, self.half, self.half, 0))
        return super().forward(padded)[:, :, : x.shape[2]]


def gate(x):
    """`tanh(a) * sigmoid(b)` of the halves a and b of the features."""
    a, b = x.chunk(2, dim=1)
    return a.tanh() * b.sigmoid()


class Stacks(nn.Module):
    """One layer of both stacks: `v` knows the rows above, `h` also the pixels to the left. Returns v and what h becomes, or gains."""

    def __init__(self, inputs, hidden, k, first):
        super().__init__()
        self.vertical = VerticalConv2d(inputs, 2 * hidden, k, own=not first)
        self.horizontal = MaskedConv2d("A" if first else "B", inputs, 2 * hidden, (1, k))
        self.link = nn.Conv2d(2 * hidden, 2 * hidden, (1, 1))
        self.out = MaskedConv2d("B", hidden, hidden, (1, 1))

    def forward(self, v, h):
        above = self.vertical(v)
        return gate(above), self.out(gate(self.horizontal(h) + self.link(above)))


class GatedPixelCNN(nn.Module):
    def __init__(self, d):
        super().__init__()
        hidden, head = d["hidden"], d["head"]
        self.input = Stacks(1, hidden, d["input_kernel"], first=True)
        self.blocks = nn.ModuleList([Stacks(hidden, hidden, d["kernel"], first=False) for _ in range(d["layers"])])
        self.head = nn.ModuleList([MaskedConv2d("B", hidden, head, (1, 1)), MaskedConv2d("B", head, 1, (1, 1))])

    def forward(self, x):
        v, h = self.input(x, x)
        for block in self.blocks:
            v, out = block(v, h)
            h = h + out
        return self.head[1](F.relu(self.head[0](F.relu(h))))


if __name__ == "__main__":
    common.main(GatedPixelCNN, DESCRIPTION)
