"""Batches: every image once, the same in every run, and cropped as if by hand."""

from collections import Counter

import pytest
import torch

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.tasks import Split, Task, eval_batches, train_batches

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


def numbered(n, size=6, padding=1, flip=True):
    """A task of random images whose labels are their numbers."""
    pixels = torch.randint(0, 256, (n, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    split = Split(pixels.permute(0, 3, 1, 2), torch.arange(n))
    return Task("numbered", n, split, split, split, MEAN, STD, padding, flip)


def run(task, batch_size=10, seed=1, epoch=0):
    return list(train_batches(task.train, task, batch_size, seed=seed, epoch=epoch))


def pixels_of(images):
    """The pixel values behind normalised images."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    return (255 * (images * std + mean)).round().to(torch.uint8)


def all_crops(image, padding):
    """Pixel bytes -> (top, left, flipped) of each crop of one image, made by plain slicing."""
    size = image.shape[-1]
    wide = torch.zeros(3, size + 2 * padding, size + 2 * padding, dtype=torch.uint8)
    wide[:, padding : padding + size, padding : padding + size] = image
    crops = {}
    for top in range(2 * padding + 1):
        for left in range(2 * padding + 1):
            crop = wide[:, top : top + size, left : left + size]
            crops[bytes(crop.flatten().tolist())] = (top, left, False)
            crops[bytes(crop.flip(2).flatten().tolist())] = (top, left, True)
    return crops


@pytest.mark.parametrize(("padding", "flip"), [(1, True), (2, True), (2, False), (0, True), (0, False)])
def test_each_image_is_a_crop_of_its_source(padding, flip):
    task = numbered(300, padding=padding, flip=flip)
    crops = [all_crops(image, padding) for image in task.train.images]
    seen = Counter()
    for epoch in range(2):
        for images, labels, _ in run(task, epoch=epoch):
            seen.update(
                crops[label][bytes(image.flatten().tolist())]
                for image, label in zip(pixels_of(images), labels.tolist(), strict=True)
            )
    assert len(seen) == (2 * padding + 1) ** 2 * (1 + flip)
    expected = 600 / len(seen)
    assert all(abs(count - expected) < 5 * expected**0.5 + 1 for count in seen.values())


def test_every_image_is_used_once_per_epoch():
    for epoch in range(3):
        labels = torch.cat([labels for _, labels, _ in run(numbered(60), epoch=epoch)])
        assert torch.equal(labels.sort().values, torch.arange(60))


def test_the_incomplete_last_batch_is_dropped():
    batches = run(numbered(69))
    assert [len(labels) for _, labels, _ in batches] == 6 * [10]
    assert len(torch.cat([labels for _, labels, _ in batches]).unique()) == 60


def test_only_seed_and_epoch_decide():
    task = numbered(40)
    torch.manual_seed(1)
    first = run(task, seed=3, epoch=7)
    torch.manual_seed(2)
    run(task, seed=3, epoch=6)
    again = run(task, seed=3, epoch=7)
    assert all(torch.equal(a, b) for one, two in zip(first, again, strict=True) for a, b in zip(one, two, strict=True))
    orders = {tuple(run(task, 40, seed, epoch)[0][1].tolist()) for seed in range(4) for epoch in range(4)}
    assert len(orders) == 16


def test_batches_leave_the_global_random_state_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    run(numbered(40))
    assert torch.equal(torch.rand(3), expected)


def test_the_order_does_not_depend_on_the_batch_size():
    one, two = (torch.cat([labels for _, labels, _ in run(numbered(40), size)]) for size in (10, 20))
    assert torch.equal(one, two)


def test_too_few_images_are_refused_at_the_call():
    task = numbered(9)
    with pytest.raises(UserError, match="batch of 10 cannot be made of 9 training images"):
        train_batches(task.train, task, 10, seed=0, epoch=0)


def test_evaluation_sees_all_images_in_order_as_they_are():
    task = numbered(23)
    batches = list(eval_batches(task.test, task, 10))
    assert [len(labels) for _, labels in batches] == [10, 10, 3]
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert torch.equal(labels, torch.arange(23))
    mean, std = (torch.tensor(values, dtype=torch.float64).view(3, 1, 1) for values in (MEAN, STD))
    expected = (task.test.images.double() / 255 - mean) / std
    assert torch.allclose(images.double(), expected, atol=1e-6)


def test_an_empty_split_has_no_batches():
    task = numbered(5)
    assert list(eval_batches(task.test.take(slice(0, 0)), task, 10)) == []


def test_images_are_float32_and_channels_last():
    task = numbered(23)
    for images, labels, *_ in [*run(task), *eval_batches(task.test, task, 10)]:
        assert images.shape[1:] == (3, 6, 6)
        assert images.dtype == torch.float32
        assert images.is_contiguous(memory_format=torch.channels_last)
        assert labels.dtype == torch.int64
        assert images.device == labels.device == task.train.labels.device


def test_rows_are_the_numbers_of_the_images():
    task = numbered(60)
    for _, labels, rows in run(task):
        assert torch.equal(task.train.labels[rows], labels)


def test_weights_draw_images_in_proportion_and_anew_for_every_epoch():
    task, weights = numbered(40), torch.tensor([0.0, 1.0, 3.0, *([0.0] * 37)])

    def drawn(epoch):
        batches = train_batches(task.train, task, 10, seed=0, epoch=epoch, weights=weights)
        return torch.cat([rows for _, _, rows in batches])

    rows = torch.cat([drawn(epoch) for epoch in range(50)])
    assert set(rows.tolist()) == {1, 2}
    assert float((rows == 2).float().mean()) == pytest.approx(0.75, abs=4 * (0.75 * 0.25 / len(rows)) ** 0.5)
    assert torch.equal(drawn(3), drawn(3))
    assert not torch.equal(drawn(3), drawn(4))


@pytest.mark.parametrize("weights", [[1.0] * 39, [-1.0] * 40, [0.0] * 40, [float("nan")] * 40], ids=str)
def test_weights_that_cannot_be_drawn_by_are_refused(weights):
    task = numbered(40)
    with pytest.raises(UserError, match="Weights of images must be 40 finite numbers from 0 on"):
        train_batches(task.train, task, 10, seed=0, epoch=0, weights=torch.tensor(weights))
