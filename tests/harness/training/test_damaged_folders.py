"""Damaged checkpoints and records of a run's folder are refused, put aside and written again."""

import io
import pickle
import shutil
import struct
import time
import zipfile

import pytest
import torch
from small import assert_same, recipe, weights

from supernet.benchmarks import sealed
from supernet.harness.training import checkpoint
from supernet.harness.training import folder as run_folder
from supernet.harness.training.loop import open_run, train
from supernet.harness.training.run import start


@pytest.fixture(scope="module")
def trained(task, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    return train(recipe(), out, task=task), out


@pytest.fixture
def copied(trained, tmp_path):
    shutil.copytree(trained[1], tmp_path / "run")
    return tmp_path / "run"


def marked_as_folders(data):
    """Every entry of tensors marked as a folder, for which torch gives uninitialised memory."""
    data, at = bytearray(data), 0
    while (at := data.find(b"PK\x01\x02", at)) >= 0:
        if b"/data/" in data[at + 46 : at + 70]:
            data[at + 38] |= 0x10
        at += 4
    return bytes(data)


def emptied(data):
    """The first entry of tensors with a length and a CRC of zero in the archive's directory."""
    data, at = bytearray(data), 0
    while b"/data/" not in data[(at := data.find(b"PK\x01\x02", at + 4)) + 46 : at + 70]:
        pass
    struct.pack_into("<III", data, at + 16, 0, 0, 0)
    return bytes(data)


DAMAGE = {
    "a block is missing": lambda data: data[:5000] + data[9096:],
    "the end is missing": lambda data: data[:-3000],
    "nothing is there": lambda data: b"",
    "a bit of a weight is flipped": lambda data: data[:20000] + bytes([data[20000] ^ 4]) + data[20001:],
    "entries are marked as folders": marked_as_folders,
    "an entry is empty": emptied,
    "the checksum is missing": lambda data: bytes(sealed.unsealed(data)),
    "no archive": lambda data: b"PK\x03\x04 nothing",
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_checkpoint_is_refused_put_aside_and_trained_again(how, trained, copied, task):
    path = copied / "checkpoint.pt"
    damaged = DAMAGE[how](path.read_bytes())
    path.write_bytes(damaged)
    with pytest.raises(run_folder.DamagedCheckpoint, match=r"is damaged: .*\. Train it again with `supernet train"):
        open_run(copied, task=task)
    assert path.read_bytes() == damaged, "whoever only reads changes nothing"
    with pytest.raises(run_folder.DamagedCheckpoint, match=r"It is kept as checkpoint\.pt\.damaged-1\. Nothing else"):
        train(recipe(), copied, task=task, resume=True)
    assert (copied / "checkpoint.pt.damaged-1").read_bytes() == damaged
    again = train(recipe(), copied, task=task, resume=True)
    assert_same(weights(again), weights(trained[0]))


def test_every_damaged_checkpoint_keeps_a_name_of_its_own(copied, task):
    for number in (1, 2):
        (copied / "checkpoint.pt").write_bytes(b"%d" % number)
        with pytest.raises(run_folder.DamagedCheckpoint):
            train(recipe(), copied, task=task, resume=True)
        assert (copied / f"checkpoint.pt.damaged-{number}").read_bytes() == b"%d" % number


def changed(**parts):
    return lambda state: {**state, **parts}


def resized(state):
    name = next(iter(state["network"]))
    return {**state, "network": {**state["network"], name: torch.zeros(3)}}


def converted(state):
    return {**state, "network": {name: value.half() for name, value in state["network"].items()}}


def without_momentum(state):
    return {**state, "optimiser": {**state["optimiser"], "state": {}}}


FORMS = {
    "no state": lambda state: [1, 2],
    "no recipe": lambda state: {k: v for k, v in state.items() if k != "recipe"},
    "no network": lambda state: {k: v for k, v in state.items() if k != "network"},
    "another shape": resized,
    "another type of number": converted,
    "no momentum": without_momentum,
    "epochs as text": changed(epoch="2"),
    "more epochs than the recipe has": changed(epoch=99),
    "a log of other epochs": changed(log=[]),
    "a log of other things": changed(log=[1, 2]),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_state_of_another_form_is_refused_and_changes_nothing(form, copied, task):
    path = copied / "checkpoint.pt"
    state = checkpoint.decode(path.read_bytes())
    content = io.BytesIO()
    torch.save(FORMS[form](state), content)
    path.write_bytes(sealed.sealed(content.getvalue()))
    run = start(recipe(), task=task)
    before = weights(run)
    with pytest.raises(run_folder.DamagedCheckpoint, match="is damaged"):
        run_folder.restore(run, copied)
    assert_same(weights(run), before)
    assert (run.epoch, run.log) == (0, [])


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), MemoryError()], ids=repr)
def test_an_error_of_the_machine_is_not_taken_for_damage(error, copied, task, monkeypatch):
    def refused(*_, **__):
        raise error

    monkeypatch.setattr(
        *(
            ("supernet.harness.training.folder.read_plain", refused)
            if isinstance(error, OSError)
            else ("torch.load", refused)
        )
    )
    with pytest.raises(type(error)):
        train(recipe(), copied, task=task, resume=True)
    assert not list(copied.glob("*.damaged-*"))


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 5000, b'{"state": 1}', b"{}\n{}"], ids=repr)
def test_damaged_records_are_reported_and_written_again(content, copied, task):
    for name in ("log.jsonl", "status.json"):
        (copied / name).write_bytes(content)
    problems = run_folder.damaged_records(copied)
    assert len(problems) == (1 if content == b"" else 2), "an empty log is one of no epochs"
    assert all("is damaged: " in problem and "\n" not in problem for problem in problems)
    train(recipe(), copied, task=task, resume=True)
    assert run_folder.damaged_records(copied) == []
    assert run_folder.read_status(copied)["state"] == "trained"


def test_a_status_has_one_form(tmp_path):
    run_folder.write_status(tmp_path, "trained", "0123", 3, "cpu")
    alone = run_folder.read_status(tmp_path)
    run_folder.write_status(tmp_path, "diverged", "0123", 3, "cpu", problem="It diverged.", run="4567")
    stored = run_folder.read_status(tmp_path)
    assert stored.pop("run") == "4567"
    assert stored.keys() == alone.keys() == {"state", "recipe", "epochs_done", "problem", "environment"}
    assert (alone["problem"], stored["problem"]) == (None, "It diverged.")


def nested(depth):
    """A dictionary whose key is a tuple that takes 2 to the power of `depth` visits to hash."""
    key = ()
    for _ in range(depth):
        key = (key, key)
    return key


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_checkpoint_that_would_take_for_ever_to_read_is_refused(protocol, tmp_path):
    content = io.BytesIO()
    torch.save({"epoch": 1}, content)
    # A dictionary with such a key cannot be pickled in this time either: its parts are put together by hand.
    key = pickle.dumps(nested(40), protocol=protocol)[2:-1].lstrip(b"\x95")
    key = key[8:] if protocol == 4 else key
    forged = io.BytesIO()
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(forged, "w") as new:
        for entry in old.namelist():
            data = old.read(entry)
            if entry.endswith("data.pkl"):
                data = b"\x80" + bytes([protocol]) + b"}" + key + b"K\x01s."
            new.writestr(entry, data)
    began = time.process_time()
    with pytest.raises(checkpoint.Damage, match="nests tuples in a way that no training writes"):
        checkpoint.decode(sealed.sealed(forged.getvalue()))
    assert time.process_time() - began < 5


def test_tuples_that_optimisers_share_are_no_damage(tmp_path):
    weight = [torch.nn.Parameter(torch.zeros(2)) for _ in range(40)]
    optimiser = torch.optim.Adam([{"params": [one]} for one in weight], betas=(0.8, 0.9))
    state = {"optimiser": optimiser.state_dict(), "moved": [(1, 2)] * 60}
    assert checkpoint.decode(checkpoint.encode(state))["moved"] == [(1, 2)] * 60
