"""What readers see of a store while other processes publish runs, move them aside, or look at them, too."""

import errno
import fcntl
import os

import pytest

from supernet.benchmarks import regular
from supernet.benchmarks.errors import UserError
from supernet.harness.query.database import Database
from supernet.harness.report.whole import writing
from supernet.harness.runs import integrity
from supernet.harness.runs import store as files
from supernet.harness.runs.compared import ComparedStore
from supernet.harness.runs.execute import execute
from supernet.harness.runs.state import state_of
from supernet.harness.runs.store import Store
from supernet.harness.training import folder as run_folder


def test_a_run_that_is_published_between_two_looks_is_done(spec, store, monkeypatch):
    held = Store.held

    def publishing(self, run):
        """The maker publishes the run and lets go of it just before a reader asks whether it is held."""
        assert execute(spec, store) == "done"
        return held(self, run)

    monkeypatch.setattr(Store, "held", publishing)
    assert state_of(spec, store) == ("done", "")


def test_processes_that_look_at_a_run_do_not_take_each_other_for_its_maker(spec, store):
    with store.hold(spec):
        assert store.held(spec.hash)
    locked = []

    def flock(file, how, flock=fcntl.flock):
        """While this process looks, another one does, too."""
        flock(file, how)
        if not locked:
            locked.append(how)
            assert not Store(store.root).held(spec.hash)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files.fcntl, "flock", flock)
        assert not store.held(spec.hash)
    assert locked


@pytest.mark.parametrize("kind", [Store, ComparedStore])
def test_a_run_that_is_moved_aside_while_it_is_read_is_missing_and_not_damaged(kind, spec, copied, monkeypatch):
    store = kind(copied.root)
    digest = integrity.digest

    def moving(path):
        """Another process moves the directory aside between two files of it."""
        if path.parent.is_dir() and path.parent.name == spec.hash:
            copied.set_aside(spec.hash)
        return digest(path)

    monkeypatch.setattr(integrity, "SETTLED", 1e9)
    monkeypatch.setattr(integrity, "_known", {})
    monkeypatch.setattr(integrity, "digest", moving)
    with Database(store) as database:
        assert database.problems == []
        assert spec.hash not in database.query("SELECT hash FROM runs")["hash"].tolist()
    with pytest.raises(KeyError):
        store.read(spec.hash)
    assert state_of(spec, store) == ("missing", "")


def test_a_folder_without_file_locks_is_refused_in_words(spec, store, monkeypatch):
    def flock(file, how):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(regular.fcntl, "flock", flock)
    with pytest.raises(UserError, match="has no file locks"), store.hold(spec):
        pass
    with pytest.raises(UserError, match="has no file locks"), run_folder.hold(store.root / "training"):
        pass
    with pytest.raises(UserError, match="has no file locks"), writing(store.root / "report"):
        pass
