"""A study that takes seconds: sixty architectures with made-up accuracies, a few hundred small digits."""

import hashlib
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from functools import cache
from multiprocessing import forkserver, get_context
from pathlib import Path

import numpy as np
import pytest
import yaml

from supernet.benchmarks.spaces import NB201
from supernet.benchmarks.truth.table import write_table

ARCHITECTURES = 60
CONTENT = {
    "title": "A tiny study",
    "truth": {"table": "tiny", "dataset": "digits", "split": "test", "epochs": 5, "seed": "mean"},
    "seeds": [0, 1],
    "sample": 20,
    "last_epochs": 2,
    "recipe": {
        "task": {"name": "digits", "size": 8, "train_images": 200, "valid_images": 50},
        "network": {"channels": 4, "cells": 1},
        "training": {"epochs": 3, "batch_size": 50},
        "evaluation": {"images": 50, "batch_size": 50, "metric": "accuracy"},
    },
    "heuristics": {"path-dropout": [0.2]},
}


def write_truth(folder, name="tiny", shift=0.0):
    """A table of sixty architectures that follows parameter count, with noise; ten were not measured at 3 epochs."""
    rng, space = np.random.default_rng(0), NB201()
    archs = space.archs(np.sort(space.sample(rng, ARCHITECTURES)))
    params = space.params(archs, 4, 1)
    seeds = {f"s{k}": 30 + shift + 50 * params / params.max() + 3 * rng.normal(size=len(archs)) for k in range(2)}
    seeds["mean"] = (seeds["s0"] + seeds["s1"]) / 2
    columns = {"arch": [space.string(arch) for arch in archs.tolist()], "digits.params": params}
    columns |= {f"digits.test.e5.{seed}": values for seed, values in seeds.items()}
    columns["digits.test.e3.mean"] = np.where(np.arange(len(archs)) < 10, np.nan, seeds["mean"])
    about = {"space": "nb201", "family": "made up", "accuracy_unit": "percent"}
    write_table(folder / f"{name}.parquet", columns, about)
    return folder / f"{name}.parquet"


def write_study(path, **changes):
    """The tiny study with other values of its keys."""
    path.write_text(yaml.safe_dump({**CONTENT, **changes}, sort_keys=False))
    return path


def changed(spec, *overrides):
    return replace(spec, recipe=spec.recipe.override(overrides))


def outcome(store, run):
    """What must not depend on when, where and after which mishaps a run was made."""
    result = store.read(run)
    return result.state, result.metrics, scores_digest(result)


def scores_digest(result):
    content = result.scores().drop(columns="seconds").to_csv(index=False, float_format="%.17g")
    return hashlib.sha256(content.encode()).hexdigest()


# ---- processes of their own ----------------------------------------------------------------------------------------


@cache
def forks():
    """Starts processes that have everything imported and the images made already."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["warm"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), *sys.path]))
        forkserver.ensure_running()
    return context


def begin(target, *arguments):
    """Call it in a process group of its own."""
    process = forks().Process(target=_apart, args=(dict(os.environ), target, *arguments))
    process.start()
    return process


def _apart(environment, target, *arguments):
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored, where the tests run in the background
    os.environ.update(environment)
    target(*arguments)


def make(content, root):
    """Make a run."""
    from supernet.harness.runs.execute import execute
    from supernet.harness.runs.store import Store
    from supernet.harness.study.spec import RunSpec

    execute(RunSpec.from_dict(content), Store(root))


def play(content, root, device):
    """A run of a worker that does nothing but what its seed says: dies, dies once, raises, or takes its time."""
    from supernet.benchmarks.errors import UserError

    mark = Path(root) / "elsewhere"
    match content["recipe"]["seed"]:
        case 0:
            os.kill(os.getpid(), signal.SIGKILL)
        case 1:
            mark = Path(root) / "died-once"
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        case 2:
            raise UserError("The plug-in has changed.")
        case 3:
            os.write(2, b"first line\n" + b"x" * 100_000 + b"\nno more [/red] room\n")
            os._exit(7)
        case 4:
            os.abort()
        case 5 if not mark.exists():  # until another run is done
            return "held"
    time.sleep(0.2)
    with (Path(root) / "made").open("a") as file:
        file.write(f"{content['recipe']['seed']}\n")
    mark.touch()
    return "done"


def rest(*_):
    """Begins a worker that needs nothing."""


def sleep(content, root, device):
    """A run that tells its worker's number and does not end."""
    (Path(root) / "worker").write_text(str(os.getpid()))
    time.sleep(3600)


def make_with_a_worker(content, root):
    """Make a run that does not end, in a worker of the local executor."""
    from supernet.harness.runs import executors
    from supernet.harness.study.spec import RunSpec

    executors._in_worker = sleep
    executors.Processes(1).make([RunSpec.from_dict(content)], Path(root), print, lambda: None)


def kill(process):
    """SIGKILL to all of its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.join()


def wait_for(condition, seconds=300):
    """What it gives as soon as that is true; the limit only guards against hanging."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)
    return value


class Killer(threading.Thread):
    """Kills one worker of those that there are, in the middle of the run that it is making."""

    def __init__(self, store, workers):
        super().__init__(daemon=True)
        self.store, self.workers = store, workers
        self.killed = None

    def run(self):
        wait_for(lambda: list(self.store.root.glob(".work/*/checkpoint.pt")))
        pid = wait_for(self.workers)[0]
        os.kill(pid, signal.SIGKILL)
        self.killed = pid
