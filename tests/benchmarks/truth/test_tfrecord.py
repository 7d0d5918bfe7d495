"""TFRecord reading: what was written comes back, and nothing else passes."""

import hashlib
import os
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tfrecords import checksummed, crc32c, framed

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.truth import tfrecord
from supernet.benchmarks.truth.tfrecord import records


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("records") / "some.tfrecord"


def test_the_writer_of_these_tests_computes_crc32c():
    assert crc32c(b"123456789") == 0xE3069283  # the check value of the CRC catalogue


@settings(deadline=None)
@given(contents=st.lists(st.binary(max_size=200), max_size=8))
def test_records_come_back_in_order(path, contents):
    path.write_bytes(b"".join(map(framed, contents)))
    digest, progress = hashlib.sha256(), []
    assert list(records(path, progress.append, digest.update)) == contents
    assert progress == [path.stat().st_size]
    assert digest.digest() == hashlib.sha256(path.read_bytes()).digest()


def test_progress_is_reported_on_the_way(path):
    path.write_bytes(framed(bytes(600_000)) * 2 + framed(b"end"))
    progress = []
    assert sum(1 for _ in records(path, progress.append)) == 3
    assert progress == [1_200_032, path.stat().st_size]


def test_a_file_cut_anywhere_is_refused_or_ends_with_a_whole_record(path):
    contents = [b"first", b"", b"the third record"]
    whole = b"".join(map(framed, contents))
    ends = {len(b"".join(map(framed, contents[:n]))): contents[:n] for n in range(4)}
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        if cut in ends:
            assert list(records(path)) == ends[cut]
            continue
        number = sum(end <= cut for end in ends) - 1
        start = [*ends][number]
        with pytest.raises(BadTable, match=rf"some\.tfrecord: record {number} .*at byte {start}, is cut off"):
            list(records(path))


def test_every_flipped_bit_is_found(path):
    whole = framed(b"first") + framed(b"") + framed(b"third")
    for bit in range(8 * len(whole)):
        altered = bytearray(whole)
        altered[bit // 8] ^= 1 << bit % 8
        path.write_bytes(altered)
        number = (bit // 8 >= 21) + (bit // 8 >= 37)
        with pytest.raises(BadTable, match=rf"record {number} \(from 0\), at byte {(0, 21, 37)[number]}, has"):
            list(records(path))


def test_a_length_beyond_the_file_is_not_allocated(path):
    path.write_bytes(checksummed(struct.pack("<Q", 2**63)) + b"short")
    with pytest.raises(BadTable, match="claims to have 9,223,372,036,854,775,808 bytes"):
        list(records(path))
    path.write_bytes(checksummed(struct.pack("<Q", tfrecord.MOST_RECORD)) + b"short")
    with pytest.raises(BadTable, match="cut off"):
        list(records(path))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadTable, match="cannot be read: it is not a regular file"):
        list(records(tmp_path / "pipe"))


@settings(deadline=None)
@given(noise=st.binary(min_size=1, max_size=100))
def test_other_files_are_no_tfrecord(path, noise):
    path.write_bytes(noise)
    with pytest.raises(BadTable, match=r"not a TFRecord file|cut off"):
        list(records(path))


def test_what_cannot_be_opened(path, tmp_path):
    for bad in (tmp_path, tmp_path / "absent"):
        with pytest.raises(BadTable, match="cannot be read"):
            list(records(bad))
