"""Images a second that pixelrnn draws, and that what people would use instead draws, of the same networks.

    run --images IMAGES.npy.gz [--markdown] [--rounds 7] [--check] [MODEL ...]

Models are folders of models/; by default the three of digits. First, each peer's logits of some given images must be those of
pixelrnn's float reference; `--check` stops there. Then all contestants take turns, so that whatever else the machine does slows all
alike, and medians are printed: a table a model, and ratios. `--markdown` prints them for docs/performance.md.
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

# Who computes logits in a way of its own, and who draws how many images together.
PEERS = [Onnx, Jax, NumPy]
CONTESTANTS = [(Onnx, 1), (Onnx, 64), (Jax, 1), (Jax, 64), (JaxByCore, 64), (NumPy, 1), (NumPy, 64)]

# How far logits may be from the float reference.
TOLERANCE = 1e-3

# Images that the check is about.
CHECKED = 8

# Seconds that a turn takes, at least, and a rest before it, in which threads of the contestant before come to an end.
TURN, REST = 0.5, 0.1


def read_args():
    parser = argparse.ArgumentParser(prog="run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", default=MODELS)
    parser.add_argument("--images", required=True, help="images for the check: .npy of uint8, [N, H, W], perhaps gzipped")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each contestant (default 7)")
    parser.add_argument("--check", action="store_true", help="check the logits, and measure nothing")
    parser.add_argument("--markdown", action="store_true")
    return parser.parse_args()


def read_images(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        return np.load(file)[:CHECKED]


def check(network, model, images, ours):
    """The largest error of each peer's logits; raises where one is too large."""
    right = ours.logits(model, images)
    for peer in PEERS:
        error = np.abs(peer(network, len(images)).logits(images.astype(np.float32)) - right).max()
        print(f"{network.name}: {peer.name}: logits within {error:.1e} of the float reference", file=sys.stderr)
        if not error < TOLERANCE:
            raise SystemExit(f"{network.name}: {peer.name} computes something else")


class Contestant:
    """A peer with a network and a batch, ready to draw."""

    def __init__(self, peer, network, batch):
        self.key = (peer.name, peer.threads, batch)
        self.peer = peer(network, batch)
        self.peer.draw()  # compiles, or allocates
        begin = time.perf_counter()
        self.peer.draw()
        self.turns = max(1, round(TURN / (time.perf_counter() - begin)))

    def turn(self):
        """Images a second."""
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
