"""CIFAR-10 and CIFAR-100 from their official Python files, and the half-and-half split of NAS-Bench-201.

The files are those of https://www.cs.toronto.edu/~kriz/cifar.html, unpacked in the folder of the data sets.
"""

from __future__ import annotations

from pathlib import Path

import torch

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.tasks.official import read_halves, read_images
from supernet.benchmarks.tasks.split import Split

CIFAR10_TRAIN = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
}
"""File -> MD5 sum, as torchvision checks them."""
CIFAR10_TEST = {"test_batch": "40351d587109b95175f43aff81a1287e"}
CIFAR100_TRAIN = {"train": "16019d7e3df5f24257cddd939b257f8d"}
CIFAR100_TEST = {"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"}

_FETCH = "Get CIFAR-10 with `supernet data fetch cifar10`, or set SUPERNET_DATA to a folder that has it."
_UNPACK = (
    "Get cifar-100-python.tar.gz from https://www.cs.toronto.edu/~kriz/cifar.html and unpack it in the folder of the "
    "data sets, or set SUPERNET_DATA to a folder that has it."
)


def cifar10(folder: Path) -> tuple[Split, Split]:
    """The 50,000 training and 10,000 test images in `folder`/cifar-10-batches-py.

    Raises:
        UserError: they are not there, or not intact.
    """
    home = in_data_folder(folder / "cifar-10-batches-py", _FETCH)
    train = read_images(home, CIFAR10_TRAIN, "labels", 32, _FETCH)
    return train, read_images(home, CIFAR10_TEST, "labels", 32, _FETCH)


def cifar100(folder: Path) -> tuple[Split, Split]:
    """The 50,000 training and 10,000 test images in `folder`/cifar-100-python, with their 100 fine labels.

    Raises:
        UserError: they are not there, or not intact.
    """
    home = in_data_folder(folder / "cifar-100-python", _UNPACK)
    train = read_images(home, CIFAR100_TRAIN, "fine_labels", 32, _UNPACK)
    return train, read_images(home, CIFAR100_TEST, "fine_labels", 32, _UNPACK)


def cifar10_valid(folder: Path) -> tuple[Split, Split, Split]:
    """NAS-Bench-201's training and validation halves of CIFAR-10's training images, and CIFAR-10's test images.

    The halves are those of `folder`/cifar-split.txt.

    Raises:
        UserError: that file or CIFAR-10 is not there, or not intact.
    """
    official, test = cifar10(folder)
    train, valid = read_halves(folder / "cifar-split.txt", ("train", "valid"), len(official))
    return official.take(torch.from_numpy(train)), official.take(torch.from_numpy(valid)), test


def in_data_folder(home: Path, advice: str) -> Path:
    """The folder of a data set; raises UserError with the advice if it does not exist."""
    if not home.is_dir():
        missing = "" if home.parent.is_dir() else ", which does not exist"
        raise UserError(f"There is no {home.name} in the data folder {home.parent}{missing}. {advice}")
    return home
