"""Small data sets in the official file formats, and the real CIFAR-10 where it is at hand."""

import hashlib
import json
import pickle
import shutil
import struct
import subprocess
import sys

import numpy as np
import pytest

from supernet.benchmarks.tasks import cifar, imagenet16


def images(rng, n, size, first=0):
    """Rows of random planes as the files hold them; the first pixel's red and green are the image's number."""
    rows = rng.integers(0, 256, (n, 3 * size * size), dtype=np.uint8)
    number = np.arange(first, first + n)
    rows[:, 0], rows[:, size * size] = number % 256, number // 256
    return rows


def python2_pickle(rows, labels):
    """What Python 2's cPickle wrote for {"data": rows, "labels": labels}: byte strings, NumPy 1 names."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01M"
        + struct.pack("<H", rows.shape[0])
        + b"M"
        + struct.pack("<H", rows.shape[1])
        + b"\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<I", rows.size)
        + rows.tobytes()
        + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(U\x06labels" + numbers + b"U\x04data" + array + b"u."


def python3_pickle(rows, labels, key="labels"):
    return pickle.dumps({key: labels, "data": rows, "mean": rows.mean(0)}, protocol=2)


def put(path, data):
    """Writes the file; its MD5 sum."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def put_halves(path, names, total):
    rows = np.random.default_rng(3).permutation(total)
    halves = {name: sorted(half.tolist()) for name, half in zip(names, np.split(rows, 2), strict=True)}
    path.write_text(json.dumps({name: ["int", [str(row) for row in half]] for name, half in halves.items()}))
    return halves


@pytest.fixture
def small_cifar10(tmp_path, monkeypatch):
    """A folder with 5 x 40 training and 20 test images, numbered from 0, of classes 0, 1, …, 9, 0, …"""
    rng = np.random.default_rng(0)
    home, sums = tmp_path / "cifar-10-batches-py", {}
    for number, name in enumerate([*cifar.CIFAR10_TRAIN, "test_batch"]):
        n = 20 if name == "test_batch" else 40
        sums[name] = put(home / name, python2_pickle(images(rng, n, 32, 40 * number), [row % 10 for row in range(n)]))
    monkeypatch.setattr(cifar, "CIFAR10_TEST", {"test_batch": sums.pop("test_batch")})
    monkeypatch.setattr(cifar, "CIFAR10_TRAIN", sums)
    put_halves(tmp_path / "cifar-split.txt", ("train", "valid"), 200)
    return tmp_path


@pytest.fixture
def small_cifar100(tmp_path, monkeypatch):
    """A folder with 100 training and 50 test images; fine labels fall from 99, coarse ones are all 0."""
    rng = np.random.default_rng(1)
    for name, n in (("train", 100), ("test", 50)):
        content = {"fine_labels": [99 - row for row in range(n)], "coarse_labels": n * [0], "data": images(rng, n, 32)}
        md5 = put(tmp_path / "cifar-100-python" / name, pickle.dumps(content, protocol=2))
        monkeypatch.setattr(cifar, f"CIFAR100_{name.upper()}", {name: md5})
    return tmp_path


@pytest.fixture
def small_imagenet16(tmp_path, monkeypatch):
    """A folder with 10 x 30 training and 240 validation images: two of three have a class among the first 120."""
    rng = np.random.default_rng(2)
    train = {}
    for number, name in enumerate(imagenet16.TRAIN):
        labels = [row % 120 + 1 if row % 3 else 121 + row for row in range(30 * number, 30 * number + 30)]
        data = python3_pickle(images(rng, 30, 16, 30 * number), labels)
        train[name] = put(tmp_path / "ImageNet16" / name, data)
    labels = np.array([row % 120 + 1 if row % 3 else 1000 for row in range(240)])
    valid = put(tmp_path / "ImageNet16" / "val_data", python3_pickle(images(rng, 240, 16), labels))
    monkeypatch.setattr(imagenet16, "TRAIN", train)
    monkeypatch.setattr(imagenet16, "VALID", {"val_data": valid})
    put_halves(tmp_path / imagenet16.HALVES, ("xvalid", "xtest"), 160)
    return tmp_path


@pytest.fixture(scope="session")
def real_cifar10(data_dir, tmp_path_factory):
    """A folder with the real CIFAR-10, unpacked from $SUPERNET_DATA where that has it in a packed form."""
    if (data_dir / "cifar-10-batches-py").is_dir():
        yield data_dir
        return
    unpack = data_dir / "unpack_cifar10.py"
    if not unpack.is_file():
        pytest.skip("no CIFAR-10 in $SUPERNET_DATA: `supernet data fetch cifar10`")
    folder = tmp_path_factory.mktemp("cifar10")
    subprocess.run([sys.executable, unpack, folder / "cifar-10-batches-py"], check=True, capture_output=True)
    if (data_dir / "cifar-split.txt").is_file():
        shutil.copy(data_dir / "cifar-split.txt", folder)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def number_of():
    """Function: the numbers that synthetic images carry."""

    def read(split):
        return split.images[:, 0, 0, 0].long() + 256 * split.images[:, 1, 0, 0].long()

    return read
