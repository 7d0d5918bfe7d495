"""Downloads from a real server that misbehaves in every way that networks do."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import re
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from misbehaving import BODY, Server, failure, part_of, sha256

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth import download
from supernet.benchmarks.truth.download import REMOTES, Remote, fetch


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


def test_a_stalled_transfer_times_out(
    server: Server, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The short limit begins only when the server has stalled, however long the server took until then."""
    opened = urllib.request.urlopen

    def patient(request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
        response: http.client.HTTPResponse = opened(request, timeout=60)
        assert server.stalled.wait(60)
        server.stalled.clear()
        response.fp.raw._sock.settimeout(timeout)  # type: ignore[attr-defined]
        return response

    monkeypatch.setattr(urllib.request, "urlopen", patient)
    server.stalls = True
    server.break_after = [1000, 0]
    text = failure(remote, tmp_path, timeout=0.2)
    assert "timed out" in text
    assert "1,000 bytes" in text
    assert (tmp_path / "table.bin.part").read_bytes() == BODY[:1000]


def test_several_fetches_of_one_file_download_it_once(server: Server, remote: Remote, tmp_path: Path) -> None:
    part_of(tmp_path, BODY[:1000])
    with ThreadPoolExecutor(6) as pool:
        files = list(pool.map(lambda _: fetch(remote, tmp_path), range(6)))
    assert {file.read_bytes() for file in files} == {BODY}
    assert server.asked == ["bytes=1000-"]
    assert os.listdir(tmp_path) == ["table.bin"]


def test_a_file_that_another_process_completes_just_before_its_part_is_made_is_not_downloaded_again(
    server: Server, remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = download._opened_part

    def late(path: Path) -> BinaryIO:
        (tmp_path / "table.bin").write_bytes(BODY)
        return make(path)

    monkeypatch.setattr(download, "_opened_part", late)
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.asked == []
    assert os.listdir(tmp_path) == ["table.bin"]


def test_a_part_is_known_from_another_one_and_from_none_at_its_path(tmp_path: Path) -> None:
    path = part_of(tmp_path, b"one")
    with path.open("rb") as part:
        assert download._is_at(path, part)
        path.rename(tmp_path / "table.bin")
        assert not download._is_at(path, part), "another process gave it its final name"
        part_of(tmp_path, b"one")
        assert not download._is_at(path, part), "a third one has begun another part"


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
        "nds": ["supernet data import nds FILE"],
        "nb301": ["supernet data import nb301 FILE"],
    }
