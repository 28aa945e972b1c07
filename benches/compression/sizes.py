#!/usr/bin/env python3
"""Compressed size of two-level images with pixelrnn and with other codecs.

    python3 sizes.py IMAGES.npy MODEL.prnn [MODEL.prnn ...]

Each codec compresses every image as a separate file, and all images as one tall picture (or one stream of packed bits). The first
figure applies to a device that sends images one by one, the second to an archive.

Needs Pillow, zopfli and zstandard (pip install pillow zopfli zstandard), and `pixelrnn` in the path or in PIXELRNN. Includes
`pbmtojbg` (package jbigkit-bin) if it is installed.
"""

import gzip
import io
import os
import shutil
import subprocess
import sys
import tempfile

import numpy as np
import zopfli.zlib
import zstandard
from PIL import Image


def pillow(image, **options):
    out = io.BytesIO()
    Image.fromarray(image.astype(bool)).save(out, **options)
    return len(out.getvalue())


def png(image):
    """PNG with one bit a pixel and no filter, deflated by zopfli: header, size, data and end are 57 bytes."""
    height, width = image.shape
    rows = np.packbits(image, axis=1)
    raw = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    return min(57 + len(zopfli.zlib.compress(raw)), pillow(image, format="PNG", optimize=True))


def webp(image):
    out = io.BytesIO()
    Image.fromarray((image * 255).astype(np.uint8)).save(out, format="WEBP", lossless=True, quality=100, method=6)
    return len(out.getvalue())


def jbig(image):
    with tempfile.TemporaryDirectory() as folder:
        source, target = os.path.join(folder, "a.pbm"), os.path.join(folder, "a.jbg")
        Image.fromarray(~image.astype(bool)).save(source)
        subprocess.run(["pbmtojbg", "-q", source, target], check=True)
        return os.path.getsize(target)


def packed(image):
    return np.packbits(image).tobytes()


CODECS = {
    "packed bits": lambda image: len(packed(image)),
    "gzip -9 of packed bits": lambda image: len(gzip.compress(packed(image), 9, mtime=0)),
    "zstd -19 of packed bits": lambda image: len(zstandard.ZstdCompressor(level=19).compress(packed(image))),
    "PNG, 1 bit, zopfli": png,
    "TIFF, CCITT G4": lambda image: pillow(image, format="TIFF", compression="group4"),
    "WebP, lossless": webp,
}
if shutil.which("pbmtojbg"):
    CODECS["JBIG"] = jbig


def pixelrnn(images, model):
    program = os.environ.get("PIXELRNN", "pixelrnn")
    with tempfile.TemporaryDirectory() as folder:
        source, target, back = (os.path.join(folder, name) for name in ("a.npy", "a.prnz", "b.npy"))

        def size(some, *options):
            np.save(source, some)
            command = [program, "compress", source, "-m", model, "-o", target, *options]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            return os.path.getsize(target)

        # Separate streams: every hundredth image suffices to estimate the overhead.
        every = range(0, len(images), 100)
        alone = np.mean([size(images[n : n + 1]) for n in every])
        bare = np.mean([size(images[n : n + 1], "--bare") for n in every])
        total = size(images)
        subprocess.run([program, "decompress", target, "-m", model, "-o", back], check=True, stdout=subprocess.DEVNULL)
        assert np.array_equal(np.load(back).reshape(images.shape), images), "decompressed images differ"
        return alone, bare, total / len(images)


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    opened = gzip.open if sys.argv[1].endswith(".gz") else open
    with opened(sys.argv[1], "rb") as source:
        images = np.load(source)
    images = images.reshape(len(images), images.shape[-2], images.shape[-1])
    if images.max() > 1:
        sys.exit("the images have more than two levels")
    tall = images.reshape(-1, images.shape[-1])
    print(f"{len(images)} images of {images.shape[1]}x{images.shape[2]}, bytes an image\n")
    print("| | one by one | all together |\n|---|---|---|")
    for name, codec in CODECS.items():
        alone = np.mean([codec(image) for image in images[::10]])
        try:
            together = f"{codec(tall) / len(images):.1f}"
        except Exception:  # the format does not support this height
            together = "too tall"
        print(f"| {name} | {alone:.1f} | {together} |", flush=True)
    for model in sys.argv[2:]:
        alone, bare, together = pixelrnn(images, model)
        name = os.path.basename(os.path.dirname(os.path.abspath(model)))
        print(f"| **pixelrnn**, {name} | {alone:.1f} | {together:.2f} |", flush=True)
        print(f"| **pixelrnn** `--bare`, {name} | {bare:.1f} | one image a code |", flush=True)


if __name__ == "__main__":
    main()
