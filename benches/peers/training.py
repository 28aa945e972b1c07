"""Training speed of pixelrnn-train and PyTorch in one interleaved run. `benches/peers/training` installs the requirements.

Contestants run interleaved on the same images, threads and networks. First, the likelihoods measured by pixelrnn-train are compared
with PyTorch's for the same weights.
"""

import argparse
import json
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
import torch_peer
from network import Network

ARCHITECTURES = ("pixel_cnn", "gated_pixel_cnn", "row_lstm", "diagonal_bilstm")
# Images per round, enough for a few seconds: pixelrnn-train, PyTorch.
CPU_IMAGES = {"pixel_cnn": (3200, 1600), "gated_pixel_cnn": (3200, 1600), "row_lstm": (1600, 320), "diagonal_bilstm": (480, 160)}
GPU_IMAGES = 10240
PRECISIONS = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def images(count):
    """Blobs of ink the size of digits. The content does not affect the speed."""
    rng = np.random.default_rng(7)
    coarse = rng.random((count, 7, 7)).repeat(4, 1).repeat(4, 2)
    return (coarse > 0.62).astype(np.uint8)


def ours(program, architecture, count, args, folder):
    """Images per second in the last epoch, validation nats, and the trained model. On a GPU, the first epoch compiles kernels."""
    np.save(folder / "train.npy", images(count))
    np.save(folder / "valid.npy", images(64))
    command = [program, "--train", folder / "train.npy", "--valid", folder / "valid.npy", "--architecture", architecture]
    settings = {
        "hidden": args.hidden, "layers": args.layers, "epochs": 1 if args.peer == "cpu" else 2, "batch": args.batch,
        "optimizer": "rms_prop", "rate": 1e-3, "average": 0, "samples": 0, "device": args.device, "precision": args.precision,
        "threads": args.threads, "output": folder / "run",
    }
    command += [word for key, value in settings.items() for word in (f"--{key}", value)]
    command.append("--overwrite")
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    epochs = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()]
    # The saved model belongs to the best epoch.
    return epochs[-1]["images_per_second"], min(e["valid_nats"] for e in epochs), folder / "run/model.safetensors"


def tensors(array, device):
    return torch.tensor(array[:, None], dtype=torch.float32, device=device)


def peer(model, optimizer, count, args):
    """One epoch: images per second."""
    batches = tensors(images(count), args.peer).split(args.batch)
    wait = torch.accelerator.synchronize if args.peer != "cpu" else lambda: None
    wait()
    begin = time.perf_counter()
    for batch in batches:
        optimizer.zero_grad()
        with torch.autocast(args.peer, PRECISIONS[args.precision], enabled=args.precision != "f32"):
            loss = torch_peer.nats(model, batch)
        loss.backward()
        optimizer.step()
    wait()
    return count / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="pixelrnn-train")
    parser.add_argument("architectures", nargs="*", default=ARCHITECTURES)
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--layers", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--device", default="cpu", help="device of pixelrnn-train; PyTorch uses its own name for the same GPU")
    parser.add_argument("--precision", choices=PRECISIONS, default="f32")
    args = parser.parse_intermixed_args()
    args.peer = "cpu"
    if not args.device.startswith("cpu"):
        gpu = torch.accelerator.current_accelerator(check_available=True)
        if gpu is None:
            raise SystemExit(f"PyTorch finds no GPU to compare with {args.device}")
        args.peer = gpu.type
    torch.set_num_threads(args.threads)
    where = f"{args.threads} threads" if args.peer == "cpu" else f"{args.device} beside {args.peer}"
    print(f"Forward, backward and update, batch {args.batch}, {args.layers} layers, h {args.hidden}, {where}, {args.precision}; "
          f"images/s, medians of {args.rounds} turns.")
    print(f"PyTorch {torch.__version__}, Python {platform.python_version()}, load before {os.getloadavg()[0]:.2f}.\n")
    print("| network | pixelrnn-train | PyTorch | times |\n|---|---:|---:|---:|", flush=True)
    for architecture in args.architectures:
        speeds = {"ours": [], "peer": []}
        count, peer_count = CPU_IMAGES[architecture] if args.peer == "cpu" else (GPU_IMAGES, GPU_IMAGES)
        with tempfile.TemporaryDirectory() as folder:
            for turn in range(args.rounds):
                speed, nats, path = ours(args.program, architecture, count, args, Path(folder))
                speeds["ours"].append(speed)
                if turn == 0:
                    model = torch_peer.network(Network(path)).to(args.peer)
                    with torch.no_grad():
                        got = torch_peer.nats(model, tensors(images(64), args.peer)).item()
                    # On a GPU, PyTorch's convolutions use less than 32-bit precision by default.
                    exact = args.peer == "cpu" and args.precision == "f32"
                    if abs(got - nats) > (1e-4 if exact else 1e-2) * nats:
                        raise SystemExit(f"{architecture}: PyTorch gets {got} nats, pixelrnn-train {nats}: not the same network")
                    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.95, eps=1e-6)
                    peer(model, optimizer, peer_count, args)
                speeds["peer"].append(peer(model, optimizer, peer_count, args))
        mine, other = median(speeds["ours"]), median(speeds["peer"])
        print(f"| {architecture} | {mine:.0f} | {other:.0f} | {mine / other:.2f} |", flush=True)


main()
