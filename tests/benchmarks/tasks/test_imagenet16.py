"""ImageNet16-120 from files in the official format."""

import json
import pickle

import pytest
import torch

from supernet.benchmarks.errors import BadTable, UserError
from supernet.benchmarks.tasks import imagenet16, load_task


def test_the_first_120_classes_are_kept(small_imagenet16, number_of):
    train, _, _ = imagenet16.imagenet16(small_imagenet16)
    kept = torch.tensor([row for row in range(300) if row % 3])
    assert torch.equal(number_of(train), kept)
    assert torch.equal(train.labels, kept % 120)
    assert train.images.shape == (200, 3, 16, 16)


def test_halves_count_only_images_of_these_classes(small_imagenet16, number_of):
    halves = json.loads((small_imagenet16 / imagenet16.HALVES).read_text())
    kept = [row for row in range(240) if row % 3]
    _, valid, test = imagenet16.imagenet16(small_imagenet16)
    assert number_of(valid).tolist() == [kept[int(row)] for row in halves["xvalid"][1]]
    assert number_of(test).tolist() == [kept[int(row)] for row in halves["xtest"][1]]


def test_the_task(small_imagenet16):
    task = load_task("imagenet16-120", folder=small_imagenet16, train_portion=0.5)
    assert (task.classes, task.size, task.crop_padding, task.flip) == (120, 16, 2, True)
    assert (len(task.train), len(task.valid), len(task.test)) == (200, 80, 80)


def test_an_altered_byte_is_refused(small_imagenet16):
    path = small_imagenet16 / "ImageNet16" / "train_data_batch_7"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(BadTable, match=r"train_data_batch_7 is truncated or altered.*NAS-Bench-201"):
        load_task("imagenet16-120", folder=small_imagenet16)


def test_code_in_a_pickle_is_refused(small_imagenet16, monkeypatch):
    class Evil:
        def __reduce__(self):
            return eval, ("1 / 0",)

    path = small_imagenet16 / "ImageNet16" / "val_data"
    path.write_bytes(pickle.dumps({"data": Evil()}))
    with pytest.raises(BadTable, match="MD5"):
        load_task("imagenet16-120", folder=small_imagenet16)
    monkeypatch.setattr("hashlib.md5", lambda *_, **__: type("Sum", (), {"hexdigest": lambda _: "same"})())
    monkeypatch.setattr(imagenet16, "VALID", {"val_data": "same"})
    with pytest.raises(BadTable, match=r"asks for builtins\.eval"):
        load_task("imagenet16-120", folder=small_imagenet16)


def test_what_is_missing_is_named(small_imagenet16, tmp_path_factory):
    with pytest.raises(UserError, match=r"no ImageNet16 in .*NAS-Bench-201"):
        load_task("imagenet16-120", folder=tmp_path_factory.mktemp("empty"))
    (small_imagenet16 / imagenet16.HALVES).unlink()
    with pytest.raises(UserError, match=r"no imagenet-16-120-test-split.txt in .*AutoDL-Projects"):
        load_task("imagenet16-120", folder=small_imagenet16)
    (small_imagenet16 / "ImageNet16" / "val_data").unlink()
    with pytest.raises(UserError, match="lacks val_data"):
        load_task("imagenet16-120", folder=small_imagenet16)
