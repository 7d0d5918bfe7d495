"""Archives that are unpacked once they have been downloaded."""

from __future__ import annotations

import errno
import fcntl
import io
import os
import random
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from misbehaving import Server, remote_at

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth.download import Remote, fetch
from supernet.benchmarks.truth.unpack import unpacked


def archive_of(*members: tuple[str, bytes]) -> bytes:
    """A gzipped tar archive of the named files."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def serve_archive(server: Server, content: bytes) -> Remote:
    server.body = content
    return replace(remote_at(server.server_port, content, "batches.tar.gz"), unpacks_to="batches")


def test_several_fetches_unpack_once(server: Server, tmp_path: Path) -> None:
    remote = serve_archive(server, archive_of(("batches/one", b"1"), ("batches/two", b"22")))
    (tmp_path / ".batches.partial").mkdir()  # left by a killed process
    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(lambda _: fetch(remote, tmp_path), range(6))) == {tmp_path / "batches"}
    assert len(server.asked) == 1
    assert sorted(os.listdir(tmp_path)) == ["batches", "batches.tar.gz"]


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EBADF])
def test_without_locks_an_archive_that_two_processes_unpack_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """The second process begins and ends while the first one has unpacked a half."""
    contents = {"one": b"1", "two": b"22"}
    archive = tmp_path / "batches.tar.gz"
    archive.write_bytes(archive_of(*((f"batches/{name}", content) for name, content in contents.items())))
    make, begun = tarfile.TarFile.makefile, []

    def without_locks(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    def making(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
        make(tar, member, path)
        if not begun:
            begun.append(member.name)
            assert unpacked(archive, "batches") == tmp_path / "batches"

    monkeypatch.setattr(fcntl, "flock", without_locks)
    monkeypatch.setattr(tarfile.TarFile, "makefile", making)
    assert unpacked(archive, "batches") == tmp_path / "batches"
    assert begun
    assert {file.name: file.read_bytes() for file in (tmp_path / "batches").iterdir()} == contents
    assert sorted(os.listdir(tmp_path)) == ["batches", "batches.tar.gz"]


def test_unpacks_an_archive_once(server: Server, tmp_path: Path) -> None:
    remote = serve_archive(server, archive_of(("batches/one", b"1"), ("batches/two", b"22")))
    assert fetch(remote, tmp_path) == tmp_path / "batches"
    assert {file.name: file.read_bytes() for file in (tmp_path / "batches").iterdir()} == {
        "one": b"1",
        "two": b"22",
    }
    assert sorted(os.listdir(tmp_path)) == ["batches", "batches.tar.gz"]
    (tmp_path / "batches.tar.gz").unlink()
    assert fetch(remote, tmp_path) == tmp_path / "batches"
    assert len(server.asked) == 1


def test_unpacks_an_archive_that_was_put_there_by_hand(server: Server, tmp_path: Path) -> None:
    content = archive_of(("batches/one", b"1"))
    (tmp_path / "batches.tar.gz").write_bytes(content)
    assert (fetch(serve_archive(server, content), tmp_path) / "one").read_bytes() == b"1"
    assert server.asked == []


@pytest.mark.parametrize(
    "content",
    [
        archive_of(("batches/one", b"1"), ("../outside", b"bad")),
        archive_of(("batches/one", b"1"), ("batches/../../../outside", b"bad")),
        archive_of(("other/one", b"1")),
        archive_of(("batches/one", random.Random(0).randbytes(5000)))[:-3000],
        b"no archive at all",
    ],
    ids=["above", "hidden above", "another folder", "cut off", "no archive"],
)
def test_refuses_an_archive_that_is_not_what_it_should_be(server: Server, tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "below" / "folder"
    with pytest.raises(UserError, match="Nothing was unpacked"):
        fetch(serve_archive(server, content), folder)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["batches.tar.gz"]
    assert os.listdir(folder) == ["batches.tar.gz"]
