"""A small task and recipe on which super-nets train in a moment, and what such runs end with."""

from dataclasses import replace

import numpy as np
import torch

from supernet.benchmarks.tasks.task import Split, Task
from supernet.heuristics.recipe import Recipe

TINY = ["network.channels=4", "network.cells=1", "training.batch_size=20", "training.epochs=2", "evaluation.images=40"]


def colours() -> Task:
    """Made-up images whose class is a colour: learnt at once."""
    rng = np.random.default_rng(0)

    def split(n):
        labels = rng.integers(4, size=n)
        images = rng.integers(0, 60, size=(n, 3, 8, 8))
        images[np.arange(n), labels % 3] += 60 * (1 + labels[:, None, None] // 3)
        return Split(
            torch.from_numpy(images.astype(np.uint8)).to(memory_format=torch.channels_last), torch.from_numpy(labels)
        )

    return Task("made up", 4, split(200), split(60), split(60), (0.3,) * 3, (0.2,) * 3, 1, False)


def fewer(task: Task, images: int = 60) -> Task:
    """The task with the first of its training images, where it does not matter how many there are."""
    return replace(task, train=task.train.take(slice(0, images)))


def recipe(*changes):
    return Recipe().override([*TINY, *changes])


def weights(run):
    """A copy of the state of a run's network: name -> tensor."""
    return {name: value.clone() for name, value in run.network.state_dict().items()}


def assert_same(a, b):
    """Two states of a network hold the same bits."""
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


SETTINGS = {
    "close": ["methods.close.blocks=3", "methods.close.every=0.3", "methods.close.restart=1"],
    "co-distil": ["methods.co-distil.weight=1.0", "methods.co-distil.schedule=cosine", "methods.co-distil.begin=0.3"],
    "di-ws": ["methods.di-ws.window=2", "methods.di-ws.reset=0"],
    "disturbance": ["methods.disturbance.pairs=1", "methods.disturbance.images=20", "methods.disturbance.every=2"],
    "distil": ["methods.distil.epochs=1", "methods.distil.weight=2.0", "methods.distil.temperature=2.0"],
    "dynas": ["methods.dynas.live=true", "training.schedule=constant"],
    "few-shot": ["methods.few-shot.begin=0.3", "methods.few-shot.decision=1"],
    "gm-split": ["methods.gm-split.repeats=1", "methods.gm-split.until=0"],
    "interference": ["methods.interference.pairs=1", "methods.interference.images=20"],
    "k-shot": ["methods.k-shot.count=2"],
    "landmarks": ["methods.landmarks.count=6", "methods.landmarks.begin=0.3", "methods.landmarks.refreshes=1"],
    "magic-a": ["methods.magic-a.candidates=2"],
    "magic-t": ["methods.magic-t.changes=2"],
    "nsas": ["methods.nsas.archive=3", "methods.nsas.recent=5"],
    "ogd": ["methods.ogd.memory=3"],
    "pa-da": ["methods.pa-da.correct=true"],
    "prior-rank": ["methods.prior-rank.margin=0.01", "sampling.paths=2", "network.bn_track=true"],
    "replay": ["methods.replay.archive=3"],
    "reptile": ["methods.reptile.steps=1", "sampling.law=fair"],
    "successive": ["methods.successive.images=20"],
}
"""How each method that ships is tried; a new one needs an entry."""
