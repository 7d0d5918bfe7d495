"""The embedded task: canvases are made the same way every time, and only the shape tells the class."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from supernet.benchmarks.tasks.digits import DigitsRecipe, bilinear, make_digits, source_digits
from supernet.benchmarks.versions import DIGITS_VERSION


@pytest.fixture(scope="module")
def parts():
    return make_digits(3000, 1000, 1000, seed=1)


def test_source_digits_are_shared_out_without_overlap():
    parts = source_digits()
    keys = [{digit.tobytes() for digit in images} for images, _ in parts]
    assert [len(images) for images, _ in parts] == pytest.approx([1078, 359, 360], abs=5)
    assert sum(map(len, keys)) == len(set.union(*keys)) == 1797
    for images, classes in parts:
        assert images.shape == (len(classes), 8, 8)
        assert (images.min(), images.max()) == (0, 1)
        assert (np.diff(classes) >= 0).all()
        assert np.bincount(classes).min() > 0.08 * len(classes)


def test_shapes_and_class_balance(parts):
    for split, n in zip(parts, (3000, 1000, 1000), strict=True):
        assert split.images.shape == (n, 3, 16, 16)
        assert split.images.dtype == torch.uint8
        assert split.images.is_contiguous(memory_format=torch.channels_last)
        assert split.labels.bincount().tolist() == 10 * [n // 10]


def test_equal_seeds_make_equal_canvases(parts):
    again, other = make_digits(600, 500, 500, seed=1), make_digits(600, 500, 500, seed=2)
    assert torch.equal(again[0].images, parts[0].images[:600])
    assert torch.equal(again[2].labels, parts[2].labels[:500])
    assert not torch.equal(other[0].images, again[0].images)
    assert not torch.equal(again[1].images, again[2].images)


def test_any_number_can_be_made():
    train, valid, test = make_digits(7, 0, 501, seed=0)
    assert (len(train), len(valid), len(test)) == (7, 0, 501)


def test_this_version_makes_these_canvases():
    """A change that fails here needs a new VERSION, and new numbers below."""
    assert DIGITS_VERSION == 1
    train = make_digits(500, 0, 0, seed=0)[0]
    assert train.labels[:12].tolist() == [6, 1, 5, 7, 4, 1, 5, 9, 8, 0, 6, 9]
    assert train.images.double().mean((0, 2, 3)).tolist() == pytest.approx([75.525, 75.514, 76.945], abs=0.01)


def linear_accuracy(features, split):
    """Share of the second half that a least-squares classifier trained on the first half gets right."""
    features = np.column_stack([features, np.ones(len(features))])
    half = len(features) // 2
    targets = np.eye(10)[split.labels.numpy()]
    known = features[:half]
    weights = np.linalg.solve(known.T @ known + 1e-3 * np.eye(features.shape[1]), known.T @ targets[:half])
    return float((np.argmax(features[half:] @ weights, 1) == split.labels.numpy()[half:]).mean())


def test_neither_colour_nor_brightness_tells_the_class(parts):
    images = parts[0].images.double()
    colours = torch.cat([images.mean((2, 3)), images.std((2, 3)), images.amax((2, 3))], 1) / 255
    assert linear_accuracy(colours.numpy(), parts[0]) < 0.16


def test_pixels_alone_tell_little(parts):
    assert linear_accuracy(parts[0].images.flatten(1).double().numpy() / 255, parts[0]) < 0.3


def test_without_turns_and_clutter_the_labels_fit_the_shapes():
    plain = DigitsRecipe(angle=(0, 0), shear=(0, 0), shift=0, scale=(1.5, 1.5), fragments=0, patches=0)
    train = make_digits(2000, 0, 0, seed=0, recipe=plain)[0]
    grey = train.images.double().mean(1).flatten(1)
    grey = (grey - grey.mean(1, keepdim=True)) / grey.std(1, keepdim=True)
    assert linear_accuracy(grey.numpy(), train) > 0.85


def test_a_recipe_sets_the_size():
    assert make_digits(3, 0, 0, 0, replace(DigitsRecipe(), size=24))[0].images.shape == (3, 3, 24, 24)


def test_bilinear_agrees_with_scipy():
    rng = np.random.default_rng(0)
    images, y, x = rng.uniform(size=(20, 8, 8)), *rng.uniform(-3, 11, (2, 20, 16, 16))
    y[0], x[0] = np.meshgrid(np.arange(-4, 12), np.arange(-4, 12))
    expected = [
        ndimage.map_coordinates(image, [rows, columns], order=1, mode="grid-constant")
        for image, rows, columns in zip(images, y, x, strict=True)
    ]
    np.testing.assert_allclose(bilinear(images, y, x), expected, atol=1e-12)
