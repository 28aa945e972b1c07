"""pixelrnn itself: the benchmark `packed` for speed, and the float reference for correctness."""

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]

# Tasks of the benchmark with threads and batch size. The benchmark rounds 64 images down to a multiple of the threads.
TASKS = {
    "sample, engine": ("pixelrnn, engine", 1, 1),
    "sample, batch of 1": ("pixelrnn, packed", 1, 1),
    "sample, batch of 64": ("pixelrnn, packed", 1, 64),
    "sample, 64 by all threads": ("pixelrnn, packed", os.cpu_count(), 64),
    "score, rows": ("pixelrnn, scores a given image", 1, 1),
}


def build(*command):
    """Runs cargo and returns the built executable."""
    command = ["cargo", *command, "--quiet", "--message-format=json"]
    lines = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    return next(made for line in lines if (made := json.loads(line).get("executable")))


class Ours:
    """Both programs, built once."""

    def __init__(self):
        self.program = build("build", "--release", "-p", "pixelrnn-converter", "--bin", "pixelrnn")
        self.bench = build("bench", "-p", "pixelrnn-benches", "--bench", "packed", "--no-run")

    def logits(self, model, images):
        """Logits `[N, H, W]` of images from the float reference."""
        with tempfile.TemporaryDirectory() as folder:
            given, out = Path(folder, "images.npy"), Path(folder, "logits.npy")
            np.save(given, images)
            command = [self.program, "score", given, "-m", model, "-n", str(len(images)), "--logits", out]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            return np.load(out)[:, 0, 0]

    def turn(self, names):
        """One round of each task: images per second by model and task."""
        environment = os.environ | {"RAYON_NUM_THREADS": str(os.cpu_count())}
        command = [self.bench, os.path.commonprefix(names), "--rounds", "1", "--json"]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout.splitlines()
        speeds = {(line["model"], line["task"]): line["images_per_second"] for line in map(json.loads, lines)}
        return {key: speed for key, speed in speeds.items() if key[0] in names}
