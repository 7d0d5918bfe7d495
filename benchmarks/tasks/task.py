"""The image-classification tasks that networks are trained on, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.tasks.cifar import cifar10, cifar10_valid, cifar100
from supernet.benchmarks.tasks.digits import check_counts, check_seed, make_digits
from supernet.benchmarks.tasks.imagenet16 import CLASSES, imagenet16
from supernet.benchmarks.tasks.split import Split, is_whole, shrink
from supernet.benchmarks.truth import shelf
from supernet.benchmarks.wording import did_you_mean, quoted

__all__ = ["TASKS", "Split", "Task", "load_task"]

Channels = tuple[float, float, float]
MOST_SIZE = 1024
"""Largest height and width of images in pixels, our choice; no data set here exceeds 32."""


@dataclass(frozen=True, eq=False)
class Task:
    """Images and labels of an image-classification task, and how they are normalised and augmented."""

    name: str
    classes: int
    train: Split
    valid: Split
    test: Split
    mean: Channels
    """Mean of each channel, for pixel values in [0, 1]; `std` has their standard deviations."""
    std: Channels
    crop_padding: int
    """Number of pixels by which a training crop may reach over each edge."""
    flip: bool
    """Whether training mirrors images left to right at random."""

    @property
    def size(self) -> int:
        """Height and width of the images in pixels."""
        return self.train.images.shape[-1]

    def to(self, device: torch.device | str) -> Task:
        return replace(self, train=self.train.to(device), valid=self.valid.to(device), test=self.test.to(device))


@dataclass(frozen=True)
class Request:
    """The arguments of `load_task` that a source needs."""

    folder: Path
    train_portion: float
    train_images: int | None
    valid_images: int | None
    test_images: int | None
    seed: int


@dataclass(frozen=True)
class Source:
    """The loader of a task's images, with their normalisation and augmentation."""

    load: Callable[[Request], tuple[Split, ...]]
    """Loads (train, valid, test), or (train, test) if `load_task` has to split validation images off `train`."""
    classes: int
    mean: Channels
    std: Channels
    flip: bool = True


def load_task(
    name: str,
    *,
    size: int | None = None,
    train_portion: float = 0.9,
    train_images: int | None = None,
    valid_images: int | None = None,
    test_images: int | None = None,
    seed: int = 0,
    folder: Path | None = None,
) -> Task:
    """Load the task of this name.

    Args:
        name: one of `TASKS`.
        size: height and width to average the images down to, a divisor of their own size; default: their own size.
        train_portion: share of the official training images used for training, in (0, 1]; the rest validates. It has
            no effect if the official files define validation images (cifar10-valid, imagenet16-120). The digits have
            separate validation canvases; there the rest is dropped.
        train_images: number of training images to keep; default: all (digits: number of canvases to make; default:
            `train_portion` of 8,000).
        valid_images: number of validation images to keep; default: all (digits: 2,000).
        test_images: number of test images to keep; default: all (digits: 4,000).
        seed: seed of the order of training and validation images, the first of which are kept, and of the split into
            both if the files define none (digits: seed of the canvases).
        folder: the folder of the data sets; default: `places.data_dir()`.

    Raises:
        UserError: the task is unknown, its files are missing or altered, or an argument exceeds what it has.
    """
    if name not in TASKS:
        raise UserError(f"There is no task {quoted(name)}; {did_you_mean(name, list(TASKS))}")
    if not isinstance(train_portion, int | float) or not 0 < train_portion <= 1:
        raise UserError(f"The share of images that trains is above 0 and at most 1, not {quoted(train_portion)}.")
    check_counts(train_images, valid_images, test_images)
    check_seed(seed)
    if size is not None and (not is_whole(size) or not 1 <= size <= MOST_SIZE):
        raise UserError(f"The size of images is a whole number from 1 to {MOST_SIZE}, not {quoted(size)}.")
    source = TASKS[name]
    request = Request(folder or shelf.data_dir(), train_portion, train_images, valid_images, test_images, seed)
    parts = source.load(request)
    if len(parts) == 2:
        official, test = parts
        order = _order(len(official), seed)
        cut = round(train_portion * len(official))
        # Validation images are taken from the other end, so that the first ones are the same for any training share.
        parts = official.take(order[:cut]), official.take(order[cut:].flip(0)), test
    train, valid, test = parts
    train = _first(train, train_images, f"training images of {name}")
    valid = _first(valid, valid_images, f"validation images of {name}")
    test = _first(test, test_images, f"test images of {name}")
    if not len(train):
        raise UserError(f"A share of {train_portion} of the training images of {name} is less than one image.")
    size = size or train.images.shape[-1]
    train, valid, test = (shrink(split, size) for split in (train, valid, test))
    return Task(name, source.classes, train, valid, test, source.mean, source.std, size // 8, source.flip)


def _order(n: int, seed: int) -> torch.Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


def _shuffle(parts: tuple[Split, Split, Split], seed: int) -> tuple[Split, ...]:
    """The parts with training and validation images in random order, because files may be sorted by class."""
    train, valid, test = parts
    return train.take(_order(len(train), seed)), valid.take(_order(len(valid), seed)), test


def _first(split: Split, count: int | None, what: str) -> Split:
    if count is None or count == len(split):
        return split
    if count > len(split):
        raise UserError(f"{count:,} {what} were asked for; there are {len(split):,}.")
    return split.take(torch.arange(count))


def _digits(request: Request) -> tuple[Split, ...]:
    train, valid, test = DIGITS_SIZES
    train = request.train_images or round(request.train_portion * train)
    if not train:
        raise UserError(f"A share of {request.train_portion} of the {DIGITS_SIZES[0]:,} canvases is less than one.")
    return make_digits(train, request.valid_images or valid, request.test_images or test, request.seed)


def _of_255(red: float, green: float, blue: float) -> Channels:
    return red / 255, green / 255, blue / 255


# Means and deviations: D-X-Y/AutoDL-Projects, xautodl/datasets/get_dataset_with_transform.py.
_CIFAR10 = _of_255(125.3, 123.0, 113.9), _of_255(63.0, 62.1, 66.7)
_CIFAR100 = _of_255(129.3, 124.1, 112.4), _of_255(68.2, 65.4, 70.4)
_IMAGENET16 = _of_255(122.68, 116.66, 104.01), _of_255(63.22, 61.26, 65.09)

DIGITS_SIZES = (8000, 2000, 4000)
"""Default numbers of canvases for training, validation and test: our choice."""

TASKS: dict[str, Source] = {
    "digits": Source(_digits, 10, (0.30, 0.30, 0.30), (0.22, 0.22, 0.22), flip=False),
    "cifar10": Source(lambda request: cifar10(request.folder), 10, *_CIFAR10),
    "cifar10-valid": Source(lambda request: _shuffle(cifar10_valid(request.folder), request.seed), 10, *_CIFAR10),
    "cifar100": Source(lambda request: cifar100(request.folder), 100, *_CIFAR100),
    "imagenet16-120": Source(lambda request: _shuffle(imagenet16(request.folder), request.seed), CLASSES, *_IMAGENET16),
}
"""Name -> source."""
