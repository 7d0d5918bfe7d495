import importlib.util
import multiprocessing
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import tiny
import torch
from tiny import Killer, begin, changed, forks, make_with_a_worker, outcome, wait_for

from supernet.benchmarks.errors import UserError
from supernet.harness.runs import executors
from supernet.harness.runs.executors import InProcess, Processes, Ray
from supernet.harness.runs.store import Store


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

DIES, DIES_ONCE, RAISES, LAST_WORDS, ABORTS, HELD = range(6)


@pytest.fixture
def play(spec, store, monkeypatch):
    """Make runs of these seeds: the states of all, and how often each was made. No other workers are there."""
    wait_for(lambda: not multiprocessing.active_children())  # an executor kills its workers without waiting for it
    monkeypatch.setattr(executors, "get_context", lambda method: forks())  # workers that have everything imported
    monkeypatch.setattr(executors, "_in_worker", tiny.play)
    monkeypatch.setattr(executors, "_start_worker", tiny.rest)

    told = []

    def play(workers, seeds, after=lambda: None):
        runs = {changed(spec, f"seed={seed}").hash: seed for seed in seeds}
        states = {}

        def finished(run, state):
            told.append((runs[run], state))
            states[runs[run]] = state
            after()

        Processes(workers).make([changed(spec, f"seed={seed}") for seed in seeds], store.root, finished, lambda: None)
        made = store.root / "made"
        return states, Counter(map(int, made.read_text().split()) if made.exists() else ())

    play.told = told
    return play


def test_a_run_that_kills_its_worker_every_time_fails_alone(play, spec, store):
    states, made = play(2, [DIES, 11, 12, 13, 14])
    assert states == {DIES: "failed"} | dict.fromkeys((11, 12, 13, 14), "done")
    assert made == dict.fromkeys((11, 12, 13, 14), 1)
    assert store.failure(spec.hash).startswith("The worker died 3 times while it made this run")
    assert len(list((store.root / ".failed").iterdir())) == 1


def test_why_a_worker_died_is_said_as_far_as_it_is_known(spec, store, monkeypatch, capfd):
    monkeypatch.setattr(executors, "_in_worker", tiny.play)
    monkeypatch.setattr(executors, "TRIES", 1)
    spoke, aborted = (changed(spec, f"seed={seed}") for seed in (LAST_WORDS, ABORTS))
    Processes(1).make([spoke, aborted], store.root, lambda *_: None, lambda: None)
    said = store.failure(spoke.hash)
    assert "while it made this run: it ended by itself with exit status 7. Its standard error ended with: xxx" in said
    assert said.endswith("xxx / no more [/red] room")
    assert len(said) < 700
    assert capfd.readouterr().err.startswith("first line\nxxx"), "it is still shown"
    said = store.failure(aborted.hash)
    assert "it was ended by the signal SIGABRT. Its standard error ended with: " in said
    assert "tiny.py" in said, "the stack of the crash"


def test_only_a_worker_that_was_killed_may_have_lacked_memory():
    assert executors._cause(-9, "") == (
        "it was killed (SIGKILL), as the system does when memory runs out. In that case, try fewer workers."
    )
    assert "memory" not in executors._cause(-11, "") + executors._cause(1, "") + executors._cause(None, "")


def test_a_run_that_another_process_makes_waits_until_others_are_made(play):
    states, made = play(1, [HELD, 11, 12])
    assert states == dict.fromkeys((HELD, 11, 12), "done")
    assert made == {HELD: 1, 11: 1, 12: 1}
    assert play.told == [(HELD, "held"), (11, "done"), (12, "done"), (HELD, "done")]


def test_a_run_that_is_held_is_left_and_made_later(specs, store, undisturbed, monkeypatch):
    monkeypatch.setattr(executors, "PATIENCE", 0.05)
    told, held = [], ExitStack()
    held.enter_context(Store(store.root).hold(specs[0]))

    def finished(run, state):
        told.append((run, state))
        if state == "done":
            held.close()

    InProcess().make(specs[:2], store.root, finished, lambda: None)
    assert told == [(specs[0].hash, "held"), (specs[1].hash, "done"), (specs[0].hash, "done")]
    assert outcome(store, specs[0].hash) == outcome(undisturbed, specs[0].hash)


UNGUARDED = """
from pathlib import Path
from supernet.harness.runs.executors import Processes

class Nothing:
    hash = "0"
    def as_dict(self):
        return {}

print("imported", flush=True)
Processes(1).make([Nothing()], Path("runs"), print, lambda: None)
"""


def test_a_script_that_starts_workers_when_it_is_imported_is_told_so(tmp_path):
    (tmp_path / "script.py").write_text(UNGUARDED)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.splitlines() == ["imported"] * 2
    assert done.stderr.count("Traceback") == 1, "that of the script itself"
    assert "UserError: Workers import the script that starts them" in done.stderr
    assert "if __name__ == " in done.stderr


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


def test_a_worker_gives_the_same_results_and_does_not_outlive_the_executor(spec, store, undisturbed):
    states = {}
    Processes(1).make([spec], store.root, states.__setitem__, lambda: None)
    assert states == {spec.hash: "done"}
    assert outcome(store, spec.hash) == outcome(undisturbed, spec.hash)
    wait_for(lambda: not multiprocessing.active_children())


def test_no_worker_outlives_the_executor(play):
    play(2, [11, 12, 13])
    wait_for(lambda: not multiprocessing.active_children())


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks for processes in /proc")
def test_a_worker_ends_when_the_command_was_killed(spec, store):
    process = begin(make_with_a_worker, spec.as_dict(), store.root)
    number = Path(wait_for(lambda: (store.root / "worker").exists() and (store.root / "worker").read_text()))
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    wait_for(lambda: not alive(number))


def alive(number):
    """Whether a process runs, which a dead one that nobody waits for does not."""
    try:
        return ("/proc" / number / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


# ---- Ray -------------------------------------------------------------------------------------------------------------


def test_ray_that_is_not_there_is_named(specs, store, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"needs Ray: pip install 'supernet-study\[ray\]'"):
        Ray().make(specs, store.root, print, print)


def relatives():
    """This process and all that descend from it."""
    parents = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with suppress(OSError):
                parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])

    def ours(pid):
        return pid == os.getpid() or (pid in parents and ours(parents[pid]))

    return [pid for pid in parents if ours(pid)]


def working_on_ray():
    """Workers of this process's cluster that are making a run."""
    busy = []
    for pid in relatives():
        with suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::_on_ray"):
                busy.append(pid)
    return busy


def open_to_others():
    """Addresses at which this process and its children listen to other machines."""
    inodes = set()
    for pid in relatives():
        with suppress(OSError):
            inodes |= {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()}
    found = []
    for table in ("tcp", "tcp6"):
        for line in (Path("/proc/net") / table).read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in inodes:
                found.append(local.split(":")[0])
    assert found, "there are listeners"
    # 127.0.0.1 in IPv4, and mapped into IPv6, and ::1
    here = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")
    return [address for address in found if address not in here]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_ray_gives_the_same_results_though_one_worker_is_killed(specs, store, undisturbed, truth, monkeypatch):
    if importlib.util.find_spec("ray") is None:
        pytest.skip("ray is not installed")
    for name in ("RAY_ADDRESS", *executors.LOCAL_RAY):
        monkeypatch.delenv(name, raising=False)
    specs, states, killer, exposed = specs[:2], {}, Killer(store, working_on_ray), []
    # With two cores, one worker at a time: a further one would import everything for a single run.
    cpus = 1.5 if os.cpu_count() > 1 else 1

    def tick():
        if killer.killed and not exposed:
            exposed.append(open_to_others())

    killer.start()
    Ray(cpus=cpus).make(specs, store.root, states.__setitem__, tick)
    killer.join()
    assert not sys.modules["ray"].is_initialized()
    assert exposed == [[]]
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
    assert killer.killed
    assert states == dict.fromkeys((spec.hash for spec in specs), "done")
    assert list((store.root / ".failed").iterdir()) == []
    for spec in specs:
        assert outcome(store, spec.hash) == outcome(undisturbed, spec.hash)
