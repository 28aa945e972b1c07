"""Shared by the four examples: masked convolution, images, training, export, comparison with `pixelrnn score`."""

import argparse
import gzip
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F


class MaskedConv2d(nn.Conv2d):
    """Convolution over the pixels above and to the left. Mask B includes the pixel itself, mask A does not.

    Kernel sides are odd. The weights of closed taps start at zero and get no gradient, so the exported ones are zero as well.
    """

    def __init__(self, mask, inputs, outputs, kernel):
        rows, columns = kernel
        super().__init__(inputs, outputs, kernel, padding=(rows // 2, columns // 2))
        taps = torch.ones(kernel)
        taps[rows // 2, columns // 2 + (mask == "B") :] = 0
        taps[rows // 2 + 1 :] = 0
        self.register_buffer("taps", taps, persistent=False)
        self.weight.data.mul_(taps)

    def forward(self, x):
        return self._conv_forward(x, self.weight * self.taps, self.bias)


def lstm_step(gates, cell):
    """One LSTM step from gate pre-activations in the order o, f, i, g. Returns h and c."""
    o, f, i, g = gates.chunk(4, dim=1)
    cell = f.sigmoid() * cell + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def read_images(path, seed=0):
    """Binary images `[N, 1, H, W]`, uint8, from `.npy` or IDX, plain or gzipped.

    Gray values are probabilities of ink: each pixel is drawn once, with a fixed seed.
    """
    data = Path(path).read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    if data[:6] == b"\x93NUMPY":
        with tempfile.TemporaryFile() as file:
            file.write(data)
            file.seek(0)
            images = np.load(file)
    else:  # IDX: magic number 0x00000803, then three big-endian sizes
        magic, *shape = np.frombuffer(data, ">u4", 4)
        if magic != 0x803:
            raise SystemExit(f"{path}: expected .npy, or IDX of unsigned bytes")
        images = np.frombuffer(data, np.uint8, offset=16).reshape(shape)
    if images.max() > 1:
        images = np.random.default_rng(seed).random(images.shape, dtype=np.float32) < images / np.float32(255)
    return torch.from_numpy(images.astype(np.uint8).reshape(len(images), 1, *images.shape[-2:]))


def nats(model, images):
    """Negative log-likelihood of each image in nats: the sum over its pixels."""
    images = images.float()
    return F.binary_cross_entropy_with_logits(model(images), images, reduction="none").sum((1, 2, 3))


@torch.no_grad()
def evaluate(model, images):
    return torch.cat([nats(model, batch) for batch in images.split(100)])


def train(model, images, valid, args):
    """Adam on mini-batches. A checkpoint every 250 steps; an interrupted run continues from it."""
    steps = args.images // args.batch
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, args.rate, total_steps=steps, pct_start=0.1)
    parts, first = {"model": model, "optimizer": optimizer, "schedule": schedule}, 0
    checkpoint = Path(args.output).with_suffix(".checkpoint")
    if checkpoint.exists():
        saved = torch.load(checkpoint)
        first = saved.pop("step")
        for name, state in saved.items():
            parts[name].load_state_dict(state)
        print(f"continues from {checkpoint}, step {first}")
    epoch_steps, begin = len(images) // args.batch, time.process_time()
    for step in range(first, steps):
        epoch, place = divmod(step, epoch_steps)
        if place == 0 or step == first:  # a new order each epoch
            order = torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch)).split(args.batch)
        loss = nats(model, images[order[place]]).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 500.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % 250 == 0 or step + 1 == steps:
            torch.save({"step": step + 1, **{name: part.state_dict() for name, part in parts.items()}}, checkpoint)
            seen, seconds = (step + 1) * args.batch, time.process_time() - begin
            print(f"{seen} images, {seconds:.0f} s of CPU: {evaluate(model, valid[:200]).mean():.2f} nats", flush=True)


def export(model, description, path):
    """Writes the trained-model file: the state dict, and the description of the network as metadata."""
    save_file(model.state_dict(), path, metadata={"pixelrnn": json.dumps(description)})


def compare(model, path, images, program):
    """Scores `images` with `pixelrnn score` and fails unless its nats are PyTorch's."""
    expected = evaluate(model, images).numpy()
    with tempfile.TemporaryDirectory() as folder:
        np.save(f"{folder}/images.npy", images.numpy())
        command = [program, "score", f"{folder}/images.npy", "-m", path, "--nats", f"{folder}/nats.npy"]
        subprocess.run(command, check=True)
        got = np.load(f"{folder}/nats.npy")
    worst = np.abs(got - expected).max()
    print(f"pixelrnn and PyTorch differ by at most {worst:.6f} nats over {len(images)} images")
    if worst > 1e-3:
        raise SystemExit("expected at most 0.001: not the same network")


def main(build, description, images=20_000, batch=16):
    parser = argparse.ArgumentParser(description="Trains, exports and compares with `pixelrnn score`.")
    parser.add_argument("train", nargs="?", help="training images: .npy or IDX, plain or gzipped")
    parser.add_argument("--valid", help="validation images (default: 2000 of the training images, held out)")
    parser.add_argument("--images", type=int, default=images, help="images to train on, each counted whenever it is seen")
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=0.004, help="peak learning rate of the one-cycle schedule")
    parser.add_argument("--output", default=f"{description['architecture']}.safetensors")
    parser.add_argument("--pixelrnn", default="pixelrnn", help="the program (default: the one in PATH)")
    parser.add_argument("--describe", action="store_true", help="print the description and stop")
    parser.add_argument("--tensors", action="store_true", help="print names and shapes of the tensors and stop")
    args = parser.parse_args()
    torch.manual_seed(0)
    model = build(description)
    if args.describe:
        return print(json.dumps(description, indent=1))
    if args.tensors:
        return print(json.dumps({name: list(tensor.shape) for name, tensor in model.state_dict().items()}))
    if args.train is None:
        parser.error("name the training images")
    data = read_images(args.train)
    if args.valid:
        valid = read_images(args.valid, seed=1)
        valid = valid[torch.randperm(len(valid), generator=torch.Generator().manual_seed(0))[:2000]]
    else:  # files may be sorted by class: shuffle before the split
        data = data[torch.randperm(len(data), generator=torch.Generator().manual_seed(0))]
        data, valid = data[2000:], data[:2000]
    train(model, data, valid, args)
    print(f"{evaluate(model, valid).mean():.2f} nats, mean of {len(valid)} validation images")
    export(model, description, args.output)
    stem = Path(args.output).with_suffix("")
    np.save(f"{stem}.train.npy", data[torch.randperm(len(data))[:1000]].numpy())  # for `convert --calibrate`
    np.save(f"{stem}.valid.npy", valid.numpy())  # for `verify`
    compare(model, args.output, valid[:50], args.pixelrnn)
