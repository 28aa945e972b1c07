"""Autoregressive image models for microcontrollers: draw, complete, score, compress, convert.

A `Model` is a blob (`.prnn`), run by the engine that microcontrollers run: the same model, seed and image give the same
bytes on every machine. A `Reference` is the trained model (`.safetensors`) in floating point. `convert` makes the first
from the second, `verify` compares them.

Images are arrays of uint8 `[N, C, H, W]` that hold levels, from 0 to `image.levels - 1`.

    >>> import pixelrnn
    >>> model = pixelrnn.Model.digits()
    >>> images = model.sample(4, seed=7)
    >>> images.shape
    (4, 1, 28, 28)
"""

from ._pixelrnn import (
    Converted,
    Error,
    Image,
    Kernel,
    Layer,
    Model,
    Reference,
    Verified,
    __version__,
    convert,
    verify,
)

__all__ = [
    "Converted",
    "Error",
    "Image",
    "Kernel",
    "Layer",
    "Model",
    "Reference",
    "Verified",
    "__version__",
    "convert",
    "verify",
]
