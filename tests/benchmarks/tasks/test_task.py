"""Tasks by name: how official images become training, validation and test images."""

import pytest
import torch

from benchmarks.errors import UserError
from benchmarks.tasks import TASKS, Split, load_task
from benchmarks.tasks.split import shrink


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(UserError, match="digits, cifar10, cifar10-valid, cifar100, imagenet16-120"):
        load_task("mnist")
    assert set(TASKS) == {"digits", "cifar10", "cifar10-valid", "cifar100", "imagenet16-120"}


def test_the_default_folder_is_the_data_folder(small_cifar10, monkeypatch):
    monkeypatch.setenv("SUPERNET_DATA", str(small_cifar10))
    assert len(load_task("cifar10").test) == 20


def test_training_and_validation_images_share_out_the_official_ones(small_cifar10, number_of):
    task = load_task("cifar10", folder=small_cifar10, train_portion=0.7)
    train, valid = number_of(task.train), number_of(task.valid)
    assert (len(train), len(valid)) == (140, 60)
    assert torch.equal(torch.cat([train, valid]).sort().values, torch.arange(200))
    assert torch.equal(task.train.labels, train % 40 % 10)
    assert torch.equal(number_of(task.test), torch.arange(200, 220))


def test_the_share_that_trains_does_not_decide_which_images_validate_first(small_cifar10, number_of):
    tasks = [load_task("cifar10", folder=small_cifar10, train_portion=p, valid_images=30) for p in (0.8, 0.4)]
    first, second = (number_of(task.valid) for task in tasks)
    assert torch.equal(first, second)
    assert torch.equal(*(number_of(task.train)[:80] for task in tasks))


@pytest.mark.parametrize("name", ["cifar10", "cifar10-valid"])
def test_the_seed_decides_the_order(name, small_cifar10, number_of):
    first, again, other = (number_of(load_task(name, folder=small_cifar10, seed=seed).train) for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, first.sort().values)


def test_all_official_images_can_train(small_cifar10):
    task = load_task("cifar10", folder=small_cifar10, train_portion=1.0)
    assert (len(task.train), len(task.valid)) == (200, 0)


def test_an_official_split_stays_as_it_is(small_cifar10, number_of):
    tasks = [load_task("cifar10-valid", folder=small_cifar10, train_portion=p, seed=s) for p, s in ((0.2, 0), (0.9, 1))]
    for part in ("train", "valid", "test"):
        one, two = (number_of(getattr(task, part)).sort().values for task in tasks)
        assert torch.equal(one, two)


@pytest.mark.parametrize("name", ["cifar10", "cifar10-valid", "digits"])
def test_the_first_images_are_kept(name, small_cifar10):
    sizes = {"train_images": 60, "valid_images": 15, "test_images": 15}
    task = load_task(
        name,
        folder=small_cifar10,
        **({"train_images": 90, "valid_images": 20, "test_images": 40} if name == "digits" else {}),
    )
    less = load_task(name, folder=small_cifar10, **sizes)
    assert (len(less.train), len(less.valid), len(less.test)) == (60, 15, 15)
    assert torch.equal(less.train.images, task.train.images[:60])
    assert torch.equal(less.valid.labels, task.valid.labels[:15])
    assert torch.equal(less.test.images, task.test.images[:15])
    assert less.train.images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"train_images": 181}, "181 training images of cifar10 were asked for; there are 180"),
        ({"valid_images": 5000}, "5,000 validation images of cifar10 were asked for; there are 20"),
        ({"train_images": 0}, "at least 1"),
        ({"train_portion": 0.0}, "at most 1, not 0.0"),
        ({"train_portion": 1.5}, "at most 1, not 1.5"),
        ({"size": 12}, "averaged down to 12: it does not divide 32"),
        ({"size": 64}, "it does not divide 32"),
        ({"size": -16}, "averaged down to -16"),
    ],
)
def test_what_cannot_be_had_is_refused(asked, message, small_cifar10):
    with pytest.raises(UserError, match=message):
        load_task("cifar10", folder=small_cifar10, **asked)


@pytest.mark.parametrize("size", [32, 16, 8, 1])
def test_smaller_images_are_means_of_blocks(size, small_cifar10):
    full = load_task("cifar10", folder=small_cifar10, train_images=3)
    task = load_task("cifar10", folder=small_cifar10, train_images=3, size=size)
    assert (task.size, task.crop_padding) == (size, size // 8)
    block = 32 // size
    for n in range(3):
        for channel in range(3):
            for row in range(size):
                for column in range(size):
                    rows, columns = slice(row * block, (row + 1) * block), slice(column * block, (column + 1) * block)
                    total = int(full.train.images[n, channel, rows, columns].sum())
                    assert int(task.train.images[n, channel, row, column]) == int(total / block**2 + 0.5)


def test_large_splits_shrink_in_parts():
    images = torch.randint(0, 256, (5003, 2, 2, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    small = shrink(Split(images.permute(0, 3, 1, 2), torch.arange(5003)), 1)
    assert torch.equal(small.images[:, :, 0, 0], (images.double().mean((1, 2)) + 0.5).floor().to(torch.uint8))


def test_digits_need_no_folder():
    task = load_task("digits", train_images=100, valid_images=50, train_portion=0.2, size=8)
    assert (task.classes, task.size, task.crop_padding, task.flip) == (10, 8, 1, False)
    assert (len(task.train), len(task.valid), len(task.test)) == (100, 50, 4000)


def test_rows_are_taken_in_their_order(small_cifar10, number_of):
    split = load_task("cifar10", folder=small_cifar10).test
    assert number_of(split.take(torch.tensor([3, 0, 3]))).tolist() == [203, 200, 203]
    assert number_of(split.take(slice(5, 8))).tolist() == [205, 206, 207]
    for taken in (split.take(torch.tensor([3, 0, 3])), split.take(slice(5, 8))):
        assert taken.images.is_contiguous(memory_format=torch.channels_last)
        assert taken.images.dtype == torch.uint8
        assert taken.labels.dtype == torch.int64


def test_a_task_moves_as_a_whole(small_cifar10):
    task = load_task("cifar10", folder=small_cifar10)
    moved = task.to("meta")
    for part in (moved.train, moved.valid, moved.test):
        assert part.images.device == part.labels.device == torch.device("meta")
    assert (moved.name, moved.mean, moved.crop_padding) == (task.name, task.mean, task.crop_padding)


def test_normalisation_is_that_of_nas_bench_201():
    assert [255 * value for value in TASKS["cifar10"].mean] == pytest.approx([125.3, 123.0, 113.9])
    assert [255 * value for value in TASKS["cifar10-valid"].std] == pytest.approx([63.0, 62.1, 66.7])
    assert [255 * value for value in TASKS["cifar100"].mean] == pytest.approx([129.3, 124.1, 112.4])
    assert [255 * value for value in TASKS["imagenet16-120"].std] == pytest.approx([63.22, 61.26, 65.09])


def test_a_smaller_portion_of_digits_is_the_first_canvases():
    whole, half = (load_task("digits", train_portion=portion, valid_images=50) for portion in (0.05, 0.025))
    assert (len(whole.train), len(half.train)) == (400, 200)
    assert torch.equal(half.train.images, whole.train.images[:200])
