"""What tests of ground-truth tables share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from misbehaving import Server, remote_at
from toy_table import ABOUT, COLUMNS

from supernet.benchmarks.truth import nb201_sources
from supernet.benchmarks.truth.download import Remote
from supernet.benchmarks.truth.table import write_table


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


@pytest.fixture
def remote(server: Server) -> Remote:
    return remote_at(server.server_port)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Archives of NATS-Bench are decoded without starting processes."""
    monkeypatch.setattr(nb201_sources, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a small made-up table."""
    write_table(tmp_path / "toy.parquet", COLUMNS, ABOUT)
    return tmp_path / "toy.parquet"
