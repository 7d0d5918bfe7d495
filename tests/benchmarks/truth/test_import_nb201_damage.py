"""Damaged, hostile and oversized records and archives of NATS-Bench are refused."""

import bz2
import gzip
import io
import os
import pickle
import tarfile
import tracemalloc

import numpy as np
import pytest
import torch
from nb201_records import (
    SomeClass,
    archive,
    expected,
    packed,
    refused,
    tar_of,
)

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.truth import archive as bounds
from supernet.benchmarks.truth import nb201_sources as module
from supernet.benchmarks.truth.nb201_sources import RestrictedUnpickler


@pytest.mark.parametrize("compression", ["", "gz", "bz2", "xz"])
def test_a_truncated_tar_is_refused(tmp_path, in_process, compression):
    source = tar_of(archive(tmp_path, indices=[0]), f".tar.{compression}", f"w:{compression}")
    whole = source.read_bytes()
    for part in (0.5, 0.8):  # within the record
        source.write_bytes(whole[: int(len(whole) * part)])
        refused(source, tmp_path, "cannot be read to its end, it may be truncated|is not an intact")


def decoded(data, index=7):
    return module._decode(("where", index, data))


def test_a_record_without_change_decodes():
    record = decoded(packed(7))
    wanted = {name: rows[7] for name, rows in expected().items() if 7 in rows}
    assert record.values == pytest.approx(wanted, rel=1e-12)


def test_numpy_scalars_of_old_records_decode():
    data = pickle.dumps({"a": np.float64(1.25), "b": np.float32(0.5), "c": np.int64(-7)}, protocol=3)
    for name in (b"cnumpy.core.multiarray\n", b"cnumpy._core.multiarray\n"):
        spelled = data.replace(b"cnumpy._core.multiarray\n", name)
        assert RestrictedUnpickler(io.BytesIO(spelled)).load() == {"a": 1.25, "b": 0.5, "c": -7}


def test_no_damage_of_a_record_goes_unnoticed():
    data = packed(7)
    for position in np.linspace(0, len(data) - 2, 20).astype(int):  # the last bits are padding
        damaged = bytearray(data)
        damaged[position] ^= 0x10
        with pytest.raises(BadTable, match="where is damaged"):
            decoded(bytes(damaged))
    for length in (0, 1, 10, len(data) // 2, len(data) - 1):
        with pytest.raises(BadTable, match="where is damaged"):
            decoded(data[:length])


def test_a_record_of_the_size_search_space_is_refused_whatever_its_name():
    def rename(states):
        states["01"], states["90"] = states.pop("12"), states.pop("200")

    with pytest.raises(BadTable, match=r"where is not a NAS-Bench-201 record \(KeyError: '12'\)"):
        decoded(packed(7, rename))


def test_a_record_under_the_name_of_another_is_refused():
    with pytest.raises(BadTable, match=r"where is about .* but architecture 8 is"):
        decoded(packed(7), index=8)


class Calls:
    """Pickles as a call."""

    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "bad",
    [
        Calls(os.system, "exit 1"),
        Calls(eval, "1 + 1"),
        Calls(getattr, {}, "pop"),
        Calls(bytearray, 10**12),
        eval,
        SomeClass,
        SomeClass(),
        np.zeros(3),
        np.dtype("O"),
        np.dtype([("a", "f8")]),
        Calls(np.float64(0).__reduce__()[0], np.dtype("O"), b"12345678"),
        np.str_("text"),
        np.datetime64(0, "s"),
        torch.zeros(2),
    ],
    ids=lambda bad: type(bad).__name__,
)
def test_a_record_that_asks_for_anything_but_plain_data_is_refused(bad, protocol):
    data = bz2.compress(pickle.dumps({"12": bad}, protocol=protocol))
    with pytest.raises(BadTable, match=r"^where: (the pickle asks for|the NumPy type|a NumPy scalar) .*"):
        decoded(data)


def test_a_record_cannot_change_numpy_itself():
    swapped = np.dtype("f8").newbyteorder(">")
    with pytest.raises(BadTable):
        decoded(bz2.compress(pickle.dumps(swapped)))
    assert np.dtype("f8").isnative


# ---- archives that are not what they should be -----------------------------------------------------------------


def halved(states):
    for run in states["200"]["all_results"].values():
        run["train_acc1es"] = {epoch: value / 2 for epoch, value in run["train_acc1es"].items()}


def tar_with(path, *entries, mode="w"):
    """A tar archive of (name, what): bytes, or a function that completes the member's header."""
    with tarfile.open(path, mode) as tar:
        for name, what in entries:
            member = tarfile.TarInfo(name)
            if isinstance(what, bytes):
                member.size = len(what)
                tar.addfile(member, io.BytesIO(what))
            else:
                what(member)
                tar.addfile(member)
    return path


RECORD = "000007.pickle.pbz2"


@pytest.mark.parametrize("second", [packed(7, halved), packed(7)])
def test_two_records_of_one_architecture_are_refused(tmp_path, in_process, second):
    source = tar_with(tmp_path / "NATS.tar", (f"a/{RECORD}", packed(7)), (f"b/{RECORD}", second))
    refused(source, tmp_path, "has two records of architecture 7")
    source = tar_with(tmp_path / "NATS.tar", (f"a/{RECORD}", packed(7)), (f"a/{RECORD}", second))
    refused(source, tmp_path, "has two records of architecture 7")


def of_kind(kind, target=""):
    def complete(member):
        member.type, member.linkname = kind, target

    return complete


KINDS = {
    "a symbolic link to nowhere": of_kind(tarfile.SYMTYPE, "nowhere"),
    "a symbolic link to itself": of_kind(tarfile.SYMTYPE, RECORD),
    "a symbolic link to a file": of_kind(tarfile.SYMTYPE, "/etc/hostname"),
    "a hard link to nowhere": of_kind(tarfile.LNKTYPE, "nowhere"),
    "a hard link to itself": of_kind(tarfile.LNKTYPE, f"x/{RECORD}"),
    "a pipe": of_kind(tarfile.FIFOTYPE),
    "a device": of_kind(tarfile.CHRTYPE),
    "a folder": of_kind(tarfile.DIRTYPE),
}


@pytest.mark.parametrize("kind", KINDS)
def test_only_regular_members_of_a_tar_are_records(tmp_path, in_process, kind):
    source = tar_with(tmp_path / "NATS.tar", (f"x/{RECORD}", KINDS[kind]))
    refused(source, tmp_path, r"000007\.pickle\.pbz2 is not a regular file")


def test_a_sparse_member_is_refused(tmp_path, in_process):
    """64 GiB of zeros, of which the archive holds nothing."""
    header = tarfile.TarInfo(f"x/{RECORD}")
    header.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(64 << 30), "GNU.sparse.major": "0"}
    with tarfile.open(tmp_path / "NATS.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(header)
    refused(tmp_path / "NATS.tar", tmp_path, "claims to have 68,719,476,736 bytes|is not a regular file")


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a link to nowhere", "a link to itself", "a folder"])
def test_only_regular_files_of_a_folder_are_records(tmp_path, in_process, kind):
    source = archive(tmp_path, indices=[0])
    path = source / RECORD
    {
        "a pipe": lambda: os.mkfifo(path),
        "a device": lambda: path.symlink_to("/dev/zero"),
        "a link to nowhere": lambda: path.symlink_to("nowhere"),
        "a link to itself": lambda: path.symlink_to(path),
        "a folder": path.mkdir,
    }[kind]()
    refused(source, tmp_path, r"000007\.pickle\.pbz2 cannot be read: ")


def test_records_beyond_their_bounds_are_refused(tmp_path, in_process, monkeypatch):
    source = archive(tmp_path, indices=[0, 7])
    monkeypatch.setattr(bounds, "MOST_UNPACKED", 100_000)
    refused(source, tmp_path, "unpacks to more than 100,000 bytes")
    monkeypatch.setattr(bounds, "MOST_PACKED", 1000)
    refused(source, tmp_path, "has [0-9,]+ bytes, where a sound file has at most 1,000")
    refused(tar_of(source), tmp_path, "has [0-9,]+ bytes, where a record has at most 1,000")
    monkeypatch.setattr(bounds, "MOST_MEMBERS", 1)
    refused(source, tmp_path, "more than 1 members")
    refused(tar_of(source), tmp_path, "more than 1 members")


def test_a_record_that_unpacks_to_gigabytes_takes_no_memory():
    stream = bz2.BZ2Compressor(9)
    bomb = b"".join(stream.compress(bytes(1 << 22)) for _ in range(16)) + stream.flush()
    tracemalloc.start()
    with pytest.raises(BadTable, match="unpacks to more than"):
        decoded(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * bounds.MOST_UNPACKED


def test_a_header_of_gigabytes_is_not_read(tmp_path, in_process):
    """Extended headers are read whole by `tarfile`, however large they say they are."""
    for kind in (tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        member = tarfile.TarInfo("x")
        member.type, member.size = kind, 2 << 30
        source = tmp_path / "NATS.tar.gz"
        with gzip.open(source, "wb") as out:
            out.write(member.tobuf(tarfile.GNU_FORMAT))
            out.write(bytes(1 << 20))
        refused(source, tmp_path, "a header claims to have 2,147,483,648 bytes")


def test_a_member_of_negative_size_does_not_loop(tmp_path, in_process):
    good = tarfile.TarInfo("x/a")
    bad = tarfile.TarInfo("x/b")
    bad.size = -512 * 3
    with (tmp_path / "NATS.tar").open("wb") as out:
        for member in (good, bad):
            out.write(member.tobuf(tarfile.GNU_FORMAT))
        out.write(bytes(1024))
    refused(tmp_path / "NATS.tar", tmp_path, "claims to have -1,536 bytes")


@pytest.mark.parametrize("damage", ["flipped", "zeroed", "cut off"])
def test_a_damaged_header_is_not_taken_for_the_end(tmp_path, in_process, damage):
    source = tar_with(tmp_path / "NATS.tar", (f"a/{RECORD}", packed(7)), ("a/000000.pickle.pbz2", packed(0)))
    data = bytearray(source.read_bytes())
    at = data.find(b"a/000000.pickle.pbz2")
    if damage == "flipped":
        data[at] ^= 1
    elif damage == "zeroed":
        data[at : at + 512] = bytes(512)
    else:
        del data[at:]
    source.write_bytes(data)
    refused(source, tmp_path, f"neither a header nor its end at byte {at:,}")


def test_a_chain_of_headers_is_refused(tmp_path, in_process):
    member = tarfile.TarInfo("x")
    member.type, member.size = tarfile.XHDTYPE, 0
    (tmp_path / "NATS.tar").write_bytes(member.tobuf(tarfile.USTAR_FORMAT) * 2000 + bytes(1024))
    refused(tmp_path / "NATS.tar", tmp_path, "cannot be read to its end|is not an intact")


@pytest.mark.parametrize("tail", [b"x", packed(0)])
def test_what_follows_a_record_is_refused(tail):
    with pytest.raises(BadTable, match=r"where is damaged \(ValueError: [0-9,]+ bytes follow"):
        decoded(packed(7) + tail)


def test_a_message_about_a_record_has_a_bound():
    bomb = ["x" * 100]
    for _ in range(40):
        bomb = [bomb, bomb]

    def change(states):
        states["12"]["dataset_seed"] = {"cifar10": [bomb]}

    def rename(states):
        states["12"]["arch_str"] = "x" * 10**6

    for alteration in (change, rename):
        with pytest.raises(BadTable) as error:
            decoded(packed(7, alteration))
        assert len(str(error.value)) < 1000
