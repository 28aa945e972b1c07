"""Eager PyTorch: trained models as modules, for training.

Written for speed: convolutions over whole images, one product per step for an LSTM's state. The Diagonal BiLSTM runs over skewed maps,
with both directions in one product.
"""

import torch
import torch.nn.functional as F
from network import Conv, DiagonalBilstm, GatedStacks, Relu, Residual, RowLstm
from torch import nn


class Convolution(nn.Module):
    """A masked convolution."""

    def __init__(self, op):
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.tensor(op.weight)), nn.Parameter(torch.tensor(op.bias))
        (row, column), (rows, columns) = op.centre, op.weight.shape[2:]
        self.dilation, self.padding = op.dilation, (row * op.dilation, column * op.dilation)
        taps = torch.zeros(rows, columns)
        taps[:row] = 1
        # The centre is open except with mask A, which leaves zero weights there.
        taps[row, : column + bool(op.weight[:, :, row, column].any())] = 1
        self.register_buffer("taps", None if rows * columns == 1 else taps, persistent=False)

    def forward(self, x):
        weight = self.weight if self.taps is None else self.weight * self.taps
        return F.conv2d(x, weight, self.bias, padding=self.padding, dilation=self.dilation)


def step(gates, cell):
    """`h, c` from the gates o, f, i, g."""
    hidden = cell.shape[-1]
    o, f, i = torch.sigmoid(gates[..., : 3 * hidden]).chunk(3, -1)
    cell = f * cell + i * torch.tanh(gates[..., 3 * hidden :])
    return o * torch.tanh(cell), cell


class Row(nn.Module):
    """A Row LSTM."""

    def __init__(self, op):
        super().__init__()
        self.conv, self.state = Convolution(op.conv), nn.Parameter(torch.tensor(op.state))

    def forward(self, x):
        images, _, rows, columns = x.shape
        out, hidden, taps = self.state.shape
        gates = self.conv(x).permute(2, 0, 3, 1).reshape(rows, images * columns, out).unbind(0)
        state = self.state.permute(2, 1, 0).reshape(taps * hidden, out)
        h, c, all_h = x.new_zeros(images, columns, hidden), x.new_zeros(images * columns, hidden), []
        for z in gates:
            padded = F.pad(h, (0, 0, taps // 2, taps - 1 - taps // 2))
            above = torch.cat([padded[:, tap : tap + columns] for tap in range(taps)], 2).view(-1, taps * hidden)
            new_h, c = step(torch.addmm(z, above, state), c)
            h = new_h.view(images, columns, hidden)
            all_h.append(h)
        return torch.stack(all_h).permute(1, 3, 0, 2)


class Diagonal(nn.Module):
    """A Diagonal BiLSTM."""

    def __init__(self, op):
        super().__init__()
        halves = (op.left, op.right)
        self.weight = nn.ParameterList(torch.tensor(half.conv.weight[:, :, 0, 0]) for half in halves)
        self.bias = nn.ParameterList(torch.tensor(half.conv.bias) for half in halves)
        self.above = nn.ParameterList(torch.tensor(half.above) for half in halves)
        self.beside = nn.ParameterList(torch.tensor(half.beside) for half in halves)

    def forward(self, x):
        images, inputs, rows, columns = x.shape
        out, hidden = self.above[0].shape
        both = torch.stack([x, x.flip(3)]).permute(0, 1, 3, 4, 2)
        weight, bias = torch.stack(list(self.weight)).transpose(1, 2), torch.stack(list(self.bias)).view(2, 1, out)
        z = torch.baddbmm(bias, both.reshape(2, -1, inputs), weight).view(2, images, rows, columns, out)
        # Skew: each row is shifted one column further right than the row above.
        steps = columns + rows - 1
        z = F.pad(z, (0, 0, 0, rows)).view(2, images, rows * (columns + rows), out)[:, :, : rows * steps]
        z = z.view(2, images, rows, steps, out).permute(3, 0, 1, 2, 4).reshape(steps, 2, images * rows, out).unbind(0)
        halves = zip(self.above, self.beside)
        state = torch.stack([torch.cat([above, beside], 1) for above, beside in halves]).transpose(1, 2)
        h = c = x.new_zeros(2, images * rows, hidden)
        all_h = []
        for gates in z:
            above = F.pad(h.view(2, images, rows, hidden)[:, :, :-1], (0, 0, 1, 0)).reshape(2, -1, hidden)
            h, c = step(torch.baddbmm(gates, torch.cat([above, h], 2), state), c)
            all_h.append(h)
        h = torch.stack(all_h).view(steps, 2, images, rows, hidden).permute(1, 2, 4, 3, 0)
        h = F.pad(h.reshape(2, images, hidden, rows * steps), (0, rows)).view(2, images, hidden, rows, columns + rows)
        left, right = h[0, ..., :columns], h[1, ..., :columns].flip(3)
        return left + F.pad(right[:, :, :-1], (0, 0, 1, 0))


class Taps(nn.Module):
    """A convolution without closed taps, padded above and to both sides, whose rows and columns past the image are cut off."""

    def __init__(self, op, padding):
        super().__init__()
        self.weight, self.bias, self.padding = nn.Parameter(torch.tensor(op.weight)), nn.Parameter(torch.tensor(op.bias)), padding

    def forward(self, x):
        y = F.conv2d(x, self.weight, self.bias, padding=self.padding)
        return y[:, :, : x.shape[2], : x.shape[3]]


def gate(x):
    """`tanh(a) · sigmoid(b)` of the halves of the features."""
    a, b = x.chunk(2, 1)
    return torch.tanh(a) * torch.sigmoid(b)


class Gated(nn.Module):
    """A block of a gated PixelCNN, from `v, h` to `v, h`."""

    def __init__(self, op):
        super().__init__()
        (above, left), self.residual, self.last = (op.above, op.horizontal.weight.shape[3] - op.residual), op.residual, op.last
        self.vertical, self.horizontal = Taps(op.vertical, (above, op.above)), Taps(op.horizontal, (0, left))
        self.link, self.out = Convolution(op.link), Convolution(op.out)

    def forward(self, v, h):
        above = self.vertical(v)
        out = self.out(gate(self.horizontal(h) + self.link(above)))
        return None if self.last else gate(above), h + out if self.residual else out


class Stacks(nn.Module):
    """The two stacks of a gated PixelCNN."""

    def __init__(self, op):
        super().__init__()
        self.blocks = nn.ModuleList(map(Gated, op.blocks))

    def forward(self, x):
        v = h = x
        for block in self.blocks:
            v, h = block(v, h)
        return h


class Block(nn.Module):
    """`x + ops(x)`."""

    def __init__(self, op):
        super().__init__()
        self.ops = nn.Sequential(*map(module, op.ops))

    def forward(self, x):
        return x + self.ops(x)


def module(op):
    kinds = {Conv: Convolution, GatedStacks: Stacks, RowLstm: Row, DiagonalBilstm: Diagonal, Residual: Block}
    return nn.ReLU() if isinstance(op, Relu) else kinds[type(op)](op)


def network(network):
    """Module of a trained model, from images `[N, 1, H, W]` of 0 and 1 to logits."""
    return nn.Sequential(*map(module, network.ops))


def nats(model, x):
    """Mean nats per image."""
    return F.binary_cross_entropy_with_logits(model(x), x, reduction="sum") / len(x)
