"""Row LSTM in PyTorch, trained on binary images and exported for pixelrnn: the preset `row_lstm`."""

import common
import torch
from common import MaskedConv2d, lstm_step
from torch import nn
from torch.nn import functional as F

DESCRIPTION = {
    "architecture": "row_lstm",
    "image": {"height": 28, "width": 28, "channels": 1, "levels": 2},
    "hidden": 16, "layers": 3, "input_kernel": 7, "kernel": 3, "head": 32, "output": "bernoulli",
}


class Block(nn.Module):
    """`x + expand(lstm(x))`: the LSTM runs down the rows, all columns of a row at once."""

    def __init__(self, hidden, kernel):
        super().__init__()
        self.hidden = hidden
        self.input_to_state = MaskedConv2d("B", 2 * hidden, 4 * hidden, (1, kernel))
        # Over the row above, which is known: no mask. One bias is enough, that of `input_to_state`.
        self.state_to_state = nn.Conv2d(hidden, 4 * hidden, (1, kernel), padding=(0, kernel // 2), bias=False)
        self.expand = MaskedConv2d("B", hidden, 2 * hidden, (1, 1))

    def forward(self, x):
        images, _, _, width = x.shape
        h = c = x.new_zeros(images, self.hidden, 1, width)
        rows = []
        for gates in self.input_to_state(x).split(1, dim=2):
            h, c = lstm_step(gates + self.state_to_state(h), c)
            rows.append(h)
        return x + self.expand(torch.cat(rows, dim=2))


class RowLSTM(nn.Module):
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
    common.main(RowLSTM, DESCRIPTION)
