import os
from collections.abc import Mapping
from typing import Any, Literal, Union, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Self, TypeAlias

# A path or the bytes of a file.
_Source: TypeAlias = Union[str, os.PathLike[str], bytes, bytearray, memoryview]
_Path: TypeAlias = Union[str, os.PathLike[str]]
_Bytes: TypeAlias = Union[bytes, bytearray, memoryview]
# An array, or a path of images or labels as the command line reads them.
_Images: TypeAlias = Union[ArrayLike, _Path]
_Labels: TypeAlias = Union[ArrayLike, _Path]

__version__: str

class Error(ValueError):
    """A file or bytes that are no valid model, image or compressed file, or a model that the engine cannot run."""

@final
class Image:
    """Dimensions of a model's images."""

    @property
    def height(self) -> int:
        """Rows."""
    @property
    def width(self) -> int:
        """Pixels in a row."""
    @property
    def channels(self) -> int:
        """1 (gray) or 3 (R, G, B)."""
    @property
    def levels(self) -> int:
        """Levels of a value: it is 0 to levels - 1."""
    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an image in an array: channels, height, width."""
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Model:
    """A model of images in a blob (`.prnn`), run by the engine that microcontrollers run, with the same results everywhere.

    `Model(source)` reads a path or bytes. `bytes(model)` are those of the blob. Images are arrays of uint8 `[N, C, H, W]`
    that hold levels, or a path of images that the command line reads. Taken as well are `[N, H, W]`, `[N, H*W]` and
    `[H, W]` for one channel, `[C, H, W]` for three, booleans for two levels, and whole numbers of other types. Values
    above the levels are read as 0 to 255 where no other reading is possible, with a warning if some of them change;
    `levels_in` says how to read them: the model's number of levels, or 256.

    Errors: `ValueError` for arguments that do not fit the model; `Error`, a `ValueError` as well, for invalid files and
    bytes; `OSError` for files that cannot be read or written. Ctrl-C stops the work between two images or batches. Other
    threads of Python run meanwhile.
    """

    def __new__(cls, source: Union[_Source, Model], /) -> Self: ...
    @staticmethod
    def digits(classes: bool = False) -> Model:
        """The built-in model of handwritten digits, of 28 rows and columns and two levels; with `classes=True` the one
        that takes the digits as labels."""
    @property
    def image(self) -> Image:
        """Dimensions of the images."""
    @property
    def classes(self) -> int:
        """Number of classes; 0 for a model that takes no labels."""
    @property
    def identity(self) -> str:
        """Name of the model in compressed files, 16 hexadecimal digits: the same for all layouts of its weights."""
    @property
    def weights(self) -> Literal["i8", "i8a16", "f16", "f32"]:
        """Type of the weights, and of the activations where they are wider."""
    @property
    def flash_bytes(self) -> int:
        """Size of the blob in bytes, which a microcontroller keeps in flash."""
    @property
    def ram_bytes(self) -> int:
        """Memory that the engine needs on a microcontroller, in bytes."""
    def sample(
        self,
        n: int | None = None,
        *,
        seed: int = 0,
        temperature: float = 1.0,
        labels: _Labels | None = None,
        size: tuple[int, int] | None = None,
        argmax: bool = False,
    ) -> NDArray[np.uint8]:
        """Draws `n` images, by default one or as many as `labels`: uint8 `[n, C, H, W]`.

        Image i, from 0, has the seed `seed + i`, whatever the number. `temperature` is 0.01 to 100: below 1 for likelier
        images, above 1 for more varied ones. `labels` is the class of all images or of each, for a model with classes.
        `size` is other rows and columns than the model's. `argmax` takes the likeliest value at each step instead.
        """
    def complete(
        self,
        images: _Images,
        *,
        rows: int | None = None,
        mask: ArrayLike | None = None,
        n: int = 1,
        seed: int = 0,
        temperature: float = 1.0,
        labels: _Labels | None = None,
        levels_in: int | None = None,
    ) -> NDArray[np.uint8]:
        """Completes images, `n` times each: uint8 `[N*n, C, H, W]`, those of the first image first.

        Kept are the upper `rows`, by default half of them, or the values where `mask` is true: booleans `[H, W]`,
        `[C, H, W]` or `[N, C, H, W]`. A value is drawn after those before it, in reading order: kept values that come
        later do not bear on it. Completion k of image i has the seed `seed + i * 2**32 + k`.
        """
    def score(
        self, images: _Images, labels: _Labels | None = None, *, levels_in: int | None = None
    ) -> NDArray[np.float64]:
        """Negative log-likelihood of each image, in nats: float64 `[N]`."""
    def logits(
        self, images: _Images, labels: _Labels | None = None, *, levels_in: int | None = None
    ) -> NDArray[np.float32]:
        """Logits of each value, in nats: float32 `[N, C, L, H, W]`, or `[N, C, 1, H, W]` with a Bernoulli output.

        Those of a softmax are known up to a number common to a value's levels.
        """
    def compress(
        self,
        images: _Images,
        labels: _Labels | None = None,
        *,
        bare: bool = False,
        quantize: bool = False,
        levels_in: int | None = None,
    ) -> bytes:
        """Compresses images without loss: the bytes of a compressed file (`.prnz`).

        `bare` gives the code of one image alone, without header, label and checksum. `quantize` accepts that values 0 to
        255 change where the model has fewer levels.
        """
    def decompress(
        self,
        data: _Bytes,
        *,
        image: int | None = None,
        bare: bool = False,
        label: int | None = None,
        size: tuple[int, int] | None = None,
    ) -> NDArray[np.uint8]:
        """Restores compressed images: uint8 `[N, C, H, W]`.

        `image` restores that one alone, counted from 0. `bare` reads the code of `compress(..., bare=True)`, of an image
        of class `label` and of rows and columns `size`; it has no checksum.
        """
    def labels(self, data: _Bytes) -> NDArray[np.uint16] | None:
        """Labels of compressed images: uint16 `[N]`, or None for a model without classes. Decompresses them all."""
    def save(self, path: _Path) -> None:
        """Writes the blob to a file."""
    def __bytes__(self) -> bytes: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class Reference:
    """A trained model (`.safetensors`) in floating point: slow, and what a blob is measured by.

    `Reference(source)` reads a path or bytes. `bytes(reference)` are those of a file. Images and errors are as for `Model`.
    """

    def __new__(cls, source: Union[_Source, Reference], /) -> Self: ...
    @staticmethod
    def from_tensors(description: Union[str, Mapping[str, Any]], tensors: Mapping[str, Any]) -> Reference:
        """A model of a description, as a dict or as JSON, and its tensors by name.

        The tensors are arrays, or those of PyTorch: `module.state_dict()` passes as it is, its masks are compared with
        the description's. Nothing needs PyTorch.
        """
    @property
    def image(self) -> Image:
        """Dimensions of the images."""
    @property
    def classes(self) -> int:
        """Number of classes; 0 for a model that takes no labels."""
    @property
    def description(self) -> str:
        """Description of the network as JSON."""
    def score(
        self, images: _Images, labels: _Labels | None = None, *, levels_in: int | None = None
    ) -> NDArray[np.float64]:
        """Negative log-likelihood of each image, in nats: float64 `[N]`."""
    def logits(
        self, images: _Images, labels: _Labels | None = None, *, levels_in: int | None = None
    ) -> NDArray[np.float32]:
        """Logits of each value, in nats: float32 `[N, C, L, H, W]`, or `[N, C, 1, H, W]` with a Bernoulli output."""
    def save(self, path: _Path) -> None:
        """Writes the model to a `.safetensors` file."""
    def __bytes__(self) -> bytes: ...
    def __reduce__(self) -> tuple[Any, ...]: ...

@final
class Converted:
    """A blob, with what its conversion lost on the calibration images."""

    @property
    def model(self) -> Model:
        """The blob."""
    @property
    def images(self) -> int:
        """Number of calibration images."""
    @property
    def float_nats(self) -> float:
        """Mean nats an image by the float reference, probabilities floored at 2^-24 as in a blob."""
    @property
    def quantized_nats(self) -> float:
        """Mean nats an image by the blob."""
    @property
    def lost(self) -> float:
        """Mean increase in nats an image."""
    @property
    def mean_absolute_difference(self) -> float:
        """Mean absolute difference between the two, image by image."""
    @property
    def activation_bits(self) -> int:
        """Bits of an activation."""
    @property
    def float_bytes(self) -> int:
        """Size of the weights as f32, in bytes."""
    @property
    def own_samples(self) -> bool:
        """True if the calibration images are samples of the model itself."""
    @property
    def notes(self) -> list[str]:
        """Notes about the calibration images and the levels, advice if much was lost, and weights that no tap reads."""

@final
class Kernel:
    """Agreement of a kernel of this machine with the portable one."""

    @property
    def name(self) -> str:
        """Name of the kernel."""
    @property
    def images(self) -> int:
        """Number of images compared."""
    @property
    def equal(self) -> int:
        """Number of images with the same likelihood."""

@final
class Layer:
    """Error of an op of a blob against the float reference."""

    @property
    def name(self) -> str:
        """Name of the op."""
    @property
    def relative_error(self) -> float | None:
        """Root mean square of the error, as a share of that of the exact values. None for an op that completes no value."""
    @property
    def worst(self) -> float | None:
        """Largest error."""
    @property
    def saturated(self) -> float | None:
        """Share of values at an end of their range."""

@final
class Verified:
    """Comparison of a trained model with its blob."""

    @property
    def images(self) -> int:
        """Number of images."""
    @property
    def float_nats(self) -> float:
        """Mean nats an image by the float reference, probabilities floored at 2^-24 as in a blob."""
    @property
    def quantized_nats(self) -> float:
        """Mean nats an image by the blob."""
    @property
    def mean_absolute_difference(self) -> float:
        """Mean absolute difference between the two, image by image."""
    @property
    def worst_image(self) -> float:
        """Largest absolute difference of an image."""
    @property
    def worst_logit(self) -> float:
        """Largest difference of a logit in nats."""
    @property
    def values_at_floor(self) -> int:
        """Number of values with a probability of 2^-24 or less by the reference."""
    @property
    def kernels(self) -> list[Kernel]:
        """Kernels of this machine."""
    @property
    def layers(self) -> list[Layer]:
        """Ops of the blob."""

def convert(
    model: Union[_Source, Reference],
    *,
    calibrate: _Images | None = None,
    labels: _Labels | None = None,
    levels_in: int | None = None,
    calibrate_count: int = 256,
    ranges: Literal["min-max", "percentile", "mse"] = "percentile",
    percentile: float = 99.9,
    weights: Literal["i8", "f16", "f32"] = "i8",
    activations: Literal[8, 16] | None = None,
    max_loss: float | None = None,
    target: Literal["any", "dsp"] = "any",
) -> Converted:
    """Converts a trained model to a blob: `Converted.model`.

    `calibrate` is images like those of the training, with their `labels` for a model with classes; without them the model
    draws its own. `activations=None` takes 16 bits where 8 lose more than 1 %. `max_loss` is a share such as 0.01: more is
    an error. `target="dsp"` lays the weights out for Cortex-M4, M7 and M33.
    """

def verify(
    trained: Union[_Source, Reference],
    model: Union[_Source, Model],
    images: _Images,
    labels: _Labels | None = None,
    *,
    count: int | None = None,
    layer_images: int = 32,
    levels_in: int | None = None,
) -> Verified:
    """Compares a trained model with the blob made from it: likelihoods, logits, layers, and all kernels of this machine.

    `count` takes the first images only, `layer_images` is how many the layers are compared on.

    Errors: `Error` where kernels differ or a number is not finite, and for a blob of another model.
    """
