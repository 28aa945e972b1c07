"""Sampling speed of pixelrnn and of alternatives, in images per second, on the same networks.

    run --images IMAGES.npy.gz [--markdown] [--rounds 7] [--check] [MODEL ...]

Models are folders in models/, by default the three digit models. First, each peer's logits for given images are compared with
pixelrnn's float reference; `--check` stops there. Then all contestants run interleaved, so that other load affects them equally.
Prints medians, a table per model, and ratios. `--markdown` prints them for docs/performance.md.
"""

import argparse
import gzip
import sys
import time

import numpy as np
import report
from jax_peer import Jax, JaxByCore
from network import Network
from numpy_peer import NumPy
from onnx_peer import Onnx
from ours import ROOT, TASKS, Ours

MODELS = ["mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"]

# Independent implementations of the logits, and contestants with their batch sizes.
PEERS = [Onnx, Jax, NumPy]
CONTESTANTS = [(Onnx, 1), (Onnx, 64), (Jax, 1), (Jax, 64), (JaxByCore, 64), (NumPy, 1), (NumPy, 64)]

# Maximum error of logits against the float reference.
TOLERANCE = 1e-3

# Number of images checked.
CHECKED = 8

# Minimum seconds per round, and a pause before it for threads of the previous contestant to finish.
TURN, REST = 0.5, 0.1


def read_args():
    parser = argparse.ArgumentParser(prog="run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", default=MODELS)
    parser.add_argument("--images", required=True, help="images for the check: .npy of uint8, [N, H, W], may be gzipped")
    parser.add_argument("--rounds", type=int, default=7, help="rounds per contestant (default 7)")
    parser.add_argument("--check", action="store_true", help="only check the logits")
    parser.add_argument("--markdown", action="store_true")
    return parser.parse_args()


def read_images(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        return np.load(file)[:CHECKED]


def check(network, model, images, ours):
    """Maximum logit error of each peer. Exits if one is too large."""
    right = ours.logits(model, images)
    for peer in PEERS:
        error = np.abs(peer(network, len(images)).logits(images.astype(np.float32)) - right).max()
        print(f"{network.name}: {peer.name}: logits within {error:.1e} of the float reference", file=sys.stderr)
        if not error < TOLERANCE:
            raise SystemExit(f"{network.name}: logits of {peer.name} differ from the reference")


class Contestant:
    """A peer prepared for a network and a batch size."""

    def __init__(self, peer, network, batch):
        self.key = (peer.name, peer.threads, batch)
        self.peer = peer(network, batch)
        self.peer.draw()  # compiles, or allocates
        begin = time.perf_counter()
        self.peer.draw()
        self.turns = max(1, round(TURN / (time.perf_counter() - begin)))

    def turn(self):
        """Images per second."""
        time.sleep(REST)
        begin = time.perf_counter()
        for _ in range(self.turns):
            self.peer.draw()
        return self.peer.images * self.turns / (time.perf_counter() - begin)


def main():
    args = read_args()
    ours, images = Ours(), read_images(args.images)
    lines = report.machine()
    networks = {}
    for name in args.models:
        model = ROOT / "models" / name / "model.safetensors"
        networks[name] = Network(model)
        check(networks[name], model, images, ours)
    if args.check:
        return
    contestants = {name: [Contestant(peer, network, batch) for peer, batch in CONTESTANTS] for name, network in networks.items()}
    results = {name: {key: [] for key in TASKS.values()} for name in networks}
    for turn in range(args.rounds):
        print(f"turn {turn + 1} of {args.rounds}", file=sys.stderr)
        for (name, task), speed in ours.turn(list(networks)).items():
            results[name][TASKS[task]].append(speed)
        for name, ones in contestants.items():
            for one in ones:
                results[name].setdefault(one.key, []).append(one.turn())
    pixels = networks[args.models[0]].height * networks[args.models[0]].width
    lines += [
        f"Medians of {args.rounds} turns; all contestants of all models alternate.",
        f"ONNX Runtime evaluates the whole network for each pixel: {Onnx.PIXELS} of {pixels} pixels are timed, and scaled up.",
    ]
    if args.markdown:
        lines = [f"- {line}" for line in lines]
    for name in networks:
        lines += ["", f"### {name}" if args.markdown else name, "", *report.lines(results[name], args.markdown)]
    print("\n".join(lines))


if __name__ == "__main__":
    main()
