"""PixelCNN in PyTorch, trained on binary images and exported for pixelrnn: the preset `pixel_cnn`."""

import common
from common import MaskedConv2d
from torch import nn
from torch.nn import functional as F

DESCRIPTION = {
    "architecture": "pixel_cnn",
    "image": {"height": 28, "width": 28, "channels": 1, "levels": 2},
    "hidden": 16, "layers": 5, "input_kernel": 7, "kernel": 5, "head": 32, "output": "bernoulli",
}


class Block(nn.Module):
    """`x + expand(relu(conv(relu(reduce(relu(x))))))`, 2h features in and out."""

    def __init__(self, hidden, kernel):
        super().__init__()
        self.reduce = MaskedConv2d("B", 2 * hidden, hidden, (1, 1))
        self.conv = MaskedConv2d("B", hidden, hidden, (kernel, kernel))
        self.expand = MaskedConv2d("B", hidden, 2 * hidden, (1, 1))

    def forward(self, x):
        y = self.reduce(F.relu(x))
        y = self.conv(F.relu(y))
        return x + self.expand(F.relu(y))


class PixelCNN(nn.Module):
    def __init__(self, d):
        super().__init__()
        hidden, head, k = d["hidden"], d["head"], d["input_kernel"]
        self.input = MaskedConv2d("A", 1, 2 * hidden, (k, k))
        self.blocks = nn.ModuleList([Block(hidden, d["kernel"]) for _ in range(d["layers"])])
        self.head = nn.ModuleList([MaskedConv2d("B", 2 * hidden, head, (1, 1)), MaskedConv2d("B", head, 1, (1, 1))])

    def forward(self, x):
        x = self.input(x)
        for block in self.blocks:
            x = block(x)
        return self.head[1](F.relu(self.head[0](F.relu(x))))


if __name__ == "__main__":
    common.main(PixelCNN, DESCRIPTION)
