"""The same bytes as the command line's."""

import numpy as np
import pixelrnn
import pytest
from conftest import models

DIGITS = models("mnist-pixelcnn/model.prnn")


def test_sample(command, tmp_path, digits, labelled):
    command("sample", "-n", 70, "--seed", 9, "-o", tmp_path / "a.npy")
    assert np.array_equal(np.load(tmp_path / "a.npy"), digits.sample(70, seed=9))
    command("sample", "-n", 3, "--label", 7, "--temperature", 0.7, "-o", tmp_path / "b.npy")
    assert np.array_equal(np.load(tmp_path / "b.npy"), labelled.sample(3, labels=7, temperature=0.7))
    command("sample", "-n", 2, "--size", "20x30", "-o", tmp_path / "c.npy")
    assert np.array_equal(np.load(tmp_path / "c.npy"), digits.sample(2, size=(20, 30)))
    command("sample", "--argmax", "--label", 3, "-o", tmp_path / "d.npy")
    assert np.array_equal(np.load(tmp_path / "d.npy"), labelled.sample(labels=3, argmax=True))


def test_sample_in_colour(command, tmp_path, photos):
    command("sample", "-m", models("cifar10-pixelcnn/model.prnn"), "-n", 2, "-o", tmp_path / "a.npy")
    assert np.array_equal(np.load(tmp_path / "a.npy"), photos.sample(2))


def test_labels_of_each_image(labelled):
    both = labelled.sample(labels=[3, 8, 3], seed=5)
    assert both.shape == (3, 1, 28, 28)
    for n, label in enumerate([3, 8, 3]):
        assert np.array_equal(both[n], labelled.sample(labels=label, seed=5 + n)[0])
    likeliest = labelled.sample(labels=[3, 8, 3], argmax=True)
    assert np.array_equal(likeliest[0], likeliest[2])
    assert np.array_equal(likeliest[1:2], labelled.sample(labels=8, argmax=True))


def test_complete(command, tmp_path, digits, images):
    np.save(tmp_path / "in.npy", images[:3])
    arguments = ("--count", 3, "-n", 2, "--rows", 10, "--seed", 4)
    command("complete", tmp_path / "in.npy", *arguments, "-o", tmp_path / "out.npy")
    done = digits.complete(images[:3], rows=10, n=2, seed=4)
    assert np.array_equal(np.load(tmp_path / "out.npy"), done)
    mask = np.zeros((28, 28), bool)
    mask[:10] = True
    assert np.array_equal(done, digits.complete(images[:3], mask=mask, n=2, seed=4))


@pytest.mark.parametrize("which", ["mnist-pixelcnn/model.prnn", "mnist-diagonal-bilstm/model.prnn"])
def test_score(command, tmp_path, images, which):
    np.save(tmp_path / "in.npy", images)
    command("score", tmp_path / "in.npy", "-m", models(which), "--nats", tmp_path / "nats.npy")
    nats = pixelrnn.Model(models(which)).score(images)
    assert nats.dtype == np.float64 and nats.shape == (70,)
    assert np.array_equal(np.load(tmp_path / "nats.npy"), nats)


def test_logits(command, tmp_path, digits, clothes, images):
    np.save(tmp_path / "in.npy", images[:2])
    command("score", tmp_path / "in.npy", "--logits", tmp_path / "logits.npy")
    logits = digits.logits(images[:2])
    assert logits.shape == (2, 1, 1, 28, 28) and logits.dtype == np.float32
    assert np.array_equal(np.load(tmp_path / "logits.npy"), logits)
    # The likelihood is that of the logits, up to the rounding of probabilities.
    signs = np.where(images[:2] == 1, -1.0, 1.0)
    nats = np.logaddexp(0, signs * logits[:, :, 0]).sum((1, 2, 3))
    assert np.allclose(nats, digits.score(images[:2]), atol=0.01)
    assert clothes.logits(clothes.sample(1)).shape == (1, 1, 16, 28, 28)


def test_reference(command, tmp_path, images):
    trained = models("mnist-pixelcnn/model.safetensors")
    np.save(tmp_path / "in.npy", images[:2])
    files = ("--nats", tmp_path / "nats.npy", "--logits", tmp_path / "logits.npy")
    command("score", tmp_path / "in.npy", "-m", trained, *files)
    reference = pixelrnn.Reference(trained)
    assert np.array_equal(np.load(tmp_path / "nats.npy"), reference.score(images[:2]))
    assert np.array_equal(np.load(tmp_path / "logits.npy"), reference.logits(images[:2]))


def test_compress(command, tmp_path, digits, labelled, images):
    for name, array in [("four", images), ("three", images[:, 0])]:
        np.save(tmp_path / f"{name}.npy", array)
        command("compress", tmp_path / f"{name}.npy", "-o", tmp_path / f"{name}.prnz")
        data = digits.compress(array)
        assert (tmp_path / f"{name}.prnz").read_bytes() == data
        assert np.array_equal(digits.decompress(data), images)
    assert np.array_equal(digits.decompress(data, image=69), images[69:])
    command("compress", tmp_path / "four.npy", "-n", 1, "--bare", "-o", tmp_path / "bare")
    bare = digits.compress(images[:1], bare=True)
    assert (tmp_path / "bare").read_bytes() == bare
    assert np.array_equal(digits.decompress(bare, bare=True), images[:1])
    labels = np.arange(70) % 10
    np.save(tmp_path / "labels.npy", labels)
    command("compress", tmp_path / "four.npy", "--labels", tmp_path / "labels.npy", "-o", tmp_path / "labelled.prnz")
    data = labelled.compress(images, labels)
    assert (tmp_path / "labelled.prnz").read_bytes() == data
    assert np.array_equal(labelled.labels(data), labels)


def test_files_are_read_as_by_the_command_line(command, tmp_path, clothes):
    images = clothes.sample(3)
    np.save(tmp_path / "in.npy", images)
    assert np.array_equal(clothes.score(tmp_path / "in.npy"), clothes.score(images))
    command("sample", "-n", 1, "-o", tmp_path / "one.png", "-m", models("fashion-pixelcnn/model.prnn"))


@pytest.mark.parametrize(
    "options, arguments",
    [
        ((), {}),
        (("--activations", 16, "--ranges", "mse"), {"activations": 16, "ranges": "mse"}),
        (("--target", "dsp", "--activations", 8), {"target": "dsp", "activations": 8}),
        (("--weights", "f32"), {"weights": "f32"}),
    ],
)
def test_convert(command, tmp_path, images, options, arguments):
    trained = models("mnist-pixelcnn/model.safetensors")
    np.save(tmp_path / "in.npy", images)
    few = ("--calibrate-count", 8)
    command("convert", trained, "--calibrate", tmp_path / "in.npy", *few, *options, "-o", tmp_path / "out.prnn")
    done = pixelrnn.convert(trained, calibrate=images, calibrate_count=8, **arguments)
    assert (tmp_path / "out.prnn").read_bytes() == bytes(done.model)
    assert (done.images, done.own_samples, done.float_bytes) == (8, False, 4 * 26433)


def test_verify(command, tmp_path, images):
    import json

    trained = models("mnist-pixelcnn/model.safetensors")
    np.save(tmp_path / "in.npy", images)
    said = json.loads(command("verify", trained, DIGITS, tmp_path / "in.npy", "-n", 4, "--json"))
    done = pixelrnn.verify(trained, DIGITS, images, count=4)
    for name in ["images", "float_nats", "quantized_nats", "mean_absolute_difference", "worst_image", "worst_logit"]:
        assert said[name] == getattr(done, name)
    assert [layer["name"] for layer in said["layers"]] == [layer.name for layer in done.layers]
    assert [layer["relative_error"] for layer in said["layers"]] == [layer.relative_error for layer in done.layers]
    assert all(kernel.equal == kernel.images == 4 for kernel in done.kernels)


def test_identity(command, digits):
    import json

    said = json.loads(command("inspect", DIGITS, "--json"))
    model = pixelrnn.Model(DIGITS)
    assert said["identity"] == model.identity == digits.identity
