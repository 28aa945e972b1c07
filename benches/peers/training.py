"""Training by pixelrnn-train and by PyTorch, in one interleaved run; `benches/peers/training` installs what it needs.

Contestants take turns on the same images, threads and networks. Before the turns, the likelihoods of images that pixelrnn-train has
measured are compared with those by PyTorch, of the same weights.
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

ARCHITECTURES = ("pixel_cnn", "row_lstm", "diagonal_bilstm")
BATCH = 16
# Images of a turn, so that one takes some seconds.
IMAGES = {"pixel_cnn": 3200, "row_lstm": 1600, "diagonal_bilstm": 480}
PEER_IMAGES = {"pixel_cnn": 1600, "row_lstm": 320, "diagonal_bilstm": 160}


def images(count):
    """Blobs of ink, as large as digits; what is in them does not matter for the speed."""
    rng = np.random.default_rng(7)
    coarse = rng.random((count, 7, 7)).repeat(4, 1).repeat(4, 2)
    return (coarse > 0.62).astype(np.uint8)


def ours(program, architecture, args, folder):
    """One epoch: images a second, nats of the validation images, and the trained model."""
    np.save(folder / "train.npy", images(IMAGES[architecture]))
    np.save(folder / "valid.npy", images(64))
    command = [program, "--train", folder / "train.npy", "--valid", folder / "valid.npy", "--architecture", architecture]
    settings = {
        "hidden": args.hidden, "layers": args.layers, "epochs": 1, "batch": BATCH, "optimizer": "rms_prop", "rate": 1e-3,
        "average": 0, "samples": 0, "threads": args.threads, "output": folder / "run",
    }
    command += [word for key, value in settings.items() for word in (f"--{key}", value)]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    metrics = json.loads((folder / "run/metrics.jsonl").read_text().splitlines()[-1])
    return metrics["images_per_second"], metrics["valid_nats"], folder / "run/model.safetensors"


def tensors(array):
    return torch.tensor(array[:, None], dtype=torch.float32)


def peer(model, optimizer, architecture):
    """One pass: images a second."""
    batches = tensors(images(PEER_IMAGES[architecture])).split(BATCH)
    begin = time.perf_counter()
    for batch in batches:
        optimizer.zero_grad()
        torch_peer.nats(model, batch).backward()
        optimizer.step()
    return PEER_IMAGES[architecture] / (time.perf_counter() - begin)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", help="pixelrnn-train")
    parser.add_argument("architectures", nargs="*", default=ARCHITECTURES)
    parser.add_argument("--hidden", type=int, default=16)
    parser.add_argument("--layers", type=int, default=7)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_intermixed_args()
    torch.set_num_threads(args.threads)
    print(f"Forward, backward and update, batch {BATCH}, {args.layers} layers, h {args.hidden}, {args.threads} threads; "
          f"images/s, medians of {args.rounds} turns.")
    print(f"PyTorch {torch.__version__}, Python {platform.python_version()}, load before {os.getloadavg()[0]:.2f}.\n")
    print("| network | pixelrnn-train | PyTorch | times |\n|---|---:|---:|---:|", flush=True)
    for architecture in args.architectures:
        speeds = {"ours": [], "peer": []}
        with tempfile.TemporaryDirectory() as folder:
            for turn in range(args.rounds):
                speed, nats, path = ours(args.program, architecture, args, Path(folder))
                speeds["ours"].append(speed)
                if turn == 0:
                    model = torch_peer.network(Network(path))
                    with torch.no_grad():
                        got = torch_peer.nats(model, tensors(images(64))).item()
                    if abs(got - nats) > 1e-4 * nats:
                        raise SystemExit(f"{architecture}: PyTorch gets {got} nats, pixelrnn-train {nats}: not the same network")
                    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.95, eps=1e-6)
                    peer(model, optimizer, architecture)
                speeds["peer"].append(peer(model, optimizer, architecture))
        mine, other = median(speeds["ours"]), median(speeds["peer"])
        print(f"| {architecture} | {mine:.0f} | {other:.0f} | {mine / other:.2f} |", flush=True)


main()
