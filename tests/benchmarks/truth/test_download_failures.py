"""Downloads that cannot succeed: what is said, and what is kept."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from misbehaving import BODY, Server, failure, part_of, remote_at, sha256

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth import download
from supernet.benchmarks.truth.download import Remote, fetch


@pytest.mark.parametrize("status", [404, 416, 500])
@pytest.mark.parametrize("have", [0, 1000])
def test_an_http_error_is_reported_and_the_part_kept(
    server: Server, remote: Remote, tmp_path: Path, status: int, have: int
) -> None:
    server.status = status
    part = part_of(tmp_path, BODY[:have])
    text = failure(remote, tmp_path)
    assert f"HTTP Error {status}" in text
    assert remote.url in text
    assert f"put it at {tmp_path / 'table.bin'}" in text
    assert len(server.asked) == (2 if have and status == 416 else 1)
    assert (part.read_bytes() if have else part.exists()) == (BODY[:have] if have else False)


def test_altered_bytes_are_refused_and_the_next_try_starts_afresh(
    server: Server, remote: Remote, tmp_path: Path
) -> None:
    server.body = b"x" + BODY[1:]
    text = failure(remote, tmp_path)
    assert sha256(server.body) in text
    assert sha256(BODY) in text
    assert os.listdir(tmp_path) == []
    server.body = BODY
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.asked == [None, None]


def test_an_altered_part_is_refused_too(server: Server, remote: Remote, tmp_path: Path) -> None:
    part_of(tmp_path, b"x" * 1000)
    assert sha256(b"x" * 1000 + BODY[1000:]) in failure(remote, tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_port_where_nobody_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        text = failure(remote_at(closed.getsockname()[1]), tmp_path)
    assert "refused" in text
    assert os.listdir(tmp_path) == []


def test_a_server_that_accepts_and_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "timed out" in failure(remote_at(silent.getsockname()[1]), tmp_path, timeout=0.2)


def test_a_name_that_does_not_resolve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert "Name or service not known" in failure(remote_at(80), tmp_path)


def test_a_folder_that_cannot_be_made(remote: Remote, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert "choose another folder" in failure(remote, tmp_path / "file")
    assert "choose another folder" in failure(remote, tmp_path / "file" / "below")


def test_a_full_disk(server: Server, remote: Remote, tmp_path: Path) -> None:
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500_000, 500_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    program = "from supernet.benchmarks.truth import download as d; import sys; from pathlib import Path; "
    program += f"d.fetch(d.{remote!r}, Path(sys.argv[1]))"
    ran = subprocess.run(
        [sys.executable, "-c", program, tmp_path], capture_output=True, text=True, preexec_fn=limited, check=False
    )
    assert "File too large" in ran.stderr
    assert "what was downloaded so far is kept" in ran.stderr
    assert 0 < (tmp_path / "table.bin.part").stat().st_size <= 500_000
    assert fetch(remote, tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder"])
def test_a_part_that_is_no_regular_file_is_not_touched(remote: Remote, tmp_path: Path, kind: str) -> None:
    folder, other = tmp_path / "folder", tmp_path / "other"
    folder.mkdir()
    part = folder / "table.bin.part"
    if kind == "pipe":
        os.mkfifo(part)
    elif kind == "folder":
        part.mkdir()
    else:
        part.symlink_to(other)
    if kind == "link":
        other.write_bytes(b"mine")
    text = failure(remote, folder)
    assert "not followed" in text if "link" in kind or kind == "dangling" else "not a regular file" in text
    assert (other.read_bytes() if other.exists() else None) == (b"mine" if kind == "link" else None)


@pytest.mark.parametrize("says_length", [True, False])
def test_more_bytes_than_the_file_has_are_not_taken(
    server: Server, remote: Remote, tmp_path: Path, says_length: bool
) -> None:
    server.says_length = says_length
    seen: list[int] = []
    with pytest.raises(UserError, match=r"bytes, not 600,000\. It was removed"):
        fetch(replace(remote, size_bytes=600_000), tmp_path, progress=lambda done, _: seen.append(done))
    assert max(seen, default=0) <= 600_000
    assert os.listdir(tmp_path) == []
    assert fetch(replace(remote, size_bytes=len(BODY)), tmp_path).read_bytes() == BODY


def test_without_a_known_size_there_is_a_maximum(
    server: Server, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.says_length = False
    monkeypatch.setattr(download, "MOST_BYTES", 300_000)
    with pytest.raises(UserError, match="more than 300,000 bytes"):
        fetch(remote, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to read-only folders")
def test_a_read_only_folder(remote: Remote, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    assert "Permission denied" in failure(remote, tmp_path)
