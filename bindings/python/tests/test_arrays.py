"""What is taken as images, labels and models, and what is refused with which words."""

import numpy as np
import pixelrnn
import pytest
from conftest import ONE_OP, ONES, models


def test_shapes_of_one_channel(digits, images):
    nats = digits.score(images[:3])
    for same in [images[:3, 0], images[:3].reshape(3, 784), images[:3].tolist(), np.asfortranarray(images[:3])]:
        assert np.array_equal(digits.score(same), nats)
    assert np.array_equal(digits.score(images[0, 0]), nats[:1])
    assert np.array_equal(digits.score(images[:6:2]), digits.score(np.ascontiguousarray(images[:6:2])))


@pytest.mark.parametrize("dtype", ["bool", "int8", ">i2", "int64", "uint32", "float32", "float16"])
def test_types(digits, images, dtype):
    assert np.array_equal(digits.score(images[:2].astype(dtype)), digits.score(images[:2]))


def test_shapes_of_three_channels(photos):
    image = photos.sample(1)
    assert image.shape == (1, 3, 32, 32)
    assert np.array_equal(photos.score(image[0]), photos.score(image))
    with pytest.raises(ValueError, match=r"looks like \[H, W, C\]: give `x.transpose\(2, 0, 1\)\[None\]`"):
        photos.score(image[0].transpose(1, 2, 0))
    with pytest.raises(ValueError, match=r"looks like \[N, H, W, C\].*np.transpose\(x, \(0, 3, 1, 2\)\)"):
        photos.score(image.transpose(0, 2, 3, 1))
    with pytest.raises(ValueError, match=r"expected \[N, 3, 32, 32\].*`x.reshape\(-1, 3, 32, 32\)`"):
        photos.score(image.reshape(1, -1))


@pytest.mark.parametrize(
    "shape, words",
    [
        ((784,), r"give `x.reshape\(-1, 1, 28, 28\)`"),
        ((14, 28), r"for one image of another size give `x\[None\]`, which is \[1, 14, 28\]"),
        ((28, 28, 1), r"`x.transpose\(2, 0, 1\)\[None\]`"),
        ((2, 28, 28, 1), r"np.transpose"),
        ((), "expected"),
        ((0, 28, 28), "it has no images"),
    ],
)
def test_refused_shapes(digits, shape, words):
    with pytest.raises(ValueError, match=words):
        digits.score(np.zeros(shape, np.uint8))


def test_other_sizes(digits):
    images = digits.sample(2, size=(20, 30))
    with pytest.warns(UserWarning, match="images of 20x30 pixels; the model was made for 28x28"):
        nats = digits.score(images)
    assert nats.shape == (2,)
    with pytest.warns(UserWarning):
        data = digits.compress(images)
    assert np.array_equal(digits.decompress(data), images)


def test_levels_that_can_be_read_in_two_ways(clothes):
    images = clothes.sample(2)
    bright = (images * 17).astype(np.uint8)
    assert np.array_equal(clothes.score(images), clothes.score(images, levels_in=16))
    # Shades of the levels are these levels.
    assert np.array_equal(clothes.score(bright), clothes.score(images))
    other = np.minimum(bright, 254) + 1
    with pytest.warns(UserWarning, match="quantized to the model's 16 levels; `levels_in=256` says"):
        clothes.score(other)
    clothes.score(other, levels_in=256)
    with pytest.raises(ValueError, match="would change: give `quantize=True`"):
        clothes.compress(other)
    clothes.compress(other, quantize=True)
    with pytest.raises(ValueError, match="if they are, use `levels_in=256`"):
        clothes.score(np.full((1, 1, 28, 28), 20, np.uint8))
    with pytest.raises(ValueError, match="choose levels with `levels_in=16`"):
        clothes.score(np.ones((1, 1, 28, 28), bool))
    with pytest.raises(ValueError, match="levels_in: 3, expected the model's 16 or 256"):
        clothes.score(images, levels_in=3)


def test_refused_values(digits):
    for value, words in [(0.5, "value 0.5 at index 0"), (-1.0, "value -1 at index 0"), (np.nan, "NaN")]:
        with pytest.raises(ValueError, match=words):
            digits.score(np.full((1, 1, 28, 28), value))
    with pytest.raises(ValueError, match="expected uint8, or bool"):
        digits.score(np.zeros((1, 1, 28, 28), complex))
    with pytest.raises(ValueError, match="value 7 at index 0, expected 0 to 1"):
        digits.score(np.full((1, 1, 28, 28), 7), levels_in=2)


def test_labels(labelled, digits, images):
    nats = labelled.score(images[:3], [4, 4, 4])
    for same in [4, np.int64(4), np.array([4, 4, 4], np.uint8), (4, 4, 4)]:
        assert np.array_equal(labelled.score(images[:3], same), nats)
    for labels, words in [
        (None, "the model has 10 classes, expected a label with each image"),
        (10, "label 10, expected 0 to 9"),
        ([1, 2], "2 labels for 3 images"),
        (-1, "label -1"),
        (1.5, "expected whole numbers"),
        ([[1, 2, 3]], r"expected \[N\]"),
    ]:
        with pytest.raises(ValueError, match=words):
            labelled.score(images[:3], labels)
    with pytest.raises(ValueError, match="the model has no classes"):
        digits.score(images[:3], 1)
    with pytest.raises(ValueError, match="a label with each image"):
        labelled.sample(2)
    with pytest.raises(ValueError, match="2 labels for 3 images"):
        labelled.sample(3, labels=[1, 2])


def test_masks(digits, images):
    mask = np.random.default_rng(0).random((2, 1, 28, 28)) < 0.5
    done = digits.complete(images[:2], mask=mask, n=3)
    assert done.shape == (6, 1, 28, 28)
    kept, given = np.repeat(mask, 3, 0), np.repeat(images[:2], 3, 0)
    assert np.array_equal(done[kept], given[kept])
    assert not np.array_equal(done, given)
    same = digits.complete(images[:2], mask=mask[:1])
    assert np.array_equal(same, digits.complete(images[:2], mask=mask[0, 0]))
    with pytest.raises(ValueError, match="a mask of type `<i8`, expected bool"):
        digits.complete(images[:2], mask=mask.astype("<i8"))
    with pytest.raises(ValueError, match=r"a mask \[3, 3\], expected \[28, 28\]"):
        digits.complete(images[:2], mask=np.ones((3, 3), bool))
    with pytest.raises(ValueError, match="rows and mask"):
        digits.complete(images[:2], rows=3, mask=mask)
    with pytest.raises(ValueError, match="rows: 29, expected at most the images' 28"):
        digits.complete(images[:2], rows=29)


def test_temperatures(digits):
    for temperature in [0.0, -1.0, 101.0, float("nan")]:
        with pytest.raises(ValueError, match="expected a number from 0.01 to 100"):
            digits.sample(1, temperature=temperature)


def test_models(tmp_path, digits):
    blob = bytes(digits)
    for source in [bytearray(blob), memoryview(blob), digits]:
        assert bytes(pixelrnn.Model(source)) == blob
    digits.save(tmp_path / "a.prnn")
    assert pixelrnn.Model(str(tmp_path / "a.prnn")).identity == digits.identity
    assert (digits.flash_bytes, digits.weights, digits.classes) == (len(blob), "i8", 0)
    assert digits.image.shape == (1, 28, 28) and digits.image.levels == 2
    assert digits.image == pixelrnn.Model(blob).image
    assert digits.ram_bytes == 10612
    with pytest.raises(FileNotFoundError, match="cannot read .*missing.prnn: "):
        pixelrnn.Model(tmp_path / "missing.prnn")
    with pytest.raises(IsADirectoryError):
        pixelrnn.Model(tmp_path)
    with pytest.raises(pixelrnn.Error, match="make one with `pixelrnn.convert`"):
        pixelrnn.Model(models("mnist-pixelcnn/model.safetensors"))
    with pytest.raises(ValueError, match="this is a blob, expected the trained model"):
        pixelrnn.Reference(digits)
    damaged = bytearray(blob)
    damaged[100] ^= 1
    with pytest.raises(pixelrnn.Error):
        pixelrnn.Model(damaged)
    with pytest.raises(pixelrnn.Error):
        pixelrnn.Model(b"")
    with pytest.raises(TypeError, match="expected a path, bytes, Model or Reference, got int"):
        pixelrnn.Model(3)


def test_damaged_files(digits, clothes, images):
    data = digits.compress(images)
    with pytest.raises(pixelrnn.Error):
        digits.decompress(data[:-1])
    with pytest.raises(pixelrnn.Error):
        clothes.decompress(data)
    with pytest.raises(ValueError, match="image 70, expected 0 to 69"):
        digits.decompress(data, image=70)
    with pytest.raises(pixelrnn.Error, match="leave out `bare=True`"):
        digits.decompress(data, bare=True)
    with pytest.raises(TypeError, match="expected bytes, got str"):
        digits.decompress("a")


def test_pickle(digits, images):
    import pickle

    assert np.array_equal(pickle.loads(pickle.dumps(digits)).score(images[:2]), digits.score(images[:2]))
    reference = pixelrnn.Reference.from_tensors(ONE_OP, ONES)
    assert bytes(pickle.loads(pickle.dumps(reference))) == bytes(reference)


def test_tensors(tmp_path):
    reference = pixelrnn.Reference.from_tensors(ONE_OP, ONES)
    logits = reference.logits([[1, 1], [0, 1]])
    assert logits.ravel().tolist() == [0.0, 1.0, 2.0, 2.0]
    reference.save(tmp_path / "a.safetensors")
    assert bytes(pixelrnn.Reference(tmp_path / "a.safetensors")) == bytes(reference)
    double = {name: tensor.astype(np.float64) for name, tensor in ONES.items()}
    assert bytes(pixelrnn.Reference.from_tensors(reference.description, double)) == bytes(reference)
    mask = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0], np.float32).reshape(1, 1, 3, 3)
    assert bytes(pixelrnn.Reference.from_tensors(ONE_OP, {**ONES, "only.mask": mask})) == bytes(reference)
    with pytest.raises(pixelrnn.Error, match="differs from mask A"):
        pixelrnn.Reference.from_tensors(ONE_OP, {**ONES, "only.mask": 1 - mask})
    with pytest.raises(pixelrnn.Error, match="no tensor `only.weight`"):
        pixelrnn.Reference.from_tensors(ONE_OP, {})
    with pytest.raises(pixelrnn.Error, match="the description is not valid"):
        pixelrnn.Reference.from_tensors("{", ONES)


class LikeTorch:
    """What the package asks of a tensor of PyTorch: one with a gradient, of a type that NumPy lacks."""

    def __init__(self, array, wide=False):
        self.values, self.wide = array, wide

    def detach(self):
        return self

    def cpu(self):
        return self

    def is_floating_point(self):
        return True

    def float(self):
        return LikeTorch(self.values, wide=True)

    def __array__(self, dtype=None, copy=None):
        assert self.wide
        return self.values


def test_tensors_of_a_framework():
    like = {name: LikeTorch(array) for name, array in ONES.items()}
    ours = pixelrnn.Reference.from_tensors(ONE_OP, ONES)
    assert bytes(pixelrnn.Reference.from_tensors(ONE_OP, like)) == bytes(ours)


def test_convert_and_verify(images):
    reference = pixelrnn.Reference(models("mnist-pixelcnn/model.safetensors"))
    done = pixelrnn.convert(reference, calibrate_count=4)
    assert done.own_samples and done.activation_bits == 8
    assert abs(done.lost - (done.quantized_nats - done.float_nats)) < 1e-9
    verified = pixelrnn.verify(reference, done.model, images[:2])
    assert verified.mean_absolute_difference <= verified.worst_image < 2
    with pytest.raises(pixelrnn.Error, match="the blob was not made from this model"):
        pixelrnn.verify(reference, models("fashion-pixelcnn/model.prnn"), images[:2])
    with pytest.raises(pixelrnn.Error, match="change by"):
        pixelrnn.convert(reference, calibrate_count=4, max_loss=0.0)
    for arguments, words in [
        ({"weights": "i4"}, "weights"),
        ({"activations": 4}, "activations"),
        ({"ranges": "all"}, "ranges"),
        ({"weights": "f32", "target": "dsp"}, "target"),
        ({"weights": "f16", "activations": 8}, "activations"),
        ({"labels": [1]}, "labels"),
        ({"percentile": 3.0, "ranges": "percentile"}, "percentile"),
    ]:
        with pytest.raises(ValueError, match=words):
            pixelrnn.convert(reference, **arguments)
    with pytest.raises(ValueError, match="this is a blob"):
        pixelrnn.convert(done.model)


def test_repr(digits):
    assert repr(digits.image) == "Image(height=28, width=28, channels=1, levels=2)"
    assert digits.identity in repr(digits)


def test_floats_warn_that_machines_differ(images):
    model = pixelrnn.convert(models("mnist-pixelcnn/model.safetensors"), weights="f32", calibrate_count=1).model
    assert model.weights == "f32"
    with pytest.warns(UserWarning, match="the model uses floats"):
        data = model.compress(images[:1])
    assert np.array_equal(model.decompress(data), images[:1])
