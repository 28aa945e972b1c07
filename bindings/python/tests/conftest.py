"""Models of the repository, and the command line that the package is compared with."""

import os
import pathlib
import shutil
import subprocess

import numpy as np
import pixelrnn
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


def models(name):
    """A model of the repository."""
    return ROOT / "models" / name


@pytest.fixture(scope="session")
def command():
    """Runs the program `pixelrnn`: that of the variable PIXELRNN, or the one on the path."""
    program = os.environ.get("PIXELRNN") or shutil.which("pixelrnn")
    if program is None:
        pytest.skip("no program `pixelrnn`: PIXELRNN=path/to/pixelrnn")

    def run(*arguments):
        done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def digits():
    return pixelrnn.Model.digits()


@pytest.fixture(scope="session")
def labelled():
    return pixelrnn.Model.digits(classes=True)


@pytest.fixture(scope="session")
def clothes():
    """16 levels of gray."""
    return pixelrnn.Model(models("fashion-pixelcnn/model.prnn"))


@pytest.fixture(scope="session")
def photos():
    """Three colours of 256 levels."""
    return pixelrnn.Model(models("cifar10-pixelcnn/model.prnn"))


@pytest.fixture(scope="session")
def images(digits):
    """70 digits: more than a batch."""
    return digits.sample(70, seed=1)


# A convolution over images of 2x2 pixels and two levels, and its weights.
ONE_OP = {
    "image": {"height": 2, "width": 2, "channels": 1, "levels": 2},
    "output": "bernoulli",
    "ops": [{"op": "masked_conv", "name": "only", "mask": "A", "kernel": [3, 3], "out": 1}],
}
ONES = {"only.weight": np.ones((1, 1, 3, 3), np.float32)}
