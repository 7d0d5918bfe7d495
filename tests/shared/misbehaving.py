"""A server that misbehaves in every way that networks do, and what is downloaded from it."""

from __future__ import annotations

import hashlib
import re
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth.download import Remote, fetch

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
        self.stalled = threading.Event()
        """Set once an answer has stalled, after the bytes before its break were sent."""
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
            server.stalled.set()
            server.over.wait(60)

    def log_message(self, *_: object) -> None:
        pass


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
