import multiprocessing
import os
import signal
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
import tiny
import torch
from tiny import Killer, begin, changed, make_with_a_worker, outcome, wait_for

from benchmarks.errors import UserError
from harness.study import executors
from harness.study.executors import InProcess, Processes, Ray


@pytest.fixture
def specs(study):
    return [spec for _, spec in study().plan()]


def test_every_run_is_made_here_and_told_of_whatever_threads_there_are(specs, store, undisturbed):
    told, ticks = [], []
    torch.set_num_threads(2)
    try:
        InProcess().make(specs, store.root, lambda *each: told.append(each), lambda: ticks.append(1))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert told == [(spec.hash, "done") for spec in specs]
    assert len(ticks) >= len(specs)
    for spec in specs:
        assert outcome(store, spec.hash) == outcome(undisturbed, spec.hash)


# ---- who is begun again, with workers that only play -----------------------------------------------------------------

DIES, DIES_ONCE, RAISES = 0, 1, 2


@pytest.fixture
def play(spec, store, monkeypatch):
    """Make runs of these seeds: the states of all, and how often each was made."""
    monkeypatch.setattr(executors, "_in_worker", tiny.play)
    monkeypatch.setattr(executors, "_start_worker", tiny.rest)

    def play(workers, seeds, after=lambda: None):
        runs = {changed(spec, f"seed={seed}").hash: seed for seed in seeds}
        states = {}

        def finished(run, state):
            states[runs[run]] = state
            after()

        Processes(workers).make([changed(spec, f"seed={seed}") for seed in seeds], store.root, finished, lambda: None)
        return states, Counter(map(int, (store.root / "made").read_text().split()))

    return play


def test_a_run_that_kills_its_worker_every_time_fails_alone(play, spec, store):
    states, made = play(2, [DIES, 11, 12, 13, 14])
    assert states == {DIES: "failed"} | dict.fromkeys((11, 12, 13, 14), "done")
    assert made == dict.fromkeys((11, 12, 13, 14), 1)
    assert store.failure(spec.hash).startswith("The worker died 3 times while it made this run")
    assert len(list((store.root / ".failed").iterdir())) == 1


def test_a_run_whose_worker_died_once_is_begun_again(play, store):
    states, made = play(1, [11, DIES_ONCE, 12])
    assert states == dict.fromkeys((11, DIES_ONCE, 12), "done")
    assert made == {11: 1, DIES_ONCE: 1, 12: 1}
    assert list((store.root / ".failed").iterdir()) == []


def test_a_worker_that_dies_with_nothing_to_do_is_replaced(play):
    killed = []

    def kill_idle():
        for child in multiprocessing.active_children():
            child.kill()
            child.join()
            killed.append(child.pid)

    states, made = play(1, [11, 12, 13], kill_idle)
    assert len(killed) == 3
    assert states == {11: "done", 12: "done", 13: "done"}
    assert made == {11: 1, 12: 1, 13: 1}


def test_what_a_user_can_put_right_ends_the_study(play):
    with pytest.raises(UserError, match=r"The plug-in has changed\."):
        play(2, [RAISES, 11])


def test_no_worker_outlives_the_executor(play):
    play(2, [11, 12, 13])
    wait_for(lambda: not multiprocessing.active_children())


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_a_worker_ends_when_the_command_was_killed(spec, store):
    process = begin(make_with_a_worker, spec.as_dict(), store.root)
    number = Path(wait_for(lambda: (store.root / "worker").exists() and (store.root / "worker").read_text()))
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    wait_for(lambda: not ("/proc" / number).exists(), seconds=10)


# ---- Ray -------------------------------------------------------------------------------------------------------------


def test_ray_that_is_not_there_is_named(specs, store, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"needs Ray: pip install 'supernet-study\[ray\]'"):
        Ray().make(specs, store.root, print, print)


def working_on_ray():
    """Workers of this process's cluster that are making a run."""
    parents, busy = {}, []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with suppress(OSError):
                parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                if (path / "cmdline").read_bytes().startswith(b"ray::_on_ray"):
                    busy.append(int(path.name))

    def ours(pid):
        return pid == os.getpid() or (pid in parents and ours(parents[pid]))

    return [pid for pid in busy if ours(pid)]


@pytest.fixture
def cluster(truth):
    ray = pytest.importorskip("ray")
    ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False, configure_logging=False)
    yield
    ray.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_ray_gives_the_same_results_though_one_worker_is_killed(cluster, specs, store, undisturbed):
    states, killer = {}, Killer(store, working_on_ray)
    killer.start()
    Ray().make(specs, store.root, states.__setitem__, lambda: None)
    killer.join()
    assert killer.killed
    assert states == dict.fromkeys((spec.hash for spec in specs), "done")
    assert list((store.root / ".failed").iterdir()) == []
    for spec in specs:
        assert outcome(store, spec.hash) == outcome(undisturbed, spec.hash)
