"""ImageNet16-120 from its official files: the first 120 classes of ImageNet at 16 x 16 pixels.

The files are the folder ImageNet16 behind the link at https://github.com/D-X-Y/NAS-Bench-201; the MD5 sums are
those that NAS-Bench-201's own reader checks (D-X-Y/AutoDL-Projects, xautodl/datasets/DownsampledImageNet.py).
"""

from __future__ import annotations

from pathlib import Path

import torch

from supernet.benchmarks.tasks.cifar import in_data_folder
from supernet.benchmarks.tasks.official import read_halves, read_images
from supernet.benchmarks.tasks.split import Split

CLASSES = 120
TRAIN = {
    "train_data_batch_1": "27846dcaa50de8e21a7d1a35f30f0e91",
    "train_data_batch_2": "c7254a054e0e795c69120a5727050e3f",
    "train_data_batch_3": "4333d3df2e5ffb114b05d2ffc19b1e87",
    "train_data_batch_4": "1620cdf193304f4a92677b695d70d10f",
    "train_data_batch_5": "348b3c2fdbb3940c4e9e834affd3b18d",
    "train_data_batch_6": "6e765307c242a1b3d7d5ef9139b48945",
    "train_data_batch_7": "564926d8cbf8fc4818ba23d2faac7564",
    "train_data_batch_8": "f4755871f718ccb653440b9dd0ebac66",
    "train_data_batch_9": "bb6dd660c38c58552125b1a92f86b5d4",
    "train_data_batch_10": "8f03f34ac4b42271a294f91bf480f29b",
}
"""File -> MD5 sum."""
VALID = {"val_data": "3410e3017fdaefba8d5073aaa65e4bd6"}
HALVES = "imagenet-16-120-test-split.txt"

_GET = (
    "Get the folder ImageNet16 from the link listed at https://github.com/D-X-Y/NAS-Bench-201 and put it into the "
    "folder of the data sets, or set SUPERNET_DATA to a folder that has it."
)


def imagenet16(folder: Path) -> tuple[Split, Split, Split]:
    """The 151,700 training images, and the two halves of the 6,000 validation images that NAS-Bench-201 made.

    The halves (`valid`, `test`) are those of `folder`/imagenet-16-120-test-split.txt.

    Raises:
        UserError: that file or `folder`/ImageNet16 is not there, or not intact.
    """
    home = in_data_folder(folder / "ImageNet16", _GET)
    heldout = _first_classes(read_images(home, VALID, "labels", 16, _GET))
    valid, test = read_halves(folder / HALVES, ("xvalid", "xtest"), len(heldout))
    train = _first_classes(read_images(home, TRAIN, "labels", 16, _GET))
    return train, heldout.take(torch.from_numpy(valid)), heldout.take(torch.from_numpy(test))


def _first_classes(split: Split) -> Split:
    """The images of the first 120 classes, whose labels the files count from 1."""
    kept = split.take(torch.nonzero(split.labels <= CLASSES).flatten())
    return Split(kept.images, kept.labels - 1)
