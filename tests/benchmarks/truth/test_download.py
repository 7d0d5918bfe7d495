"""Downloads from a real server that misbehaves in every way that networks do."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth import download
from supernet.benchmarks.truth.download import REMOTES, Remote, fetch

BODY = bytes(range(256)) * 4000 + b"the end"


class Server(ThreadingHTTPServer):
    """Serves `body` at every path, with the faults that a test sets."""

    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = BODY
        self.break_after: list[int | None] = []
        """Per request: the bytes of its answer after which the connection closes; None and beyond: all."""
        self.stalls = False
        """Whether the connection stays open without a word instead of closing at the break."""
        self.status: int | None = None
        self.ranges = "kept"
        """Or "ignored", "refused" (416), "shifted" (to another piece), "unsaid" (no Content-Range)."""
        self.says_length = True
        self.asked: list[str | None] = []
        """The Range header of every request so far."""
        self.over = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, body = self.server, self.server.body
        asked = self.headers["Range"]
        server.asked.append(asked)
        limit = server.break_after.pop(0) if server.break_after else None
        if server.status is not None:
            return self.send_error(server.status)
        self.close_connection = True
        start = 0
        if asked and server.ranges != "ignored":
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) + (server.ranges == "shifted")
            if start >= len(body) or server.ranges == "refused":
                return self.send_error(416)
            self.send_response(206)
            if server.ranges != "unsaid":
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        if server.says_length:
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        with suppress(ConnectionError):  # the client hangs up on an answer that it cannot use
            self.wfile.write(body[start:][:limit])
        if limit is not None and server.stalls:
            server.over.wait(5)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def remote_at(port: int, content: bytes = BODY, file: str = "table.bin") -> Remote:
    return Remote(
        name="table",
        url=f"http://127.0.0.1:{port}/some/{file}",
        size_bytes=None,
        checksum=sha256(content),
        what="the table",
        then="use it",
        where="its authors",
    )


@pytest.fixture
def remote(server: Server) -> Remote:
    return remote_at(server.server_port)


def failure(remote: Remote, folder: Path, timeout: float = 5.0) -> str:
    """The text of the UserError that fetching raises; it is one paragraph and leaves no final file."""
    with pytest.raises(UserError) as error:
        fetch(remote, folder, timeout=timeout)
    text = str(error.value)
    assert "\n" not in text
    assert not (folder / "table.bin").is_file()
    return text


def part_of(folder: Path, content: bytes) -> Path:
    part = folder / "table.bin.part"
    part.write_bytes(content)
    return part


@pytest.mark.parametrize("algorithm", ["sha256", "md5"])
def test_downloads_a_file_byte_for_byte_and_reports_progress(
    server: Server, remote: Remote, tmp_path: Path, algorithm: str
) -> None:
    remote = replace(remote, checksum=f"{algorithm}:{hashlib.new(algorithm, BODY).hexdigest()}")
    seen: list[tuple[int, int | None]] = []
    folder = tmp_path / "new" / "folder"
    file = fetch(remote, folder, progress=lambda *at: seen.append(at))
    assert file == folder / "table.bin"
    assert file.read_bytes() == BODY
    assert os.listdir(folder) == ["table.bin"]
    assert seen[0] == (0, len(BODY))
    assert seen[-1] == (len(BODY), len(BODY))
    assert seen == sorted(seen)
    assert server.asked == [None]


def test_a_server_may_leave_the_size_unsaid(server: Server, remote: Remote, tmp_path: Path) -> None:
    server.says_length = False
    seen: list[tuple[int, int | None]] = []
    assert fetch(remote, tmp_path, progress=lambda *at: seen.append(at)).read_bytes() == BODY
    assert seen[-1] == (len(BODY), None)


def test_what_is_there_already_is_not_downloaded_again(server: Server, remote: Remote, tmp_path: Path) -> None:
    (tmp_path / "table.bin").write_bytes(BODY)
    assert fetch(remote, tmp_path) == tmp_path / "table.bin"
    assert server.asked == []


def test_a_wrong_file_in_place_is_reported_and_left_alone(server: Server, remote: Remote, tmp_path: Path) -> None:
    file = tmp_path / "table.bin"
    file.write_bytes(b"mine")
    with pytest.raises(UserError, match=f"{sha256(b'mine')}, not {remote.checksum}"):
        fetch(remote, tmp_path)
    assert file.read_bytes() == b"mine"
    assert server.asked == []


@pytest.mark.parametrize("have", [1, 1000, len(BODY) - 1])
def test_continues_a_part(server: Server, remote: Remote, tmp_path: Path, have: int) -> None:
    part_of(tmp_path, BODY[:have])
    seen: list[tuple[int, int | None]] = []
    assert fetch(remote, tmp_path, progress=lambda *at: seen.append(at)).read_bytes() == BODY
    assert server.asked == [f"bytes={have}-"]
    assert seen[0] == (have, len(BODY))
    assert os.listdir(tmp_path) == ["table.bin"]


def test_a_server_that_ignores_the_range_starts_over(server: Server, remote: Remote, tmp_path: Path) -> None:
    server.ranges = "ignored"
    part_of(tmp_path, b"x" * 1000)
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.asked == ["bytes=1000-"]


@pytest.mark.parametrize("ranges", ["refused", "shifted", "unsaid"])
def test_a_range_that_is_not_kept_starts_over(server: Server, remote: Remote, tmp_path: Path, ranges: str) -> None:
    server.ranges = ranges
    part_of(tmp_path, BODY[:1000])
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.asked == ["bytes=1000-", None]


def test_a_part_that_is_complete_is_not_downloaded_again(server: Server, remote: Remote, tmp_path: Path) -> None:
    part_of(tmp_path, BODY)
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.asked == [f"bytes={len(BODY)}-"]


def test_a_part_that_is_too_long_starts_over(server: Server, remote: Remote, tmp_path: Path) -> None:
    part_of(tmp_path, BODY + b"more")
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.asked == [f"bytes={len(BODY) + 4}-", None]


def test_a_transfer_that_breaks_off_is_taken_up_again(server: Server, remote: Remote, tmp_path: Path) -> None:
    server.break_after = [1000, 500]
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.asked == [None, "bytes=1000-", "bytes=1500-"]


def test_a_transfer_that_keeps_breaking_off_ends_and_a_later_call_goes_on(
    server: Server, remote: Remote, tmp_path: Path
) -> None:
    server.break_after = [1000] * 4
    text = failure(remote, tmp_path)
    assert "broke off" in text
    assert "after the 4,000 bytes" in text
    assert remote.url in text
    assert (tmp_path / "table.bin.part").read_bytes() == BODY[:4000]
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.asked[-1] == "bytes=4000-"


def test_breaking_off_without_progress_is_not_tried_again(server: Server, remote: Remote, tmp_path: Path) -> None:
    part = part_of(tmp_path, BODY[:1000])
    server.break_after = [0] * 9
    assert "1,000 bytes" in failure(remote, tmp_path)
    assert part.read_bytes() == BODY[:1000]
    assert server.asked == ["bytes=1000-"]


def test_a_server_that_can_neither_resume_nor_finish_is_given_up(
    server: Server, remote: Remote, tmp_path: Path
) -> None:
    server.ranges = "refused"
    server.break_after = [1000] * 99
    failure(remote, tmp_path)
    assert len(server.asked) < 10


def test_a_stalled_transfer_times_out(server: Server, remote: Remote, tmp_path: Path) -> None:
    server.stalls = True
    server.break_after = [1000, 0]
    text = failure(remote, tmp_path, timeout=0.2)
    assert "timed out" in text
    assert "1,000 bytes" in text
    assert (tmp_path / "table.bin.part").read_bytes() == BODY[:1000]


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

    program = "from benchmarks.truth import download as d; import sys; from pathlib import Path; "
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


def test_several_fetches_of_one_file_download_it_once(server: Server, remote: Remote, tmp_path: Path) -> None:
    part_of(tmp_path, BODY[:1000])
    with ThreadPoolExecutor(6) as pool:
        files = list(pool.map(lambda _: fetch(remote, tmp_path), range(6)))
    assert {file.read_bytes() for file in files} == {BODY}
    assert server.asked == ["bytes=1000-"]
    assert os.listdir(tmp_path) == ["table.bin"]


def test_several_fetches_unpack_once(server: Server, tmp_path: Path) -> None:
    remote = serve_archive(server, archive_of(("batches/one", b"1"), ("batches/two", b"22")))
    (tmp_path / ".batches.partial").mkdir()  # left by a killed process
    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(lambda _: fetch(remote, tmp_path), range(6))) == {tmp_path / "batches"}
    assert len(server.asked) == 1
    assert sorted(os.listdir(tmp_path)) == ["batches", "batches.tar.gz"]


def test_a_download_that_another_process_holds_is_waited_for_and_then_said(
    server: Server, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PATIENCE_SECONDS", 0.3)
    part = part_of(tmp_path, BODY[:1000])
    with part.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "Another process downloads" in failure(remote, tmp_path)
        assert part.read_bytes() == BODY[:1000]
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.asked == ["bytes=1000-"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to read-only folders")
def test_a_read_only_folder(remote: Remote, tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    assert "Permission denied" in failure(remote, tmp_path)


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


@pytest.mark.parametrize("name", REMOTES)
def test_every_remote_is_either_checked_or_says_where_to_get_it(name: str, tmp_path: Path) -> None:
    remote = REMOTES[name]
    assert remote.name == name
    if remote.checksum is not None:
        assert re.fullmatch(r"sha256:[0-9a-f]{64}|md5:[0-9a-f]{32}", remote.checksum)
    if remote.url is not None:
        assert remote.checksum is not None
        assert remote.url.startswith("https://")
    else:
        text = failure(remote, tmp_path / "unused")
        assert remote.where in text
        assert remote.then in text
        assert not (tmp_path / "unused").exists()


def test_the_benchmarks_say_how_to_import_them() -> None:
    assert {name: re.findall(r"`(.*)`", remote.then) for name, remote in REMOTES.items()} == {
        "nb101": ["supernet data import nb101 FILE"],
        "nb101-full": ["supernet data import nb101 FILE"],
        "nb201": ["supernet data import nb201 FILE"],
        "nats": ["supernet data import nb201 FILE"],
        "cifar10": [],
        "cifar100": [],
        "imagenet16-120": [],
    }
