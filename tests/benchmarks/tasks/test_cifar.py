"""CIFAR from its official files: what is read, and what is refused."""

import hashlib
import json
import pickle

import numpy as np
import pytest
import torch

from supernet.benchmarks.errors import BadTable, UserError
from supernet.benchmarks.tasks import cifar, load_task


def test_images_and_labels_come_in_file_order(small_cifar10, number_of):
    train, test = cifar.cifar10(small_cifar10)
    assert (len(train), len(test)) == (200, 20)
    assert torch.equal(number_of(train), torch.arange(200))
    assert torch.equal(number_of(test), torch.arange(200, 220))
    assert torch.equal(train.labels, torch.arange(200) % 10)


def test_planes_become_colours(small_cifar10):
    train, _ = cifar.cifar10(small_cifar10)
    content = (small_cifar10 / "cifar-10-batches-py" / "data_batch_1").read_bytes()
    rows = np.frombuffer(content[: -len("tbu.")][-40 * 3072 :], np.uint8).reshape(40, 3, 32, 32)
    assert np.array_equal(train.images[:40].numpy(), rows)
    assert train.images.is_contiguous(memory_format=torch.channels_last)
    assert train.images.dtype == torch.uint8


def test_cifar100_has_its_fine_labels(small_cifar100, number_of):
    train, test = cifar.cifar100(small_cifar100)
    assert torch.equal(train.labels, 99 - torch.arange(100))
    assert torch.equal(number_of(test), torch.arange(50))
    task = load_task("cifar100", folder=small_cifar100)
    assert (task.classes, len(task.train), len(task.valid), task.crop_padding, task.flip) == (100, 90, 10, 4, True)


def test_the_split_of_nas_bench_201_is_read(small_cifar10, number_of):
    halves = json.loads((small_cifar10 / "cifar-split.txt").read_text())
    train, valid, test = cifar.cifar10_valid(small_cifar10)
    assert number_of(train).tolist() == [int(row) for row in halves["train"][1]]
    assert number_of(valid).tolist() == [int(row) for row in halves["valid"][1]]
    assert len(test) == 20


def test_one_altered_byte_is_refused(small_cifar10):
    path = small_cifar10 / "cifar-10-batches-py" / "data_batch_3"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BadTable, match=r"data_batch_3 is truncated or altered: its MD5 sum .*data fetch cifar10"):
        cifar.cifar10(small_cifar10)


class Evil:
    def __reduce__(self):
        return print, ("this must never run",)


@pytest.mark.parametrize("load", [cifar.cifar10, cifar.cifar100])
def test_code_in_a_pickle_is_refused_even_with_the_right_checksum(load, small_cifar10, small_cifar100, monkeypatch):
    folder, sums, name = {
        cifar.cifar10: ("cifar-10-batches-py", "CIFAR10_TEST", "test_batch"),
        cifar.cifar100: ("cifar-100-python", "CIFAR100_TEST", "test"),
    }[load]
    refuses(
        pickle.dumps({"data": Evil()}), "asks for builtins.print", load, small_cifar10 / folder, sums, name, monkeypatch
    )


ROWS = np.zeros((2, 3072), np.uint8)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x80\x02}(U\x04data", "not an intact pickle"),
        (pickle.dumps([1, 2]), "does not hold a dictionary"),
        (pickle.dumps({"data": "x", "labels": [1, 2]}), "no images of 32 x 32 pixels"),
        (pickle.dumps({"data": ROWS[:, 1:], "labels": [1, 2]}, 2), "no images of 32 x 32 pixels"),
        (pickle.dumps({"data": ROWS, "labels": [1]}, 2), "no label for each of its images"),
        (pickle.dumps({"data": ROWS, "labels": [0.5, 1]}, 2), "no label for each of its images"),
        (pickle.dumps({"data": ROWS, "fine_labels": [0, 1]}, 2), "no label for each of its images"),
        (pickle.dumps({"data": ROWS.astype(object), "labels": [0, 1]}, 2), "type 'O8' is not a plain number"),
        (pickle.dumps({"data": ROWS.astype(">i4"), "labels": [0, 1]}, 2), "byte order '>'"),
        (pickle.dumps({"data": ROWS}, 2).replace(b"M\x00\x0c", b"M\x00\x0d"), "longer or shorter than its shape"),
    ],
)
def test_files_of_another_content_are_refused(content, message, small_cifar10, monkeypatch):
    home = small_cifar10 / "cifar-10-batches-py"
    refuses(content, message, cifar.cifar10, home, "CIFAR10_TEST", "test_batch", monkeypatch)


def refuses(content, message, load, home, sums, name, monkeypatch):
    """Whether `load` refuses this content of the file although its checksum is the expected one."""
    (home / name).write_bytes(content)
    monkeypatch.setattr(cifar, sums, {name: hashlib.md5(content).hexdigest()})
    with pytest.raises(BadTable, match=message):
        load(home.parent)


@pytest.mark.parametrize("name", ["cifar10", "cifar10-valid"])
def test_a_missing_folder_says_how_to_get_it(name, tmp_path):
    with pytest.raises(UserError, match=r"no cifar-10-batches-py in .*data fetch cifar10.*SUPERNET_DATA"):
        load_task(name, folder=tmp_path)


def test_missing_cifar100_says_how_to_get_it(tmp_path):
    with pytest.raises(UserError, match=r"no cifar-100-python in .*unpack it"):
        load_task("cifar100", folder=tmp_path)


def test_a_missing_file_is_named(small_cifar10):
    (small_cifar10 / "cifar-10-batches-py" / "data_batch_4").unlink()
    with pytest.raises(UserError, match="lacks data_batch_4"):
        cifar.cifar10(small_cifar10)


def test_a_missing_split_file_says_where_it_is(small_cifar10):
    (small_cifar10 / "cifar-split.txt").unlink()
    with pytest.raises(UserError, match=r"no cifar-split.txt in .*AutoDL-Projects"):
        load_task("cifar10-valid", folder=small_cifar10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not a split file"),
        ('{"train": ["int", ["0"]]}', "not a split file"),
        ('{"train": ["int", ["a"]], "valid": ["int", []]}', "not a split file"),
        ('{"train": ["int", ["0", "1"]], "valid": ["int", ["1"]]}', "does not split 200 images"),
    ],
)
def test_another_split_file_is_refused(text, message, small_cifar10):
    (small_cifar10 / "cifar-split.txt").write_text(text)
    with pytest.raises(BadTable, match=message):
        load_task("cifar10-valid", folder=small_cifar10)


def test_the_real_images(real_cifar10):
    if not (real_cifar10 / "cifar-split.txt").is_file():
        pytest.skip("no cifar-split.txt in $SUPERNET_DATA")
    train, valid, test = cifar.cifar10_valid(real_cifar10)
    assert train.images.shape == valid.images.shape == (25_000, 3, 32, 32)
    assert test.images.shape == (10_000, 3, 32, 32)
    assert (train.labels.bincount() + valid.labels.bincount()).tolist() == 10 * [5000]
    assert test.labels.bincount().tolist() == 10 * [1000]
    assert train.labels[:5].tolist() == [6, 1, 7, 7, 2]
    mean = train.images[::10].double().mean((0, 2, 3))
    assert mean.tolist() == pytest.approx([125.3, 123.0, 113.9], abs=1)
