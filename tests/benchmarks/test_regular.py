"""Opening files that come from elsewhere."""

import os
import socket

import pytest

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.regular import NotRegular, open_lock, open_plain, open_regular, read_plain


@pytest.fixture(params=["pipe", "socket", "device", "folder"])
def other(request, tmp_path, monkeypatch):
    """A path to something else than a file."""
    path = tmp_path / "other"
    if request.param == "pipe":
        os.mkfifo(path)
    elif request.param == "socket":
        monkeypatch.chdir(tmp_path)  # the names of sockets are short
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(path.name)
    elif request.param == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    return path


def test_what_is_no_file_is_neither_read_nor_waited_for(other):
    with pytest.raises(NotRegular, match=r"Not a regular file|Is a directory") as error:
        open_plain(other)
    assert error.value.filename == str(other)
    with pytest.raises(BadTable, match="cannot be read: it is not a regular file"):
        open_regular(other)
    with pytest.raises(OSError, match=r"Not a regular file|Is a directory"):
        open_lock(other)


def test_files_are_opened(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(FileNotFoundError):
        open_plain(path)
    with pytest.raises(OSError, match="null"):
        open_plain(tmp_path / "a\0b")
    path.write_bytes(b"content")
    (tmp_path / "link").symlink_to(path)
    assert read_plain(path) == read_plain(tmp_path / "link") == b"content"
    with open_regular(path, 7) as file:
        assert file.read() == b"content"
    with pytest.raises(BadTable, match="it has 7 bytes, where a sound file has at most 6"):
        open_regular(path, 6)


def test_a_lock_file_is_made_and_keeps_what_is_in_it(tmp_path):
    path = tmp_path / ".lock"
    open_lock(path).close()
    path.write_bytes(b"content")
    open_lock(path).close()
    assert path.read_bytes() == b"content"
