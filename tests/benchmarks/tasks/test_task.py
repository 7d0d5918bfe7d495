"""Tasks by name: how official images become training, validation and test images."""

import json
import os
import tracemalloc

import pytest
import torch

from supernet.benchmarks.errors import BadTable, UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.tasks import TASKS, Split, eval_batches, load_task, official, train_batches
from supernet.benchmarks.tasks.official import read_halves
from supernet.benchmarks.tasks.split import shrink


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
        ({"size": -16}, "from 1 to 1024, not -16"),
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


IMPOSSIBLE = [
    {"size": 0}, {"size": -4}, {"size": 3}, {"size": 32}, {"size": 10**9}, {"size": 8.0}, {"size": True},
    {"train_images": 0}, {"train_images": 10**11}, {"valid_images": 10**11}, {"test_images": 1 << 70},
    {"train_images": 5.5}, {"test_images": "7"}, {"valid_images": -1},
    {"seed": -1}, {"seed": 1 << 64}, {"seed": 0.5}, {"seed": None},
    {"train_portion": float("nan")}, {"train_portion": 0}, {"train_portion": 1.1}, {"train_portion": "all"},
    {"train_portion": 1e-9},
]  # fmt: skip


@pytest.mark.parametrize("arguments", IMPOSSIBLE, ids=str)
def test_impossible_arguments_are_refused_before_anything_is_made(arguments):
    tracemalloc.start()
    counts = {"train_images": 20, "valid_images": 20, "test_images": 20}
    counts = counts if "train_portion" not in arguments else {"valid_images": 20, "test_images": 20}
    try:
        with pytest.raises(UserError) as error:
            load_task("digits", **counts | arguments)
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()
    assert len(str(error.value)) < 300


def test_a_task_of_another_name_is_suggested():
    with pytest.raises(UserError, match=r"no task 'cifar-10'; did you mean cifar10\?"):
        load_task("cifar-10")
    with pytest.raises(UserError, match=r"no search space 'nb210'; did you mean nb201\?"):
        space("nb210")


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "imagenet16-120"])
def test_a_data_folder_that_does_not_exist_is_said(tmp_path, name):
    with pytest.raises(UserError, match=f"{tmp_path / 'nowhere'}, which does not exist"):
        load_task(name, folder=tmp_path / "nowhere")


SPLIT = {"train": ["int", ["0", "2"]], "valid": ["int", ["1", "3"]]}


def test_a_split_file_gives_both_halves(tmp_path):
    path = tmp_path / "cifar-split.txt"
    path.write_text(json.dumps(SPLIT))
    assert [half.tolist() for half in read_halves(path, ("train", "valid"), 4)] == [[0, 2], [1, 3]]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"train": ["int", ["0", "2"]], "valid": ["int", ["1", "3"]], "train": ["int", ["0", "2"]]}',
        json.dumps(SPLIT).replace('"2"', "2.7"),
        json.dumps(SPLIT).replace('"2"', "true"),
        json.dumps(SPLIT).replace('"2"', '"2_0"'),
        json.dumps(SPLIT).replace('"2"', '" 2"'),
        json.dumps(SPLIT).replace('"2"', '"-2"'),
        json.dumps(SPLIT).replace('"2"', f'"{"9" * 400}"'),
        json.dumps(SPLIT).replace('"2"', "9" * 5000),
        json.dumps(SPLIT).replace('"2"', "1e999"),
        json.dumps(SPLIT).replace('"int"', '"float"'),
        json.dumps(SPLIT).replace('["0", "2"]', '"02"'),
        json.dumps(SPLIT).replace('"2"', '"٢"'),
        json.dumps(SPLIT).replace('"2"', '"1"'),
        json.dumps(list(SPLIT)),
        "null",
        "",
    ],
)
def test_another_split_file_is_refused(tmp_path, text):
    path = tmp_path / "cifar-split.txt"
    path.write_text(text)
    with pytest.raises(BadTable) as error:
        read_halves(path, ("train", "valid"), 4)
    assert len(str(error.value)) < 600 + len(str(path))


def test_a_split_file_that_is_a_pipe_or_too_large_is_refused(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadTable, match="not a regular file"):
        read_halves(tmp_path / "pipe", ("train", "valid"), 4)
    monkeypatch.setattr(official, "MOST_SPLIT", 10)
    (tmp_path / "large").write_text(json.dumps(SPLIT))
    with pytest.raises(BadTable, match="at most 10"):
        read_halves(tmp_path / "large", ("train", "valid"), 4)


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, None])
def test_impossible_batches_are_refused(batch_size):
    task = load_task("digits", train_images=20, valid_images=20, test_images=20)
    with pytest.raises(UserError, match="A batch has"):
        eval_batches(task.valid, task, batch_size)
    with pytest.raises(UserError, match="A batch has"):
        train_batches(task.train, task, batch_size, seed=0, epoch=0)
    with pytest.raises(UserError, match="Seeds and epochs"):
        train_batches(task.train, task, 10, seed=-1, epoch=0)
